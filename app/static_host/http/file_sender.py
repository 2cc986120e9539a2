"""Sends the responses of one connection whose body is sent from open files, without ASGI.

Rule: the body follows when the transport has written all that it holds. The connection reads nothing meanwhile. If the
client cannot receive all of the body, the connection is aborted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from static_host.http.connection_state import State
from static_host.http.copy_transfer import CopyTransfer
from static_host.http.sendfile import SendfileTransfer
from static_host.origin.body_cache import Body
from static_host.origin.response import Slice

if TYPE_CHECKING:
    from static_host.http.connection import HttpProtocol

log = logging.getLogger("static_host.origin")


class FileSender:
    """The bodies from files of one connection, one at a time."""

    def __init__(self, connection: HttpProtocol) -> None:
        self._connection = connection
        self._transfer: SendfileTransfer | CopyTransfer | None = None
        self._parts: Sequence[Body | Slice] = ()
        self._on_end: Callable[[int], None] | None = None
        self._is_last = False

    def start(
        self,
        head: bytes,
        parts: Sequence[Body | Slice],
        rest: bytes,
        on_end: Callable[[int], None],
        *,
        is_last: bool = False,
    ) -> None:
        """Send a response; `rest` is the data that follows its request. `is_last`: the head says that it is the last.

        `on_end` is called with the bytes of the body that the socket has taken, also if those are not all.
        """
        connection = self._connection
        connection.begin_response(State.SENDING, rest)
        self._parts, self._on_end, self._is_last = parts, on_end, is_last
        connection.flow.pause_reading()
        connection.transport.write(head)
        self.go_on()

    def go_on(self) -> None:
        """Start to send the body, or go on with it over TLS, unless the transport still holds data."""
        transport = self._connection.transport
        if isinstance(self._transfer, CopyTransfer):
            self._transfer.go_on()
        elif self._transfer is None and self._on_end is not None and not transport.get_write_buffer_size():
            if self._connection.scheme == "https":
                self._transfer = CopyTransfer(transport, self._parts, self._finish)
            else:
                self._transfer = SendfileTransfer(transport.get_extra_info("socket"), self._parts, self._finish)
            self._transfer.start()

    def _finish(self, error: OSError | None) -> None:
        """Continue after a body; abort the connection if the client has not received all of it."""
        if error is not None:
            log_failed_body(error)
        self._end()
        if error is not None:
            self._connection.transport.abort()
        else:
            self._connection.end_response(is_last=self._is_last)

    def abandon(self) -> None:
        """Send no more: the connection is lost."""
        if self._transfer is not None:
            self._transfer.abandon()
        self._end()

    def _end(self) -> None:
        transfer, on_end = self._transfer, self._on_end
        self._transfer, self._on_end, self._parts = None, None, ()
        if on_end is not None:
            on_end(transfer.sent_bytes if transfer is not None else 0)


def log_failed_body(error: OSError) -> None:
    """Log why a body could not be sent, unless that is the client's doing."""
    if not isinstance(error, ConnectionError | TimeoutError):
        log.error("a body could not be sent to its end: %s", error)
