"""One response whose body is sent from open files, from its head to its last byte.

Rule: the body follows when the transport has written all that it holds. The connection reads nothing meanwhile.
"""

from __future__ import annotations

from asyncio import Transport
from collections.abc import Callable

from static_host.http.sendfile import SendfileTransfer
from static_host.origin.response_cache import PreparedResponse


class ResponseTransfer:
    """The response to `request_head`, under way.

    `on_end` is called as `SendfileTransfer` calls it.
    """

    def __init__(
        self,
        transport: Transport,
        request_head: bytes,
        response: PreparedResponse,
        on_end: Callable[[OSError | None], None],
    ) -> None:
        self.request_head = request_head
        self.response = response
        self._transport = transport
        self._on_end = on_end
        self._transfer: SendfileTransfer | None = None

    @property
    def sent_bytes(self) -> int:
        """Bytes of the body that the socket has taken."""
        return self._transfer.sent_bytes if self._transfer else 0

    def start_body(self) -> None:
        """Start to send the body, unless the transport still holds data or this has happened before."""
        if self._transfer or self._transport.get_write_buffer_size():
            return
        connection = self._transport.get_extra_info("socket")
        try:
            self._transfer = SendfileTransfer(connection, self.response.parts, self._on_end)
        except OSError as error:  # no descriptor is left
            self._on_end(error)

    def abandon(self) -> None:
        """Stop sending because the connection is lost, and close the files. `on_end` is not called."""
        if self._transfer:
            self._transfer.abandon()
        self.response.close()
