"""What is recorded of requests: the access log and the metrics of all workers; the origin secret."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.support.cases import CSS, DIGITS, LARGE
from tests.support.processes import Running, find_free_port, run, run_server
from tests.support.projects import SETTINGS, copy_project
from tests.support.waiting import wait_until

OLD, NEW = "an-old-secret-0123456789", "a-new-secret-0123456789"


def sent(port: int, head: bytes, *, least: int = 1) -> bytes:
    """Send a head on a connection of its own, and return what comes back, of so many bytes at least."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(head)
        got = b""
        while len(got) < least:
            got += connection.recv(1 << 16)
        return got


def logged(running: Running, last: str) -> list[str]:
    """Return the lines of the access log up to the one that has this text, without ports and durations."""
    running.wait_for(last)
    lines = [line.strip() for line in running.lines if " HTTP/1.1 " in line or " - - " in line]
    return [re.sub(r"\b\d+\.\d+ms\b", "Tms", re.sub(r"(\.\d+):\d+ ", r"\1 ", line)) for line in lines]


def test_the_access_log_has_a_line_for_each_answer_of_either_path(plain: Path) -> None:
    heads = (
        b"GET /static/digits.txt HTTP/1.1\r\nHost: a\r\nX-Request-ID: one\r\n\r\n",
        b"GET /static/digits.txt HTTP/1.1\r\nHost: a\r\nX-Request-ID: two\r\n\r\n",
        b"GET %s HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\nX-Amz-Cf-Id: a==\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n"
        % CSS.encode(),
        b"HEAD %s?v=1 HTTP/1.1\r\nHost: a\r\n\r\n" % DIGITS.encode(),
        b"GET %s HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1999999\r\n\r\n" % LARGE.encode(),
        b"GET /static/nothing HTTP/1.1\r\nHost: a\r\n\r\n",
        b'GET /static/caf%C3%A9%20menu.txt HTTP/1.1\r\nHost: a\r\nX-Request-ID: not "plain"\r\n\r\n',
        b"POST /static/digits.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nX-Request-ID: three\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nCF-Ray: 8f0\r\n\r\n",
        b"GET /echo/caf%C3%A9?a=1&access_token=abc&b=2 HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: four\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /echo/last HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: five\r\n\r\n",
    )
    with run_server(cwd=plain, **SETTINGS) as running:
        for head in heads:
            sent(running.port, head, least=2_000_000 if LARGE.encode() in head else 1)
        lines = logged(running, "/echo/last")
    digits = "127.0.0.1 GET /static/digits.txt HTTP/1.1 200 10 - fast Tms"
    length = (plain / "staticfiles" / CSS.removeprefix("/static/")).with_suffix(".css.br").stat().st_size
    assert lines[:3] == [
        f"{digits} one",
        f"{digits} two",
        f"203.0.113.7 GET {CSS} HTTP/1.1 200 {length} br fast Tms a==",
    ]
    assert f"127.0.0.1 GET {LARGE} HTTP/1.1 206 2000000 - fast Tms -" in lines
    rest = [re.sub(r" 404 \d+ ", " 404 N ", line) for line in lines[3:]]
    assert "127.0.0.1 HEAD /static/digits.781e5e245d69.txt?v=1 HTTP/1.1 200 0 - fast Tms -" in rest
    assert "127.0.0.1 GET /static/nothing HTTP/1.1 404 N - fast Tms -" in rest
    assert "127.0.0.1 GET /static/caf%C3%A9%20menu.txt HTTP/1.1 200 16 - fast Tms -" in rest
    assert "127.0.0.1 POST /static/digits.txt HTTP/1.1 405 19 - static Tms three" in rest
    assert "127.0.0.1 GET /healthz HTTP/1.1 200 3 - health Tms 8f0" in rest
    assert "127.0.0.1 GET /echo/caf%C3%A9?a=1&access_token=***&b=2 HTTP/1.1 404 N - django Tms four" in rest
    assert "127.0.0.1 - - HTTP/1.1 400 12 - refused Tms -" in rest


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])
def test_what_a_proxy_calls_its_client_cannot_forge_a_line(plain: Path, more: bytes) -> None:
    head = b"GET /static/digits.txt HTTP/1.1\r\nHost: a\r\n%sX-Forwarded-For: %s\r\n\r\n"
    with run_server(cwd=plain, **SETTINGS) as running:
        sent(running.port, head % (more, b"2001:db8::1"))
        sent(running.port, head % (more, b"::1 GET / HTTP/1.1 200\x9b31m"))
        lines = logged(running, "31m")
    expected = "HTTP/1.1 200 10 - static" if more else "HTTP/1.1 200 10 - fast"
    names = [line.partition(" GET /static/digits.txt ")[0] for line in lines]
    assert names == ["2001:db8::1:0", "%3A%3A1%20GET%20/%20HTTP/1.1%20200%C2%9B31m:0"]
    assert all(expected in line for line in lines)


def test_it_is_one_json_object_a_line_where_that_is_wanted(plain: Path) -> None:
    with run_server(cwd=plain, LOG_FORMAT="json", **SETTINGS) as running:
        sent(
            running.port,
            b"GET %s HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\nX-Request-ID: one\r\n\r\n" % CSS.encode(),
        )
        sent(running.port, b'GET /echo/?q="}&Password=x HTTP/1.1\r\nHost: localhost\r\n\r\n')
        running.wait_for("/echo/")
        first, second = (json.loads(line) for line in running.lines if "method" in line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first.pop("client") == "127.0.0.1"
    assert 1024 <= first.pop("client_port") <= 65535
    assert first.pop("duration_ms") >= 0
    length = (plain / "staticfiles" / CSS.removeprefix("/static/")).with_suffix(".css.br").stat().st_size
    assert first == {
        "method": "GET",
        "target": CSS,
        "protocol": "HTTP/1.1",
        "status": 200,
        "bytes": length,
        "coding": "br",
        "handler": "fast",
        "request_id": "one",
    }
    assert second["target"] == '/echo/?q="}&Password=***'
    assert re.fullmatch("[0-9a-f]{16}", second["request_id"]), "a request that no proxy has named is named here"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("%74oken=SECRET&a=1", "%74oken=***&a=1"),
        ("access%5Ftoken=SECRET", "access%5Ftoken=***"),
        ("a;token=SECRET", "a;token=***"),
        ("pwd=SECRET&jwt=SECRET&otp=SECRET", "pwd=***&jwt=***&otp=***"),
        ("next=%2Fx%3Ftoken%3DSECRET%26b", "next=***"),
        ("next=/x?a&session=SECRET", "next=/x?a&session=***"),
        ("next=/x?session=SECRET", "next=***"),
        ("next=%2Fx%3Fpage%3D2&b&=&c=%", "next=%2Fx%3Fpage%3D2&b&=&c=%"),
        ("next=%252Fx%253Ftoken%253DSECRET", "next=***"),
        ("next=%25252Fx%25253Fa%252526token%25253DSECRET", "next=***"),
        ("%2Fx%3Ftoken%3DSECRET", "***"),
        ("next=%2Fx%23access_token%3DSECRET", "next=***"),
        ("q=monkey&next=/authors?page=2", "q=monkey&next=/authors?page=2"),
    ],
)
def test_a_secret_in_a_query_is_masked_on_either_path(server: Running, query: str, expected: str) -> None:
    for path, host in ((DIGITS, "a"), ("/echo/", "localhost")):
        sent(server.port, f"GET {path}?{query} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        server.wait_for(f"GET {path}?{expected} HTTP/1.1 200 ")
    assert "SECRET" not in server.output


def test_a_long_target_is_cut_on_either_path(server: Running) -> None:
    for path, host in ((DIGITS, "a"), ("/echo/", "localhost")):
        sent(
            server.port,
            f"GET {path}?token=SECRET&{'a' * 20_000}?token=SECRET HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(),
        )
        shown = "a" * (2048 - len(f"{path}token=SECRET&"))
        server.wait_for(f"GET {path}?token=***&{shown}… HTTP/1.1 200 ")
    assert "SECRET" not in server.output


def test_the_handshake_of_a_web_socket_is_recorded(tmp_path: Path, cache: Path) -> None:
    project, variables = copy_project("chat", tmp_path), {"DJANGO_SETTINGS_MODULE": "chat.settings"}
    assert run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **variables).returncode == 0
    secret = {"X-Origin-Secret": OLD, "X-Request-ID": "one"}
    port, paths = find_free_port(), {"DJANGO_HEALTH_PATH": "/ws/open"}
    with run_server(
        cwd=project, DJANGO_ORIGIN_SECRET=OLD, METRICS_PORT=str(port), DJANGO_INTERFACE="asgi", **paths, **variables
    ) as running:
        room = re.sub("^http", "ws", running.url)
        with connect(f"{room}/ws/room/?token=abc", origin=Origin(running.url), additional_headers=secret):
            running.wait_for("GET /ws/room/?token=*** HTTP/1.1 101 0 - django")
        for path, headers, handler in (
            ("/ws/room/", {}, "refused"),
            ("/ws/open", {}, "refused"),  # what is open to a health check is not to a WebSocket
            ("/static/x", secret, "static"),
        ):
            with pytest.raises(InvalidStatus), connect(room + path, additional_headers=headers):
                pass
            running.wait_for(f"GET {path} HTTP/1.1 403 0 - {handler}")
        assert metrics(port)['static_host_requests_total{handler="django",status="101"}'] == 1
        assert OLD not in running.output


def test_without_an_access_log_nothing_is_written(plain: Path) -> None:
    with run_server(cwd=plain, ACCESS_LOG="false", **SETTINGS) as running:
        for path in (b"/static/digits.txt", b"/healthz", b"/"):
            sent(running.port, b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
        assert running.stop() == 0
        assert "HTTP/1.1" not in running.output


def metrics(port: int) -> dict[str, float]:
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def requests(told: dict[str, float]) -> float:
    return sum(value for name, value in told.items() if name.startswith("static_host_requests_total"))


@pytest.mark.parametrize("workers", ["1", "3"])
def test_the_metrics_are_those_of_all_workers(plain: Path, workers: str) -> None:
    port = find_free_port()
    variables = {"WEB_CONCURRENCY": workers, "METRICS_PORT": str(port), "ACCESS_LOG": "false"}
    with run_server(cwd=plain, **variables, **SETTINGS) as running:
        for _ in range(30):  # each on a connection of its own, so that several workers have some
            assert httpx.get(running.url + CSS, headers={"accept-encoding": "br"}).status_code == 200
        etag = httpx.head(running.url + DIGITS).headers["etag"]
        assert httpx.get(running.url + DIGITS, headers={"if-none-match": etag}).status_code == 304
        assert httpx.get(f"{running.url}/static/nothing").status_code == 404
        assert httpx.get(f"{running.url}/echo/").status_code == 200
        assert httpx.get(f"{running.url}/healthz").status_code == 200
        assert b" 400 " in sent(running.port, b"GET / HTTP/1.1\r\n\r\n")
        wait_until(lambda: requests(metrics(port)) == 36, lambda: metrics(port))
        got = metrics(port)
    length = (plain / "staticfiles" / CSS.removeprefix("/static/")).with_suffix(".css.br").stat().st_size
    assert got['static_host_requests_total{handler="fast",status="200"}'] == 31
    assert got['static_host_requests_total{handler="fast",status="304"}'] == 1
    assert got['static_host_requests_total{handler="fast",status="404"}'] == 1
    assert got['static_host_requests_total{handler="django",status="200"}'] == 1
    assert got['static_host_requests_total{handler="health",status="200"}'] == 1
    assert got['static_host_requests_total{handler="refused",status="400"}'] == 1
    assert got['static_host_response_bytes_total{coding="br",handler="fast"}'] == 30 * length
    assert got['static_host_request_seconds_bucket{handler="django",le="+Inf"}'] == 1
    assert got["static_host_workers"] == int(workers)
    assert got["static_host_threads_limit"] == 10 * int(workers)
    assert got["static_host_threads_busy"] == 0
    assert got["static_host_event_loop_lag_seconds"] >= 0
    assert got["static_host_ready"] == 1
    assert got["process_resident_memory_bytes"] > 10_000_000
    assert got["process_virtual_memory_bytes"] >= got["process_resident_memory_bytes"]
    assert got["process_max_fds"] > got["process_open_fds"] > 5
    assert got["process_cpu_seconds_total"] > 0
    assert abs(got["process_start_time_seconds"] - time.time()) < 600
    assert any(name.startswith("static_host_info{release=") for name in got)


def test_a_port_of_the_metrics_that_is_taken_is_an_error(plain: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        result = run("static-host", "serve", cwd=plain, PORT="0", METRICS_PORT=port, **SETTINGS)
    assert result.returncode == 4
    assert f"METRICS_PORT={port}: Address already in use. Set another METRICS_PORT." in result.stderr


@pytest.mark.parametrize("path", [DIGITS, "/", LARGE, "/static/nothing"])
def test_only_who_knows_the_secret_is_answered(plain: Path, path: str) -> None:
    with run_server(cwd=plain, DJANGO_ORIGIN_SECRET=f"{OLD},{NEW}", **SETTINGS) as running:
        with httpx.Client(base_url=running.url) as client:
            for secret in (OLD, NEW, OLD):
                assert client.get(path, headers={"x-origin-secret": secret}).status_code in (200, 404)
            for headers in ({}, {"x-origin-secret": "wrong"}, {"x-origin-secret": f"{OLD}{NEW}"}, {"x-secret": OLD}):
                refused = client.get(path, headers=headers)
                assert (refused.status_code, refused.text) == (403, "Forbidden\n")
                assert refused.headers["cache-control"] == "private, no-store, max-age=0"
            assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
        assert OLD not in running.output
        assert NEW not in running.output


def test_a_pipelined_request_without_the_secret_does_not_profit_from_the_one_before_it(plain: Path) -> None:
    with run_server(
        cwd=plain, DJANGO_ORIGIN_SECRET=OLD, DJANGO_ORIGIN_SECRET_HEADER="X-From-CDN", **SETTINGS
    ) as running:
        head = b"GET %s HTTP/1.1\r\nHost: a\r\n" % DIGITS.encode()
        secret = b"x-from-cdn: %s\r\n" % OLD.encode()
        with socket.create_connection(("127.0.0.1", running.port), 10) as connection:
            connection.sendall(head + secret + b"\r\n" + head + b"\r\n" + head + secret + b"Connection: close\r\n\r\n")
            got = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert re.findall(rb"HTTP/1.1 (\d+)", got) == [b"200", b"403", b"200"]


def test_white_space_around_the_secret_is_not_its_own(plain: Path) -> None:
    with run_server(cwd=plain, DJANGO_ORIGIN_SECRET=OLD, **SETTINGS) as running:
        heads = [f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Origin-Secret: \t{OLD} \t\r\n" for path in (DIGITS, "/")]
        with socket.create_connection(("127.0.0.1", running.port), 10) as connection:
            connection.sendall(f"{heads[0]}\r\n{heads[1]}Connection: close\r\n\r\n".encode())
            got = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert re.findall(rb"HTTP/1.1 (\d+)", got) == [b"200", b"200"]


def test_django_does_not_see_the_secret(plain: Path, project: Path, cache: Path) -> None:
    urls = project / "mysite/urls.py"
    view = "lambda r: HttpResponse(' '.join(sorted(r.headers)))"
    urls.write_text(
        f"{urls.read_text()}\nfrom django.http import HttpResponse\nfrom django.urls import path\n"
        f"urlpatterns.append(path('fields/', {view}))\n"
    )
    assert run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **SETTINGS).returncode == 0
    with run_server(cwd=project, DJANGO_ORIGIN_SECRET=OLD, **SETTINGS) as running:
        shown = httpx.get(f"{running.url}/fields/", headers={"x-origin-secret": OLD}).text
    assert "X-Request-Id" in shown
    assert "X-Origin-Secret" not in shown


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "X-Request-ID",
        "cf-ray",
        "Traceparent",
        "X-Request-Start",
        "X-Queue-Start",
        "X-Forwarded-For",
        "If-None-Match",
        "Authorization",
    ],
)
def test_the_secret_has_a_field_of_its_own(plain: Path, name: str) -> None:
    variables = {"DJANGO_ORIGIN_SECRET": OLD, "DJANGO_ORIGIN_SECRET_HEADER": name}
    result = run("static-host", "serve", cwd=plain, **variables, **SETTINGS)
    assert result.returncode == 2
    told = f"DJANGO_ORIGIN_SECRET_HEADER='{name}': this field has another meaning, or appears in the access log."
    assert told in result.stderr


@pytest.mark.parametrize("value", ["brief", f"{OLD},{NEW},{OLD}", "has a space in it, really"])
def test_a_secret_that_cannot_be_one_is_refused_and_not_shown(plain: Path, value: str) -> None:
    result = run("static-host", "serve", cwd=plain, DJANGO_ORIGIN_SECRET=value, **SETTINGS)
    assert result.returncode == 2
    assert "DJANGO_ORIGIN_SECRET=…: there are more than two, or one is too short or contains a space." in result.stderr
    assert value not in result.stderr
