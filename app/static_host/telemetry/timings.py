"""How long a request waited for Django: from ``X-Request-Start``, which a proxy sets when it gets the request.

Rule: there is no standard for the field. Heroku's router sends milliseconds, nginx ``t=`` and seconds with a fraction,
Apache ``t=`` and microseconds: the unit follows from the magnitude. A time further than `MAX_PROXY_SECONDS` from now is
no time of this request. One that is in the future comes from another clock, and counts as now.
"""

from __future__ import annotations

import re
import time

QUEUE_FIELDS = frozenset({b"x-request-start", b"x-queue-start"})
MAX_PROXY_SECONDS = 600.0
"""Time that a request can have waited in proxies: none that is in use waits for longer."""
_MAX_EPOCH_SECONDS = 1e11
"""A greater number is a time in milliseconds, microseconds or nanoseconds."""
_START = re.compile(rb"(?:t=)?([0-9]{1,19}(?:\.[0-9]{1,9})?)")


def measure_proxy_seconds(value: bytes, now: float) -> float:
    """Return the seconds from a proxy's start of a request to `now`, a time since the epoch; 0 if none is stated."""
    match = _START.fullmatch(value.strip(b" \t"))
    if match is None:
        return 0.0
    started_at = float(match[1])
    while started_at > _MAX_EPOCH_SECONDS:
        started_at /= 1000
    seconds = now - started_at
    return seconds if 0.0 < seconds <= MAX_PROXY_SECONDS else 0.0


def make_server_timing(queue_seconds: float, started_at: float) -> tuple[bytes, bytes]:
    """Return the field Server-Timing (https://www.w3.org/TR/server-timing/) of a response that begins now.

    `started_at` is the time (`time.perf_counter`) at which a worker got the request. A view's own field may stand
    beside this one.
    """
    milliseconds = (queue_seconds * 1000, (time.perf_counter() - started_at) * 1000)
    return b"server-timing", b"queue;dur=%.1f, app;dur=%.1f" % milliseconds
