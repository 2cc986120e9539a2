"""The timers of a WebSocket: pings that find out whether the client is there, and a limit on writes without progress.

Rule: a client that answers no ping within the timeout has gone. While the connection neither reads nor gets rid of what
it writes, a pong cannot arrive, and its time begins again.
"""

from __future__ import annotations

import math
import secrets
from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections.abc import Callable

from static_host.http.flow_control import WRITE_TIMEOUT_SECONDS

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


class WriteWatch:
    """Aborts the connection of a client that takes no data for `WRITE_TIMEOUT_SECONDS`."""

    def __init__(self, loop: AbstractEventLoop, transport: Transport) -> None:
        self._loop = loop
        self._transport = transport
        self._timer: TimerHandle | None = None

    def start(self) -> None:
        """Watch until nothing is left to send; nothing may be written meanwhile."""
        self.stop()
        self._look(math.inf)

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, left: float) -> None:
        """Abort the connection if the client has taken nothing since `left` bytes were left; else look again later."""
        self._timer = None
        unsent = self._transport.get_write_buffer_size()
        if unsent >= left:
            self._transport.abort()
        elif unsent:
            self._timer = self._loop.call_later(WRITE_TIMEOUT_SECONDS, self._look, unsent)
