"""A final response to a request whose body is not read to its end (RFC 9112 §9.3, §9.6).

The response says that the connection is closed, and reaches a client that sends all of its body before it reads; the
connection lingers for that, and not without end. No byte of the body is a request.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.apart import wait_until_read
from tests.support.nginx import NGINX, run_nginx
from tests.support.processes import Running, find_free_port, run_server
from tests.support.required import needs
from tests.support.wire import Response, ask, connect, parse_responses, receive_all, remove_dates
from tests.support.wire_project import SECRET, VARIABLES

BAIT = b"GET /echo/bait HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""What bodies are made of."""
BLOCK = BAIT * ((64 << 10) // len(BAIT))
SIZES = {"1 MB": 1_000_000, "50 MB": 50_000_000}
KNOWN = f"X-Origin-Secret: {SECRET}\r\n".encode()


class Refused(NamedTuple):
    """A request that gets its response before its body is read: its line and a field, and the status."""

    line: bytes
    status: int
    more: bytes = KNOWN


KINDS = {
    "over the limit": Refused(b"POST /echo/ HTTP/1.1", 413),
    "a file": Refused(b"POST /static/digits.txt HTTP/1.1", 405),
    "no secret": Refused(b"POST /echo/ HTTP/1.1", 403, b""),
    "two lengths": Refused(b"POST /echo/ HTTP/1.1", 400, KNOWN + b"Content-Length: 1\r\n"),
    "another version": Refused(b"POST /echo/ HTTP/2.0", 505),
    "two framings": Refused(b"POST /echo/ HTTP/1.1", 400, KNOWN + b"Transfer-Encoding: gzip, chunked\r\n"),
}
BY_PROXY = ("over the limit", "a file", "no secret")
"""What a proxy passes on."""


@pytest.fixture(scope="module")
def strict(wire_project: Path) -> Iterator[Running]:
    """A server that wants a secret."""
    own = {"DJANGO_ORIGIN_SECRET": SECRET, "DJANGO_THREADS": "1", "DJANGO_INTERFACE": "wsgi"}
    with run_server(cwd=wire_project, **VARIABLES, **own) as running:
        yield running


PROXIES: dict[str, dict[str, str]] = {
    "whole bodies": {},
    "bodies as they arrive": {"also": "proxy_request_buffering off;"},
    "a connection for each request": {"without": "proxy_set_header Connection"},
}


@pytest.fixture(scope="module", params=PROXIES)
def nginx(strict: Running, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of an nginx in front of that server, which keeps its connections, but for the last one of these."""
    port = find_free_port()
    with run_nginx(f"127.0.0.1:{strict.port}", tmp_path_factory.mktemp("nginx"), port=port, **PROXIES[request.param]):
        yield port


@pytest.fixture(autouse=True)
def _expect_no_bait(strict: Running, asgi: Running) -> Iterator[None]:
    """No byte of a body is taken for a request."""
    before = [each.output.count("/echo/bait") for each in (strict, asgi)]
    yield
    assert [each.output.count("/echo/bait") for each in (strict, asgi)] == before


def make_head(kind: Refused, framing: bytes, more: bytes = b"") -> bytes:
    return b"%s\r\nHost: localhost\r\n%s%s%s\r\n" % (kind.line, kind.more, framing, more)


def send_blindly(port: int, head: bytes, size: int) -> list[Response]:
    """Send a request with so many bytes of baits, and only then read."""
    with connect(port) as connection:
        connection.sendall(head)
        for _ in range(size // len(BLOCK)):
            connection.sendall(BLOCK)
        connection.sendall((BLOCK * 2)[: size % len(BLOCK)])
        return parse_responses(remove_dates(receive_all(connection)))


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_sends_all_before_it_reads_gets_the_response(strict: Running, kind: str, size: int) -> None:
    refused = KINDS[kind]
    for more in (b"", b"Connection: close\r\n", b"Connection: keep-alive\r\n"):
        (got,) = send_blindly(strict.port, make_head(refused, b"Content-Length: %d\r\n" % size, more), size)
        assert (got.status, got.is_last) == (refused.status, True)
        assert got.body


def test_so_does_one_that_sends_chunks(strict: Running) -> None:
    chunks = b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK) * 100 + b"0\r\n\r\n"
    for kind in BY_PROXY:
        with connect(strict.port) as connection:
            connection.sendall(make_head(KINDS[kind], b"Transfer-Encoding: chunked\r\n") + chunks)
            (got,) = parse_responses(receive_all(connection))
            assert (got.status, got.is_last) == (KINDS[kind].status, True)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_by_asgi_a_project_may_respond_before_the_body(asgi: Running, size: int) -> None:
    """The rest is read, or the connection closed; DJANGO_MAX_BODY may come first."""
    line = b"POST /raw/?Content-Length=2|ok HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" % size
    (got,) = send_blindly(asgi.port, line + b"Connection: close\r\n\r\n", size)
    assert (got.status, got.body) == (200, b"ok") or got.status == 413
    with connect(asgi.port) as connection:
        connection.sendall(line + b"\r\n" + (BLOCK * (size // len(BLOCK) + 1))[:size])
        connection.sendall(b"GET /echo/next HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        first, *rest = parse_responses(remove_dates(receive_all(connection)))
    assert first.status in (200, 413)
    assert len(rest) == (0 if first.is_last else 1)
    assert all(b'"/echo/next"' in each.body for each in rest)


@contextmanager
def keep_busy(server: Running) -> Iterator[None]:
    """Keep the server's one thread busy."""
    before = server.output.count("slow begins")
    with connect(server.port) as connection:
        connection.sendall(b"GET /slow/ HTTP/1.1\r\nHost: localhost\r\n" + KNOWN + b"Connection: close\r\n\r\n")
        server.wait_for("slow begins", times=before + 1)
        yield


@pytest.mark.parametrize("size", [90_000, 1_000_000])
def test_a_busy_server_s_503_arrives_too(wire_project: Path, size: int) -> None:
    own = {"DJANGO_THREADS": "1", "DJANGO_QUEUE": "0", "DJANGO_INTERFACE": "wsgi", "DJANGO_MAX_BODY": "1GB"}
    with run_server(cwd=wire_project, **{**VARIABLES, **own}) as server, keep_busy(server):
        head = make_head(KINDS["over the limit"], b"Content-Length: %d\r\n" % size, b"Connection: close\r\n")
        for _ in range(3):
            (got,) = send_blindly(server.port, head, size)
            assert (got.status, got.is_last) == (503, True)
        assert "/echo/bait" not in server.output


@pytest.mark.parametrize("kind", BY_PROXY)
def test_who_waits_for_100_gets_the_final_response_instead(strict: Running, kind: str) -> None:
    """RFC 9110 §10.1.1: the client may send the body or not, so the connection is of no more use."""
    head = make_head(KINDS[kind], b"Content-Length: 1000000\r\n", b"Expect: 100-continue\r\n")
    (got,) = ask(strict.port, head, ends=False)
    assert (got.status, got.is_last) == (KINDS[kind].status, True)
    (got,) = ask(strict.port, head + BAIT * 10, ends=False)
    assert (got.status, got.is_last) == (KINDS[kind].status, True)


def test_what_comes_late_of_a_body_is_no_request(strict: Running) -> None:
    for kind in BY_PROXY:
        refused = KINDS[kind]
        with connect(strict.port) as connection:
            connection.sendall(make_head(refused, b"Content-Length: 2000000\r\n") + BLOCK)
            wait_until_read(connection)
            with suppress(ConnectionError):  # it may be closed by now
                for _ in range(5):
                    connection.sendall(BAIT * 1000)
                    wait_until_read(connection)
            (got,) = parse_responses(receive_all(connection))
            assert (got.status, got.is_last) == (refused.status, True)


@needs(NGINX, "no nginx on this machine")
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("kind", BY_PROXY)
def test_behind_a_proxy_each_client_gets_the_response(strict: Running, nginx: int, kind: str, size: int) -> None:
    refused, statuses = KINDS[kind], []
    close = b"Connection: close\r\n"
    for number in range(10):
        head = make_head(refused, b"Content-Length: %d\r\n" % size, close)
        statuses += [each.status for each in send_blindly(nginx, head, size)]
        path, more = b"/echo/%d" % number, KNOWN + close
        (got,) = ask(nginx, b"GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (path, more), ends=False)
        assert path in got.body
    assert statuses == [refused.status] * 10
