"""One request's WSGI application in its thread, and its response on the way to the event loop.

Strategy: a response that is whole when the application returns goes over in one step, head and body together. One
that is made piece by piece goes over as it is made: pieces that are there are sent together, and the thread waits
while the client does not take them. A client that goes away ends the iteration. ``close()`` is called in the thread
that made the response (PEP 3333), after it has been handed over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import Context
from io import BytesIO
from threading import Condition
from typing import Any, NamedTuple

log = logging.getLogger("static_host.exchange")

IN_FLIGHT = 512 << 10
"""Bytes of a streamed body that are made before the client has taken what came before."""
_BLOCK = 256 << 10
_SHOWN = 1024
"""Characters of a path that are logged."""
Application = Callable[..., Iterable[bytes]]


def is_bodiless(status: int) -> bool:
    """Whether a response has no body, nor a length of one, whatever its application says (RFC 9110 §6.4.1, §8.6)."""
    return status < 200 or status in (204, 304)


class RequestAbandonedError(Exception):
    """The client closed the connection."""


class StaleRequestError(Exception):
    """The client may have gone while its request waited for a thread; the call has not been made."""


class Head(NamedTuple):
    """Status and header fields of a response, and its body: whole, or as a stream."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes | Stream


class File:
    """``wsgi.file_wrapper``: a file to be sent, in blocks of a size that suits the network."""

    def __init__(self, file: Any, _block_size: int = 0) -> None:
        self.file = file
        self.close = getattr(file, "close", lambda: None)

    def __iter__(self) -> Iterator[bytes]:
        while block := self.file.read(_BLOCK):
            yield block


class Stream:
    """A body on its way: the thread puts pieces in, the event loop takes out what is there."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._arrived = asyncio.Event()
        self._changed = Condition()
        self._pieces: list[bytes] = []
        self._held = 0
        self._is_told = self._is_at_end = self._is_closed = False
        self._error: BaseException | None = None

    def put(self, piece: bytes) -> None:
        """Give a piece, in the thread; wait while the client takes none. Raises RequestAbandonedError."""
        with self._changed:
            while self._held >= IN_FLIGHT and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                raise RequestAbandonedError
            self._pieces.append(piece)
            self._held += len(piece)
            self._tell()

    def end(self, error: BaseException | None = None) -> None:
        """Say, in the thread, that the body is whole, or why it never will be."""
        with self._changed:
            self._is_at_end, self._error = True, error
            self._tell()

    def close(self) -> None:
        """Stop the stream: the client takes no more data. Call it in the event loop."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
            self._arrived.set()

    async def pieces(self) -> Any:
        """Yield what has arrived, in the event loop; asking for more says that it was sent. Raises what `end` got."""
        is_at_end = False
        while not is_at_end:
            await self._arrived.wait()
            with self._changed:
                self._arrived.clear()
                self._is_told = False
                data = b"".join(self._pieces)
                self._pieces.clear()
                is_at_end = self._is_at_end or self._is_closed
            if data:
                yield data
            with self._changed:
                self._held -= len(data)
                self._changed.notify()
        if self._error:
            raise self._error

    def _tell(self) -> None:
        if not self._is_told:
            self._is_told = True
            _in(self._loop, self._arrived.set)


class WSGICall:
    """One call of a WSGI application. `head` is done when the response begins.

    `may_have_gone` tells, when a call had to wait for a thread, whether its client may have gone meanwhile.
    """

    def __init__(
        self,
        application: Application,
        environ: dict[str, Any],
        loop: asyncio.AbstractEventLoop,
        may_have_gone: Callable[[], bool],
    ) -> None:
        self._may_have_gone = may_have_gone
        self.head: asyncio.Future[Head] = loop.create_future()
        self._stream: Stream | None = None
        self._application = application
        self.environ = environ
        self._input = environ["wsgi.input"]  # an application may put another one in its place
        self._loop = loop
        self._is_abandoned = False
        self._is_over = False
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._written: list[bytes] = []
        self._room: int | None = None

    def run(self) -> None:
        """Call the application, in a thread, unless the client has gone while it waited for one."""
        if not self._is_abandoned:
            Context().run(self._respond)
            if not isinstance(self._input, BytesIO):  # what it takes would be kept where an exception keeps the request
                self._input.close()

    def run_late(self) -> None:
        """Call the application in a thread, unless the client has gone."""
        if self._may_have_gone():
            self._fail(StaleRequestError())
        else:
            self.run()

    def abandon(self) -> None:
        """Record that the client no longer waits for the response. Call it in the event loop."""
        self._is_abandoned = True
        if self._stream:
            self._stream.close()
        if not self.head.done():
            self.head.set_exception(RequestAbandonedError())
            self.head.exception()  # marks the exception as retrieved

    def _respond(self) -> None:
        try:
            response = self._application(self.environ, self._start_response)
            try:
                self._hand_over(response)
            finally:
                close = getattr(response, "close", None)
                if close:
                    close()
        except RequestAbandonedError:
            pass
        except BaseException as error:  # an application may well call sys.exit
            self._fail(error)

    def _hand_over(self, response: Iterable[bytes]) -> None:
        if isinstance(response, list | tuple) or not getattr(response, "streaming", True):  # Django's HttpResponse
            self._hand_over_whole(b"".join([*self._written, *response]))
            return
        stream = Stream(self._loop)
        for piece in _pieces(self._written, response):
            if not self._stream:
                self._stream = stream
                self._begin(stream)
            if self.environ["REQUEST_METHOD"] == "HEAD" or is_bodiless(int(self._status[:3])) or self._is_abandoned:
                break
            if piece:
                stream.put(self._fitting(piece))
        if self._stream:
            self._is_over = True
            stream.end()
        else:
            self._hand_over_whole(b"")

    def _hand_over_whole(self, body: bytes) -> None:
        self._is_over = True
        self._begin(body)

    def _begin(self, body: bytes | Stream) -> None:
        if not self._status:
            raise RuntimeError("the WSGI application did not call start_response")
        status = int(self._status[:3])
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self._headers]
        if is_bodiless(status):
            headers = [field for field in headers if field[0] != b"content-length"]
            body = b"" if isinstance(body, bytes) else body
        else:
            self._room = next((int(value) for name, value in headers if name == b"content-length"), None)
            if isinstance(body, bytes):
                if self._room is None:
                    headers.append((b"content-length", b"%d" % len(body)))
                elif len(body) > self._room:
                    body = self._fitting(body)
        _in(self._loop, self._set_head, Head(status, headers, body))

    def _fitting(self, body: bytes) -> bytes:
        """Return what the Content-Length leaves room for, in the body or in its next piece (PEP 3333)."""
        if self._room is None:
            return body
        if len(body) > self._room:
            what = f"{self.environ['REQUEST_METHOD']} {self.environ['PATH_INFO'][:_SHOWN]}"
            log.error("%r: its body is longer than its Content-Length; the rest is not sent", what)
        fitting = body[: self._room]
        self._room -= len(fitting)
        return fitting

    def _set_head(self, head: Head) -> None:
        if not self.head.done():
            self.head.set_result(head)

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if self._status and not exc_info:
            raise RuntimeError("the WSGI application called start_response twice")
        self._status, self._headers = status, list(headers)
        return self._written.append

    def _fail(self, error: BaseException) -> None:
        if self._is_over:
            log.error("closing a response that was sent raised an exception", exc_info=error)
        else:
            _in(self._loop, self._set_failed, error)

    def _set_failed(self, error: BaseException) -> None:
        if not self.head.done():
            self.head.set_exception(error)
        elif self._stream:
            self._stream.end(error)


def _in(loop: asyncio.AbstractEventLoop, callback: Callable[..., None], *arguments: Any) -> None:
    with suppress(RuntimeError):  # the loop is closed: the process is about to end
        loop.call_soon_threadsafe(callback, *arguments)


def _pieces(written: list[bytes], response: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what the application wrote, and what it returns."""
    for piece in response:
        yield from written
        written.clear()
        yield piece
    yield from written
