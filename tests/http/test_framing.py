"""Where requests and responses end, through a real server and both of Django's interfaces."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.apart import send_apart
from tests.support.processes import Running, run, run_server
from tests.support.projects import copy_project

VIEWS = """
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

def echo(request, rest=""):
    return JsonResponse({
        "method": request.method, "body": request.body.decode(), "path": request.path, "cookies": request.COOKIES,
        "host": request.get_host(), "secure": request.is_secure(),
        "x": {name: value for name, value in request.headers.items() if name.startswith("X-A")},
        "query": request.META["QUERY_STRING"],
    })

def stream(request, code):
    return StreamingHttpResponse(iter([b"abc", b"def"]), status=code)

urlpatterns = [
    path("code/<int:code>/", lambda r, code: HttpResponse("hello", status=code)),
    path("stream/<int:code>/", stream),
    path("long/", lambda r: HttpResponse("hello", headers={"Content-Length": "3"})),
    path("long/stream/", lambda r: StreamingHttpResponse(iter(["hel", "lo"]), headers={"Content-Length": "4"})),
    path("next/", lambda r: HttpResponse("next")),
    path("echo/", echo), path("echo/<path:rest>", echo),
]
"""
NEXT = b"GET /next/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
UPGRADE = b"Host: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    project = copy_project("plain", tmp_path_factory.mktemp("framing"))
    (project / "mysite/urls.py").write_text(VIEWS)
    with (project / "mysite/settings.py").open("a") as settings:
        settings.write(
            "\nSECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https')\n"
            "MIDDLEWARE = ['django.middleware.common.CommonMiddleware']\n"
        )
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
    assert run("static-host", "build", cwd=project, **variables).returncode == 0
    return project


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def server(project: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_INTERFACE": request.param}
    with run_server(cwd=project, **variables) as running:
        yield running
        assert "Traceback" not in running.output


def answers(server: Running, data: bytes, *, rest: bytes = b"") -> bytes:
    """Send bytes, then the rest when something has come, and return all that comes until the connection ends."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(data)
        answer = b""
        if rest:
            answer = connection.recv(65536)
            connection.sendall(rest)
        return answer + b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("kind", ["code", "stream"])
@pytest.mark.parametrize("code", [204, 304])
def test_an_answer_that_may_have_no_body_has_none_and_the_next_one_follows(
    server: Running, kind: str, code: int
) -> None:
    head = f"GET /{kind}/{code}/ HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    first, _, rest = answers(server, head + NEXT).partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 %d " % code)
    assert b"content-length" not in first
    assert b"transfer-encoding" not in first
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
    assert rest.endswith(b"\r\n\r\nnext")


def test_a_client_of_http_1_0_gets_no_chunks(server: Running) -> None:
    answer = answers(server, b"GET /stream/200/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b"\r\nconnection: close" in head
    assert body == b"abcdef"
    assert answers(server, b"GET /next/ HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nnext")


def test_trailers_are_not_a_part_of_the_head(server: Running) -> None:
    trailers = b"X-A: smuggled\r\nX-Forwarded-Proto: https\r\nHost: elsewhere\r\nCookie: a=1\r\n"
    head = b"POST /echo/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = answers(server, head + b"5\r\nhello\r\n0\r\n" + trailers + b"\r\n" + NEXT)
    assert b'"body": "hello"' in answer
    assert b'"host": "localhost", "secure": false, "x": {}' in answer
    assert b'"cookies": {}' in answer
    assert answer.endswith(b"\r\n\r\nnext")


def test_trailers_without_an_end_are_not_kept(server: Running) -> None:
    head = b"POST /echo/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: "
    with socket.create_connection(("127.0.0.1", server.port), timeout=3) as connection:
        send_apart(connection, [head, *[b"x" * 50_000] * 5])
        assert connection.recv(1000).startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")


@pytest.mark.parametrize("pieces", ["together", "apart"])
def test_a_body_behind_an_upgrade_that_is_ignored_is_no_request(server: Running, pieces: str) -> None:
    body = b"GET /next/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = b"POST /echo/ HTTP/1.1\r\n" + UPGRADE + b"Content-Length: %d\r\n\r\n" % len(body)
    if pieces == "together":
        answer = answers(server, head + body + NEXT)
    else:
        answer = answers(server, head.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"), rest=body + NEXT)
    assert b'"body": "GET /next/ HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"' in answer
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert answer.endswith(b"\r\n\r\nnext")


def test_chunks_behind_an_upgrade_that_is_ignored_are_a_body(server: Running) -> None:
    head = b"POST /echo/ HTTP/1.1\r\n" + UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n"
    answer = answers(server, head + b"5\r\nhello\r\n0\r\n\r\n" + NEXT)
    assert b'"body": "hello"' in answer
    assert answer.endswith(b"\r\n\r\nnext")


def test_requests_behind_an_upgrade_that_is_ignored_are_answered(server: Running) -> None:
    answer = answers(server, (b"GET /echo/ HTTP/1.1\r\n" + UPGRADE + b"\r\n") * 3 + NEXT)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 4
    assert answer.endswith(b"\r\n\r\nnext")


def test_what_is_no_handshake_of_a_websocket_is_a_request(server: Running) -> None:
    fields = b"Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello"
    answer = answers(server, b"POST /echo/ HTTP/1.1\r\n" + fields + NEXT)
    assert b'"method": "POST", "body": "hello"' in answer
    assert answer.endswith(b"\r\n\r\nnext")


def test_white_space_behind_a_value_is_none_of_it(server: Running) -> None:
    answer = answers(server, b"GET /echo/ HTTP/1.1\r\nHost: localhost \t\r\nX-A:  a b \t \r\n\r\n" + NEXT)
    assert b'"host": "localhost"' in answer
    assert b'"x": {"X-A": "a b"}' in answer


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("a%20b%2525%3f%23", "a b%25?#"),
        ("caf%C3%A9/%e6%97%a5", "caf\u00e9/\u65e5"),
        ("%zz%4", "%zz%4"),
        ("%" * 60_000,) * 2,
    ],
    ids=["escapes", "Unicode", "no escapes", "60,000 signs"],
)
def test_a_path_is_unescaped_once_and_its_query_never(server: Running, raw: str, path: str) -> None:
    request = f"GET /echo/{raw}?a=%41&%% HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    received = json.loads(answers(server, request.encode()).partition(b"\r\n\r\n")[2])
    assert (received["path"], received["query"]) == (f"/echo/{path}", "a=%41&%%")


def test_several_cookie_lines_and_a_path_in_latin_1_are_the_same_through_both_interfaces(server: Running) -> None:
    answer = answers(
        server, b"GET /echo/caf%E9 HTTP/1.1\r\nHost: localhost\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n" + NEXT
    )
    assert b'"path": "/echo/caf%E9", "cookies": {"a": "1", "b": "2"}' in answer


@pytest.mark.parametrize(("path", "sent"), [("/long/", b"hel"), ("/long/stream/", b"hell")])
def test_a_body_that_is_longer_than_its_length_is_cut_off_and_logged(project: Path, path: str, sent: bytes) -> None:
    with run_server(cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        answer = answers(running, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() + NEXT)
        assert sent + b"HTTP/1.1 200 OK\r\n" in answer
        assert answer.endswith(b"\r\n\r\nnext")
        running.wait_for(f"'GET {path}': its body is longer than its Content-Length; the rest is not sent")
        assert "Traceback" not in running.output
