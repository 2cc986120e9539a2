"""A circuit breaker: a store that fails again and again is spared, and so is everyone who would wait for it.

Rule: after `MAX_FAILURES` in a row nothing is asked for `PAUSE_SECONDS` seconds; then one question is let through, and
its outcome decides. The first failure of a row, and each change, is said once in the log.
"""

from __future__ import annotations

import logging
import time

log = logging.getLogger("static_host.store")

MAX_FAILURES = 5
PAUSE_SECONDS = 10.0
"""Seconds."""


class CircuitBreaker:
    """Whether the store called `name` may be asked."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._failures = 0
        self._open_until = 0.0
        self._is_trying = False

    @property
    def is_open(self) -> bool:
        """Whether the store is being spared."""
        return self._failures >= MAX_FAILURES

    def allow_request(self) -> bool:
        """Whether a question may be asked now; its outcome must be told."""
        if not self.is_open:
            return True
        if self._is_trying or time.monotonic() < self._open_until:
            return False
        self._is_trying = True
        return True

    def record_success(self) -> None:
        """Note that the store has answered."""
        if self.is_open:
            log.warning("the store %s answers again", self._name)
        self._failures = 0
        self._is_trying = False

    def record_failure(self, reason: str) -> None:
        """Note that it has not, or not as it should; the reason is for the log."""
        self._failures += 1
        self._is_trying = False
        if self._failures == 1:
            log.warning("the store %s: %s", self._name, reason)
        if self.is_open:
            self._open_until = time.monotonic() + PAUSE_SECONDS
            if self._failures == MAX_FAILURES:
                log.warning(
                    "the store %s has failed %d times in a row: it is not asked for %.0f s, then once",
                    *(self._name, MAX_FAILURES, PAUSE_SECONDS),
                )
