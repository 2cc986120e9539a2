"""``HOST=unix:/…``: the socket's file from start to stop, and what its clients are for the log and for Django."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from static_host.server.listener import count_pending_connections, format_url, open_address
from tests.support.builds import append_settings
from tests.support.processes import Running, run, run_server
from tests.support.projects import SETTINGS, copy_project
from tests.support.wire import exchange_with, list_statuses

READY = r"ready on (unix:/[^\s\"]+)"
FACTS = """
import json
from django.http import HttpResponse
from django.urls import path

def facts(request):
    found = [request.META["REMOTE_ADDR"], request.scheme, request.get_host(), request.META["SERVER_NAME"]]
    return HttpResponse(json.dumps(found))

urlpatterns = [path("facts", facts)]
"""
PROXIED = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"


@pytest.fixture
def place() -> Iterator[Path]:
    """A path for a socket, short enough."""
    with TemporaryDirectory() as directory:
        yield Path(directory, "site.sock")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    project = copy_project("plain", tmp_path_factory.mktemp("unix"))
    (project / "mysite/urls.py").write_text(FACTS)
    append_settings(project, "MIDDLEWARE = []")
    assert run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **SETTINGS).returncode == 0
    return project


def connect(place: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(str(place))
    return connection


def fetch(place: Path, path: str, fields: str = "") -> tuple[int, bytes]:
    """Return the response's status and body."""
    with connect(place) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


def fetch_facts(place: Path, fields: str = "") -> list[str]:
    found: list[str] = json.loads(fetch(place, "/facts", fields)[1])
    return found


def test_files_pages_and_health_checks_are_served_and_a_stop_removes_the_file(project: Path, place: Path) -> None:
    with run_server(cwd=project, ready=READY, HOST=f"unix:{place}", **SETTINGS) as running:
        assert running.url == f"unix:{place}"
        assert stat.S_IMODE(place.stat().st_mode) == 0o666
        assert fetch(place, "/static/digits.txt") == (200, b"0123456789")
        assert len(fetch(place, "/static/site.e8e374d844cc.css")[1]) > 0
        assert fetch(place, "/healthz") == (200, b"ok\n")
        assert fetch_facts(place) == ["127.0.0.1", "http", "localhost", "localhost"]
        running.wait_for("unix:0 GET /static/digits.txt HTTP/1.1 200 10 - fast")
        running.wait_for("unix:0 GET /facts HTTP/1.1 200")
        assert running.stop() == 0
        assert "Traceback" not in running.output
    assert not place.exists()


def test_pipelined_requests_get_their_literal_responses(project: Path, place: Path) -> None:
    head = b"GET /static/digits.txt HTTP/1.1\r\nHost: a\r\n\r\n"
    with run_server(cwd=project, ready=READY, HOST=f"unix:{place}", **SETTINGS), connect(place) as connection:
        got = exchange_with(connection, head * 3 + b"GET / HTTP/1.1\r\n\r\n")
    assert list_statuses(got) == [200, 200, 200, 400]
    assert got.count(b"\r\n\r\n0123456789") == 3


@pytest.mark.parametrize(
    ("allowed", "facts", "logged"),
    [
        ("127.0.0.1,::1", ["203.0.113.7", "https"], "203.0.113.7:0"),
        ("10.0.0.0/8", ["127.0.0.1", "http"], "unix:0"),
    ],
)
def test_its_peer_counts_as_one_at_127_0_0_1(
    project: Path, place: Path, allowed: str, facts: list[str], logged: str
) -> None:
    variables = {**SETTINGS, "HOST": f"unix:{place}", "FORWARDED_ALLOW_IPS": allowed}
    with run_server(cwd=project, ready=READY, **variables) as running:
        assert fetch_facts(place, PROXIED)[:2] == facts
        assert fetch_facts(place, PROXIED + "Accept-Encoding: a\r\nConnection: close\r\n")[:2] == facts
        assert fetch(place, "/static/digits.txt", PROXIED)[0] == 200
        running.wait_for(f"{logged} GET /facts HTTP/1.1 200", times=2)
        running.wait_for(f"{logged} GET /static/digits.txt HTTP/1.1 200")


def test_the_mode_is_the_setting_s_whatever_the_umask(project: Path, place: Path) -> None:
    variables = {**SETTINGS, "HOST": f"unix:{place}", "SOCKET_MODE": "0660"}
    with run_server(cwd=project, ready=READY, **variables) as running:
        assert stat.S_IMODE(place.stat().st_mode) == 0o660
        assert fetch(place, "/healthz")[0] == 200
        assert running.stop(signal.SIGINT) == 0


def test_the_file_of_a_dead_server_is_replaced(project: Path, place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(place))
    with run_server(cwd=project, ready=READY, HOST=f"unix:{place}", **SETTINGS):
        assert fetch(place, "/healthz")[0] == 200


def test_the_socket_of_a_live_server_is_an_error(project: Path, place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(place))
        live.listen()
        result = run("static-host", "serve", cwd=project, HOST=f"unix:{place}", **SETTINGS)
        assert result.returncode == 4
        assert result.stderr.splitlines()[-1] == (
            f"static-host: HOST=unix:{place}: Address already in use. "
            "Stop the program that has it, or set another HOST."
        )
        connect(place).close()


def test_a_live_server_whose_queue_is_full_is_an_error_too(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(place))
        live.listen(0)
        with (
            connect(place),
            pytest.raises(Exception, match="Address already in use"),
            open_address(f"unix:{place}", 0, 0o666),
        ):
            pass


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Path.touch, "there is a file that is no socket."),
        (Path.mkdir, "there is a file that is no socket."),
        (lambda path: path.symlink_to("nowhere"), "there is a file that is no socket."),
        (lambda path: path.parent.rmdir(), "No such file or directory."),
    ],
)
def test_a_path_that_is_not_free_is_an_error(project: Path, place: Path, make: object, reason: str) -> None:
    assert callable(make)
    make(place)
    result = run("static-host", "serve", cwd=project, HOST=f"unix:{place}", **SETTINGS)
    place.parent.mkdir(exist_ok=True)
    assert result.returncode == 4
    assert result.stderr.splitlines()[-1] == f"static-host: HOST=unix:{place}: {reason} Set another HOST."


def test_the_file_of_a_successor_is_left(place: Path) -> None:
    with open_address(f"unix:{place}", 0, 0o600):
        place.rename(place.with_suffix(".old"))
        with socket.socket(socket.AF_UNIX) as successor:
            successor.bind(str(place))
    assert place.exists()


def test_connections_that_nobody_has_accepted_are_noticed(place: Path) -> None:
    with open_address(f"unix:{place}", 0, 0o600) as listener:
        assert format_url(listener) == f"unix:{place}"
        assert count_pending_connections(listener) == 0
        with connect(place):
            assert count_pending_connections(listener) == 1
            listener.accept()[0].close()
            assert count_pending_connections(listener) == 0


def test_dev_listens_there_too(project: Path, place: Path) -> None:
    variables = {**SETTINGS, "HOST": f"unix:{place}"}
    running: Running
    with run_server("static-host", "dev", cwd=project, ready=r"ready on (unix:/[^,]+),", **variables) as running:
        assert fetch(place, "/static/digits.txt") == (200, b"0123456789")
        assert running.stop() == 0
    assert not os.path.lexists(place)
