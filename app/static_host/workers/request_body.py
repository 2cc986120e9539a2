"""A request's body, read until it is whole, so that a slow client holds no thread of Django.

Rule: up to `MAX_IN_MEMORY_BYTES` it stays in memory, beyond that it goes to a file without a name. Writing to the file
is left to a thread: a slow disk delays this request alone. A body longer than `max_bytes`, or one for which the disk
has no room, is refused (413, RFC 9110 §15.5.14).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

from starlette.types import Receive

MAX_IN_MEMORY_BYTES = 256 << 10


class ClientGoneError(Exception):
    """The client closed the connection."""


class BodyTooLargeError(Exception):
    """The body is longer than DJANGO_MAX_BODY allows."""


class BodySpoolError(Exception):
    """The directory of temporary files has no room for the body; the cause is the OSError."""


class RequestBody:
    """A whole body: `data`, or a `file` at its beginning. Close it when it was handed on."""

    def __init__(self, data: bytes = b"", file: IO[bytes] | None = None, length: int = 0) -> None:
        self.data = data
        self.file = file
        self.length = length

    def close(self) -> None:
        """Close the file, if any; a worker that has its descriptor may read it still."""
        if self.file is not None:
            with suppress(OSError):
                self.file.close()


def has_body(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether a request has a body (RFC 9112 §6.3)."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 ")) for name, value in headers
    )


def get_length(headers: Sequence[tuple[bytes, bytes]]) -> int:
    """Return the length of the body that a request states, which a parser has accepted; else 0."""
    return next((int(value) for name, value in headers if name == b"content-length"), 0)


async def read_body(receive: Receive, max_bytes: int) -> RequestBody:
    """Return the whole body. Raises ClientGoneError, BodyTooLargeError, BodySpoolError."""
    pieces: list[bytes] = []
    length = unwritten = 0
    file: IO[bytes] | None = None
    try:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError  # noqa: TRY301 - the file is closed in one place
            piece: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            length += len(piece)
            if length > max_bytes:
                raise BodyTooLargeError  # noqa: TRY301 - the file is closed in one place
            if piece:
                pieces.append(piece)
                unwritten += len(piece)
            if unwritten > MAX_IN_MEMORY_BYTES or (file is not None and not more and unwritten):
                file = await asyncio.to_thread(_write, file, pieces)
                pieces, unwritten = [], 0
    except BaseException:
        if file is not None:
            with suppress(OSError):
                file.close()
        raise
    if file is None:
        return RequestBody(b"".join(pieces), None, length)
    return RequestBody(b"", file, length)


def _write(file: IO[bytes] | None, pieces: Sequence[bytes]) -> IO[bytes]:
    """Append the pieces, in a thread; the position for reading stays at the beginning."""
    try:
        file = file or tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it outlives this call
        for piece in pieces:
            view = memoryview(piece)
            while view:
                view = view[os.pwrite(file.fileno(), view, os.fstat(file.fileno()).st_size) :]
    except OSError as error:
        if file is not None:
            with suppress(OSError):
                file.close()
        raise BodySpoolError from error
    return file
