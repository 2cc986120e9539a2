"""The validators of a file that may change at any time, from what the file system says of it (RFC 9110 §8.8)."""

from __future__ import annotations

import os

from static_host.origin.conditional import Validators

_SETTLED_SECONDS = 1.0


def find_validators(facts: os.stat_result, now: float) -> Validators:
    """Return the tag and the date of a file at the time `now`, in seconds since 1970.

    In the second of its last change it may change again and keep its date, so that both are weak until then (§8.8.1).
    """
    is_settled = now - facts.st_mtime >= _SETTLED_SECONDS
    tag = b'"%x-%x-%x"' % (facts.st_ino, facts.st_mtime_ns, facts.st_size)
    modified = min(int(facts.st_mtime), int(now))  # §8.8.2.1
    return Validators(tag if is_settled else b"W/" + tag, modified, is_date_derived=False, is_date_strong=is_settled)
