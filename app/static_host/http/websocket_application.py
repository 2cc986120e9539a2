"""The call of an ASGI application for one WebSocket (ASGI specification, "WebSocket").

Rule: a message is valid in one state of the connection; `_HANDLERS` has them all. An exception of the application is
logged once. It ends the handshake with 500, and an open connection with 1011; an application that returns from an open
connection closes it with 1000. To send on a connection that is closed raises an OSError.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Scope

from static_host.http.websocket_handshake import check_denial, format_accept_fields, format_denial, has_body
from static_host.http.websocket_state import BEFORE_CLOSE, State

if TYPE_CHECKING:
    from static_host.http.websocket import WebSocketProtocol

log = logging.getLogger("static_host.http")

NORMAL_CLOSURE = 1000
INTERNAL_ERROR = 1011


class ClientDisconnectedError(OSError):
    """The connection is closed; raised to an application that sends."""


class WebSocketApplication:
    """One call of the application: its `receive` and `send`."""

    def __init__(self, connection: WebSocketProtocol, app: ASGIApp, scope: Scope) -> None:
        self._connection = connection
        self._app = app
        self._scope = scope
        self._denial: Message | None = None
        self._is_denial_begun = False
        self._has_ended = False

    async def run(self) -> None:
        """Call the application, and end what it leaves open."""
        try:
            await self._app(self._scope, self._connection.receive, self._send)
        except ClientDisconnectedError:
            pass
        except asyncio.CancelledError:
            self._end(INTERNAL_ERROR)
            raise
        except (Exception, SystemExit):
            log.exception("Exception in ASGI application")
            self._end(INTERNAL_ERROR)
        else:
            if self._connection.state in (State.CONNECTING, State.DENYING):
                log.error("ASGI callable returned without completing handshake.")
            self._end(NORMAL_CLOSURE)

    def _end(self, code: int) -> None:
        state = self._connection.state
        if state is State.OPEN:
            self._connection.close(code)
        elif state is State.CONNECTING or (state is State.DENYING and not self._is_denial_begun):
            self._connection.respond(500, b"Internal Server Error")
        elif state is State.DENYING:
            self._connection.abort()  # by any other end, the body could seem complete

    async def _send(self, message: Message) -> None:
        await self._connection.wait_writable()
        state = self._connection.state
        handler = _HANDLERS.get((state, message["type"]))
        if handler is not None:
            handler(self, message)
        elif state in BEFORE_CLOSE or (self._has_ended and state is not State.CLOSED):
            raise RuntimeError(f"Unexpected ASGI message {message['type']!r}: the WebSocket is {state.name}.")
        else:
            raise ClientDisconnectedError

    def _accept(self, message: Message) -> None:
        self._connection.accept(format_accept_fields(message, self._connection.default_fields))

    def _reject(self, _message: Message) -> None:
        self._has_ended = True
        self._connection.respond(403, b"")

    def _begin_denial(self, message: Message) -> None:
        check_denial(message)
        self._denial = message
        self._connection.begin_response()

    def _continue_denial(self, message: Message) -> None:
        """Send a piece of a response other than 101; its head goes out with the first one."""
        if self._denial is None:
            raise AssertionError
        body, is_last = bytes(message.get("body", b"")), not message.get("more_body", False)
        if not self._is_denial_begun:
            self._is_denial_begun = True
            body = format_denial(self._denial, body, self._connection.default_fields, is_whole=is_last)
        elif not has_body(self._denial):
            body = b""
        self._has_ended = is_last
        self._connection.write_response(body, is_last=is_last)

    def _send_message(self, message: Message) -> None:
        if message.get("bytes") is not None:
            self._connection.send_message(bytes(message["bytes"]))
        elif message.get("text") is not None:
            self._connection.send_message(message["text"])
        else:
            raise RuntimeError("The ASGI message 'websocket.send' has neither bytes nor text.")

    def _close(self, message: Message) -> None:
        self._connection.close(message.get("code") or NORMAL_CLOSURE, message.get("reason") or "")
        self._has_ended = True


_HANDLERS: dict[tuple[State, str], Callable[[WebSocketApplication, Message], None]] = {
    (State.CONNECTING, "websocket.accept"): WebSocketApplication._accept,
    (State.CONNECTING, "websocket.close"): WebSocketApplication._reject,
    (State.CONNECTING, "websocket.http.response.start"): WebSocketApplication._begin_denial,
    (State.DENYING, "websocket.http.response.body"): WebSocketApplication._continue_denial,
    (State.OPEN, "websocket.send"): WebSocketApplication._send_message,
    (State.OPEN, "websocket.close"): WebSocketApplication._close,
}
