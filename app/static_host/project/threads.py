"""Threads that work through what they are given, in the order in which it came.

Rule: a thread is started when there is more work than threads, up to the limit, and is kept, so that what Django keeps
for each thread persists (database connections, CONN_MAX_AGE). Work beyond the limit waits, and so does work for which
the system has no thread left, where there are others; beyond the backlog, it is refused at once. Threads are daemons:
work that hangs does not hold the end of the process.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread

log = logging.getLogger("static_host.threads")


class QueueFullError(Exception):
    """As much work waits as may wait."""


class Threads:
    """At most `most` threads, and at most `backlog` pieces of work that wait for one of them."""

    def __init__(self, most: int, backlog: int) -> None:
        self._most = most
        self._backlog = backlog
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = Lock()
        self._started = 0
        self._unfinished = 0

    def gauges(self) -> dict[str, float]:
        """Return how many threads there may be and how many work, how much work may wait and how much does."""
        busy = min(self._unfinished, self._most)
        return {
            "threads_limit": self._most,
            "threads_busy": busy,
            "requests_waiting_limit": self._backlog,
            "requests_waiting": self._unfinished - busy,
        }

    def submit(self, work: Callable[[], None], late: Callable[[], None]) -> bool:
        """Have the work done; if it has to wait, `late` in its place. Returns whether a thread has it at once.

        Raises QueueFullError.
        """
        with self._lock:
            if self._unfinished >= self._most + self._backlog:
                raise QueueFullError
            self._unfinished += 1
            is_at_once = self._unfinished <= self._most
            another = is_at_once and self._unfinished > self._started
            self._started += another
        if another and not self._has_another():
            is_at_once = False
        self._work.put(work if is_at_once else late)
        return is_at_once

    def _has_another(self) -> bool:
        """Start a thread; return whether there is one. Raises QueueFullError where there is none at all."""
        try:
            Thread(target=self._run, name=f"django-{self._started}", daemon=True).start()
        except RuntimeError as error:
            with self._lock:
                self._started -= 1
                is_none = self._started == 0
                self._unfinished -= is_none
            log.error("no thread for a request: %s. Raise the limit of processes, or lower DJANGO_THREADS.", error)  # noqa: TRY400
            if is_none:
                raise QueueFullError from None
            return False
        return True

    def _run(self) -> None:
        while True:
            work = self._work.get()
            try:
                work()
            except BaseException:
                log.exception("work in a thread raised an exception")
            del work  # it holds a request, and the next one may be long in coming
            with self._lock:
                self._unfinished -= 1
