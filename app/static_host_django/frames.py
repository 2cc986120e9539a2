"""Frames: what the front and a worker send each other over a socketpair.

Rule: a frame is a header of 8 bytes and a payload of at most `MAX_PAYLOAD_BYTES`. The header has the protocol's
version, the kind, a flag that more frames follow, a zero byte, and the length of the payload, in network byte order.
`docs/frames.md` describes each kind. A frame that breaks the rule is a FrameError: its receiver closes the channel.
Both sides use this module; it imports the standard library alone.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from enum import Enum, IntEnum
from itertools import chain
from typing import NamedTuple

VERSION = 1
HEADER = struct.Struct("!BBBxI")
MAX_PAYLOAD_BYTES = 1 << 20
MAX_MESSAGE_BYTES = 64 << 20
"""The largest message of a WebSocket that either side sends."""
_SEPARATOR = b"\0"
_FILE = struct.Struct("!cQQ")
_HEAD_FIELDS = 10
"""The fields of a request's head before its header fields."""
_RESPONSE_HEAD = re.compile(
    rb"[2-5][0-9]{2}\0(?:(?!content-length: (?![0-9]{1,18}\r\n))"
    rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [^\x00-\x08\x0a-\x1f\x7f]*\r\n)*"
)


UNKNOWN_PATH_FIELD = (b"x-static-host-unknown-path", b"1")
"""The field of a 404 whose path the project's URLconf does not know, for a front that wants to know."""


class Kind(IntEnum):
    """The kinds of frames on a channel, which carries one request at a time."""

    HTTP_REQUEST = 1
    """front → worker: the head of a request; more: its body follows."""
    WEBSOCKET = 2
    """front → worker: the head of a handshake."""
    BODY = 3
    """both directions: a piece of a body; more: another one follows."""
    RESPONSE = 4
    """worker → front: status and field lines; more: the body follows, piece by piece; else it is the FILE before."""
    DISCONNECT = 5
    """front → worker: the client has gone; the payload is a WebSocket's close code, or empty."""
    FAILED = 6
    """worker → front: the application raised an exception, which the worker has logged."""
    IDLE = 7
    """worker → front: the request is over, the channel is free."""
    ACCEPT = 8
    """worker → front: a WebSocket is accepted: subprotocol and header fields."""
    TEXT = 9
    """both directions: a WebSocket's message as text, in UTF-8; more: the message goes on."""
    BYTES = 10
    """both directions: a WebSocket's message as bytes; more: the message goes on."""
    CLOSE = 11
    """worker → front: a WebSocket is closed: code and reason."""
    CONTROL = 12
    """both directions, on the control channel: a JSON object."""
    FILE = 13
    """worker → front: the body of the response whose RESPONSE follows is a file: its content, or a descriptor."""


class FileForm(Enum):
    """What comes with a FILE frame."""

    CONTENT = b"C"
    """The file's content, in the frame."""
    DESCRIPTOR = b"D"
    """A descriptor of the open file, on the channel's second socket."""
    LENGTH = b"L"
    """Nothing: the request's method is HEAD."""


class FrameError(Exception):
    """The other side sent something that is no frame of this protocol."""


class Frame(NamedTuple):
    """One frame."""

    kind: int
    payload: bytes
    more: bool = False


class Head(NamedTuple):
    """The head of a request: what both of ASGI's scope and WSGI's environ are made of."""

    method: bytes
    path: bytes
    """The target's path, percent-encoded, as the client sent it."""
    query: bytes
    http_version: bytes
    scheme: bytes
    root_path: bytes
    client_host: bytes
    client_port: bytes
    server_host: bytes
    server_port: bytes
    headers: list[tuple[bytes, bytes]]


def encode(kind: int, payload: bytes = b"", *, more: bool = False) -> bytes:
    """Return one frame as bytes. Raises FrameError if the payload is too long."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise FrameError(f"a payload of {len(payload)} bytes is longer than {MAX_PAYLOAD_BYTES}")
    return HEADER.pack(VERSION, kind, more, len(payload)) + payload


def encode_pieces(kind: int, data: bytes, *, more: bool = False) -> list[bytes]:
    """Return the frames of data of any length; each but the last says that more follow, the last one if `more`."""
    if len(data) <= MAX_PAYLOAD_BYTES:
        return [encode(kind, data, more=more)]
    starts = range(0, len(data), MAX_PAYLOAD_BYTES)
    return [encode(kind, data[at : at + MAX_PAYLOAD_BYTES], more=more or at != starts[-1]) for at in starts]


def encode_head(head: Head) -> bytes:
    """Return the payload of a request's head. Raises FrameError for a NUL in it, which HTTP does not allow."""
    *fields, headers = head
    return _join([*fields, *chain.from_iterable(headers)])


def decode_head(payload: bytes) -> Head:
    """Return the head in a payload. Raises FrameError."""
    parts = payload.split(_SEPARATOR)
    if len(parts) < _HEAD_FIELDS or len(parts) % 2:
        raise FrameError("a request's head lacks fields")
    return Head._make([*parts[:_HEAD_FIELDS], _pair(parts[_HEAD_FIELDS:])])


def encode_response(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the payload of a response's head. Raises ValueError for what RFC 9110 §5 and §8.6 do not allow."""
    headers = list(headers)
    payload = b"%d\0" % status + b"".join([b"%b: %b\r\n" % field for field in headers])
    if not _RESPONSE_HEAD.fullmatch(payload) or payload.count(b"\n") != len(headers):
        wrong = [
            field for field in headers if b"\n" in field[1] or not _RESPONSE_HEAD.fullmatch(b"200\0%b: %b\r\n" % field)
        ]
        raise ValueError(f"a response cannot have the header field {wrong[0]!r}" if wrong else f"no status: {status}")
    return payload


def decode_response(payload: bytes) -> tuple[int, bytes]:
    """Return the status, and the field lines, each with its CRLF. Raises FrameError."""
    if not _RESPONSE_HEAD.fullmatch(payload):
        raise FrameError(f"a response's head is malformed: {payload[:100]!r}")
    return int(payload[:3]), payload[4:]


def split_field_lines(lines: bytes) -> list[tuple[bytes, bytes]]:
    """Return name and value of each field line of a response."""
    return [(name, value) for name, _, value in (line.partition(b": ") for line in lines.split(b"\r\n")[:-1])]


def encode_file(form: FileForm, offset: int, length: int, content: bytes = b"") -> bytes:
    """Return a FILE frame: `length` bytes from `offset` on, which are the `content` if that comes along."""
    return encode(Kind.FILE, _FILE.pack(form.value, offset, length) + content, more=True)


def decode_file(payload: bytes) -> tuple[FileForm, int, int, bytes]:
    """Return the form, the offset, the length and the content of a FILE frame. Raises FrameError."""
    try:
        form, offset, length = _FILE.unpack_from(payload)
        content = payload[_FILE.size :]
        if offset + length >= 1 << 63 or len(content) != (length if FileForm(form) is FileForm.CONTENT else 0):
            raise ValueError("of another length")  # noqa: TRY301 - one way out
    except (struct.error, ValueError):
        raise FrameError(f"a file's frame is malformed: {payload[:100]!r}") from None
    return FileForm(form), offset, length, content


def encode_fields(first: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the payload of ACCEPT or CLOSE: a value, then pairs. Raises FrameError for a NUL."""
    return _join([first, *chain.from_iterable(headers)])


def decode_fields(payload: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Return the value and the pairs of ACCEPT or CLOSE. Raises FrameError."""
    first, *parts = payload.split(_SEPARATOR)
    if len(parts) % 2:
        raise FrameError("a value without its name")
    return first, _pair(parts)


class FrameReader:
    """Takes bytes as they arrive, and gives the complete frames in them."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        """The beginning of a frame."""
        self._wanted = 0
        """The length of the buffer from which on it is worth a look."""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are complete with this data. Raises FrameError."""
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._wanted:
                return
            data = bytes(self._buffer)
            self._buffer.clear()
        start, size, self._wanted = 0, len(data), HEADER.size
        while size - start >= HEADER.size:
            version, kind, more, length = HEADER.unpack_from(data, start)
            if version != VERSION or length > MAX_PAYLOAD_BYTES or more > 1:
                raise FrameError(f"no frame of version {VERSION}: {data[start : start + HEADER.size]!r}")
            end = start + HEADER.size + length
            if end > size:
                self._wanted = end - start
                break
            payload = data[start + HEADER.size : end]
            start = end
            yield Frame(kind, payload, bool(more))
        if start < size:
            self._buffer += data[start:]


class MessageJoiner:
    """Joins the frames of a message that is longer than one frame. Raises FrameError beyond `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []
        self._length = 0

    def join(self, frame: Frame) -> bytes | None:
        """Return the whole message with its last frame, else None."""
        if not frame.more and not self._pieces:
            return frame.payload
        self._pieces.append(frame.payload)
        self._length += len(frame.payload)
        if self._length > self._max_bytes:
            raise FrameError(f"a message is longer than {self._max_bytes} bytes")
        if frame.more:
            return None
        whole = b"".join(self._pieces)
        self._pieces, self._length = [], 0
        return whole


def _join(parts: list[bytes]) -> bytes:
    payload = _SEPARATOR.join(parts)
    if payload.count(_SEPARATOR) != len(parts) - 1:
        raise FrameError("a NUL in a field")
    return payload


def _pair(parts: list[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(parts[::2], parts[1::2], strict=True))
