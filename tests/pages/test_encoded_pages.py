"""Pages in a content coding through a real server, by WSGI and by ASGI."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import brotli
import httpx
import pytest
import zstandard
from playwright.sync_api import Browser

from tests.server.test_other_servers import READY, command
from tests.support.processes import find_free_port, run_server
from tests.support.wire import parse_responses
from tests.support.worker_projects import VARIABLES, make_project

VIEWS = """
import threading
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import condition

gate = threading.Event()

def page(request):
    return HttpResponse("<p>" + "words of a page " * 1000, headers={"Vary": "Cookie"})

def short(request):
    return HttpResponse("x" * 499)

def long(request):
    return JsonResponse({"numbers": list(range(300_000))})

def stream(request):
    def pieces():
        yield "first " * 10
        gate.wait()
        yield "second"
    return StreamingHttpResponse(pieces(), content_type="text/plain")

def release(request):
    gate.set()
    return HttpResponse("ok")

def events(request):
    return StreamingHttpResponse((f"data: {'x' * 1000}\\n\\n" for _ in range(3)), content_type="text/event-stream")

def broken(request):
    def pieces():
        yield "first " * 100
        raise ValueError("in the middle")
    return StreamingHttpResponse(pieces(), content_type="text/plain")

def wrong(request, length):
    return StreamingHttpResponse(iter(["piece " * 100, "end"]), headers={"Content-Length": str(length)})

@condition(etag_func=lambda request: '"abc"')
def tagged(request):
    seen = request.headers.get("If-Match", "") + request.headers.get("If-None-Match", "")
    return HttpResponse(seen + " " * 1000)

@gzip_page
def zipped(request):
    return HttpResponse("words of a page " * 1000)

def file(request):
    return FileResponse(open(__file__, "rb"), content_type="text/plain")

def missing(request):
    return HttpResponse("not here " * 100, status=404)

views = (page, short, long, stream, release, events, broken, tagged, zipped, file, missing)
urlpatterns = [path(f"{view.__name__}/", view) for view in views] + [path("wrong/<int:length>/", wrong)]
"""
PAGE = b"<p>" + b"words of a page " * 1000
CODINGS = ["zstd", "br", "gzip"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    return make_project(tmp_path_factory.mktemp("pages"), cache, VIEWS)


@pytest.fixture(scope="module", params=["wsgi", "asgi", "uvicorn"])
def url(project: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "uvicorn":
        port = find_free_port()
        with run_server(*command("uvicorn", port), cwd=project, ready=READY["uvicorn"], **VARIABLES):
            yield f"http://127.0.0.1:{port}"
        return
    with run_server(cwd=project, DJANGO_INTERFACE=request.param, **VARIABLES) as running:
        yield running.url


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60) as opened:
        yield opened


def get(client: httpx.Client, path: str, accepted: str, method: str = "GET", **fields: str) -> httpx.Response:
    fields = {name.replace("_", "-"): value for name, value in fields.items()}
    return client.request(method, path, headers={"accept-encoding": accepted, **fields})


@pytest.mark.parametrize("coding", CODINGS)
def test_a_page_is_encoded(client: httpx.Client, coding: str) -> None:
    response = get(client, "/page/", coding)
    assert response.content == PAGE
    assert response.headers["content-encoding"] == coding
    assert response.headers["vary"] == "Cookie, Accept-Encoding"
    assert int(response.headers["content-length"]) < 300


def test_head_has_the_fields_of_get(client: httpx.Client) -> None:
    got, head = get(client, "/page/", "br"), get(client, "/page/", "br", "HEAD")
    assert head.content == b""
    differ = {"date", "content-length", "x-request-id"}
    assert {name: value for name, value in head.headers.items() if name not in differ} == {
        name: value for name, value in got.headers.items() if name not in differ
    }
    assert "content-length" not in head.headers


def test_a_client_that_accepts_none_gets_the_page_as_it_is(client: httpx.Client) -> None:
    response = get(client, "/page/", "identity")
    assert response.content == PAGE
    assert response.headers["content-length"] == str(len(PAGE))
    assert "content-encoding" not in response.headers
    assert response.headers["vary"] == "Cookie, Accept-Encoding"


@pytest.mark.parametrize("coding", CODINGS)
def test_a_long_page_and_an_error_s_page_are_encoded(client: httpx.Client, coding: str) -> None:
    response = get(client, "/long/", coding)
    assert response.json() == {"numbers": list(range(300_000))}
    assert response.headers["content-encoding"] == coding
    response = get(client, "/missing/", coding)
    assert response.status_code == 404
    assert response.text == "not here " * 100
    assert response.headers["content-encoding"] == coding


@pytest.mark.parametrize("length", [604, 10000])  # what is longer is cut by a worker
def test_a_wrong_length_is_not_hidden_by_a_coding(client: httpx.Client, length: int) -> None:
    with suppress(httpx.TransportError):  # if its head is sent already
        assert get(client, f"/wrong/{length}/", "gzip").status_code == 500
    assert get(client, "/wrong/603/", "gzip").text == "piece " * 100 + "end"


@pytest.mark.parametrize("path", ["/short/", "/file/", "/events/"])
def test_what_is_not_encoded(client: httpx.Client, path: str) -> None:
    response = get(client, path, "br, gzip, zstd")
    assert response.status_code == 200
    assert "content-encoding" not in response.headers
    assert "vary" not in response.headers


def test_gzip_middleware_does_its_work(client: httpx.Client) -> None:
    with client.stream("GET", "/zipped/", headers={"accept-encoding": "gzip, br, zstd"}) as response:
        assert gzip.decompress(b"".join(response.iter_raw())) == PAGE[3:]
        assert response.headers["content-encoding"] == "gzip"


def test_a_file_has_ranges(client: httpx.Client) -> None:
    response = get(client, "/file/", "br", range="bytes=1-6")
    assert (response.status_code, response.text) == (206, "import")


def test_pages_revalidate_and_lost_updates_are_noticed(client: httpx.Client) -> None:
    tag = get(client, "/tagged/", "br").headers["etag"]
    assert tag == 'W/"abc~page"'
    response = get(client, "/tagged/", "br", if_none_match=tag)
    assert (response.status_code, response.content, response.headers["etag"]) == (304, b"", tag)
    assert response.headers["vary"] == "Accept-Encoding"
    response = get(client, "/tagged/", "br", "PUT", if_match=tag)
    assert (response.status_code, response.text.strip()) == (200, '"abc"')
    assert get(client, "/tagged/", "br", "PUT", if_match='W/"abd~page"').status_code == 412
    assert get(client, "/tagged/", "identity").headers["etag"] == '"abc"'
    assert get(client, "/tagged/", "identity", if_none_match='"abc"').headers["etag"] == '"abc"'


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_a_stream_is_decoded_as_it_arrives(project: Path, coding: str, interface: str) -> None:
    variables = {**VARIABLES, "DJANGO_INTERFACE": interface, "DJANGO_PAGE_PADDING": "0"}
    with (
        run_server(cwd=project, **variables) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
        client.stream("GET", "/stream/", headers={"accept-encoding": coding}) as response,
    ):
        pieces, seen = response.iter_bytes(), b""
        while len(seen) < 60:
            seen += next(pieces)
        assert seen == b"first " * 10
        client.get("/release/")
        assert b"".join(pieces) == b"second"
        assert response.headers["content-encoding"] == coding


def test_a_page_that_breaks_off_is_not_complete(client: httpx.Client) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        get(client, "/broken/", "zstd")


def test_further_streams_are_sent_as_they_are(project: Path) -> None:
    with run_server(cwd=project, DJANGO_INTERFACE="asgi", **VARIABLES, WEB_CONCURRENCY="1") as server:
        limits = httpx.Limits(max_connections=200)
        with httpx.Client(base_url=server.url, timeout=60, limits=limits) as client, ThreadPoolExecutor(70) as pool:
            begun = threading.Barrier(71)

            def read(_: int) -> str:
                with client.stream("GET", "/stream/", headers={"accept-encoding": "br"}) as response:
                    begun.wait(60)
                    assert response.read() == b"first " * 10 + b"second"
                    return str(response.headers.get("content-encoding", ""))

            running = [pool.submit(read, number) for number in range(70)]
            begun.wait(60)
            client.get("/release/")
            codings = [each.result(60) for each in running]
            assert (codings.count("br"), codings.count("")) == (64, 6)
            assert get(client, "/long/", "br").headers["content-encoding"] == "br"


def test_clients_that_leave_give_their_encoders_back(project: Path) -> None:
    with run_server(cwd=project, DJANGO_INTERFACE="asgi", **VARIABLES) as server:
        for number in range(1, 71):
            with socket.create_connection(("127.0.0.1", server.port), 60) as connection:
                connection.sendall(b"GET /stream/ HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n")
                assert b"content-encoding: gzip" in connection.recv(65536)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            server.wait_for("GET /stream/", times=number)
        with httpx.Client(base_url=server.url, timeout=60) as client:
            client.get("/release/")
            assert get(client, "/long/", "gzip").headers["content-encoding"] == "gzip"


def test_pipelined_pages_keep_their_order(project: Path) -> None:
    with run_server(cwd=project, DJANGO_PAGE_PADDING="0", **VARIABLES) as server:
        request = b"GET /%b/ HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: %b\r\n%b\r\n"
        sent = [request % (b"page", b"br", b""), request % (b"short", b"br", b""), request % (b"long", b"zstd", b"")]
        with socket.create_connection(("127.0.0.1", server.port), 60) as connection:
            connection.sendall(b"".join(sent) + request % (b"page", b"gzip", b"Connection: close\r\n"))
            received = b""
            while data := connection.recv(65536):
                received += data
    first, second, third, fourth = (each.body for each in parse_responses(received))
    assert brotli.decompress(first) == PAGE
    assert second == b"x" * 499
    assert json.loads(zstandard.ZstdDecompressor().decompressobj().decompress(third))["numbers"][-1] == 299_999
    assert gzip.decompress(fourth) == PAGE


def test_nothing_is_encoded_where_that_is_off(project: Path) -> None:
    variables = {**VARIABLES, "DJANGO_PAGE_CODINGS": ""}
    with run_server(cwd=project, **variables) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        response = get(client, "/page/", "br, gzip, zstd")
        assert "content-encoding" not in response.headers
        assert response.headers["vary"] == "Cookie"
        assert get(client, "/tagged/", "br").headers["etag"] == '"abc"'


def test_the_log_names_the_coding_and_the_bytes_that_were_sent(project: Path) -> None:
    with run_server(cwd=project, DJANGO_PAGE_PADDING="0", LOG_FORMAT="json", **VARIABLES) as server:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            length = int(get(client, "/page/", "zstd").headers["content-length"])
        server.wait_for('"target": "/page/"')
        line = json.loads(next(line for line in server.lines if '"/page/"' in line))
    assert (line["coding"], line["bytes"]) == ("zstd", length)


@pytest.mark.parametrize("coding", CODINGS)
def test_chromium_shows_an_encoded_page(project: Path, browser: Browser, coding: str) -> None:
    variables = {
        **VARIABLES,
        "DJANGO_PAGE_CODINGS": coding,
        "DJANGO_PAGE_PADDING": "256",
        "DJANGO_PAGE_DICTIONARY": "0",
    }
    with run_server(cwd=project, **variables) as server:
        page = browser.new_page()
        for _ in range(5):
            response = page.goto(f"{server.url}/page/")
            assert response is not None
            assert response.header_value("content-encoding") == coding
            assert page.inner_text("p").count("words of a page") == 1000
        assert page.evaluate("fetch('/long/').then(r => r.json()).then(j => j.numbers.length)") == 300_000
        page.close()
