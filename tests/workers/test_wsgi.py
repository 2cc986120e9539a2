"""Django in a worker, through a real server: what a bridge usually gets wrong."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest

from tests.support.apart import wait_until_read
from tests.support.processes import SCRIPTS, Running, run, run_server
from tests.support.projects import copy_project
from tests.support.required import needs
from tests.support.waiting import wait_until

VIEWS = """
import gc, os, tempfile, threading, time, weakref
from django.core.signals import request_finished, request_started
from django.db import connection
from django.http import FileResponse, HttpResponse, HttpResponseNotModified, JsonResponse, StreamingHttpResponse
from django.urls import path

open_streams, whole, made, kept = [], [], [], []
gone_on = threading.Semaphore(0)
alive = weakref.WeakSet()
signals = {"started": 0, "finished": 0}

def count(name):
    def receiver(**_):
        signals[name] += 1
    return receiver

started, finished = count("started"), count("finished")
request_started.connect(started)
request_finished.connect(finished)

def stream(request):
    def chunks():
        open_streams.append(1)
        try:
            while True:
                yield "x" * 1000
                time.sleep(0.01)
        finally:
            open_streams.pop()
    return StreamingHttpResponse(chunks())

def flood(request):
    def chunks():
        for number in range(10_000):
            made.append(number)
            yield b"y" * 100_000
    made.clear()
    return StreamingHttpResponse(chunks())

def breaks(request):
    def chunks():
        yield b"begun"
        gone_on.acquire()
        raise RuntimeError("in the middle")
    return StreamingHttpResponse(chunks())

def events(request):
    def chunks():
        for number in range(3):
            yield f"data: {number}\\n\\n"
            if "in_steps" in request.GET:
                gone_on.acquire()
    return StreamingHttpResponse(chunks(), content_type="text/event-stream")

def go_on(request):
    gone_on.release()
    return HttpResponse()

def slow(request):
    print("slow begins", flush=True)
    while not os.path.exists("may_end"):
        time.sleep(0.01)
    return HttpResponse("slow")

def status(request):
    cookies = sorted(request.COOKIES.items())
    return HttpResponse(f"{len(open_streams)} {request.is_secure()} {cookies} made={len(made)} whole={len(whole)}")

def upload(request):
    size = 0
    while chunk := request.read(65536):
        size += len(chunk)
    whole.append(size)
    return HttpResponse(str(size))

def lines(request):
    return JsonResponse([len(line) for line in request], safe=False)

def unread(request):
    return HttpResponse("not read")

def keep(request):
    gc.disable()
    alive.add(request.META["wsgi.input"])
    if "too_long" in request.GET:
        kept.append(request)
    return HttpResponse(str(len(request.body)))

def closed(request):
    return JsonResponse({"closed": [one.META["wsgi.input"].closed for one in kept], "alive": len(alive) - len(kept)})

def echo(request):
    response = JsonResponse({
        "path": request.path_info, "query": request.META["QUERY_STRING"], "method": request.method,
        "address": request.META["REMOTE_ADDR"], "secure": request.is_secure(), "thread": threading.get_ident(),
        "x": request.META.get("HTTP_X_TWICE"), "multiprocess": request.META["wsgi.multiprocess"],
        "connection": id(connection.connection) if connection.ensure_connection() is None else 0, **signals,
    })
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response

def large(request):
    file = tempfile.TemporaryFile()
    file.truncate(200_000_000)
    return FileResponse(file, as_attachment=True, filename="large.bin")

def fails(request):
    raise RuntimeError("in a view")

def leaves(request):
    raise SystemExit("a view that exits")

def wrong(request, code):
    return HttpResponse(status=code) if code != 304 else HttpResponseNotModified()

urlpatterns = [
    path("stream/", stream), path("slow/", slow), path("status/", status), path("upload/", upload),
    path("flood/", flood), path("breaks/", breaks), path("events/", events), path("lines/", lines),
    path("unread/", unread), path("go_on/", go_on), path("keep/", keep), path("closed/", closed), path("echo/", echo),
    path("echo/<path:rest>", lambda r, rest: echo(r)),
    path("large/", large), path("fails/", fails), path("leaves/", leaves), path("code/<int:code>/", wrong),
]
"""
VARIABLES = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_THREADS": "3"}
"""Django in worker processes of an interpreter, which is here the tests' own."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    project = copy_project("plain", tmp_path_factory.mktemp("bridge"))
    (project / "mysite/urls.py").write_text(VIEWS)
    settings = project / "mysite/settings.py"
    settings.write_text(
        f"{settings.read_text()}\nSECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https')\n"
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'db.sqlite3', 'CONN_MAX_AGE': 60}}\n"
    )
    (project / "mysite/checked.py").write_text(
        "from wsgiref.validate import validator\n"
        "from django.core.wsgi import get_wsgi_application\n"
        "application = validator(get_wsgi_application())\n"
    )
    (project / "validated.py").write_text(
        "from mysite.settings import *\nWSGI_APPLICATION = 'mysite.checked.application'\n"
    )
    assert run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **VARIABLES).returncode == 0
    return project


@pytest.fixture
def server(project: Path) -> Iterator[Running]:
    with run_server(cwd=project, **VARIABLES) as running:
        yield running


@pytest.fixture(params=["wsgi", "asgi"])
def either(project: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    with run_server(cwd=project, DJANGO_INTERFACE=request.param, **VARIABLES) as running:
        yield running


def status(server: Running) -> str:
    return httpx.get(f"{server.url}/status/").text


def all_streams_end(server: Running) -> None:
    """Wait until no stream is open, and end the server, which has had no trouble."""
    wait_until(lambda: status(server).startswith("0 "), "a stream is still open")
    assert server.stop() == 0
    assert "Traceback" not in server.output


def test_clients_that_go_away_give_their_threads_back_and_close_the_response(either: Running) -> None:
    for _ in range(6):  # twice as many as there are threads
        with httpx.stream("GET", f"{either.url}/stream/") as answer:
            next(answer.iter_raw())
    all_streams_end(either)


def test_a_body_that_the_view_never_reads_does_not_hide_that_its_client_goes(server: Running) -> None:
    head = b"POST /stream/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500000\r\n\r\n"
    for _ in range(6):  # twice as many as there are threads
        with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
            connection.sendall(head + b"x" * 500_000)
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    all_streams_end(server)


def test_a_body_that_there_is_no_room_for_is_refused(project: Path) -> None:
    limited = ("/bin/sh", "-c", f"ulimit -f 4096; exec {SCRIPTS}/static-host serve")  # no file beyond 2 MiB
    with run_server(*limited, cwd=project, **VARIABLES) as server:
        bodies = [b"x" * (1 << 20)] * 8
        refused = httpx.post(f"{server.url}/upload/", content=iter(bodies))
        assert (refused.status_code, refused.headers["cache-control"]) == (413, "private, no-store, max-age=0")
        assert refused.text == "There is no room for a body of this size.\n"
        assert httpx.post(f"{server.url}/upload/", content=b"".join(bodies)).status_code == 413
        assert httpx.post(f"{server.url}/upload/", content=iter(bodies[:1])).text == "1048576"
        server.wait_for("POST /upload/: its body is not kept: [Errno 27] File too large")
        assert "Traceback" not in server.output


def test_a_stream_arrives_as_it_is_yielded(either: Running) -> None:
    with httpx.stream("GET", f"{either.url}/stream/") as answer:
        assert next(answer.iter_bytes()).startswith(b"xxx")


def test_a_body_of_unknown_length_reaches_django_whole(server: Running) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 100_000

    assert httpx.post(f"{server.url}/upload/", content=chunks()).text == "4000000"
    assert httpx.post(f"{server.url}/upload/", content=iter([b""])).text == "0"
    assert httpx.post(f"{server.url}/upload/", content=b"y" * 3_000_000).text == "3000000"


def test_a_body_that_breaks_off_never_looks_whole(server: Running) -> None:
    heads = (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"Content-Length: 100000\r\n\r\nhello")
    for head in heads:
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"POST /upload/ HTTP/1.1\r\nHost: localhost\r\n" + head)
    server.wait_for("POST /upload/", times=len(heads))
    assert status(server).split()[-1] == "whole=0"


def test_head_of_an_endless_stream_is_answered_and_the_connection_goes_on(either: Running) -> None:
    with httpx.Client(base_url=either.url, timeout=5) as client:
        assert client.head("/stream/").status_code == 200
        assert client.get("/status/").status_code == 200


def test_a_header_name_with_an_underscore_is_not_believed(server: Running) -> None:
    forged = {"X_Forwarded_Proto": "https"}
    assert httpx.get(f"{server.url}/status/", headers=forged).text.startswith("0 False")


def test_several_cookie_lines_are_one(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            b"GET /status/ HTTP/1.1\r\nHost: localhost\r\nCookie: a=1\r\nCookie: b=2\r\nConnection: close\r\n\r\n"
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"[('a', '1'), ('b', '2')]" in answer


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_view_that_hangs_does_not_hold_the_stop(project: Path, workers: str) -> None:
    with (
        run_server(cwd=project, WEB_CONCURRENCY=workers, DJANGO_GRACE_SECONDS="0.5", **VARIABLES) as running,
        socket.create_connection(("127.0.0.1", running.port)) as connection,
    ):
        connection.sendall(b"GET /slow/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        running.wait_for("slow begins")
        assert running.stop(signal.SIGTERM) == 0
        head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
        assert (head.split(b"\r\n")[0], body) == (b"HTTP/1.1 503 Service Unavailable", b"Service Unavailable")
        assert head.lower().endswith(b"\r\nconnection: close")
    assert "Traceback" not in running.output


def test_a_stop_while_workers_start_is_obeyed_at_once(project: Path, tmp_path: Path) -> None:
    (project / "slow_in_workers.py").write_text(
        "import pathlib, time\nfrom mysite.settings import *\n"
        f"try: pathlib.Path({str(tmp_path / 'first')!r}).touch(exist_ok=False)\n"
        "except FileExistsError: time.sleep(600)\n"
    )
    variables = {
        **VARIABLES,
        "DJANGO_SETTINGS_MODULE": "slow_in_workers",
        "WEB_CONCURRENCY": "3",
        "DJANGO_PRELOAD": "false",
    }
    with run_server("python", "-m", "static_host", "serve", cwd=project, ready="^", **variables) as running:
        wait_until(lambda: len(running.workers) == 3, lambda: running.output)
        assert running.stop() == 0
        assert "ready on" not in running.output


def test_ctrl_c_while_the_first_worker_starts_prints_no_traceback(project: Path) -> None:
    (project / "slow.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(600)\n")
    variables = {**VARIABLES, "DJANGO_SETTINGS_MODULE": "slow"}
    with run_server("python", "-m", "static_host", "serve", cwd=project, ready="importing", **variables) as running:
        os.killpg(running.process.pid, signal.SIGINT)
        assert running.process.wait(20) == 0
    assert "Traceback" not in running.output


def is_listened_on(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def may_end(project: Path) -> Iterator[Path]:
    """Where a file lets the view "slow" end."""
    yield project / "may_end"
    (project / "may_end").unlink(missing_ok=True)


def test_a_request_in_flight_is_answered_before_the_stop(project: Path, may_end: Path) -> None:
    with (
        run_server(cwd=project, **VARIABLES) as running,
        socket.create_connection(("127.0.0.1", running.port)) as client,
    ):
        client.sendall(b"GET /slow/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        running.wait_for("slow begins")
        running.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not is_listened_on(running.port), "it still listens")
        may_end.touch()
        answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.endswith(b"slow")
        assert running.process.wait(10) == 0


def test_a_worker_that_dies_before_it_serves_stops_everything(tmp_path: Path, cache: Path) -> None:
    project = copy_project("plain", tmp_path)
    variables = {**VARIABLES, "DJANGO_STATIC_CACHE": str(cache)}
    assert run("static-host", "build", cwd=project, **variables).returncode == 0
    urls = project / "mysite/urls.py"
    urls.write_text(f"import os\nos.kill(os.getpid(), 9)\n{urls.read_text()}")
    result = run("static-host", "serve", cwd=project, WEB_CONCURRENCY="2", PORT="0", **variables)
    assert result.returncode == 1
    assert "a worker ended while it loaded mysite.settings (signal SIGKILL); its own output is above." in result.stderr


@pytest.fixture(scope="module")
def bridge(project: Path) -> Iterator[Running]:
    """A server for tests that leave no view running."""
    with run_server(cwd=project, **VARIABLES) as running:
        yield running


def raw(port: int, data: bytes, *, until: bytes = b"") -> bytes:
    """Send bytes, and return what comes until the connection ends, or until it contains `until`."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
            if until and until in answer:
                break
        return answer


def test_a_path_reaches_django_as_the_client_sent_it(bridge: Running) -> None:
    def seen(target: str) -> object:
        answer = raw(bridge.port, f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return json.loads(answer.partition(b"\r\n\r\n")[2])["path"]

    assert seen("/echo/caf%C3%A9") == "/echo/café"
    assert seen("/echo/%E6%97%A5%E6%9C%AC") == "/echo/日本"
    assert seen("/echo/caf%E9") == "/echo/caf%E9"  # Latin-1: Django keeps what is no UTF-8 encoded
    assert seen("/echo/a%2Fb%20c") == "/echo/a/b c"
    assert seen("/echo/a//b") == "/echo/a//b"
    assert seen("/echo/a+b") == "/echo/a+b"


def test_what_wsgi_knows_of_a_request(bridge: Running) -> None:
    answer = httpx.get(
        f"{bridge.url}/echo/?a=1&b=%C3%A9", headers=[("X-Twice", "1"), ("X-Twice", "2"), ("X-Forwarded-Proto", "https")]
    )
    facts = answer.json()
    assert (facts["query"], facts["x"], facts["multiprocess"]) == ("a=1&b=%C3%A9", "1,2", False)
    assert (facts["address"], facts["secure"]) == ("127.0.0.1", True)
    assert answer.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2; Path=/", "tracking=1; Path=/"]
    forwarded = httpx.get(f"{bridge.url}/echo/", headers={"X-Forwarded-For": "203.0.113.9"}).json()
    assert forwarded["address"] == "203.0.113.9"


def test_a_thread_keeps_its_database_connection(bridge: Running) -> None:
    with httpx.Client(base_url=bridge.url) as client:
        seen = {(facts["thread"], facts["connection"]) for facts in (client.get("/echo/").json() for _ in range(30))}
    assert len(seen) == len({thread for thread, _ in seen}) <= 3


def test_every_request_s_signals_are_sent(bridge: Running) -> None:
    with httpx.Client(base_url=bridge.url) as client:
        before = client.get("/echo/").json()
        for path in ("/status/", "/fails/", "/unread/", "/events/", "/code/204/"):
            client.get(path)
        asked = count(6)

        def are_finished() -> bool:
            after, requests = client.get("/echo/").json(), next(asked)
            assert after["started"] - before["started"] == requests
            return bool(after["finished"] - before["finished"] == requests)

        wait_until(are_finished, "not every request has finished")


def test_pieces_of_a_stream_arrive_when_they_are_made(either: Running) -> None:
    with httpx.stream("GET", f"{either.url}/events/?in_steps") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        pieces = answer.iter_raw()
        for number in range(3):
            assert next(pieces) == b"data: %d\n\n" % number
            httpx.get(f"{either.url}/go_on/")  # only now the next one is made
        assert list(pieces) == []


def test_a_client_that_reads_slowly_holds_the_stream_back(either: Running) -> None:
    with socket.create_connection(("127.0.0.1", either.port)) as client:
        client.sendall(b"GET /flood/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.recv(100_000)
        counts: list[str] = []

        def is_held_back() -> bool:
            counts.append(status(either).split("made=")[1])
            return len(counts) > 10 and len(set(counts[-10:])) == 1

        wait_until(is_held_back, lambda: f"pieces go on being made: {counts}")
        assert 0 < int(counts[-1].split()[0]) < 1000  # of the ten thousand that the view would make
        assert memory(either) < 200_000_000


def memory(server: Running) -> int:
    """Return the resident memory of the server, in bytes."""
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
def test_a_large_upload_needs_no_memory(either: Running) -> None:
    piece = bytes(1 << 20)

    def pieces() -> Iterator[bytes]:
        for _ in range(1024):
            yield piece

    before = memory(either)
    answer = httpx.post(f"{either.url}/upload/", content=pieces(), headers={"Content-Length": str(1 << 30)}, timeout=60)
    assert answer.text == str(1 << 30)
    assert memory(either) - before < 20_000_000


@pytest.mark.slow
def test_a_large_file_needs_no_memory(either: Running) -> None:
    before = memory(either)
    size = 0
    with httpx.stream("GET", f"{either.url}/large/") as answer:
        assert answer.headers["content-length"] == "200000000"
        for piece in answer.iter_raw():
            size += len(piece)
    assert size == 200_000_000
    assert memory(either) - before < 20_000_000


def test_a_body_can_be_read_by_lines_and_left_unread(bridge: Running) -> None:
    short, long = b"one\ntwo\n\nfour", b"x" * 400_000 + b"\n" + b"y" * 300_000
    assert httpx.post(f"{bridge.url}/lines/", content=short).json() == [4, 4, 1, 4]
    assert httpx.post(f"{bridge.url}/lines/", content=long).json() == [400_001, 300_000]
    assert httpx.post(f"{bridge.url}/unread/", content=short).text == "not read"
    with httpx.Client(base_url=bridge.url) as client:
        for _ in range(3):
            assert client.post("/unread/", content=long * 5).text == "not read"


@needs(sys.platform == "linux", "only Linux counts a connection's segments")
def test_head_and_body_of_a_page_come_in_one_segment(bridge: Running) -> None:
    with socket.create_connection(("127.0.0.1", bridge.port), timeout=10) as connection:
        for expected in (1, 2, 3):
            connection.sendall(b"GET /echo/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(65536)
            information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
            assert struct.unpack_from("I", information, 152) == (expected,), "tcpi_data_segs_in"


def test_a_body_is_given_back_with_its_request_and_not_when_garbage_is_collected(server: Running) -> None:
    body = b"x" * 2_000_000
    for _ in range(3):
        assert httpx.post(f"{server.url}/keep/", content=body).text == "2000000"
        assert httpx.post(f"{server.url}/keep/", content=iter([body])).text == "2000000"
    assert httpx.post(f"{server.url}/keep/?too_long", content=body).text == "2000000"
    assert httpx.post(f"{server.url}/keep/?too_long", content=iter([body])).text == "2000000"
    given_back = {"closed": [True, True], "alive": 0}  # a response may arrive before its request is given back
    wait_until(lambda: httpx.get(f"{server.url}/closed/").json() == given_back, lambda: server.output)


def test_a_client_that_waits_for_100_gets_it(bridge: Running) -> None:
    head = b"POST /upload/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n"
    with socket.create_connection(("127.0.0.1", bridge.port), timeout=10) as client:
        client.sendall(head + b"Connection: close\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        assert b"".join(iter(lambda: client.recv(65536), b"")).endswith(b"\r\n\r\n5")


@pytest.mark.parametrize("code", [204, 304, 404, 418, 500])
def test_answers_without_a_body_have_none(bridge: Running, code: int) -> None:
    with httpx.Client(base_url=bridge.url) as client:
        for method in ("GET", "HEAD"):
            answer = client.request(method, f"/code/{code}/")
            assert (answer.status_code, answer.content) == (code, b"")
            assert answer.headers.get("content-length") == (None if code in (204, 304) else "0")
        assert client.get("/status/").status_code == 200


def test_head_has_the_length_of_get(bridge: Running) -> None:
    with httpx.Client(base_url=bridge.url) as client:
        assert client.head("/unread/").headers["content-length"] == "8"
        assert client.head("/large/").headers["content-length"] == "200000000"
        assert client.get("/unread/").text == "not read"


SILENT = """
from mysite.settings import *
LOGGING = {  # it turns all other loggers off, which is what Python does unless told otherwise
    "version": 1,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
"""


@pytest.mark.parametrize("settings", ["mysite.settings", "silent"])
def test_an_exception_in_a_view_is_logged_whole_and_answered_500(project: Path, settings: str) -> None:
    (project / "silent.py").write_text(SILENT)
    with run_server(cwd=project, **{**VARIABLES, "DJANGO_SETTINGS_MODULE": settings}) as running:
        with httpx.Client(base_url=running.url) as client:
            assert client.get("/fails/").status_code == 500
            assert client.get("/leaves/").status_code == 500
            assert client.get("/status/").status_code == 200
        with httpx.stream("GET", f"{running.url}/breaks/") as answer:
            pieces = answer.iter_bytes()
            assert next(pieces) == b"begun"
            httpx.get(f"{running.url}/go_on/")
            with pytest.raises(httpx.RemoteProtocolError):
                next(pieces)
        assert running.stop() == 0
    for line in ("RuntimeError: in a view", "SystemExit: a view that exits", "RuntimeError: in the middle"):
        assert running.output.count(f"\n{line}") == 1


def test_static_files_do_not_wait_and_what_is_too_much_is_refused(project: Path, may_end: Path) -> None:
    head = b"Host: localhost\r\nConnection: close\r\n\r\n"
    with run_server(cwd=project, **{**VARIABLES, "DJANGO_QUEUE": "2"}) as running:
        clients = [socket.create_connection(("127.0.0.1", running.port), timeout=10) for _ in range(5)]
        for client in clients:  # three have a thread, two wait for one
            client.sendall(b"GET /slow/ HTTP/1.1\r\n" + head)
            wait_until_read(client)
        running.wait_for("slow begins", times=3)
        refused = httpx.get(f"{running.url}/status/")
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["cache-control"] == "private, no-store, max-age=0"
        assert httpx.get(f"{running.url}/static/digits.txt").text == "0123456789"
        assert httpx.get(f"{running.url}/healthz").status_code == 200
        clients.pop().close()  # it waited, and leaves: its place is free, and its view never runs
        may_end.touch()
        for client in clients:
            with client:
                assert b"".join(iter(lambda: client.recv(65536), b"")).endswith(b"slow")  # noqa: B023 - called at once
        assert httpx.get(f"{running.url}/status/").status_code == 200


def test_the_application_s_side_of_wsgi_is_kept(project: Path) -> None:
    """wsgiref's validator, around Django, checks what the bridge gives and does (PEP 3333)."""
    with run_server(cwd=project, **{**VARIABLES, "DJANGO_SETTINGS_MODULE": "validated"}) as running:
        with httpx.Client(base_url=running.url) as client:
            assert client.get("/status/").status_code == 200
            assert client.head("/status/").status_code == 200
            assert client.post("/upload/", content=b"x" * 1000).text == "1000"
            assert client.post("/upload/", content=b"x" * 1_000_000).text == "1000000"
            assert client.post("/upload/", content=iter([b"x" * 1000])).text == "1000"
            assert client.get("/events/").text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
            assert client.get("/fails/").status_code == 500
        with httpx.stream("GET", f"{running.url}/stream/") as answer:
            next(answer.iter_raw())
        assert running.stop() == 0
    assert "AssertionError" not in running.output
