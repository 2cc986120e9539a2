"""Who sees what is answered, and tells of it: the access log and the counts; and the ASGI layer that sees for them.

Rule: where nothing is to be told, nothing is looked at: the layer is not there, and the fast lane asks for nothing.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from static_host.telemetry.request_record import (
    RequestRecord,
    find_identifier,
    format_address,
    format_target,
    get_raw_path,
)
from static_host.telemetry.request_recorder import RequestRecorder
from static_host.telemetry.scope_keys import HANDLER_KEY, LOGGED_STATUS_KEY

HANDSHAKE_STATUSES = {"websocket.accept": 101, "websocket.close": 403}
"""An application's first message to a WebSocket → the status of the handshake's answer (RFC 6455 §4.2.2)."""


class RequestLogMiddleware:
    """ASGI middleware that sees every request that the fast lane has not answered.

    A request that no proxy has named gets an identifier here, which Django finds in ``X-Request-ID``.
    """

    def __init__(self, app: ASGIApp, recorder: RequestRecorder) -> None:
        self.app = app
        self._record = recorder.record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and tell of its answer when that is over, whole or not."""
        if scope["type"] == "websocket":
            await self._call_websocket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, name = time.perf_counter(), _ensure_identifier(scope)
        status, size, coding = 0, 0, ""

        async def seen_send(message: Message) -> None:
            nonlocal status, size, coding
            if LOGGED_STATUS_KEY in scope:  # nothing is sent any more
                pass
            elif message["type"] == "http.response.start":
                status = message["status"]
                coding = next((v.decode("latin-1") for n, v in message["headers"] if n == b"content-encoding"), "")
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, seen_send)
        finally:
            seconds = time.perf_counter() - began
            status = status or scope.get(LOGGED_STATUS_KEY, 500)  # an exception that reaches the server is answered 500
            self._record(_build_record(scope, status, size, coding, seconds, name))

    async def _call_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a WebSocket on, and tell of the answer to its handshake."""
        began, name, is_answered = time.perf_counter(), _ensure_identifier(scope), False

        def tell(status: int) -> None:
            nonlocal is_answered
            if not is_answered:
                is_answered = True
                self._record(
                    _build_record(scope, scope.get(LOGGED_STATUS_KEY, status), 0, "", time.perf_counter() - began, name)
                )

        async def seen_send(message: Message) -> None:
            tell(HANDSHAKE_STATUSES.get(message["type"]) or message.get("status", 500))
            await send(message)

        try:
            await self.app(scope, receive, seen_send)
        finally:
            tell(500)


def _ensure_identifier(scope: MutableMapping[str, Any]) -> str:
    """Return the identifier of a request, which gets one if it has none."""
    name = find_identifier(scope["headers"])
    if not name:
        name = secrets.token_hex(8)
        scope["headers"] = [*scope["headers"], (b"x-request-id", name.encode())]
    return name


def _build_record(
    scope: MutableMapping[str, Any], status: int, size: int, coding: str, seconds: float, name: str
) -> RequestRecord:
    return RequestRecord(
        *format_address(scope.get("client")),
        scope.get("method", "GET"),
        format_target(get_raw_path(scope), scope["query_string"]),
        scope["http_version"],
        status,
        0 if scope.get("method") == "HEAD" else size,
        coding,
        scope.get(HANDLER_KEY, "django"),
        seconds,
        name,
    )
