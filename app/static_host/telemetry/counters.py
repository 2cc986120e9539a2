"""The counters of the server: plain numbers, cheap to add to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

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
        )
