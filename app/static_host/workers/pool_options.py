"""What the settings say about workers, for the pool and its supervisor."""

from __future__ import annotations

from dataclasses import dataclass

from static_host.conf.server import DEFAULT_GRACE_SECONDS
from static_host.conf.settings import Settings

UNLIMITED_CHANNELS = 1 << 30
_MIN_END_SECONDS = 2.0
"""Time that workers have to end at a stop, when requests have used the grace time up; `END_SECONDS` has it."""


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """Bounds of a pool. 0 is no limit for `request_seconds`, `worker_requests`, `worker_memory` and `ready_seconds`."""

    max_channels: int = UNLIMITED_CHANNELS
    queue: int = 1000
    grace_seconds: float = DEFAULT_GRACE_SECONDS
    request_seconds: float = 60.0
    worker_requests: int = 0
    worker_memory: int = 0
    ready_seconds: float = 10.0

    @classmethod
    def from_settings(cls, settings: Settings, *, is_asgi: bool) -> PoolOptions:
        """Return what the settings say. A worker of an ASGI project has as many channels as it gets requests."""
        return cls(
            UNLIMITED_CHANNELS if is_asgi else settings.threads,
            settings.queue,
            settings.grace,
            settings.request_seconds,
            settings.worker_requests,
            settings.worker_memory,
            settings.ready_seconds,
        )

    @property
    def is_unlimited(self) -> bool:
        """Whether a worker takes any number of requests at a time, as an event loop does."""
        return self.max_channels == UNLIMITED_CHANNELS

    def find_end_seconds(self, grace_ends_at: float | None, now: float) -> float:
        """Return the seconds that workers have to end at a stop: what requests have left of the grace time."""
        return self.grace_seconds if grace_ends_at is None else max(grace_ends_at - now, _MIN_END_SECONDS)

    @property
    def retirement_seconds(self) -> float | None:
        """Seconds in which the requests of a worker that is replaced may end; None without a limit."""
        return max(self.grace_seconds, self.request_seconds) if self.request_seconds else None
