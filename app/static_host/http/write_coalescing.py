"""What a response writes to its connection: the head together with the first piece of the body, in one system call.

Rule: only what comes first is held, and at most until the event loop's turn ends: a stream's head does not wait for
its first piece. Nothing is held any more when the response is complete.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Transport

MAX_COPY_BYTES = 16 << 10
"""Bytes of a piece up to which a copy costs less than a second buffer."""


class CoalescingTransport:
    """What uvicorn asks of a transport for one response."""

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pending = b""
        self._has_begun = False

    def write(self, data: bytes) -> None:
        """Write what is held, and this with it, or hold it if it is the first."""
        held = self._pending
        if held:
            self._pending = b""
            if len(data) > MAX_COPY_BYTES:
                self._transport.writelines((held, data))
            else:
                self._transport.write(held + data)
        elif self._has_begun:
            self._transport.write(data)
        else:
            self._pending = data
            self._loop.call_soon(self.flush)
            return
        self._has_begun = True

    def flush(self) -> None:
        """Write what is held."""
        held, self._pending = self._pending, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)

    def close(self) -> None:
        """Close the connection when what was written is sent."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is closed, or about to be."""
        return self._transport.is_closing()
