"""What a worker process counts: plain numbers, cheap to add to, that can be added up over workers.

Rule: a count never falls, whichever worker ends; what is a state of the moment (a gauge) is told by living workers
alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

DURATION_BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the classes of durations, in seconds."""


@dataclass
class Counters:
    """Totals since a worker started."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By handler and status."""
    body_bytes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Bytes of bodies, by handler and content coding."""
    durations: Counter[float] = field(default_factory=Counter)
    """Requests to Django, by the lowest bound that their duration does not exceed."""
    total_seconds: float = 0.0
    store_lookups: Counter[str] = field(default_factory=Counter)
    """Requests that looked for a file in the store, by outcome."""

    def count_response(self, handler: str, status: int, coding: str, size: int) -> None:
        """Count an answer."""
        self.requests[handler, str(status)] += 1
        self.body_bytes[handler, coding or "identity"] += size

    def count_duration(self, seconds: float) -> None:
        """Count how long a request to Django took."""
        self.total_seconds += seconds
        self.durations[next((bound for bound in DURATION_BOUNDS_SECONDS if seconds <= bound), float("inf"))] += 1

    def copy(self) -> Counters:
        """Return the counts of this moment; for another thread than the one that counts."""
        return Counters(
            Counter(self.requests),
            Counter(self.body_bytes),
            Counter(self.durations),
            self.total_seconds,
            Counter(self.store_lookups),
        )


@dataclass(frozen=True)
class ProcessReport:
    """What a worker tells: its counts, and its gauges by name."""

    counters: Counters
    gauges: dict[str, float]


def sum_counters(parts: Iterable[Counters]) -> Counters:
    """Return the sum of counts."""
    total = Counters()
    for part in parts:
        total.requests.update(part.requests)
        total.body_bytes.update(part.body_bytes)
        total.durations.update(part.durations)
        total.total_seconds += part.total_seconds
        total.store_lookups.update(part.store_lookups)
    return total
