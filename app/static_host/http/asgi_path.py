"""Requests for the ASGI application: whatever is neither a plain one for a static file nor one for a page.

Rule: the application is called when a head is complete, and gets the body as it arrives. An upgrade to a WebSocket goes
to the WebSocket protocol; every other upgrade is ignored (RFC 9110 §7.8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from static_host.http.asgi_exchange import FILE_MESSAGE, AsgiExchange
from static_host.http.connection_state import State
from static_host.http.request_parser import Request, RequestParser
from static_host.http.server_context import ServerContext
from static_host.http.websocket import WebSocketProtocol
from static_host.origin.percent_decoding import unescape
from static_host.telemetry.scope_keys import BREAK_OFF_KEY, HALF_CLOSED_KEY

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Scope

    from static_host.http.connection import HttpProtocol

MAX_BODY_BYTES_AHEAD = 64 << 10
"""Bytes that are read of a body before the application asks for them."""


class AsgiPath:
    """The requests of one connection that an application responds to, one at a time."""

    def __init__(self, connection: HttpProtocol, context: ServerContext, app_state: dict[str, Any]) -> None:
        self._connection = connection
        self._context = context
        self._app_state = app_state
        self._parser = RequestParser()
        self._exchange: AsgiExchange | None = None

    @property
    def is_busy(self) -> bool:
        """Whether an application has a request."""
        return self._exchange is not None

    @property
    def is_read(self) -> bool:
        """Whether the request has been read to its end."""
        return self._parser.is_complete

    @property
    def request(self) -> Request | None:
        """The request that is read, once its head is complete."""
        return self._parser.request

    @property
    def is_head_request(self) -> bool:
        """Whether the method is HEAD, also of a head that is not complete."""
        return self._parser.head.startswith(b"HEAD ")

    @property
    def has_begun(self) -> bool:
        """Whether a part of the response may be sent."""
        return self._exchange is not None and self._exchange.has_begun

    @property
    def awaits_body(self) -> bool:
        """Whether the application waits for more of the request's body before it responds."""
        exchange = self._exchange
        return exchange is not None and exchange.is_receiving and not exchange.has_begun and not self.is_read

    def read(self, data: bytes, app: ASGIApp | None = None) -> bytes:
        """Read on; begin the request when its head is complete. Return what follows it. Raises RequestRefusedError.

        `app` is to respond in place of the application.
        """
        parser, connection = self._parser, self._connection
        rest = parser.feed(data)
        if self._exchange is not None:
            self._pass_body(self._exchange)
        elif parser.request is not None:
            return self._begin(parser.request, rest, app)
        elif parser.head and connection.state is State.IDLE:
            connection.begin_head_of_request()
        return rest

    def _begin(self, request: Request, rest: bytes, app: ASGIApp | None) -> bytes:
        connection = self._connection
        scope = self._make_scope(request)
        if request.is_upgrade_to_web_socket:
            self._upgrade(scope, rest)
            return b""
        if self._parser.is_complete and connection.begin_whole(bytes(self._parser.head)):
            if self._exchange is None:  # else the page path has passed it on at once
                self._parser.reset()
            return rest
        connection.begin_response(State.ASGI, b"")
        connection.transport.set_write_buffer_limits()
        exchange = AsgiExchange(
            connection,
            self._context,
            scope,
            self._end,
            expects_continue=request.expects_continue,
            is_persistent=request.is_persistent,
        )
        scope[BREAK_OFF_KEY] = exchange.break_off
        self._exchange = exchange
        if connection.is_half_closed:
            self.note_half_closed()
        self._pass_body(exchange)
        task = connection.loop.create_task(exchange.run(app or self._context.app))
        task.add_done_callback(connection.server_state.tasks.discard)
        connection.server_state.tasks.add(task)
        return rest

    def _upgrade(self, scope: Scope, rest: bytes) -> None:
        """Hand the connection over to the WebSocket protocol; `rest` follows the handshake's head."""
        connection, context = self._connection, self._context
        connection.release()
        protocol = WebSocketProtocol(connection.config, connection.server_state, context.app, scope, context.recorder)
        connection.transport.set_protocol(protocol)
        protocol.connection_made(connection.transport)
        if rest:
            protocol.data_received(rest)
        if connection.is_stopping:
            protocol.shutdown()

    def note_half_closed(self) -> None:
        """Tell the application that its client sends no more, and may be gone."""
        if self._exchange is not None:
            self._exchange.scope[HALF_CLOSED_KEY] = True

    def disconnect(self, status: int) -> bool:
        """Tell the application that its client is gone; return whether a part of its response may be sent.

        `status` is for the log, if nothing was sent.
        """
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return False
        exchange.disconnect(status)
        return exchange.has_begun

    def close(self) -> None:
        """Read no more."""
        self._parser.close()

    def _end(self, *, is_last: bool) -> None:
        """End the response."""
        is_read = self._parser.is_complete
        self._exchange = None
        self._parser.reset()
        self._connection.end_response(is_last=is_last, is_read=is_read)

    def _pass_body(self, exchange: AsgiExchange) -> None:
        exchange.add_body(self._parser.take_body(), is_complete=self._parser.is_complete)
        if exchange.held_bytes > MAX_BODY_BYTES_AHEAD:
            self._connection.flow.pause_reading()

    def _make_scope(self, request: Request) -> Scope:
        connection = self._connection
        root = connection.config.root_path
        return {
            "type": "http",
            "extensions": {FILE_MESSAGE: {}} if connection.scheme == "http" else {},  # TLS has to copy
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.version,
            "server": connection.server,
            "client": connection.client,
            "scheme": connection.scheme,
            "root_path": root,
            "method": request.method,
            "path": root + unescape(request.path).decode("utf-8", "replace"),
            "raw_path": root.encode() + request.path,
            "query_string": request.query,
            "headers": request.fields,
            "state": self._app_state.copy(),
        }
