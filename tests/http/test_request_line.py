"""Request lines, Expect and Transfer-Encoding: what is answered, and what is refused with which status.

RFC 9112 §2.3 (versions), §3.2 (forms of the target), §6.1 (Transfer-Encoding); RFC 9110 §10.1.1 (Expect).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.processes import Running, run_server
from tests.support.wire import Response, ask, connect, parse_responses, receive_all, receive_head, remove_dates
from tests.support.wire_project import VARIABLES

NEXT = b"GET /echo/next HTTP/1.1\r\nHost: localhost\r\n\r\n"


def refuse(server: Running, data: bytes, *statuses: int) -> Response:
    """The bytes have one response, with one of the statuses; what stands behind them is not answered."""
    got = ask(server.port, data + NEXT, methods=[data.partition(b" ")[0]])
    assert [each.status for each in got] in [[status] for status in statuses], got
    assert got[0].is_last
    return got[0]


@pytest.mark.parametrize("path", [b"/static/digits.txt", b"/echo/", b"/healthz"])
@pytest.mark.parametrize(
    ("version", "status"),
    [
        *((version, 505) for version in (b"HTTP/2.0", b"HTTP/0.9", b"HTTP/3.0")),
        *((version, 400) for version in (b"RTSP/1.0", b"HTTP/1.1x", b"http/1.1", b"HTTP/1", b"HTTP/11", b"HTTP/ 1.1")),
        *((version, 505) for version in (b"HTTP/1.2", b"HTTP/9.9")),
        *((version, 400) for version in (b"HTTP/01.1", b"HTTP/2", b"HTTP/2.", b"HTTP/1.", b"HTTP/.1", b"HTTP/22.0")),
        *((version, 400) for version in (b"HTTP/2.00", b"HTTP/1.10", b"HTTP/2.0x", b"HTTP/+2.0", b"HTTP/2.0 HTTP/1.1")),
        *((version, 400) for version in (b"HTTP/1.1 ", b"HTTP/1.1\t", b"HTTP/2.0 ", b"HTTP/1.1\x0b", b"HTTP/2.0\0")),
        *((version, 400) for version in (b"ICE/1.0", b"HTTP/1.1 HTTP/1.1", b"HTTPS/1.1", b"HTTP/-1.1", b"HTTP/1.1.1")),
    ],
)
def test_another_version_is_refused_and_what_is_none_is_malformed(
    wsgi: Running, path: bytes, version: bytes, status: int
) -> None:
    refuse(wsgi, b"GET %s %s\r\nHost: localhost\r\n\r\n" % (path, version), status)


@pytest.mark.parametrize("path", [b"/static/digits.txt", b"/echo/", b"/healthz"])
@pytest.mark.parametrize(
    "method",
    [b"FOO", b"PROPFINDX", b"G", b"GETX", b"get", b"PRI", b"ANNOUNCE", b"PLAY", b"1", b"!#$%&'*+-.^_`|~", b"A" * 999],
)
def test_a_method_that_is_not_known_is_not_implemented(wsgi: Running, path: bytes, method: bytes) -> None:
    body = refuse(wsgi, b"%s %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (method, path), 501).body
    assert body == b"Not Implemented\n"


@pytest.mark.parametrize("method", [b"G\0T", b"GE(T", b"G\xc9T", b"", b"GET:", b"G/T", b'"GET"', b"(", b"G\x7fT"])
def test_what_cannot_be_a_method_is_malformed(wsgi: Running, method: bytes) -> None:
    refuse(wsgi, b"%s /echo/ HTTP/1.1\r\nHost: localhost\r\n\r\n" % method, 400)


@pytest.mark.parametrize("method", [b"PROPFIND", b"MKCOL", b"M-SEARCH", b"QUERY", b"PURGE", b"PATCH", b"SOURCE"])
def test_a_method_that_is_known_is_a_view_s_to_judge(wire: Running, method: bytes) -> None:
    assert [got.status for got in ask(wire.port, method + b" /echo/ HTTP/1.1\r\nHost: localhost\r\n\r\n" + NEXT)] == [
        200,
        200,
    ]


@pytest.mark.parametrize("path", [b"/static/digits.txt", b"/echo/", b"/healthz"])
def test_a_request_line_without_a_version_is_refused(wsgi: Running, path: bytes) -> None:
    refuse(wsgi, b"GET %s\r\nHost: localhost\r\n\r\n" % path, 400)
    refuse(wsgi, b"GET %s\r\n\r\n" % path, 400)


@pytest.mark.parametrize("path", [b"/static/digits.txt", b"/echo/"])
def test_a_higher_minor_version_is_refused_or_answered_as_1_1(wsgi: Running, path: bytes) -> None:
    """RFC 9110 §2.5 says that it should be answered."""
    (got, *rest) = ask(wsgi.port, b"GET %s HTTP/1.2\r\nHost: localhost\r\n\r\n" % path + NEXT)
    assert (got.status, len(rest)) in [(505, 0), (400, 0), (200, 1)]


@pytest.mark.parametrize("path", [b"/echo/", b"/static/digits.txt"])
def test_expect_is_for_http_1_1(wire: Running, path: bytes) -> None:
    head = b"POST %s HTTP/1.%d\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    (got,) = ask(wire.port, head % (path, 0) + b"hi")
    assert got.status == (200 if path == b"/echo/" else 405)
    with connect(wire.port) as connection:
        connection.sendall(head % (path, 1))
        first = receive_head(connection)
        if path == b"/echo/":
            assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(b"hi" + NEXT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            posted, _ = parse_responses(remove_dates(receive_all(connection)))
            assert b'"body": "hi"' in posted.body
        else:
            assert first.startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize(
    ("target", "host", "path"),
    [
        (b"http://other.example/echo/", b"other.example", "/echo/"),
        (b"HTTP://other.example/echo/", b"other.example", "/echo/"),
        (b"http://other.example:8080/echo/a%20b?c=d", b"other.example:8080", "/echo/a%20b?c=d"),
        (b"http://[2001:db8::1]:80/echo/", b"[2001:db8::1]:80", "/echo/"),
        (b"http://203.0.113.7/echo/http://a/", b"203.0.113.7", "/echo/http://a/"),
    ],
)
@pytest.mark.parametrize("more", [b"", b"X-A: b\r\n"])
def test_the_authority_of_a_target_is_the_host(
    wire: Running, target: bytes, host: bytes, path: str, more: bytes
) -> None:
    (got,) = ask(wire.port, b"GET %s HTTP/1.1\r\n%sHost: localhost\r\n\r\n" % (target, more))
    assert got.status == 200
    seen = json.loads(got.body)
    assert (seen["host"], seen["path"]) == (host.decode(), path)


def test_it_is_the_host_without_a_field_in_http_1_0_and_the_only_one(wire: Running) -> None:
    (got,) = ask(wire.port, b"GET http://other.example/fields/ HTTP/1.0\r\n\r\n")
    assert json.loads(got.body)["HTTP_HOST"] == "other.example"
    (got,) = ask(wire.port, b"GET http://other.example/fields/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert json.loads(got.body)["HTTP_HOST"] == "other.example"


def test_a_target_is_checked_as_a_host_field_is(server: Running) -> None:
    """Django's ALLOWED_HOSTS has localhost, and no other.example."""
    line = b"GET http://%s/echo/ HTTP/1.1\r\nHost: %s\r\n\r\n"
    assert [each.status for each in ask(server.port, line % (b"other.example", b"localhost"))] == [400]
    assert [each.status for each in ask(server.port, line % (b"localhost", b"other.example"))] == [200]
    refuse(server, b"GET http://localhost/echo/ HTTP/1.1\r\n\r\n", 400)
    refuse(server, b"GET http://localhost/echo/ HTTP/1.1\r\nHost: a b\r\n\r\n", 400)
    refuse(server, b"GET http://localhost/echo/ HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400)


@pytest.mark.parametrize("authority", [b"other.example", b"localhost:1", b"[::1]"])
def test_files_and_checks_are_found_by_an_absolute_target(server: Running, authority: bytes) -> None:
    for path, body in ((b"/static/digits.txt", b"0123456789"), (b"/healthz", b"ok\n")):
        (got,) = ask(server.port, b"GET http://%s%s HTTP/1.1\r\nHost: a\r\n\r\n" % (authority, path))
        assert (got.status, got.body) == (200, body)


@pytest.mark.parametrize("target", [b"http://other.example", b"http://other.example?a=b"])
def test_an_absolute_target_may_have_no_path(wire: Running, target: bytes) -> None:
    (got,) = ask(wire.port, b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % target)
    assert got.status == 404, "it is /, which this project does not have"
    wire.wait_for(" GET /?a=b " if b"?" in target else " GET / ")


@pytest.mark.parametrize("path", [b"/static/digits.txt", b"/echo/"])
@pytest.mark.parametrize(
    "origin",
    [
        *(b"ftp://localhost", b"ws://localhost", b"file://", b"http:/localhost", b"http:", b"http://", b"http:///x"),
        *(b"http://user@localhost", b"http://user:secret@localhost", b"http://@localhost", b"http://localhost@evil"),
        *(b"http://a,b c", b"http://[::1", b"http://::1]", b"http://a:b", b"http://a:80:80", b"http://a<b>"),
        *(b"http://a\\b", b"http://a\xe9", b'http://a"b', b"http://[::1]a", b"http://:80", b"http://a^b"),
    ],
)
def test_another_scheme_userinfo_and_an_invalid_authority_are_refused(
    wsgi: Running, path: bytes, origin: bytes
) -> None:
    refuse(wsgi, b"GET %s%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (origin, path), 400)


@pytest.mark.parametrize(
    "line",
    [
        *(b"CONNECT a:443", b"CONNECT /echo/", b"CONNECT http://a/", b"CONNECT a"),
        *(b"GET *", b"HEAD *", b"POST *", b"GET **", b"OPTIONS **"),
    ],
)
def test_a_form_of_target_that_is_another_method_s_is_refused(wire: Running, line: bytes) -> None:
    refuse(wire, line + b" HTTP/1.1\r\nHost: a:443\r\n\r\n", 400, 405, 501)


@pytest.mark.parametrize(
    "target", [b"echo/", b"static/digits.txt", b"localhost/echo/", b"?a", b"#a", b"\\echo/", b"%2Fecho/", b"", b"."]
)
def test_a_target_begins_with_a_slash(wire: Running, target: bytes) -> None:
    refuse(wire, b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % target, 400)


@pytest.mark.parametrize("path", [b"/echo/", b"/static/digits.txt"])
def test_the_response_to_head_has_no_body_when_it_is_a_refusal(wsgi: Running, path: bytes) -> None:
    refuse(wsgi, b"HEAD %s HTTP/1.1\r\n\r\n" % path, 400)
    refuse(wsgi, b"HEAD %s HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n" % path, 400)
    refuse(wsgi, b"HEAD %s HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n" % (path, b"x" * (64 << 10)), 431)
    refuse(wsgi, b"HEAD %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" % path, 501)
    refuse(wsgi, b"HEAD %s HTTP/2.0\r\nHost: localhost\r\n\r\n" % path, 505)


@pytest.fixture(scope="module")
def hasty(wire_project: Path) -> Iterator[Running]:
    """A server that waits less than a second for a head."""
    code = (
        "import sys, static_host.server.serve; from static_host.cli.main import main\n"
        "name = 'HEAD_TIMEOUT_SECONDS'\n"
        "found = [m for n, m in sys.modules.items() if n.startswith('static_host.') and hasattr(m, name)]\n"
        "assert found\n"
        "for module in found: setattr(module, name, 0.3)\n"
        "sys.argv = ['static-host', 'serve']; main()"
    )
    with run_server("python", "-c", code, cwd=wire_project, **VARIABLES) as running:
        yield running


def test_a_late_head_is_refused_and_that_of_head_gets_no_body(hasty: Running) -> None:
    lines = (b"HEAD /echo/ HTTP/1.1\r\nHost: a\r\n", b"GET /echo/ HTTP/1.1\r\nHost: a\r\n")
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(hasty.port)) for _ in lines]
        for line, connection in zip(lines, connections, strict=True):
            connection.sendall(line)
        for line, connection in zip(lines, connections, strict=True):
            (got,) = parse_responses(receive_all(connection), [line.partition(b" ")[0]])
            assert (got.status, got.is_last) == (408, True)


@pytest.mark.parametrize("path", [b"/echo/", b"/static/digits.txt"])
@pytest.mark.parametrize(
    ("fields", "statuses"),
    [
        *(
            (b"Transfer-Encoding: %s\r\n" % value, (501,))
            for value in (
                b"gzip, chunked",
                b"gzip",
                b"br",
                b"identity",
                b"foo, chunked",
                b"deflate,chunked",
                b"x-chunked",
            )
        ),
        *(
            (b"Transfer-Encoding: %s\r\n" % value, (400, 501))
            for value in (b"chunked, chunked", b"chunked, gzip", b"chunked, identity", b"identity, chunked", b"")
        ),
        *(
            (b"Transfer-Encoding: %s\r\n" % value, (400, 501))
            for value in (b"chunked;q=1", b'"chunked"', b"chunked foo", b"\x0bchunked", b"chunked\x0b", b"chunke")
        ),
        (b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", (501,)),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", (400, 501)),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", (400, 501)),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", (400,)),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", (400,)),
        (b"Content-Length: 0\r\nTransfer-Encoding: Chunked\r\n", (400,)),
    ],
)
def test_a_transfer_coding_is_chunked_or_refused(
    wsgi: Running, path: bytes, fields: bytes, statuses: tuple[int, ...]
) -> None:
    body = b"5\r\nhello\r\n0\r\n\r\n"
    refuse(wsgi, b"POST %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (path, fields) + body, *statuses)


@pytest.mark.parametrize("value", [b"chunked", b"Chunked", b"CHUNKED", b" \tchunked\t ", b",chunked", b"chunked ,"])
def test_chunked_is_written_as_lists_are(wire: Running, value: bytes) -> None:
    """RFC 9110 §5.6.1: a recipient takes empty elements, and tabs (§5.6.3). Refusing these is safe, too."""
    data = b"POST /echo/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding:%s\r\n\r\n5\r\nhello\r\n0\r\n\r\n" % value
    got = ask(wire.port, data + NEXT)
    if (b"," in value or b"\t" in value) and got[0].status != 200:
        assert [each.status for each in got] in ([400], [501])
    else:
        assert [each.status for each in got] == [200, 200]
        assert b'"body": "hello"' in got[0].body


@pytest.mark.parametrize("path", [b"/echo/", b"/static/digits.txt"])
def test_http_1_0_has_no_transfer_codings(wsgi: Running, path: bytes) -> None:
    for value in (b"chunked", b"gzip, chunked"):
        head = b"POST %s HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nTransfer-Encoding: %s\r\n\r\n"
        refuse(wsgi, head % (path, value) + b"5\r\nhello\r\n0\r\n\r\n", 400)
