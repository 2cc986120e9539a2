"""Requests that arrive together are answered in order, each with its own response, however their bytes are split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import permutations, product
from typing import NamedTuple

import pytest

from tests.support.processes import Running
from tests.support.waiting import wait_until
from tests.support.wire import (
    Response,
    ask,
    connect,
    exchange,
    make_frame,
    parse_responses,
    receive_all,
    receive_head,
)

HOST = b"Host: localhost\r\n"
NUL = b"\x00\r\n\r\n"


class Part(NamedTuple):
    """A request, and what is to come of it."""

    data: bytes
    status: int
    text: bytes = b""
    """Some of the response's body."""
    is_last: bool = False
    """Whether the connection ends with its response."""

    @property
    def method(self) -> bytes:
        return self.data.partition(b" ")[0]


def make_upgrade(path: bytes, more: bytes = b"") -> bytes:
    """Return a handshake (RFC 6455 §1.2)."""
    return (
        b"GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
        b"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n"
    ) % (path, more)


H2C = HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
PARTS = {
    "static": Part(b"GET /static/digits.txt HTTP/1.1\r\n" + HOST + b"\r\n", 200, b"0123456789"),
    "page": Part(b"GET /echo/page HTTP/1.1\r\n" + HOST + b"\r\n", 200, b'"/echo/page"'),
    "HEAD": Part(b"HEAD /echo/head HTTP/1.1\r\n" + HOST + b"\r\n", 200),
    "length": Part(b"POST /echo/length HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello", 200, b'"hello"'),
    "chunks": Part(
        b"POST /echo/chunks HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n"
        b"X-A: trailer\r\n\r\n",
        200,
        b'"/echo/chunks", "host": "localhost", "body": "hello"',
    ),
    "health": Part(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n", 200, b"ok\n"),
    "h2c": Part(b"GET /echo/h2c HTTP/1.1\r\n" + H2C + b"\r\n", 200, b'"/echo/h2c"'),
    "bad": Part(NUL, 400, b"Bad Request\n", is_last=True),
}
REFUSED_SOCKET = Part(make_upgrade(b"/no"), 403)
SOCKET = Part(make_upgrade(b"/ws/") + make_frame(b"hi") + make_frame(b"bye"), 101, is_last=True)
CLOSING = Part(b"GET /echo/last HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n", 200, b"/last", is_last=True)
FRAMES = b"\x81\x07echo hi\x81\x08echo bye\x88\x02\x03\xe8"
"""What comes back on the WebSocket."""


def check(port: int, parts: Sequence[Part]) -> None:
    """Send requests in one segment; each up to the last has its response, in order.

    This side is ended then, but for WebSockets, whose client that ends its side has gone.
    """
    has_upgrade = SOCKET in parts or REFUSED_SOCKET in parts
    sent = [*parts, CLOSING] if REFUSED_SOCKET in parts else parts
    data, methods = b"".join(each.data for each in sent), [each.method for each in sent]
    check_responses(ask(port, data, ends=not has_upgrade, methods=methods), sent)


def check_responses(got: Sequence[Response], parts: Sequence[Part]) -> None:
    """A response that says that it is the last one is so. Only that to a refused handshake may say it or not."""
    pairs = list(zip(got, parts, strict=False))
    may_be_last = [part.is_last or (part is REFUSED_SOCKET and each.is_last) for each, part in pairs]
    count = may_be_last.index(True) + 1 if True in may_be_last else len(parts)
    assert [each.status for each in got] == [part.status for part in parts[:count]]
    for response, part in pairs:
        assert part.text in response.body
        assert part is not SOCKET or response.body == FRAMES
        assert not response.is_last or response is got[-1], "closed, it said, and went on"


def list_mixes(parts: Sequence[Part]) -> list[tuple[Part, ...]]:
    """Return every sequence of up to three; behind one that ends the connection comes one further at most."""
    found = (mix for length in (1, 2, 3) for mix in product(parts, repeat=length))
    return [mix for mix in found if not any(part.is_last or part is REFUSED_SOCKET for part in mix[:-2])]


def test_every_mix_of_three_requests_in_one_segment_is_answered_in_order(wsgi: Running) -> None:
    for mix in list_mixes([*PARTS.values(), REFUSED_SOCKET]):
        check(wsgi.port, mix)


def test_so_it_is_where_bodies_are_read_as_they_arrive_and_with_web_sockets(asgi: Running) -> None:
    http = list(PARTS.values())
    behind = [(*mix, last) for mix in permutations(http[:-1], 2) for last in (SOCKET, REFUSED_SOCKET)]
    for mix in [*list_mixes(http), (SOCKET,), *((each, SOCKET) for each in http[:-1]), *behind]:
        check(asgi.port, mix)


BAD = {
    "NUL": (NUL, 400),
    "two lengths": (b"POST /echo/ HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    "no host": (b"GET /echo/ HTTP/1.1\r\n\r\n", 400),
    "HTTP/2.0": (b"GET /echo/ HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    "unknown coding": (b"POST /echo/ HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "long head": (b"GET /echo/ HTTP/1.1\r\n" + HOST + b"X: " + b"x" * (64 << 10) + b"\r\n\r\n", 431),
    "WebSocket with a body": (make_upgrade(b"/ws/", b"Content-Length: 5\r\n") + b"hello", 400),
    "WebSocket with chunks": (make_upgrade(b"/ws/", b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n", 400),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("before", ["static", "page", "length", "chunks", "h2c"])
def test_a_bad_request_behind_a_good_one_has_the_second_response(wire: Running, before: str, kind: str) -> None:
    data, status = BAD[kind]
    check(wire.port, (PARTS[before], Part(data, status, is_last=True, text=b"\n"), PARTS["static"]))


@contextmanager
def answer_behind_slow_page(running: Running, *parts: Part) -> Iterator[None]:
    """Send requests of which one is a page that waits; the page is released at the end, and all is answered."""
    before = running.output.count("slow begins")
    with ThreadPoolExecutor(1) as pool:
        got = pool.submit(ask, running.port, b"".join(each.data for each in parts), ends=False)
        try:
            wait_until(lambda: got.done() or running.output.count("slow begins") > before, "the page is not called")
            assert not got.done(), got.result()
            yield
        finally:
            ask(running.port, b"GET /release/ HTTP/1.1\r\n" + HOST + b"\r\n")
    check_responses(got.result(), parts)


SLOW = Part(b"GET /slow/ HTTP/1.1\r\n" + HOST + b"\r\n", 200, b"slow")


def test_a_bad_request_waits_for_a_slow_page_and_for_what_stands_between(wire: Running) -> None:
    with answer_behind_slow_page(wire, PARTS["static"], SLOW, PARTS["length"], PARTS["bad"]):
        pass


def test_a_file_behind_a_slow_page_waits_for_it(wire: Running) -> None:
    with answer_behind_slow_page(wire, SLOW, PARTS["static"], PARTS["health"], CLOSING):
        pass


def test_a_web_socket_waits_for_a_slow_page(asgi: Running) -> None:
    opened = asgi.output.count("seen WebSocket")
    with answer_behind_slow_page(asgi, SLOW, SOCKET):
        assert asgi.output.count("seen WebSocket") == opened


def test_a_handshake_gets_the_accept_value_of_its_key(asgi: Running) -> None:
    (got,) = ask(asgi.port, SOCKET.data, ends=False)
    assert got.get_all(b"sec-websocket-accept") == [b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]
    assert got.body == FRAMES


@pytest.mark.parametrize("more", [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_handshake_with_a_body_is_refused_and_no_application_is_called(asgi: Running, more: bytes) -> None:
    opened = asgi.output.count("seen WebSocket")
    (got,) = ask(asgi.port, make_upgrade(b"/ws/", more), ends=False)
    assert (got.status, got.is_last) == (400, True)
    assert asgi.output.count("seen WebSocket") == opened


@pytest.mark.parametrize(
    "more",
    [
        *(b"Cookie: a=%s\r\n" % (b"a" * length) for length in (9_000, 60_000)),
        *(b"a: b\r\n" * number for number in (200, 10_000)),
        *(b"Content-Length: %s\r\n" % zero for zero in (b"0", b"00")),
    ],
    ids=["9 kB of cookies", "60 kB of cookies", "200 fields", "10,000 fields", "no body", "no body, in two digits"],
)
def test_a_handshake_may_have_the_head_of_a_page(asgi: Running, more: bytes) -> None:
    (got,) = ask(asgi.port, make_upgrade(b"/ws/", more) + make_frame(b"bye"), ends=False)
    (plain,) = ask(asgi.port, make_upgrade(b"/ws/") + make_frame(b"bye"), ends=False)
    assert got.status == 101
    assert got == plain


def test_fields_of_a_handshake_in_two_lines_are_one_list(asgi: Running) -> None:
    data = make_upgrade(b"/ws/").replace(b"Connection: ", b"Connection: keep-alive\r\nConnection: ", 1)
    assert [got.status for got in ask(asgi.port, data + make_frame(b"bye"), ends=False)] == [101]
    key = next(line for line in data.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    (got,) = ask(asgi.port, data.replace(key, key + b"\r\n" + key), ends=False)
    assert got.status == 400


@pytest.mark.parametrize("text", [b"\xff", b"\xc3(", b"\xed\xa0\x80"])
def test_a_text_that_is_no_utf_8_closes_with_1007_and_no_traceback(asgi: Running, text: bytes) -> None:
    before = asgi.output.count("Traceback")
    with connect(asgi.port) as connection:
        connection.sendall(make_upgrade(b"/ws/"))
        assert receive_head(connection).startswith(b"HTTP/1.1 101 ")
        connection.sendall(make_frame(text))
        got = receive_all(connection)
    assert (got[:1], got[2:4]) == (b"\x88", b"\x03\xef")
    assert asgi.output.count("Traceback") == before


UPLOAD = b"POST /echo/ HTTP/1.1\r\n" + HOST
CONVERSATIONS: dict[str, tuple[bytes, list[int]]] = {
    "files": (PARTS["static"].data * 2 + CLOSING.data, [200, 200, 200]),
    "pages and a file": (PARTS["page"].data + PARTS["static"].data + CLOSING.data, [200, 200, 200]),
    "chunks": (PARTS["chunks"].data + CLOSING.data, [200, 200]),
    "Expect": (UPLOAD + b"Content-Length: 2\r\nConnection: close\r\n\r\nhi", [200]),
    "h2c": (PARTS["h2c"].data + CLOSING.data, [200, 200]),
    "h2c with a body": (
        b"POST /echo/ HTTP/1.1\r\n" + H2C + b"Content-Length: 4\r\n\r\nGET " + CLOSING.data,
        [200, 200],
    ),
    "NUL": (PARTS["length"].data + NUL, [200, 400]),
    "two framings": (
        PARTS["page"].data + UPLOAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        [200, 400],
    ),
    "bad chunks": (
        PARTS["static"].data + UPLOAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        [200, 400],
    ),
    "HTTP/1.0": (b"POST /echo/ HTTP/1.0\r\nContent-Length: 2\r\n" + HOST + b"\r\nhi", [200]),
    "empty lines": (b"\r\n" + PARTS["static"].data + b"\r\n" + CLOSING.data, [200, 200]),
    "no host": (b"GET / HTTP/1.1\r\nA: b\r\n\r\n", [400]),
}
SHORT = ("files", "h2c with a body", "NUL", "HTTP/1.0", "no host")


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_bytes_that_are_cut_anywhere_have_the_same_responses(wire: Running, name: str) -> None:
    data, statuses = CONVERSATIONS[name]
    whole = exchange(wire.port, data, ends=False)
    assert [each.status for each in parse_responses(whole)] == statuses
    check_cuts(wire.port, data, whole)


def check_cuts(port: int, data: bytes, whole: bytes) -> None:
    """The bytes, cut in two at every place, have the same responses."""
    pieces = [(data[:cut], data[cut:]) for cut in range(1, len(data))]
    with ThreadPoolExecutor(8) as pool:
        for two, got in zip(pieces, pool.map(lambda two: exchange(port, *two, ends=False), pieces), strict=True):
            assert got == whole, two


@pytest.mark.parametrize("name", SHORT)
def test_bytes_that_come_one_by_one_have_the_same_responses(wire: Running, name: str) -> None:
    data, statuses = CONVERSATIONS[name]
    got = exchange(wire.port, *(data[number : number + 1] for number in range(len(data))), ends=False)
    assert got == exchange(wire.port, data, ends=False)
    assert [each.status for each in parse_responses(got)] == statuses


def test_a_web_socket_is_the_same_wherever_it_is_cut(asgi: Running) -> None:
    data = PARTS["static"].data + SOCKET.data
    whole = exchange(asgi.port, data, ends=False)
    check_responses(parse_responses(whole), [PARTS["static"], SOCKET])
    check_cuts(asgi.port, data, whole)
