"""The parser of requests, byte by byte: what it refuses, however the bytes are cut, and what it keeps of them."""

from __future__ import annotations

import tracemalloc

import pytest

from static_host.http.request_line import RequestRefusedError
from static_host.http.request_parser import RequestParser

FIELDS = b"\r\nHost: a\r\n\r\n"


def refuse(*pieces: bytes) -> int:
    """Return the status with which the pieces are refused; 0 if they are not."""
    parser = RequestParser()
    try:
        for piece in pieces:
            parser.feed(piece)
    except RequestRefusedError as error:
        return error.status
    return 0


@pytest.mark.parametrize(
    ("line", "status"),
    [
        *((line, 0) for line in (b"GET / HTTP/1.1", b"QUERY /a?b HTTP/1.0", b"\r\n\r\nM-SEARCH / HTTP/1.1")),
        *((line, 400) for line in (b"G\0T / HTTP/1.1", b"GE(T / HTTP/1.1", b" GET / HTTP/1.1", b"GET\t/ HTTP/1.1")),
        *((line, 400) for line in (b"GET / HTTP/01.1", b"GET / HTTP/2", b"GET / HTTP/2.00", b"GET / HTTP/1.1 ")),
        *((line, 501) for line in (b"FOO / HTTP/1.1", b"PROPFINDX / HTTP/1.0", b"get / HTTP/1.1", b"PRI * HTTP/1.1")),
        *((line, 400) for line in (b"FOO /\0 HTTP/1.1", b"FOO /\t HTTP/1.1", b"GET /\x7f HTTP/2.0")),
        *((line, 400) for line in (b"FOO /", b"FOO  HTTP/1.1", b"FOO / HTTP/1.1 ", b"GE\xc9 / HTTP/1.1")),
        *((line, 505) for line in (b"GET / HTTP/2.0", b"GET / HTTP/1.2", b"FOO * HTTP/0.9", b"PRI * HTTP/2.0")),
    ],
)
def test_every_split_of_a_head_has_the_same_outcome(line: bytes, status: int) -> None:
    data = line + FIELDS
    assert refuse(data) == status
    assert {refuse(data[:at], data[at:]) for at in range(len(data))} == {status}
    assert refuse(*(bytes([byte]) for byte in data)) == status


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\0", b"SSH-2.0-a\r\n", b" ", b"(", b"GET / HTTP/1.1\nHost: a\n\n", b"G\n"]
)
def test_what_cannot_become_a_head_is_refused_at_once(data: bytes) -> None:
    assert refuse(data) == refuse(*(bytes([byte]) for byte in data)) == 400


@pytest.mark.parametrize("piece", [b"a: b\r\n" * 200, b"a" * 1200], ids=["many lines", "one long line"])
def test_a_head_that_is_not_complete_takes_the_memory_of_its_bytes(piece: bytes) -> None:
    parser = RequestParser()
    tracemalloc.start()
    try:
        for data in (b"GET / HTTP/1.1\r\nHost: a\r\nCookie: ", *[piece] * 50):
            parser.feed(data)
        taken_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(parser.head) > 60_000
    assert taken_bytes < 80_000


@pytest.mark.parametrize("length", [1, 64, 65, 60_000])
def test_a_method_of_any_length_may_come_in_pieces(length: int) -> None:
    assert refuse(b"A" * (length - 1), b"A") == 0
