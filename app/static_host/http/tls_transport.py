"""TLS over a transport, with the transport's own guarantees.

Rule: what holds of a TCP transport holds of this one: a pause until all is written, a size that counts what the client
has not taken, a half-close. So every rule of a connection holds over TLS, too; asyncio's own TLS keeps none of the
three (decision 10). A client that ends its side, with close_notify or without, may still get a response.

Strategy: ssl.SSLObject over two buffers in memory. What is written is encrypted when the client takes it, so a slow
client of a file in memory costs no copy of the file.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

MAX_READ_BYTES = 256 << 10
"""Bytes that are decrypted in one call; one record has 16 KiB at most."""
MAX_ENCRYPTED_BYTES = 128 << 10
"""Bytes that are encrypted before they are given to the socket."""
DEFAULT_HIGH_BYTES = 64 << 10
"""Unsent bytes above which the protocol pauses, where it does not set a limit: asyncio's default."""


class TlsTransport(asyncio.Transport, asyncio.Protocol):
    """The server's side of a TLS connection: a transport to the protocol above, and `transport`'s protocol."""

    def __init__(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        super().__init__()
        self._transport = transport
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._protocol: asyncio.Protocol = asyncio.Protocol()
        self._unsent: deque[memoryview] = deque()
        self._unsent_bytes = 0
        self._high = DEFAULT_HIGH_BYTES
        self._low = DEFAULT_HIGH_BYTES // 4
        self._is_blocked = False  # the client has not taken all records
        self._is_paused = False  # the protocol was told so
        self._is_read = self._is_closing = self._is_half_closing = self._is_ended = False
        transport.set_write_buffer_limits(high=0)

    def shake_hands(self, data: bytes) -> bool:
        """Go on with the handshake, and return whether it is complete. Raises ssl.SSLError."""
        self._incoming.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._flush()
        return True

    def start(self, protocol: asyncio.Protocol) -> None:
        """Let a protocol have the connection, whose handshake is complete."""
        self._transport.set_protocol(self)
        self._protocol = protocol
        protocol.connection_made(self)
        if not self._transport.is_closing():
            self.data_received(b"")

    # The calls of the transport below

    def data_received(self, data: bytes) -> None:
        """Decrypt."""
        if self._is_closing or self._is_ended:
            self._protocol.data_received(b"")  # it drops what comes, and only wants to know that something does
            return
        self._incoming.write(data)
        pieces: list[bytes] = []
        try:
            while self._incoming.pending or self._tls.pending():
                piece = self._tls.read(MAX_READ_BYTES)
                if not piece:
                    self._is_read = True
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self._flush()  # an alert
            self.abort()
            return
        self._flush()  # an update of keys
        if pieces:
            self._protocol.data_received(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if self._is_read:
            self._end_input()

    def eof_received(self) -> bool:
        """End the input, if close_notify has not done so."""
        if not self._is_read:
            self._is_read = True
            self._end_input()
        return True

    def pause_writing(self) -> None:
        """Encrypt no more until the client has taken what is encrypted."""
        self._is_blocked = True

    def resume_writing(self) -> None:
        """Go on."""
        self._is_blocked = False
        self._send()
        if self._is_paused and self.get_write_buffer_size() <= self._low:
            self._is_paused = False
            self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the protocol."""
        self._is_closing = True
        self._is_blocked = False
        self._drop()
        protocol, self._protocol = self._protocol, asyncio.Protocol()  # so that no circle keeps both
        protocol.connection_lost(exc)

    # The calls of the protocol above

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return a fact about the connection."""
        if name == "ssl_object":
            return self._tls
        return self._tls.context if name == "sslcontext" else self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol have the connection."""
        self._protocol = protocol  # type: ignore[assignment]  # it reads, too

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return self._protocol

    def is_reading(self) -> bool:
        """Whether data is read."""
        return self._transport.is_reading()

    def pause_reading(self) -> None:
        """Read no more for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send data, which must not change; some of it may wait for the client."""
        self.writelines((data,))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        """Send several pieces of data."""
        if self._is_closing or self._is_half_closing:
            return
        for data in list_of_data:
            if data:
                self._unsent.append(memoryview(data))
                self._unsent_bytes += len(data)
        self._send()
        self._pause_if_full()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the unsent bytes above which the protocol pauses, and from which on it resumes."""
        if high is None:
            high = DEFAULT_HIGH_BYTES if low is None else 4 * low
        self._high, self._low = high, high // 4 if low is None else low
        self._pause_if_full()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return both limits, the lower one first."""
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that the client has not taken."""
        return self._unsent_bytes + self._transport.get_write_buffer_size()

    def can_write_eof(self) -> bool:
        """Return whether one side can be closed alone: yes, by close_notify (RFC 8446 §6.1)."""
        return True

    def write_eof(self) -> None:
        """Close our side behind what is written."""
        if not self._is_closing:
            self._is_half_closing = True
            self._end_if_sent()

    def is_closing(self) -> bool:
        """Whether the connection is closed, or will be when all is sent."""
        return self._is_closing or self._transport.is_closing()

    def close(self) -> None:
        """Close the connection when all is sent."""
        if not self._is_closing:
            self._is_closing = True
            self._end_if_sent()

    def abort(self) -> None:
        """Close the connection at once."""
        self._is_closing = True
        self._drop()
        self._transport.abort()

    def _end_input(self) -> None:
        if not self._is_closing and not self._protocol.eof_received():
            self.close()

    def _send(self) -> None:
        """Encrypt and send until the client has something to take."""
        unsent, encrypt = self._unsent, self._tls.write
        while unsent and not self._is_blocked:
            while unsent and self._outgoing.pending < MAX_ENCRYPTED_BYTES:
                data = unsent[0]
                try:
                    count = encrypt(data[:MAX_ENCRYPTED_BYTES])
                except ssl.SSLError:
                    self.abort()
                    return
                self._unsent_bytes -= count
                if count < len(data):
                    unsent[0] = data[count:]
                else:
                    unsent.popleft()
            self._flush()
        if self._is_closing or self._is_half_closing:
            self._end_if_sent()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())

    def _pause_if_full(self) -> None:
        if self._is_blocked and not self._is_paused and self.get_write_buffer_size() > self._high:
            self._is_paused = True
            self._protocol.pause_writing()

    def _end_if_sent(self) -> None:
        """Close the connection, or our side of it, if all is encrypted; else `_send` does."""
        if self._unsent:
            return
        if not self._is_ended:
            self._is_ended = True
            with suppress(ssl.SSLError):  # the client's close_notify, for which nothing waits
                self._tls.unwrap()
            self._flush()
            if not self._is_closing:
                self._transport.write_eof()
        if self._is_closing:
            self._transport.close()

    def _drop(self) -> None:
        self._unsent.clear()
        self._unsent_bytes = 0
