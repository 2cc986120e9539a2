"""The head of an application's response → its lines on the wire, and how its body is delimited.

Rule: what belongs to one connection only is the server's own business (RFC 9110 §7.6.1): Connection, what it names,
Transfer-Encoding and the like do not go out as an application says. A body has the length that Content-Length states.
Without one, a body that is sent as a whole gets its length stated; others are chunked, or delimited by the end of the
connection for a client of HTTP/1.0 (RFC 9112 §6.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum, auto
from http import HTTPStatus
from typing import NamedTuple

_HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class InvalidResponseError(Exception):
    """The application's response cannot be sent."""


class Delimitation(Enum):
    """What tells the client where a body ends."""

    NOTHING = auto()
    """There is none: the response to HEAD, 204, 304."""
    LENGTH = auto()
    CHUNKS = auto()
    CLOSE = auto()


class ResponseHead(NamedTuple):
    """Field lines, without those that the server adds; and what they say."""

    lines: bytes
    delimitation: Delimitation
    length: int
    """The bytes of the body, if it has a length."""
    is_last: bool
    """Whether the application wants the connection closed."""

    def complete(self, length: int) -> ResponseHead:
        """Return the head of a body that is known to have this length, and states none."""
        if self.delimitation not in (Delimitation.CHUNKS, Delimitation.CLOSE):
            return self
        lines = self.lines + b"content-length: %d\r\n" % length
        return self._replace(lines=lines, delimitation=Delimitation.LENGTH, length=length)


def make_head(status: int, fields: Iterable[tuple[bytes, bytes]], method: str, version: str) -> ResponseHead:
    """Return the head of a response. Raises InvalidResponseError."""
    kept: list[tuple[bytes, bytes]] = []
    nominated: set[bytes] = set()
    length: bytes | None = None
    for name, value in fields:
        name = bytes(name).lower()
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise InvalidResponseError(f"not a valid field: {(bytes(name), bytes(value))!r:.200}")
        if name == b"connection":
            nominated.update(token.strip().lower() for token in bytes(value).split(b","))
        elif name == b"content-length":
            value = _check_length(value, length)
            if length is None and status != HTTPStatus.NO_CONTENT:  # RFC 9110 §8.6
                kept.append((name, value))
            length = value
        elif name not in _HOP_BY_HOP:
            kept.append((name, value))
    if nominated:
        kept = [(name, value) for name, value in kept if name not in nominated or name == b"content-length"]
    if method == "HEAD" or status in _BODILESS:
        delimitation = Delimitation.NOTHING
    elif length is not None:
        delimitation = Delimitation.LENGTH
    else:
        delimitation = Delimitation.CLOSE if version == "1.0" else Delimitation.CHUNKS
    lines = b"".join([b"%s: %s\r\n" % field for field in kept])
    return ResponseHead(lines, delimitation, int(length or 0), b"close" in nominated)


def _check_length(value: bytes, other: bytes | None) -> bytes:
    """Return a Content-Length that is valid, and the same as the `other` one if there is one."""
    value = bytes(value).strip(b" \t")
    if not _LENGTH.fullmatch(value) or other not in (None, value):
        raise InvalidResponseError(f"not exactly one valid Content-Length: {value!r:.200}")
    return value
