"""Notices that all threads are busy, and that requests wait without being answered.

Rule: when every thread of all workers has been busy for `BUSY_SECONDS`, the log has it once, with the requests that
they run. Requests that wait while no thread has become free for `ready_seconds` make the server not ready, and so do
event loops that are all blocked for that time.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from static_host.workers.worker import describe_request, list_lines

if TYPE_CHECKING:
    from static_host.workers.pool import WorkerPool

log = logging.getLogger("static_host.workers")

BUSY_SECONDS = 5.0


class BusyWatch:
    """The times of a pool's events. `check` is called about once a second."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._busy_since: float | None = None
        self._is_logged = False
        self._answered_at = 0.0
        self._waiting_since = 0.0

    def note_all_busy(self) -> None:
        """Note that the last free thread has got a request."""
        self._busy_since = time.monotonic()
        self._is_logged = False

    def note_free(self) -> None:
        """Note that a thread is free, and no request waits."""
        self._busy_since = None

    def note_waiting(self, count: int) -> None:
        """Note that a request waits; `count` is how many do."""
        if count == 1:
            self._waiting_since = time.monotonic()

    def note_answer(self) -> None:
        """Note that a request that waited has got a thread."""
        self._answered_at = time.monotonic()

    def find_obstacle(self) -> str:
        """Return why the server is not ready, or an empty string."""
        seconds = self._pool.options.ready_seconds
        if not seconds:
            return ""
        stuck = time.monotonic() - max(self._waiting_since, self._answered_at)
        if self._pool.waiting_count and stuck >= seconds:
            return f"requests wait, and no thread has become free for {seconds:g} s"
        serving = [worker for worker in self._pool.workers if not worker.is_retiring]
        if serving and all(worker.blocked_seconds >= seconds for worker in serving):
            return f"no event loop has answered for {seconds:g} s"
        return ""

    def check(self) -> None:
        """Log what keeps all threads busy, once for each time that they are."""
        if self._busy_since is None or self._is_logged or time.monotonic() - self._busy_since < BUSY_SECONDS:
            return
        self._is_logged = True
        now = time.monotonic()
        busy = [channel for worker in self._pool.workers if not worker.is_retiring for channel in worker.list_busy()]
        busy.sort(key=lambda channel: channel.began_at)
        lines = [f"{describe_request(channel.head)} for {now - channel.began_at:.1f} s" for channel in busy]
        log.warning(
            "all %d threads have been busy for %g s (requests that wait: %d):%s",
            len(busy),
            BUSY_SECONDS,
            self._pool.waiting_count,
            list_lines(lines),
        )
