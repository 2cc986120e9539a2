"""The static origin as ASGI middleware: the reference behaviour, under any ASGI server.

Rule: one ladder picks the response; then one send for its head and one for each part of its body. A request that the
origin does not own goes to the next application unchanged.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from static_host.origin.body_cache import Body
from static_host.origin.responder import Responder
from static_host.origin.response import Response, Slice, is_not_found
from static_host.telemetry.request_record import get_raw_path
from static_host.telemetry.scope_keys import HANDLER_KEY

if TYPE_CHECKING:
    from static_host.object_store.fallback import ObjectStoreFallback

log = logging.getLogger("static_host.origin")

READ_CHUNK_BYTES = 256 << 10
"""Bytes of a large file that a thread reads at a time; each chunk is one message."""


class StaticFilesMiddleware:
    """ASGI middleware that answers from `responder`, and for a missing file from `fallback` if there is one."""

    def __init__(self, app: ASGIApp, responder: Responder, fallback: ObjectStoreFallback | None = None) -> None:
        self.app = app
        self.responder = responder
        self.fallback = fallback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond from the static tree or the fallback, or pass the request on."""
        response = None
        if scope["type"] == "http":
            response = self.responder.respond(scope["method"], get_raw_path(scope), scope["headers"])
        elif scope["type"] == "websocket" and self.responder.is_owned(get_raw_path(scope)):
            scope[HANDLER_KEY] = "static"
            await send({"type": "websocket.close", "code": 1000})  # before the handshake: the server answers 403
            return
        if response is None:
            await self.app(scope, receive, send)
            return
        scope[HANDLER_KEY] = "static"
        if self.fallback is not None and is_not_found(response):
            found = await self.fallback.respond(scope["method"], get_raw_path(scope), scope["headers"])
            if found is not None:
                scope[HANDLER_KEY], response = "store", found
        try:
            await _send_response(response, receive, send)
        finally:
            response.close()


class DownloadAbortedError(Exception):
    """The client closed the connection during a body."""


async def _send_response(response: Response, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": response.status, "headers": list(response.headers)})
    in_memory = [part for part in response.body if not isinstance(part, Slice)]
    if len(in_memory) == len(response.body):
        await send({"type": "http.response.body", "body": b"".join(in_memory)})
    else:
        await _send_until_disconnect(response, receive, send)


async def _send_until_disconnect(response: Response, receive: Receive, send: Send) -> None:
    """Send the parts of a large body; stop reading the file when the client disconnects."""

    async def send_on(body: bytes, *, more: bool = True) -> None:
        try:
            await send({"type": "http.response.body", "body": body, "more_body": more})
        except (OSError, RuntimeError):  # the server noticed it, and has not sent http.disconnect yet
            raise DownloadAbortedError from None

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        group.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            for part in response.body:
                async for chunk in _read_chunks(part):
                    await send_on(chunk)
            await send_on(b"", more=False)
            group.cancel_scope.cancel()
    except* DownloadAbortedError:
        pass
    except* OSError as errors:  # the server closes the connection, so the client notices that the body is incomplete
        for error in errors.exceptions:
            log.error("a body could not be sent to its end: %s", error)  # noqa: TRY400 - the disk's fault, not ours


async def _read_chunks(part: Body | Slice) -> AsyncIterator[bytes]:
    if not isinstance(part, Slice):
        yield bytes(part)
        return
    offset, end = part.offset, part.offset + part.length
    while offset < end:
        chunk = await anyio.to_thread.run_sync(
            os.pread, part.file.fileno(), min(READ_CHUNK_BYTES, end - offset), offset
        )
        if not chunk:
            raise OSError(f"the file ended {end - offset} bytes early")
        offset += len(chunk)
        yield chunk
