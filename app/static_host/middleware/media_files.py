"""What visitors uploaded, as ASGI middleware: the way that may wait for a disk.

Rule: a thread opens the file and makes the response, so that a slow disk delays no other request. These threads have a
limit of their own, and so have the requests that wait for one: while a disk hangs, all else is served on.
"""

from __future__ import annotations

import anyio
import anyio.to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from static_host.files.media_files import MediaFiles
from static_host.files.media_headers import RETRY_AFTER, build_error
from static_host.files.response_sending import send_response
from static_host.origin.response import Response
from static_host.telemetry.request_record import get_raw_path
from static_host.telemetry.scope_keys import HANDLER_KEY

MAX_THREADS = 16
"""Files that are opened at a time."""
MAX_WAITING = 1000
"""Requests that may wait for a thread; further ones get 503."""


class MediaFilesMiddleware:
    """ASGI middleware that answers below MEDIA_URL, and passes other requests on."""

    def __init__(self, app: ASGIApp, media: MediaFiles) -> None:
        self.app = app
        self._media = media
        self._limiter: anyio.CapacityLimiter | None = None
        self._pending = 0
        """Requests that a thread responds to, or is to."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond with a file, or pass the request on."""
        if scope["type"] == "lifespan" or not self._media.is_owned(get_raw_path(scope)):
            await self.app(scope, receive, send)
            return
        scope[HANDLER_KEY] = "media"
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})  # before the handshake: the server answers 403
            return
        if self._limiter is None:  # it belongs to the event loop
            self._limiter = anyio.CapacityLimiter(MAX_THREADS)
        response = await self._respond(scope, self._limiter)
        try:
            await send_response(response, scope, receive, send)
        finally:
            response.close()

    async def _respond(self, scope: Scope, limiter: anyio.CapacityLimiter) -> Response:
        """Have a thread make the response."""
        if self._pending >= MAX_THREADS + MAX_WAITING:
            return build_error(scope["method"], 503, b"Service Unavailable\n", RETRY_AFTER)
        self._pending += 1
        try:
            return await anyio.to_thread.run_sync(
                self._media.respond, scope["method"], get_raw_path(scope), scope["headers"], limiter=limiter
            )
        finally:
            self._pending -= 1
