"""Records each request that reaches ASGI, for the access log and the metrics.

Rule: with the access log and the metrics off, nothing is observed: this layer is left out, and the fast path has no
recorder.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from static_host.telemetry.log_and_counters import RequestRecorder
from static_host.telemetry.request_record import (
    RequestRecord,
    find_identifier,
    find_trace,
    format_address,
    format_target,
    get_raw_path,
)
from static_host.telemetry.scope_keys import (
    HANDLER_KEY,
    LOGGED_STATUS_KEY,
    QUEUE_SECONDS_KEY,
    RELEASE_KEY,
    SENT_BYTES_KEY,
    STARTED_AT_KEY,
)

HANDSHAKE_STATUSES = {"websocket.accept": 101, "websocket.close": 403}
"""An application's first message to a WebSocket → the status of the handshake's response (RFC 6455 §4.2.2)."""


class RequestLogMiddleware:
    """ASGI middleware that records every request but those of the fast path.

    A request without an identifier of a proxy's gets one, which Django finds in ``X-Request-ID``.
    """

    def __init__(self, app: ASGIApp, recorder: RequestRecorder) -> None:
        self.app = app
        self._record = recorder.record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and record it when its response has ended, complete or not."""
        if scope["type"] == "websocket":
            await self._call_websocket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started_at = scope.pop(STARTED_AT_KEY, None) or time.perf_counter()
        identifier, scope["headers"] = ensure_identifier(scope["headers"])
        status, size, coding = 0, 0, ""

        async def recording_send(message: Message) -> None:
            nonlocal status, size, coding
            if LOGGED_STATUS_KEY in scope:  # the client is gone: nothing more is sent
                pass
            elif message["type"] == "http.response.start":
                status = message["status"]
                coding = next((v.decode("latin-1") for n, v in message["headers"] if n == b"content-encoding"), "")
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, recording_send)
        except asyncio.CancelledError:
            scope.setdefault(LOGGED_STATUS_KEY, 503)  # so does the server respond when it stops
            raise
        finally:
            seconds = time.perf_counter() - started_at
            size += scope.get(SENT_BYTES_KEY, 0)
            status = status or scope.get(LOGGED_STATUS_KEY, 500)  # the server responds to an exception with 500
            self._record(_build_record(scope, status, size, coding, seconds, identifier))

    async def _call_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a WebSocket on, and record the response to its handshake."""
        started_at, is_recorded = time.perf_counter(), False
        identifier, scope["headers"] = ensure_identifier(scope["headers"])

        def record_once(status: int) -> None:
            nonlocal is_recorded
            if not is_recorded:
                is_recorded = True
                seconds = time.perf_counter() - started_at
                self._record(_build_record(scope, scope.get(LOGGED_STATUS_KEY, status), 0, "", seconds, identifier))

        async def recording_send(message: Message) -> None:
            record_once(HANDSHAKE_STATUSES.get(message["type"]) or message.get("status", 500))
            await send(message)

        try:
            await self.app(scope, receive, recording_send)
        finally:
            record_once(500)


def ensure_identifier(fields: list[tuple[bytes, bytes]]) -> tuple[str, list[tuple[bytes, bytes]]]:
    """Return a request's identifier and its fields, in which ``X-Request-ID`` has no other valid value, nor two.

    Where it has no identifier, a random one is added.
    """
    found = find_identifier(fields)
    identifier = found or secrets.token_hex(8)
    own = [value for name, value in fields if name == b"x-request-id"]
    valid = [identifier.encode()] if not found or find_identifier((b"x-request-id", value) for value in own) else []
    if own != valid:
        others = [field for field in fields if field[0] != b"x-request-id"]
        fields = [*others, *((b"x-request-id", value) for value in valid)]
    return identifier, fields


def _build_record(
    scope: MutableMapping[str, Any], status: int, size: int, coding: str, seconds: float, identifier: str
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
        identifier,
        find_trace(scope["headers"]),
        scope.get(QUEUE_SECONDS_KEY),
        scope.get(RELEASE_KEY, ""),
    )
