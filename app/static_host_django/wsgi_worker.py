"""A synchronous Django in threads: each thread serves the requests of one channel, one after the other.

Rule: a response that is whole when the application returns goes to the front in one step. One that is made piece by
piece goes there as it is made; the thread waits while the front takes none. When the client has gone, the iteration
ends at its next piece. ``close()`` is called in the thread that made the response (PEP 3333), after it was sent.
"""

from __future__ import annotations

import io
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context
from typing import Any

from static_host_django.environ import Environ, build_environ
from static_host_django.frames import (
    FrameError,
    Kind,
    decode_head,
    encode,
    encode_pieces,
    encode_response,
)
from static_host_django.open_file import MAX_INLINE_BYTES, encode_file_response, find_length, find_open_file
from static_host_django.unknown_paths import mark_unknown
from static_host_django.worker_channel import Channel

log = logging.getLogger("static_host.worker")

Application = Callable[..., Iterable[bytes]]
_FILE_BLOCK_BYTES = 256 << 10
_LOGGED_CHARACTERS = 1024
"""Characters of a path that are logged."""


def is_bodiless(status: int) -> bool:
    """Whether a response has no body, and no length of one, whatever its application says (RFC 9110 §6.4.1, §8.6)."""
    return status < 200 or status in (204, 304)


class File:
    """``wsgi.file_wrapper``: a file to be sent, from its descriptor or in blocks of a size that suits the channel."""

    def __init__(self, file: Any, _block_size: int = 0) -> None:
        self.file = file
        self.close = getattr(file, "close", lambda: None)

    def __iter__(self) -> Iterator[bytes]:
        while block := self.file.read(_FILE_BLOCK_BYTES):
            yield block


class ClientGoneError(Exception):
    """The client has closed its connection: no more of the response is needed."""


def make_base_environ(threads: int, *, is_multiprocess: bool) -> Environ:
    """Return what the environs of all requests have in common."""
    return {
        "wsgi.version": (1, 0),
        "wsgi.multithread": threads > 1,
        "wsgi.multiprocess": is_multiprocess,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": File,
    }


_IDLE = encode(Kind.IDLE)
QUICK_CLOSE_SECONDS = 0.01
PRUDENT_RESPONSES = 100
"""The responses of a thread that are sent before they are closed, after one that was not closed quickly."""
MAX_HELD_BYTES = 64 << 10
"""Length up to which a response is sent together with IDLE, after it was closed."""


class WSGIThread(threading.Thread):
    """Serves the requests of a channel. `request_line` is that of the current request, or empty."""

    def __init__(self, application: Application, base: Environ, channel: Channel, number: int) -> None:
        super().__init__(name=f"django-{number}", daemon=True)
        self.request_line = ""
        self._quick_closes = 0
        """The responses in a row that were closed within `QUICK_CLOSE_SECONDS`; negative after one that was not."""
        self._application = application
        self._base = base
        self._channel = channel

    def run(self) -> None:
        """Serve until the front closes the channel."""
        try:
            while (frame := self._channel.read()) is not None:
                if frame.kind == Kind.HTTP_REQUEST:
                    self._serve(frame.payload, has_body=frame.more)
                elif frame.kind != Kind.DISCONNECT:  # that of a request which is over
                    raise FrameError(f"a frame of kind {frame.kind} before a request")  # noqa: TRY301 - one way out
        except (FrameError, OSError) as error:
            log.error("a channel to the front is closed: %s", error)  # noqa: TRY400 - no fault of the project
        finally:
            self._channel.close()

    def _serve(self, payload: bytes, *, has_body: bool) -> None:
        environ = build_environ(decode_head(payload), self._base)
        environ["wsgi.input"] = body = self._read_body() if has_body else io.BytesIO()
        self.request_line = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO'][:_LOGGED_CHARACTERS]}"
        call = _Call(self._application, environ, self._channel, may_hold=self._quick_closes > 0)
        Context().run(call.run)
        if not isinstance(body, io.BytesIO):
            body.close()
        self.request_line = ""
        self._quick_closes = self._quick_closes + 1 if call.close_seconds < QUICK_CLOSE_SECONDS else -PRUDENT_RESPONSES
        self._channel.write(call.held + _IDLE)

    def _read_body(self) -> Any:
        """Return the whole body: a file that came as a descriptor, or the bytes of its frames."""
        if self._channel.descriptors:
            return os.fdopen(self._channel.descriptors.popleft(), "rb")
        pieces: list[bytes] = []
        more = True
        while more:
            frame = self._channel.read()
            if frame is None or frame.kind != Kind.BODY:
                raise FrameError("a request's body is not complete")
            pieces.append(frame.payload)
            more = frame.more
        return io.BytesIO(b"".join(pieces))


class _Call:
    """One call of the application, and its response. A short one that `may_hold` is `held`, for the caller to send."""

    def __init__(self, application: Application, environ: Environ, channel: Channel, *, may_hold: bool) -> None:
        self.held = b""
        self.close_seconds = 0.0
        self._may_hold = may_hold
        self._application = application
        self._environ = environ
        self._method, self._path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        """The client's own: Django decodes the path in the environ, and middleware may change the method."""
        self._is_head = self._method == "HEAD"
        self._channel = channel
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._written: list[bytes] = []
        self._room: int | None = None
        """Bytes of the body that its Content-Length leaves room for."""
        self._is_over = False

    def run(self) -> None:
        """Call the application and send its response. Raises OSError when the front is gone."""
        try:
            response = self._application(self._environ, self._start_response)
            try:
                self._send(response)
            finally:
                close = getattr(response, "close", None)
                if close:
                    begun_at = time.perf_counter()
                    close()
                    self.close_seconds = time.perf_counter() - begun_at
        except ClientGoneError:
            pass
        except _FrontGoneError as error:
            raise error.__cause__ or error from None
        except BaseException:  # an application may well call sys.exit
            if self._is_over:
                log.exception("closing a response that was sent raised an exception")
            else:
                log.exception("%s: the WSGI application raised an exception", self._describe())
                self._channel.write(encode(Kind.FAILED))

    def _send(self, response: Iterable[bytes]) -> None:
        if isinstance(response, (list, tuple)) or not getattr(response, "streaming", True):  # Django's HttpResponse
            self._send_whole(b"".join([*self._written, *response]))
            return
        if isinstance(response, File) and self._send_file(response):
            return
        has_begun = False
        for piece in iter_pieces(self._written, response):
            if not has_begun:
                has_begun = True
                self._write(self._encode_start(None, more=True))
            if self._has_no_body:
                break
            if piece:
                self._check_client()
                for data in encode_pieces(Kind.BODY, self._fit(piece), more=True):
                    self._write(data)
        if has_begun:
            self._is_over = True
            self._write(encode(Kind.BODY))
        else:
            self._send_whole(b"")

    def _send_file(self, response: File) -> bool:
        """Have the front send a file; return whether it does."""
        status, headers = self._list_headers()
        found = find_open_file(response.file, find_length(headers))
        if found is None or self._written or is_bodiless(status):
            return False
        send, is_head = self._channel.send_descriptor, self._is_head
        data = encode_file_response(found, status, headers, send, is_head=is_head, max_inline_bytes=MAX_INLINE_BYTES)
        self._end(data)
        return True

    def _send_whole(self, body: bytes) -> None:
        start = self._encode_start(body, more=True)
        body = b"" if self._has_no_body else self._fit(body)
        self._end(b"".join([start, *encode_pieces(Kind.BODY, body)]))

    def _end(self, data: bytes) -> None:
        """Send a whole response, or hold it for the caller."""
        self._is_over = True
        if self._may_hold and len(data) <= MAX_HELD_BYTES:
            self.held = data
        else:
            self._write(data)

    @property
    def _has_no_body(self) -> bool:
        return self._is_head or is_bodiless(int(self._status[:3]))

    def _encode_start(self, body: bytes | None, *, more: bool) -> bytes:
        """Return the frame of the response's head; a whole body gets its Content-Length."""
        status, headers = self._list_headers()
        if not is_bodiless(status):
            self._room = find_length(headers)
            if body is not None and self._room is None:
                headers.append((b"content-length", b"%d" % len(body)))
        return encode(Kind.RESPONSE, encode_response(status, headers), more=more)

    def _list_headers(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Return the status and the header fields, without a length where there is no body."""
        if not self._status:
            raise RuntimeError("the WSGI application did not call start_response")
        status = int(self._status[:3])
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self._headers]
        if is_bodiless(status):
            headers = [field for field in headers if field[0] != b"content-length"]
        path = self._path.encode("latin-1").decode("utf-8", "replace")
        return status, mark_unknown(status, headers, self._method, path)

    def _fit(self, body: bytes) -> bytes:
        """Return what the Content-Length leaves room for, in the body or in its next piece (PEP 3333)."""
        if self._room is None:
            return body
        if len(body) > self._room:
            log.error("%s: its body is longer than its Content-Length; the rest is not sent", self._describe())
        fitting = body[: self._room]
        self._room -= len(fitting)
        return fitting

    def _check_client(self) -> None:
        try:
            frame = self._channel.poll()
        except (OSError, FrameError) as error:
            raise _FrontGoneError from error
        if frame is not None and frame.kind == Kind.DISCONNECT:
            raise ClientGoneError

    def _write(self, data: bytes) -> None:
        try:
            self._channel.write(data)
        except OSError as error:
            raise _FrontGoneError from error

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if self._status and not exc_info:
            raise RuntimeError("the WSGI application called start_response twice")
        self._status, self._headers = status, list(headers)
        return self._written.append

    def _describe(self) -> str:
        return repr(f"{self._environ['REQUEST_METHOD']} {self._environ['PATH_INFO'][:_LOGGED_CHARACTERS]}")


class _FrontGoneError(Exception):
    """The front has closed the channel; its cause is the OSError."""


def iter_pieces(written: list[bytes], response: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what the application wrote, and what it returns."""
    for piece in response:
        yield from written
        written.clear()
        yield piece
    yield from written
