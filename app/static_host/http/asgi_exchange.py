"""One request and its response, for an ASGI application.

Rule: as the ASGI specification has it. A response is sent at the client's pace: `send` waits while the transport holds
more than it should. The body of a request is read at the application's pace. An application that ends without a
response, or raises an exception before it, gets 500 for its client; within a response the connection is closed, so that
the client sees that it is incomplete (RFC 9112 §8).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from static_host.http.file_sender import log_failed_body
from static_host.http.flow_control import reset_connection
from static_host.http.response_head import Delimitation, ResponseHead, make_head
from static_host.http.sendfile import SendfileTransfer
from static_host.origin.headers import UNCACHEABLE
from static_host.origin.response import Slice
from static_host.telemetry.scope_keys import LOGGED_STATUS_KEY, ON_DISCONNECT_KEY, SENT_BYTES_KEY

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

    from static_host.http.connection import HttpProtocol
    from static_host.http.server_context import ServerContext

FILE_MESSAGE = "http.response.zerocopysend"
"""The type of the message with a part of a file (ASGI's extension of this name)."""
log = logging.getLogger("static_host.http")

MAX_COPY_BYTES = 16 << 10
"""Length up to which copying a piece costs less than passing a second buffer."""


class AsgiExchange:
    """A request that an application has, and its response."""

    def __init__(
        self,
        connection: HttpProtocol,
        context: ServerContext,
        scope: Scope,
        on_end: Callable[..., None],
        *,
        expects_continue: bool,
        is_persistent: bool,
    ) -> None:
        self._connection = connection
        self._context = context
        self._on_end = on_end
        self.scope = scope
        self.is_last = not is_persistent
        """Whether the connection ends with this response."""
        self.has_begun = False
        """Whether a part of the response may be sent."""
        self.is_complete = False
        """Whether all of the response is sent."""
        self.is_disconnected = False
        self.is_receiving = False
        """Whether the application waits for what the client sends."""
        self._expects_continue = expects_continue
        self._event = asyncio.Event()
        self._body = bytearray()
        self._is_body_complete = False
        self._head: ResponseHead | None = None
        self._sent = 0
        self._status = 0
        self._is_head_pending = False
        self._file_end: asyncio.Future[OSError | None] | None = None

    @property
    def held_bytes(self) -> int:
        """Length of what has arrived of the request's body, and was not received."""
        return len(self._body)

    def add_body(self, piece: bytes, *, is_complete: bool) -> None:
        """Add what has arrived of the request's body."""
        self._body += piece
        self._is_body_complete = is_complete
        self._event.set()

    def disconnect(self, status: int) -> None:
        """Tell the application that its client is gone; `status` is for the log, if nothing was sent."""
        if self.is_complete or self.is_disconnected:
            return
        self.scope.setdefault(LOGGED_STATUS_KEY, status)
        self.is_disconnected = True
        self._event.set()
        self._note_file_end(None)
        on_disconnect: Callable[[], None] | None = self.scope.get(ON_DISCONNECT_KEY)
        if on_disconnect:
            on_disconnect()

    async def run(self, app: ASGIApp) -> None:
        """Call the application."""
        try:
            await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:  # the server has stopped, and its grace time is over
            await self._fail(503)
            raise
        except BaseException:
            log.exception("Exception in ASGI application")
        else:
            if self.is_complete or self.is_disconnected:
                return
            log.error("The ASGI application returned without %s.", "a complete response" if self._head else "response")
        await self._fail(500)

    async def _fail(self, status: int) -> None:
        """Respond with an error, or break off the response that has begun."""
        if self.is_complete or self.is_disconnected:
            return
        if self._head:
            self.break_off()
            return
        text = HTTPStatus(status).phrase.encode()
        length = (b"content-length", b"%d" % len(text))
        fields = [
            (b"content-type", b"text/plain; charset=utf-8"),
            length,
            (b"cache-control", UNCACHEABLE),
            (b"connection", b"close"),
        ]
        await self.send({"type": "http.response.start", "status": status, "headers": fields})
        await self.send({"type": "http.response.body", "body": text})

    async def receive(self) -> Message:
        """Return the next piece of the request's body, or http.disconnect."""
        if self._expects_continue and not self.has_begun and not self.is_disconnected:
            self._expects_continue = False
            if not self._body and not self._is_body_complete:
                self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self.is_disconnected and not self.is_complete:
            self._connection.flow.read_on()
            self.is_receiving = True
            try:
                await self._event.wait()
            finally:
                self.is_receiving = False
            self._event.clear()
        if self.is_disconnected or self.is_complete:
            return {"type": "http.disconnect"}
        body, self._body = bytes(self._body), bytearray()
        return {"type": "http.request", "body": body, "more_body": not self._is_body_complete}

    async def send(self, message: Message) -> None:
        """Send the head or a piece of the body. Raises InvalidResponseError, RuntimeError."""
        await self._connection.flow.drain()
        if self.is_disconnected:
            return
        kind = message["type"]
        if kind == FILE_MESSAGE and self._head is not None and not self.is_complete:
            await self._send_file(self._head, Slice(message["file"], message["offset"], message["count"]))
            return
        if kind != ("http.response.start" if self._head is None else "http.response.body") or self.is_complete:
            raise RuntimeError(f"{kind!r} is not what comes next in an ASGI response")
        if self._head is None:
            self._send_head(message["status"], message.get("headers", ()))
        else:
            self._send_body(self._head, message.get("body", b""), more=message.get("more_body", False))

    def _send_head(self, status: int, fields: Any) -> None:
        head = make_head(status, fields, self.scope["method"], self.scope["http_version"])
        self._head, self._status = head, status
        self.has_begun = self._is_head_pending = True
        self.is_last = self.is_last or head.is_last or not self._is_body_complete or self._connection.is_ending
        self._connection.loop.call_soon(self.flush)  # a stream's first piece may be long in coming

    def _send_body(self, head: ResponseHead, body: bytes, *, more: bool) -> None:
        self._sent += len(body)
        if not more and self._is_head_pending:
            head = self._head = head.complete(len(body))
        if head.delimitation is Delimitation.NOTHING:
            body = b""
        elif head.delimitation is Delimitation.CHUNKS:
            body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        elif head.delimitation is Delimitation.LENGTH and (
            self._sent > head.length or (not more and self._sent < head.length)
        ):
            raise RuntimeError(f"a body of {self._sent} bytes with Content-Length: {head.length}")
        self._write(body)
        if not more:
            self.is_complete = True
            self.flush()
            self._event.set()
            self._on_end(is_last=self.is_last)

    async def _send_file(self, head: ResponseHead, part: Slice) -> None:
        """Send a part of a file from its descriptor, at the client's pace. An empty piece has to follow."""
        self._sent += part.length
        if head.delimitation is not Delimitation.LENGTH or self._sent > head.length:
            raise RuntimeError("a file is sent within a Content-Length")
        transport = self._connection.transport
        self.flush()
        transport.set_write_buffer_limits(high=0)
        await self._connection.flow.drain()
        if self.is_disconnected:
            return
        self._file_end = end = self._connection.loop.create_future()
        transfer = SendfileTransfer(transport.get_extra_info("socket"), [part], self._note_file_end)
        transfer.start()
        try:
            self._end_file(await end)
        finally:
            transfer.abandon()
            self.scope[SENT_BYTES_KEY] = self.scope.get(SENT_BYTES_KEY, 0) + transfer.sent_bytes
        transport.set_write_buffer_limits()

    def _note_file_end(self, error: OSError | None) -> None:
        if self._file_end is not None and not self._file_end.done():
            self._file_end.set_result(error)

    def _end_file(self, error: OSError | None) -> None:
        """End the connection if the client cannot receive all of the file."""
        if error is None or self.is_disconnected:
            return
        log_failed_body(error)
        self._connection.close()
        self._connection.transport.abort()

    def _write(self, data: bytes) -> None:
        """Write, together with the head if that is still to be sent."""
        transport = self._connection.transport
        if transport.is_closing():
            return
        head = self._take_head()
        if head and len(data) > MAX_COPY_BYTES:
            transport.writelines((head, data))
        elif head or data:
            transport.write(head + data)

    def _take_head(self) -> bytes:
        """Return the bytes of the head if it is still to be sent, else none."""
        head, is_pending, self._is_head_pending = self._head, self._is_head_pending, False
        if head is None or not is_pending:
            return b""
        begin = self._context.begin_head(self._status, self._connection.server_state.default_headers)
        end = b"connection: close\r\n" if self.is_last else b""
        if head.delimitation is Delimitation.CHUNKS:
            end += b"transfer-encoding: chunked\r\n"
        return b"".join((begin, head.lines, end, b"\r\n"))

    def flush(self) -> None:
        """Send the head, if it waits for the body's first piece."""
        if self._is_head_pending and not self.is_disconnected:
            self._write(b"")

    def break_off(self) -> None:
        """Close the connection within the response, so that the client sees that it is incomplete (RFC 9112 §8)."""
        self.flush()
        if self._head is not None and self._head.delimitation is Delimitation.CLOSE:
            reset_connection(self._connection.transport)  # any other end would be that of the body
        self._connection.close()
