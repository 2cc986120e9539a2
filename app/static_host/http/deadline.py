"""A time by which something has to happen on a connection, which moves with each request.

Strategy: one timer of the event loop, which is not set anew when the deadline moves away: it looks when it fires.
"""

from __future__ import annotations

import math
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable


class Deadline:
    """Calls `on_passed` when a deadline has passed, once for each."""

    def __init__(self, loop: AbstractEventLoop, on_passed: Callable[[], None]) -> None:
        self._time = loop.time
        self._loop = loop
        self._on_passed = on_passed
        self._at = math.inf
        self._fires_at = math.inf
        self._timer: TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Let the deadline be in so many seconds, in place of the present one."""
        self._at = at = self._time() + seconds
        if at < self._fires_at:
            self._cancel_timer()
            self._fires_at, self._timer = at, self._loop.call_later(seconds, self._look)

    def hasten(self, seconds: float) -> None:
        """Let the deadline be in so many seconds, unless it is earlier."""
        if self._at > self._time() + seconds:
            self.set(seconds)

    def clear(self) -> None:
        """Let there be no deadline."""
        self._at = math.inf

    def cancel(self) -> None:
        """Let there be no deadline, nor a timer."""
        self._at = self._fires_at = math.inf
        self._cancel_timer()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        left, self._fires_at = self._at - self._time(), math.inf
        if left == math.inf:
            return
        if left > 0:
            self._fires_at, self._timer = self._at, self._loop.call_later(left, self._look)
            return
        self._at = math.inf
        self._on_passed()
