"""Exchanges of literal bytes with a server, and a strict reader of what comes back (RFC 9112 §4 to §7)."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, repeat

from tests.support.apart import send_apart

TIMEOUT_SECONDS = 10.0
NORMAL_CLOSURE = b"\x88\x02\x03\xe8"
"""A close frame of a server's, code 1000."""
OWN_CLOSURE = b"\x88\x82\0\0\0\0\x03\xe8"
"""The same of a client's."""

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5]\d\d) [^\r\n\0]*\r\n")
_FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([^\r\n\0]*)\r\n")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]+)\r\n")


@dataclass(frozen=True)
class Response:
    """A response; what follows a 101 is its body."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def get_all(self, name: bytes) -> list[bytes]:
        """Return the values of a field, whose name is in lower case."""
        return [value for each, value in self.fields if each == name]

    @property
    def is_last(self) -> bool:
        """Whether it says that the connection is closed."""
        return b"close" in self.get_all(b"connection")


def exchange(port: int, *pieces: bytes, ends: bool = True) -> bytes:
    """Send the pieces, each when the one before is read; return all that comes until the server closes, without dates.

    `ends`: this side is ended then. Otherwise the server closes by itself. A close frame is answered with one.
    """
    with connect(port) as connection:
        return exchange_with(connection, *pieces, ends=ends)


def exchange_with(connection: socket.socket, *pieces: bytes, ends: bool = True) -> bytes:
    """Exchange bytes over a connection, as `exchange` does."""
    if pieces[1:]:
        send_apart(connection, pieces)
    else:
        connection.sendall(pieces[0])
    if ends:
        connection.shutdown(socket.SHUT_WR)
    return remove_dates(receive_all(connection))


def connect(port: int) -> socket.socket:
    """Return a new connection to a port of this machine."""
    return socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)


def receive_all(connection: socket.socket) -> bytes:
    """Return all that comes until the server closes; answer a close frame with one."""
    got = b""
    while piece := connection.recv(1 << 20):
        got += piece
        if got.endswith(NORMAL_CLOSURE):
            connection.sendall(OWN_CLOSURE)
    return got


def receive_head(connection: socket.socket) -> bytes:
    """Return the head of a response, byte by byte, so that what follows is left."""
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        assert piece, got
        got += piece
    return got


def remove_dates(data: bytes) -> bytes:
    """Return the bytes without Date fields."""
    return re.sub(rb"(?i)\r\ndate: [^\r]*", b"", data)


def parse_responses(data: bytes, methods: Iterable[bytes] = ()) -> list[Response]:
    """Return the responses to requests with these methods, GET further on. Fails at a byte that is none of theirs."""
    found, offset, upcoming = [], 0, chain(methods, repeat(b"GET"))
    while offset < len(data):
        line = _match(_STATUS_LINE, data, offset)
        offset, fields = line.end(), []
        while data[offset : offset + 2] != b"\r\n":
            field = _match(_FIELD_LINE, data, offset)
            fields.append((field[1].lower(), field[2]))
            offset = field.end()
        status = int(line[1])
        method = b"HEAD" if 100 <= status < 200 and status != 101 else next(upcoming)
        body, offset = _take_body(data, offset + 2, status, fields, method)
        found.append(Response(status, tuple(fields), body))
    return found


def list_statuses(data: bytes, methods: Iterable[bytes] = ()) -> list[int]:
    """Return the statuses of all responses."""
    return [response.status for response in parse_responses(data, methods)]


def ask(port: int, *pieces: bytes, ends: bool = True, methods: Iterable[bytes] = ()) -> list[Response]:
    """Exchange bytes, and return the responses."""
    return parse_responses(exchange(port, *pieces, ends=ends), methods)


def make_frame(payload: bytes, opcode: int = 1) -> bytes:
    """Return a WebSocket frame of a client's (RFC 6455 §5.2), masked with zeros, of up to 125 bytes."""
    return bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def _match(pattern: re.Pattern[bytes], data: bytes, offset: int) -> re.Match[bytes]:
    found = pattern.match(data, offset)
    assert found, f"{data[offset : offset + 200]!r} behind {data[max(0, offset - 200) : offset]!r}"
    return found


def _take_body(
    data: bytes, offset: int, status: int, fields: list[tuple[bytes, bytes]], method: bytes
) -> tuple[bytes, int]:
    """Return a body and the offset behind it (RFC 9112 §6.3)."""
    lengths = {value for name, value in fields if name == b"content-length"}
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    if status == 101:
        return data[offset:], len(data)
    if method == b"HEAD" or status in (204, 304):
        return b"", offset
    if codings:
        assert codings == [b"chunked"]
        assert not lengths
        return _take_chunks(data, offset)
    if not lengths:
        return data[offset:], len(data)
    (length,) = lengths
    end = offset + int(length)
    assert end <= len(data), f"{end - len(data)} bytes are missing of {data[-200:]!r}"
    return data[offset:end], end


def _take_chunks(data: bytes, offset: int) -> tuple[bytes, int]:
    pieces = []
    while True:
        size = _match(_CHUNK_SIZE, data, offset)
        end = size.end() + int(size[1], 16)
        pieces.append(data[size.end() : end])
        assert data[end : end + 2] == b"\r\n", data[end : end + 100]
        offset = end + 2
        if end == size.end():
            return b"".join(pieces), offset
