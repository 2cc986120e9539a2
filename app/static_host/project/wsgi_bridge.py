"""A synchronous Django in threads, behind ASGI.

Rule: one request takes one thread from start to end, and only when its body is there, as far as it is short: a client
that sends slowly does not hold a thread. A longer body is read by the view, as it arrives; one without a length is
kept in a file first, because WSGI has to know it, and answered 413 when there is no room for it (RFC 9110 §15.5.14).
Beyond the queue's length requests are answered 503 with Retry-After (§15.6.4).
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from static_host.project.threads import QueueFullError, Threads
from static_host.project.wsgi_call import Application, File, RequestAbandonedError, StaleRequestError, Stream, WSGICall
from static_host.project.wsgi_environ import Environ, build_environ
from static_host.telemetry.request_record import format_target, get_raw_path
from static_host.telemetry.scope_keys import (
    HALF_CLOSED_KEY,
    LOGGED_STATUS_KEY,
    ON_DISCONNECT_KEY,
    STATUS_CLIENT_CLOSED_REQUEST,
)

log = logging.getLogger("static_host.bridge")

SHORT = 256 << 10
"""Bytes of a body that are read before a thread is asked for."""
_IN_MEMORY = 1 << 20
BUSY = b"The server is busy. Try again in a moment.\n"
NO_ROOM = b"There is no room for a body of this size without a Content-Length.\n"


class BodySpoolError(Exception):
    """The directory of temporary files has no room for a body."""


class WSGIWorker:
    """A WSGI application as an ASGI one that runs in at most `threads` threads, while `backlog` requests wait.

    `multiprocess` is whether there are other processes like this one (PEP 3333).
    """

    def __init__(self, application: Application, threads: int, backlog: int, *, multiprocess: bool = False) -> None:
        self.threads = Threads(threads, backlog)
        self._application = application
        self._base: Environ = {
            "wsgi.version": (1, 0),
            "wsgi.multithread": threads > 1,
            "wsgi.multiprocess": multiprocess,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": File,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; refuse a WebSocket."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})  # before the handshake: the server answers 403
            return
        request = build_environ(scope, self._base)
        with suppress(RequestAbandonedError):
            try:
                request["wsgi.input"] = await _body(request, receive)
            except BodySpoolError as error:
                what = f"{scope['method']} {format_target(get_raw_path(scope), b'')}"
                log.error("%s: its body is not kept: %s", what, error.__cause__)  # noqa: TRY400 - no fault of ours
                await _refuse(send, 413, NO_ROOM)
                return
            loop = asyncio.get_running_loop()
            exchange = WSGICall(self._application, request, loop, lambda: HALF_CLOSED_KEY in scope)
            if isinstance(request["wsgi.input"], _Upload):  # which may stay unread, and its end with it
                scope[ON_DISCONNECT_KEY] = exchange.abandon
            try:
                await _answer(exchange, self.threads, receive, send)
            except StaleRequestError:
                scope[LOGGED_STATUS_KEY] = (
                    STATUS_CLIENT_CLOSED_REQUEST  # most likely; one that still waits is told to come again
                )
                await _refuse(send)
            finally:
                scope.pop(ON_DISCONNECT_KEY, None)  # a circle: the request would be kept until the garbage is collected


async def _answer(exchange: WSGICall, pool: Threads, receive: Receive, send: Send) -> None:
    try:
        is_at_once = pool.submit(exchange.run, exchange.run_late)
    except QueueFullError:
        await _refuse(send)
        return
    try:
        head = await (exchange.head if is_at_once else _watched(exchange, receive, exchange.head))
        await send({"type": "http.response.start", "status": head.status, "headers": head.headers})
        if isinstance(head.body, bytes):
            await send({"type": "http.response.body", "body": head.body})
        else:
            await _watched(exchange, receive, _stream(head.body, send))
    finally:
        exchange.abandon()


async def _stream(body: Stream, send: Send) -> None:
    async for data in body.pieces():
        await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body"})


async def _watched(exchange: WSGICall, receive: Receive, work: Awaitable[Any]) -> Any:
    """Await the work, and abandon the exchange when the client goes away meanwhile."""
    body = exchange.environ["wsgi.input"]

    async def watch() -> None:
        if isinstance(body, _Upload):
            await body.is_read.wait()  # until then, what is received is for the view
        while (await receive())["type"] != "http.disconnect":
            pass
        exchange.abandon()

    watcher = asyncio.ensure_future(watch())
    try:
        return await work
    finally:
        watcher.cancel()


async def _refuse(send: Send, status: int = 503, text: bytes = BUSY) -> None:
    headers = {
        "content-type": "text/plain; charset=utf-8",
        "content-length": str(len(text)),
        "cache-control": "private, no-store, max-age=0",
        **({"retry-after": "1"} if status == 503 else {}),
    }
    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": text})


async def _body(request: Environ, receive: Receive) -> Any:
    """Return the request's body as ``wsgi.input``.

    Raises RequestAbandonedError when the client leaves in the middle of it.
    """
    if "CONTENT_LENGTH" in request:
        if int(request["CONTENT_LENGTH"]) > SHORT:
            return _Upload(_Messages(receive, asyncio.get_running_loop()), SHORT)
        pieces: list[bytes] = []
        await _read(receive, pieces.append)
        return io.BytesIO(b"".join(pieces))
    if "HTTP_TRANSFER_ENCODING" in request:
        spool = SpooledTemporaryFile[bytes](max_size=_IN_MEMORY)
        try:
            await _read(receive, spool.write)
        except OSError as error:
            _discard(spool)
            raise BodySpoolError from error
        request["CONTENT_LENGTH"] = str(spool.tell())
        spool.seek(0)
        return spool
    return io.BytesIO()


def _discard(spool: SpooledTemporaryFile[bytes]) -> None:
    with suppress(OSError):  # what is still in its buffer finds no room either
        spool.close()


async def _read(receive: Receive, write: Callable[[bytes], Any]) -> None:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestAbandonedError
        write(message.get("body", b""))
        more = message.get("more_body", False)


class _Upload(io.BufferedReader):
    """A long body, read in the view's thread as it arrives."""

    def __init__(self, messages: _Messages, size: int) -> None:
        super().__init__(messages, size)
        self.is_read = messages.is_read


class _Messages(io.RawIOBase):
    """The messages of a request's body, as a file."""

    def __init__(self, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        self.is_read = asyncio.Event()
        self._receive = receive
        self._loop = loop
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._piece = memoryview(b"")
        self._receive = _nothing
        super().close()

    def readinto(self, buffer: Any) -> int:
        while not self._piece and not self.is_read.is_set():
            self._piece = memoryview(asyncio.run_coroutine_threadsafe(self._next(), self._loop).result())
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise OSError("the client went away in the middle of its body")  # Django: UnreadablePostError
        if not message.get("more_body"):
            self.is_read.set()
        return bytes(message.get("body", b""))


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
