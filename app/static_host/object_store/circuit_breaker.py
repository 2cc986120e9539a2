"""A circuit breaker: after repeated failures the store is not called for a while, and no request waits for it.

Rule: `MAX_FAILURES` consecutive failures open the circuit for `PAUSE_SECONDS`. Then one request is allowed, and its
outcome closes the circuit or opens it again. The log has one line for the first failure of a series and for each
change.
"""

from __future__ import annotations

import logging
import time

log = logging.getLogger("static_host.store")

MAX_FAILURES = 5
PAUSE_SECONDS = 10.0


class CircuitBreaker:
    """The circuit breaker for one store; `name` is for the log."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._failures = 0
        self._open_until = 0.0
        self._is_trying = False

    @property
    def is_open(self) -> bool:
        """Whether the circuit is open: no request is allowed, or one on trial."""
        return self._failures >= MAX_FAILURES

    def allow_request(self) -> bool:
        """Whether a request is allowed now; the caller must record its outcome."""
        if not self.is_open:
            return True
        if self._is_trying or time.monotonic() < self._open_until:
            return False
        self._is_trying = True
        return True

    def record_success(self) -> None:
        """Record that the store has answered."""
        if self.is_open:
            log.warning("the store %s answers again", self._name)
        self._failures = 0
        self._is_trying = False

    def record_failure(self, reason: str) -> None:
        """Record a failed request; `reason` is for the log."""
        self._failures += 1
        self._is_trying = False
        if self._failures == 1:
            log.warning("the store %s: %s", self._name, reason)
        if self.is_open:
            self._open_until = time.monotonic() + PAUSE_SECONDS
            if self._failures == MAX_FAILURES:
                log.warning(
                    "the store %s has failed %d times in a row: no request is sent to it for %.0f s, then one on trial",
                    *(self._name, MAX_FAILURES, PAUSE_SECONDS),
                )
