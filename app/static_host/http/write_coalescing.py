"""Writes a response's head together with the first piece of its body, in one system call.

Rule: only the first write is delayed, at most to the end of the event loop's turn, so the head of a stream does not
wait for its first piece. Nothing is pending when the response is complete.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Transport

MAX_COPY_BYTES = 16 << 10
"""Length up to which copying a piece costs less than passing a second buffer."""


class CoalescingTransport:
    """The part of a transport that uvicorn uses for one response."""

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pending = b""
        self._has_begun = False

    def write(self, data: bytes) -> None:
        """Write the data, together with what is pending; the first data becomes pending."""
        pending = self._pending
        if pending:
            self._pending = b""
            if len(data) > MAX_COPY_BYTES:
                self._transport.writelines((pending, data))
            else:
                self._transport.write(pending + data)
        elif self._has_begun:
            self._transport.write(data)
        else:
            self._pending = data
            self._loop.call_soon(self.flush)
            return
        self._has_begun = True

    def flush(self) -> None:
        """Write what is pending."""
        pending, self._pending = self._pending, b""
        if pending and not self._transport.is_closing():
            self._transport.write(pending)

    def close(self) -> None:
        """Write what is pending, and close the connection when all is sent."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is closed or closing."""
        return self._transport.is_closing()
