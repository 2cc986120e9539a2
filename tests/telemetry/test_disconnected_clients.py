"""A client that goes away before it has an answer is logged with 499, whatever its request was doing."""

from __future__ import annotations

import json
import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.processes import Running, find_free_port, run, run_server
from tests.support.projects import copy_project

VIEWS = """
import time
from pathlib import Path
from django.http import HttpResponse
from django.urls import path

def waits(request):
    Path(request.GET["began"]).touch()
    until = Path(request.GET["until"])
    while not until.exists():
        time.sleep(0.01)
    return HttpResponse("waited")

def upload(request):
    return HttpResponse(str(sum(len(file.read()) for file in request.FILES.values())))

def read(request):
    return HttpResponse(str(len(request.body)))

urlpatterns = [path("waits/", waits), path("upload/", upload), path("read/", read)]
"""
VARIABLES = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_THREADS": "1"}
HEAD = "POST {} HTTP/1.1\r\nHost: localhost\r\n"
FORM = 'Content-Type: multipart/form-data; boundary=b\r\n{}\r\n\r\n--b\r\nContent-Disposition: form-data; name="a"'
BREAKING_OFF = {
    "short": (HEAD + "Content-Length: 100\r\n\r\nabc").format("/read/"),
    "long, read by the view": (HEAD + "Content-Length: 2000000\r\n\r\n").format("/read/") + "x" * 300_000,
    "in chunks": (HEAD + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").format("/read/"),
    "long form": (HEAD + FORM).format("/upload/", "Content-Length: 9000000") + '; filename="a"\r\n\r\n' + "x" * 300_000,
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    project = copy_project("plain", tmp_path_factory.mktemp("given_up"))
    (project / "mysite/urls.py").write_text(VIEWS)
    assert run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **VARIABLES).returncode == 0
    return project


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def server(project: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    with run_server(cwd=project, DJANGO_INTERFACE=request.param, **VARIABLES) as running:
        yield running


def leave(connection: socket.socket, *, at_once: bool = True) -> None:
    """Close the connection: at once, with a reset, or as a client does that is done."""
    if at_once:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def asked(port: int, request: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), 10)
    connection.sendall(request.encode())
    return connection


def waiting(port: int, name: str, directory: Path) -> socket.socket:
    target = f"/waits/?name={name}&began={directory}/{name}&until={directory}/until"
    return asked(port, f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")


def until_there(path: Path, running: Running) -> None:
    while not path.exists():
        assert running.process.poll() is None
        httpx.get(f"{running.url}/healthz")


@pytest.mark.parametrize("name", BREAKING_OFF)
@pytest.mark.parametrize("at_once", [True, False])
def test_an_upload_that_breaks_off(server: Running, name: str, at_once: bool) -> None:
    before = server.output.count(" 499 0 - django ")
    connection = asked(server.port, BREAKING_OFF[name])
    httpx.get(f"{server.url}/healthz")
    leave(connection, at_once=at_once)
    server.wait_for(" 499 0 - django ", times=before + 1)
    assert " 500 " not in server.output
    assert " 503 " not in server.output
    assert "Traceback" not in server.output


def test_a_client_that_leaves_while_its_view_works(server: Running, tmp_path: Path) -> None:
    connection = waiting(server.port, "one", tmp_path)
    until_there(tmp_path / "one", server)
    leave(connection)
    httpx.get(f"{server.url}/healthz")
    (tmp_path / "until").touch()
    server.wait_for("name=one")
    line = next(line for line in server.lines if "name=one" in line)
    assert " HTTP/1.1 499 0 - django " in line


@pytest.mark.parametrize("at_once", [True, False])
def test_a_client_that_leaves_while_its_request_waits_for_a_thread(
    project: Path, tmp_path: Path, at_once: bool
) -> None:
    port = find_free_port()
    variables = {**VARIABLES, "DJANGO_INTERFACE": "wsgi", "LOG_FORMAT": "json", "METRICS_PORT": str(port)}
    with run_server(cwd=project, **variables) as running:
        first = waiting(running.port, "first", tmp_path)
        until_there(tmp_path / "first", running)
        second = waiting(running.port, "second", tmp_path)
        httpx.get(f"{running.url}/healthz")
        leave(second, at_once=at_once)
        httpx.get(f"{running.url}/healthz")
        (tmp_path / "until").touch()
        running.wait_for("name=second")
        running.wait_for("name=first")
        with first:
            assert first.recv(1000).endswith(b"waited")
        records = [json.loads(line) for line in running.lines]
        statuses = {each["target"][:18]: (each["status"], each["bytes"]) for each in records if "target" in each}
        assert statuses["/waits/?name=first"] == (200, 6)
        assert statuses["/waits/?name=secon"] == (499, 0)
        counted = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert 'static_host_requests_total{handler="django",status="499"} 1.0' in counted
        assert 'status="503"' not in counted
        assert not (tmp_path / "second").exists(), "its view never ran"


SLOW_HANDSHAKE = """
import asyncio
from django.core.asgi import get_asgi_application
django = get_asgi_application()

async def application(scope, receive, send):
    if scope["type"] != "websocket":
        return await django(scope, receive, send)
    await receive()
    print("asked", flush=True)
    await receive()
"""


def test_a_client_that_leaves_before_its_handshake_is_answered(project: Path) -> None:
    (project / "mysite/asgi.py").write_text(SLOW_HANDSHAKE)
    (project / "slow.py").write_text("from mysite.settings import *\nASGI_APPLICATION = 'mysite.asgi.application'\n")
    with run_server(cwd=project, **{**VARIABLES, "DJANGO_SETTINGS_MODULE": "slow"}) as running:
        fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        connection = asked(running.port, f"GET /ws/?token=SECRET HTTP/1.1\r\nHost: localhost\r\n{fields}{key}\r\n")
        running.wait_for("asked")
        leave(connection)
        running.wait_for("GET /ws/?token=*** HTTP/1.1 499 0 - django")


def test_a_body_that_is_no_body_is_logged_with_the_status_of_its_refusal(server: Running) -> None:
    with asked(server.port, (HEAD + "Transfer-Encoding: chunked\r\n\r\nno length\r\n").format("/read/?wrong")) as it:
        assert it.recv(1000).startswith(b"HTTP/1.1 400 ")
    server.wait_for("POST /read/?wrong HTTP/1.1 400 12 - refused")


def test_what_comes_behind_a_request_and_is_no_request_ends_it(server: Running, tmp_path: Path) -> None:
    """Before the response or after it: the ASGI path reads on while a view runs, the page path does not."""
    with waiting(server.port, "garbage", tmp_path) as connection:
        connection.sendall(b"no request\r\n\r\n")
        (tmp_path / "until").touch()
        got = b""
        while data := connection.recv(1000):
            got += data
    responses = re.findall(rb"HTTP/1.1 ([0-9]+) ", got)
    assert responses in ([b"400"], [b"200", b"400"])
    server.wait_for("name=garbage")
    logged = {b"400": " HTTP/1.1 400 0 - django", b"200": " HTTP/1.1 200 6 - django"}[responses[0]]
    assert any("name=garbage" in line and logged in line for line in server.lines)


def test_an_answer_that_is_cut_short_has_the_status_that_was_sent(plain: Path) -> None:
    with run_server(cwd=plain, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        connection = asked(running.port, "GET /static/large.bin HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        leave(connection)
        running.wait_for("GET /static/large.bin HTTP/1.1 200 ")
