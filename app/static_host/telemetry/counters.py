"""The counters of the server: plain numbers, cheap to add to."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

DURATION_BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histogram's buckets, in seconds."""


@dataclass
class Histogram:
    """Durations, by the smallest bound that they do not exceed, and their sum."""

    buckets: Counter[float] = field(default_factory=Counter)
    total_seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count a duration."""
        self.total_seconds += seconds
        self.buckets[next((bound for bound in DURATION_BOUNDS_SECONDS if seconds <= bound), float("inf"))] += 1

    def copy(self) -> Histogram:
        """Return a copy of the current values."""
        return Histogram(Counter(self.buckets), self.total_seconds)


@dataclass(slots=True)
class ReleaseRequests:
    """Requests for files that one release alone has; times in whole seconds since 1970."""

    since: int
    """When counting began."""
    count: int = 0
    last: int = 0
    """When the last one came; 0 if none did."""


@dataclass
class Counters:
    """Totals since the start."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By handler and status."""
    body_bytes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Bytes of response bodies, by handler and content coding."""
    durations: Histogram = field(default_factory=Histogram)
    """Of requests to Django."""
    queues: Histogram = field(default_factory=Histogram)
    """How long these have waited for a worker."""
    store_lookups: Counter[str] = field(default_factory=Counter)
    """Requests that looked for a file in the object store, by outcome."""

    releases: dict[str, ReleaseRequests] = field(default_factory=dict)
    """By the release's digest."""
    now: int = field(default_factory=lambda: int(time.time()))
    """Whole seconds since 1970, as the event loop's last tick has read them."""

    def keep_releases(self, digests: Iterable[str]) -> None:
        """Count for these releases from now on. What was counted for them stays; that of others is dropped."""
        self.releases = {digest: self.releases.get(digest) or ReleaseRequests(self.now) for digest in digests}

    def count_release_request(self, digest: str) -> None:
        """Count a request for a file that one release alone has, which may be one of the object store."""
        requests = self.releases.get(digest) or self.releases.setdefault(digest, ReleaseRequests(self.now))
        requests.count += 1
        requests.last = self.now

    def count_response(self, handler: str, status: int, coding: str, size: int) -> None:
        """Count a response; `size` is the bytes of its body."""
        self.requests[handler, str(status)] += 1
        self.body_bytes[handler, coding or "identity"] += size

    def copy(self) -> Counters:
        """Return a copy of the current values, for another thread."""
        return Counters(
            Counter(self.requests),
            Counter(self.body_bytes),
            self.durations.copy(),
            self.queues.copy(),
            Counter(self.store_lookups),
            {digest: replace(requests) for digest, requests in list(self.releases.items())},
        )
