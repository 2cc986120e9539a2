"""The timers of a WebSocket: pings that find out whether the client is there.

Rule: a client that answers no ping within the timeout has gone. While the connection neither reads nor gets rid of what
it writes, a pong cannot arrive, and its time begins again.
"""

from __future__ import annotations

import secrets
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable

_PING_BYTES = 4


class Keepalive:
    """Sends a ping every `interval` seconds; calls `fail` if its pong does not arrive within `timeout` seconds."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        interval: float | None,
        timeout: float | None,
        *,
        send_ping: Callable[[bytes], object],
        is_blocked: Callable[[], bool],
        fail: Callable[[], object],
    ) -> None:
        self._loop = loop
        self._interval = interval
        self._timeout = timeout
        self._send_ping = send_ping
        self._is_blocked = is_blocked
        self._fail = fail
        self._timer: TimerHandle | None = None
        self._payload = b""

    def start(self) -> None:
        """Wait for the time of the next ping, if an interval is set."""
        if self._interval:
            self._payload = b""
            self._set_timer(self._interval, self._ping)

    def stop(self) -> None:
        """Send no more pings."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._payload = b""

    def handle_pong(self, payload: bytes) -> None:
        """Begin anew if this is the pong of the ping under way, and none that the client sent unasked."""
        if self._payload and payload == self._payload and self._timeout:
            self.start()

    def _ping(self) -> None:
        if self._is_blocked():
            self.start()
            return
        self._payload = secrets.token_bytes(_PING_BYTES)
        self._send_ping(self._payload)
        if self._timeout:
            self._set_timer(self._timeout, self._handle_timeout)
        elif self._interval:
            self._set_timer(self._interval, self._ping)

    def _handle_timeout(self) -> None:
        if self._is_blocked() and self._timeout:
            self._set_timer(self._timeout, self._handle_timeout)
        else:
            self.stop()
            self._fail()

    def _set_timer(self, seconds: float, call: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, call)
