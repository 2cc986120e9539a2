"""A synchronous Django behind ASGI, through a real server: what a bridge usually gets wrong."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import copied
from tests.processes import Running, run, serving

VIEWS = """
import threading, time
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

open_streams, whole = [], []

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

def slow(request):
    time.sleep(float(request.GET["seconds"]))
    return HttpResponse("slow")

def status(request):
    cookies = sorted(request.COOKIES.items())
    return HttpResponse(f"{len(open_streams)} {request.is_secure()} {cookies} whole={len(whole)}")

def upload(request):
    size = 0
    while chunk := request.read(65536):
        size += len(chunk)
    whole.append(size)
    return HttpResponse(str(size))

urlpatterns = [path("stream/", stream), path("slow/", slow), path("status/", status), path("upload/", upload)]
"""
VARIABLES = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_THREADS": "3"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    project = copied("plain", tmp_path_factory.mktemp("bridge"))
    (project / "mysite/urls.py").write_text(VIEWS)
    settings = project / "mysite/settings.py"
    settings.write_text(settings.read_text() + "SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https')\n")
    assert run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **VARIABLES).returncode == 0
    return project


@pytest.fixture
def server(project: Path) -> Iterator[Running]:
    with serving(cwd=project, **VARIABLES) as running:
        yield running


def status(server: Running) -> str:
    return httpx.get(f"{server.url}/status/").text


def test_clients_that_go_away_give_their_threads_back_and_close_the_response(server: Running) -> None:
    for _ in range(6):  # twice as many as there are threads
        with httpx.stream("GET", f"{server.url}/stream/") as answer:
            next(answer.iter_raw())
    deadline = time.monotonic() + 5
    while not status(server).startswith("0 ") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert status(server).startswith("0 ")
    assert server.stop() == 0
    assert "Traceback" not in server.output


def test_a_stream_arrives_as_it_is_yielded(server: Running) -> None:
    with httpx.stream("GET", f"{server.url}/stream/") as answer:
        assert next(answer.iter_raw()).startswith(b"xxx")


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
            time.sleep(0.3)
    time.sleep(0.5)
    assert status(server).split()[-1] == "whole=0"


def test_head_of_an_endless_stream_is_answered_and_the_connection_goes_on(server: Running) -> None:
    with httpx.Client(base_url=server.url, timeout=5) as client:
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
    with serving(cwd=project, WEB_CONCURRENCY=workers, **VARIABLES) as running:
        with socket.create_connection(("127.0.0.1", running.port)) as connection:
            connection.sendall(b"GET /slow/?seconds=60 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(0.5)
            began = time.monotonic()
            assert running.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began < 11  # Docker's patience is 10 s


def test_a_stop_while_workers_start_is_obeyed_at_once(project: Path, tmp_path: Path) -> None:
    (project / "slow_in_workers.py").write_text(
        "import multiprocessing, time\nfrom mysite.settings import *\n"
        "if multiprocessing.parent_process(): time.sleep(15)\n"
    )
    variables = {**VARIABLES, "DJANGO_SETTINGS_MODULE": "slow_in_workers", "WEB_CONCURRENCY": "2"}
    with serving(cwd=project, ready="Django project slow_in_workers", **variables) as running:
        time.sleep(1.5)
        began = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - began < 5
        assert "ready on" not in running.output


def test_a_request_in_flight_is_answered_before_the_stop(project: Path) -> None:
    with serving(cwd=project, **VARIABLES) as running, socket.create_connection(("127.0.0.1", running.port)) as client:
        client.sendall(b"GET /slow/?seconds=1.5 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.5)
        running.process.send_signal(signal.SIGTERM)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.endswith(b"slow")
        assert running.process.wait(10) == 0


def test_a_worker_that_is_killed_is_replaced_with_the_same_release_and_a_line_in_the_log(
    tmp_path: Path, cache: Path
) -> None:
    project = copied("plain", tmp_path)
    variables = {**VARIABLES, "DJANGO_STATIC_CACHE": str(cache)}
    assert run("static-host", "build", cwd=project, **variables).returncode == 0
    with serving(cwd=project, WEB_CONCURRENCY="2", **variables) as running:
        (project / "mysite/static/digits.txt").write_text("another release")
        assert run("static-host", "build", cwd=project, **variables).returncode == 0
        children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
        workers = [pid for pid in children if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]
        assert len(workers) == 2
        for pid in workers:
            os.kill(int(pid), signal.SIGKILL)
        running.wait_for("another one takes its place")
        time.sleep(3)
        assert {httpx.get(f"{running.url}/static/digits.txt").text for _ in range(6)} == {"0123456789"}
        assert running.stop() == 0


def test_a_worker_that_dies_before_it_serves_stops_everything(tmp_path: Path, cache: Path) -> None:
    project = copied("plain", tmp_path)
    variables = {**VARIABLES, "DJANGO_STATIC_CACHE": str(cache)}
    assert run("static-host", "build", cwd=project, **variables).returncode == 0
    urls = project / "mysite/urls.py"
    only_in_workers = "import multiprocessing, os\nif multiprocessing.parent_process(): os.kill(os.getpid(), 9)\n"
    urls.write_text(only_in_workers + urls.read_text())
    result = run("static-host", "serve", cwd=project, WEB_CONCURRENCY="2", PORT="0", **variables)
    assert result.returncode == 1
    assert "a worker process ended, or took over 60 s, before it took a request" in result.stderr
