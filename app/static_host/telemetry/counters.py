"""What a worker process counts: plain numbers, cheap to add to, that can be added up over workers.

Rule: a count never falls, whichever worker ends; what is a state of the moment (a gauge) is told by living workers
alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the classes of durations, in seconds."""


@dataclass
class Counts:
    """Totals since a worker started."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By lane and status."""
    sizes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Bytes of bodies, by lane and content coding."""
    seconds: Counter[float] = field(default_factory=Counter)
    """Requests to Django, by the lowest bound that their duration does not exceed."""
    total_seconds: float = 0.0
    lookups: Counter[str] = field(default_factory=Counter)
    """Requests that looked for a file in the store, by outcome."""

    def add(self, lane: str, status: int, coding: str, size: int) -> None:
        """Count an answer."""
        self.requests[lane, str(status)] += 1
        self.sizes[lane, coding or "identity"] += size

    def add_time(self, seconds: float) -> None:
        """Count how long a request to Django took."""
        self.total_seconds += seconds
        self.seconds[next((bound for bound in BOUNDS if seconds <= bound), float("inf"))] += 1

    def copy(self) -> Counts:
        """Return the counts of this moment; for another thread than the one that counts."""
        return Counts(
            Counter(self.requests),
            Counter(self.sizes),
            Counter(self.seconds),
            self.total_seconds,
            Counter(self.lookups),
        )


@dataclass(frozen=True)
class Report:
    """What a worker tells: its counts, and its gauges by name."""

    counts: Counts
    gauges: dict[str, float]


def summed(parts: Iterable[Counts]) -> Counts:
    """Return the sum of counts."""
    total = Counts()
    for part in parts:
        total.requests.update(part.requests)
        total.sizes.update(part.sizes)
        total.seconds.update(part.seconds)
        total.total_seconds += part.total_seconds
        total.lookups.update(part.lookups)
    return total
