"""The static origin as ASGI middleware: the reference behaviour, under any ASGI server.

Rule: one ladder picks the answer, then one send for its head and one for each part of its body. What the origin does
not own goes to the next application untouched.
"""

from __future__ import annotations

import os
from urllib.parse import quote

import anyio
import anyio.to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from app.origin.responder import Responder, Response, Slice

CHUNK = 256 << 10
"""Bytes of a large file that are read, in a thread, and sent at a time."""


class StaticOrigin:
    """ASGI middleware that lets `responder` answer first."""

    def __init__(self, app: ASGIApp, responder: Responder) -> None:
        self.app = app
        self.responder = responder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from the static tree, or pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope.get("raw_path") or quote(scope["path"]).encode()  # a server may leave raw_path out
        response = self.responder.respond(scope["method"], path, scope["headers"])
        if response is None:
            await self.app(scope, receive, send)
            return
        try:
            await _send(response, receive, send)
        finally:
            response.close()


async def _send(response: Response, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": response.status, "headers": list(response.headers)})
    in_memory = [part for part in response.body if isinstance(part, bytes)]
    if len(in_memory) == len(response.body):
        await send({"type": "http.response.body", "body": b"".join(in_memory)})
    else:
        await _send_until_gone(response, receive, send)


async def _send_until_gone(response: Response, receive: Receive, send: Send) -> None:
    """Send the parts of a large body; stop reading the file when the client has gone."""
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        group.start_soon(watch)
        for part in response.body:
            await _send_part(part, send)
        await send({"type": "http.response.body", "body": b""})
        group.cancel_scope.cancel()


async def _send_part(part: bytes | Slice, send: Send) -> None:
    if isinstance(part, bytes):
        await send({"type": "http.response.body", "body": part, "more_body": True})
        return
    offset, end = part.offset, part.offset + part.length
    while offset < end:
        chunk = await anyio.to_thread.run_sync(os.pread, part.file.fileno(), min(CHUNK, end - offset), offset)
        if not chunk:
            raise OSError(f"the file ended {end - offset} bytes early")
        offset += len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
