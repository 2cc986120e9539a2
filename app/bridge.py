"""A synchronous Django in threads, behind ASGI.

Rule: one request takes one thread from start to end, and threads are kept, so that Django's database connections
persist in them (CONN_MAX_AGE). The bridge itself is a2wsgi's; here is what it leaves out: a client that goes away
ends the iteration of its response, which gives the thread back; a body without a length gets one, because WSGI knows
no other; and a header name with an underscore, which WSGI cannot tell from one with a dash, is not passed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from tempfile import SpooledTemporaryFile
from threading import Event
from typing import Any, cast

from a2wsgi import WSGIMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_GONE = "static_host.gone"
_CHUNK = 256 << 10
Headers = list[tuple[bytes, bytes]]


def threaded(application: Callable[..., Any], threads: int) -> ASGIApp:
    """Return a WSGI application as an ASGI one that runs in at most `threads` threads."""

    def ending(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        response = application(environ, start_response)
        return _Ending(response, environ["asgi.scope"][_GONE], only_head=environ["REQUEST_METHOD"] == "HEAD")

    bridge: Any = WSGIMiddleware(cast("Any", ending), workers=threads)

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await bridge(scope, receive, send)
            return
        gone, headers = Event(), _headers(scope["headers"])
        if dict(headers).get(b"transfer-encoding") and b"content-length" not in dict(headers):
            measured = await _measured(receive)
            if measured is None:
                return  # the client left in the middle of its body: there is no request to answer
            receive, length = measured
            headers.append((b"content-length", b"%d" % length))
        body = _Body(receive, gone)
        try:
            await bridge({**scope, "headers": headers, _GONE: gone}, body.receive, send)
        finally:
            gone.set()  # also when the server cancels the request
            body.stop_watching()

    return call


def http_only(application: ASGIApp) -> ASGIApp:
    """Return Django's own ASGI handler, which raises for a WebSocket, as one that refuses it (HTTP 403)."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await application(scope, receive, send)

    return call


class _Ending:
    """A WSGI response that ends when its client has gone, and after its first chunk where the body is not sent."""

    def __init__(self, response: Iterable[bytes], gone: Event, *, only_head: bool) -> None:
        self._response = response
        self._gone = gone
        self._only_head = only_head

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._response:
            if self._gone.is_set():
                return
            yield chunk
            if self._only_head:
                return

    def close(self) -> None:
        """Close the response, as WSGI asks (PEP 3333)."""
        close = getattr(self._response, "close", None)
        if close:
            close()


class _Body:
    """The request's body; once it has been read, its client is watched."""

    def __init__(self, receive: Receive, gone: Event) -> None:
        self._receive = receive
        self._gone = gone
        self._first: asyncio.Task[Message] | None = asyncio.ensure_future(_awaited(receive))
        self._first.add_done_callback(self._seen)
        self._watch: asyncio.Task[Message] | None = None

    async def receive(self) -> Message:
        """Return the next message. Raises OSError when there is none any more."""
        if self._first is not None:
            first, self._first = self._first, None
            message = await first
        else:
            message = await self._receive()
            self._judge(message)
        if message["type"] == "http.disconnect":
            raise OSError("the client went away in the middle of its body")  # Django: UnreadablePostError
        return message

    def stop_watching(self) -> None:
        """End what still waits for a message."""
        for task in (self._first, self._watch):
            if task is not None:
                task.cancel()

    def _seen(self, task: asyncio.Task[Message]) -> None:
        if not task.cancelled() and task.exception() is None:
            self._judge(task.result())

    def _judge(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self._gone.set()
        elif not message.get("more_body") and self._watch is None:
            self._watch = asyncio.ensure_future(_awaited(self._receive))
            self._watch.add_done_callback(self._seen)


async def _awaited(receive: Receive) -> Message:
    return await receive()  # some servers give an awaitable that is no coroutine


def _headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the header fields without ambiguous names, and several Cookie lines as one (RFC 9113 §8.2.3)."""
    kept = [(name, value) for name, value in headers if b"_" not in name]
    cookies = [value for name, value in kept if name == b"cookie"]
    if len(cookies) < 2:
        return kept
    return [*(field for field in kept if field[0] != b"cookie"), (b"cookie", b"; ".join(cookies))]


async def _measured(receive: Receive) -> tuple[Receive, int] | None:
    """Read a body of unknown length, to a file when it is large; return it anew, and its length in bytes.

    Returns None when the client went away before the end of the body.
    """
    spool = SpooledTemporaryFile[bytes](max_size=1 << 20)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            spool.close()
            return None
        spool.write(message.get("body", b""))
        if not message.get("more_body"):
            break
    length = spool.tell()
    spool.seek(0)

    async def received() -> Message:
        if spool.closed:
            return await receive()
        chunk = spool.read(_CHUNK)
        more = spool.tell() < length
        if not more:
            spool.close()
        return {"type": "http.request", "body": chunk, "more_body": more}

    return received, length
