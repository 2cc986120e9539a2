"""A response whose body is an open file: what the front gets instead of the bytes.

Rule: a file counts if the bytes that its `read` returns are those on the disk: what ``open`` returned, also inside
Django's File or a file of `tempfile`. A class with a `read` of its own (gzip, an encrypted storage, a part of an
archive) is read as a stream. The front gets a duplicate of the descriptor, so the file may be closed or unlinked then.
"""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from static_host_django.frames import FileForm, Kind, encode, encode_file, encode_response

MAX_INLINE_BYTES = 64 << 10
"""Length up to which a thread reads the file: that costs less than a descriptor."""
_MAX_WRAPPERS = 8
"""Files within files that are looked into."""


class OpenFile(NamedTuple):
    """`length` bytes of an open file from `offset` on, which `read` would return."""

    descriptor: int
    offset: int
    length: int


def find_open_file(file: Any, stated_length: int | None = None) -> OpenFile | None:
    """Return the open file behind an object that a view returned; None if it has to be read.

    `stated_length` is the Content-Length, which may be less. If it is more, the client has to see that.
    """
    file = _unwrap(file)
    if file is None:
        return None
    try:
        if not file.readable():
            return None
        if file.writable():
            file.flush()
        descriptor, offset = file.fileno(), file.tell()
        status = os.fstat(descriptor)
    except (OSError, ValueError):  # it is closed, or cannot tell: to read it raises what the project should see
        return None
    length = status.st_size - offset
    if not stat.S_ISREG(status.st_mode) or length <= 0:  # the files of /proc have no length, and yet a content
        return None
    stated_length = length if stated_length is None else stated_length
    return OpenFile(descriptor, offset, stated_length) if stated_length <= length else None


def _unwrap(file: Any) -> Any:
    """Return the file of the standard library that reads what is on the disk, or None."""
    from django.core.files.utils import FileProxyMixin

    for _ in range(_MAX_WRAPPERS):
        kind = type(file)
        if kind in (io.BufferedReader, io.BufferedRandom):
            return file if type(file.raw) is io.FileIO and "read" not in vars(file) else None
        if kind is io.FileIO:
            return None if "read" in vars(file) else file
        if kind is tempfile.SpooledTemporaryFile:
            file = file._file  # documented, in spite of its name
        elif kind.__module__ == "tempfile" or getattr(kind, "read", None) is FileProxyMixin.read:
            file = file.file  # of `tempfile`, too: documented, unlike the class
        else:
            return None
    return None


def find_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Return the Content-Length among the header fields of a response, if any."""
    return next((int(value) for name, value in headers if name == b"content-length"), None)


def encode_file_response(
    found: OpenFile,
    status: int,
    headers: list[tuple[bytes, bytes]],
    send_descriptor: Callable[[int], None],
    *,
    is_head: bool,
    max_inline_bytes: int = 0,
) -> bytes:
    """Return the frames of a response with this body; its descriptor is sent first, unless the body is short.

    Raises what `send_descriptor` raises, and ValueError as `encode_response` does.
    """
    response = encode(Kind.RESPONSE, encode_response(status, headers))
    if is_head:
        return encode_file(FileForm.LENGTH, 0, found.length) + response
    if found.length <= max_inline_bytes:
        content = os.pread(found.descriptor, found.length, found.offset)
        if len(content) == found.length:  # else it was truncated just now
            return encode_file(FileForm.CONTENT, 0, found.length, content) + response
    send_descriptor(found.descriptor)
    return encode_file(FileForm.DESCRIPTOR, found.offset, found.length) + response
