"""The validators of a file that may change at any time, from what the file system says of it (RFC 9110 §8.8).

Rule: the entity tag comes from inode, modification time and size, which a write within one tick of the clock may leave
as they are. So the validators of a file that was modified within the last second are weak (§8.8.1).
"""

from __future__ import annotations

import os

from static_host.origin.conditional import Validators, format_http_date
from static_host.origin.headers import Headers

RECENT_SECONDS = 1.0
"""Age up to which a file's validators are weak."""


def is_recent(facts: os.stat_result, now: float) -> bool:
    """Whether the file was modified within the last second, or, by a wrong clock, later than `now`."""
    return now - facts.st_mtime < RECENT_SECONDS


def find_validators(facts: os.stat_result, now: float) -> tuple[Validators, Headers]:
    """Return the tag and the date of a file, and their fields. `now` is the time of the `facts`, since 1970."""
    is_weak = is_recent(facts, now)
    tag = b'"%x-%x-%x"' % (facts.st_ino, facts.st_mtime_ns, facts.st_size)
    tag = b"W/" + tag if is_weak else tag
    modified = max(0, int(facts.st_mtime))
    shown = min(modified, int(now - RECENT_SECONDS))  # not later than Date, which may be a second old (§8.8.2.1)
    validators = Validators(tag, modified, is_date_derived=False, is_date_strong=not is_weak)
    return validators, ((b"etag", tag), (b"last-modified", format_http_date(shown)))
