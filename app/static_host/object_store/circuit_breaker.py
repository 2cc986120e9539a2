"""A circuit breaker: a store that fails again and again is spared, and so is everyone who would wait for it.

Rule: after `FAILURES` in a row nothing is asked for `PAUSE` seconds; then one question is let through, and its outcome
decides. The first failure of a row, and each change, is said once in
the log.
"""

from __future__ import annotations

import logging
import time

log = logging.getLogger("static_host.store")

FAILURES = 5
PAUSE = 10.0
"""Seconds."""


class Breaker:
    """Whether the store called `name` may be asked."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._failures = 0
        self._closed_until = 0.0
        self._is_trying = False

    @property
    def is_open(self) -> bool:
        """Whether the store is being spared."""
        return self._failures >= FAILURES

    def allows(self) -> bool:
        """Whether a question may be asked now; its outcome must be told."""
        if not self.is_open:
            return True
        if self._is_trying or time.monotonic() < self._closed_until:
            return False
        self._is_trying = True
        return True

    def succeed(self) -> None:
        """Note that the store has answered."""
        if self.is_open:
            log.warning("the store %s answers again", self._name)
        self._failures = 0
        self._is_trying = False

    def fail(self, reason: str) -> None:
        """Note that it has not, or not as it should; the reason is for the log."""
        self._failures += 1
        self._is_trying = False
        if self._failures == 1:
            log.warning("the store %s: %s", self._name, reason)
        if self.is_open:
            self._closed_until = time.monotonic() + PAUSE
            if self._failures == FAILURES:
                log.warning(
                    "the store %s has failed %d times in a row: it is not asked for %.0f s, then once",
                    *(self._name, FAILURES, PAUSE),
                )
