"""Sends a response of the origin as an ASGI application does.

Rule: one message for the head; the body in one message if it is in memory. A large file is left to the server, if that
has ASGI's extension for it, as our own has where there is no TLS. Else a thread reads one chunk after the other, at the
client's pace, until the client disconnects.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator

import anyio
import anyio.to_thread
from starlette.types import Receive, Scope, Send

from static_host.origin.body_cache import Body
from static_host.origin.response import Response, Slice

log = logging.getLogger("static_host.origin")

EXTENSION = "http.response.zerocopysend"
"""The extension of ASGI by which a server sends a part of an open file."""
READ_CHUNK_BYTES = 256 << 10
"""Bytes of a large file that a thread reads at a time; each chunk is one message."""


class DownloadAbortedError(Exception):
    """The client closed the connection during a body."""


async def send_response(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response of the origin. The caller closes it."""
    await send({"type": "http.response.start", "status": response.status, "headers": list(response.headers)})
    in_memory = [part for part in response.body if not isinstance(part, Slice)]
    if len(in_memory) == len(response.body):
        await send({"type": "http.response.body", "body": b"".join(in_memory)})
    elif EXTENSION in (scope.get("extensions") or ()):
        await _send_from_files(response, send)
    else:
        await _send_until_disconnect(response, receive, send)


async def _send_from_files(response: Response, send: Send) -> None:
    """Have the server send the slices; it waits for the client, and notices when that is gone."""
    for part in response.body:
        if isinstance(part, Slice):
            where = {"file": part.file, "offset": part.offset, "count": part.length}
            await send({"type": EXTENSION, **where, "more_body": True})
        else:
            await send({"type": "http.response.body", "body": bytes(part), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


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
