"""``static-host releases --seen``: what running servers have counted, read over HTTP."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import httpx
import pytest

from static_host.origin.representation import Release
from static_host_build.carry import deployment_source, release_requests
from static_host_build.carry.release_requests import (
    MetricsUnreadableError,
    ReleaseRequests,
    parse_release_requests,
    read_release_requests,
)
from static_host_build.carry.release_sizes import ReleaseSize
from static_host_build.report.releases_table import format_releases
from tests.support.builds import Build
from tests.support.processes import find_free_port, run, run_server
from tests.support.projects import SETTINGS
from tests.support.releases import build_afresh, list_immutable_names, make_releaser, read_index
from tests.support.stores import run_portal
from tests.support.waiting import wait_until

A, B = "0123456789abcdef", "fedcba9876543210"
METRICS = """\
# HELP static_host_workers Django's processes that take requests.
# TYPE static_host_workers gauge
static_host_workers 1.0
# HELP static_host_release_requests_total Requests for fingerprinted files that one release alone has.
# TYPE static_host_release_requests_total counter
static_host_release_requests_total{release="0123456789abcdef"} 1.234567e+06
static_host_release_requests_total{release="fedcba9876543210"} 0.0
# HELP static_host_release_requests_created Requests for fingerprinted files that one release alone has.
# TYPE static_host_release_requests_created gauge
static_host_release_requests_created{release="0123456789abcdef"} 1.780000000e+09
static_host_release_requests_created{release="fedcba9876543210"} 1.780000001e+09
# HELP static_host_release_last_request_timestamp_seconds When the last one of them came; 0: none did.
# TYPE static_host_release_last_request_timestamp_seconds gauge
static_host_release_last_request_timestamp_seconds{release="0123456789abcdef"} 1.780086400e+09
static_host_release_last_request_timestamp_seconds{release="fedcba9876543210"} 0.0
static_host_info{release="0123456789abcdef",version="0.2.0"} 1.0
"""
OF_B = """\
static_host_release_requests_total{release="fedcba9876543210"} 7
static_host_release_requests_created{release="fedcba9876543210"} 1780000500
static_host_release_last_request_timestamp_seconds{release="fedcba9876543210"} 1780000600
"""
READ = {A: ReleaseRequests(1_234_567, 1_780_086_400, 1_780_000_000), B: ReleaseRequests(0, 0, 1_780_000_001)}
REMEDY = "Name METRICS_PORT of a `static-host serve` of this version: http://HOST:METRICS_PORT/metrics."


def explain(url: str) -> str:
    with pytest.raises(MetricsUnreadableError) as caught:
        read_release_requests([url])
    assert caught.value.exit_code == 8
    return str(caught.value).replace(url, "URL")


def test_the_metrics_are_read_as_prometheus_client_writes_them() -> None:
    assert parse_release_requests(METRICS.encode(), "URL") == READ


def test_this_machine_is_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with run_portal(METRICS.encode()) as url, run_portal(b"") as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        assert read_release_requests([url]) == READ


def test_requests_to_several_servers_add_up_and_the_newest_times_count() -> None:
    with run_portal(METRICS.encode()) as one, run_portal(OF_B.encode()) as two:
        assert read_release_requests([one]) == READ
        both = {A: READ[A], B: ReleaseRequests(7, 1_780_000_600, 1_780_000_500)}
        assert read_release_requests([one, f"{two}/metrics"]) == read_release_requests([two, one]) == both
        assert read_release_requests([one, one])[A] == ReleaseRequests(2_469_134, 1_780_086_400, 1_780_000_000)


LINE = 'static_host_release_requests_total{release="0123456789abcdef"} '


@pytest.mark.parametrize(
    "line",
    [
        *(LINE + value for value in ("", "-1", "+1", "nan", "NaN", "+Inf", "1e-5", "1e+99", "0x1", "1_0", "1 1", "1 ")),
        *(LINE + value for value in ("1" * 11, "1." + "0" * 17, "1.", ".5", "\u0661", "1\r", "1#", "1.0 # {} 1")),
        LINE.replace("0123456789abcdef", "0123456789abcde") + "1",
        LINE.replace("0123456789abcdef", "0123456789ABCDEF") + "1",
        LINE.replace("}", ',instance="a"}') + "1",
        LINE.replace("{", '{a="b",') + "1",
        LINE.replace("_total", "_bucket") + "1",
        "static_host_release_requests_total 1",
        "static_host_release_",
        'static_host_release_requests_total{release="0123456789abcdef"} 1',  # a second time
    ],
)
def test_a_line_that_no_server_writes_is_shown(line: str) -> None:
    data = f"{METRICS}{line}\n".encode()
    with pytest.raises(MetricsUnreadableError) as caught:
        parse_release_requests(data, "URL")
    assert str(caught.value) == f"URL has the line {line!r}. {REMEDY}"


def test_a_long_line_is_shown_in_part() -> None:
    with pytest.raises(MetricsUnreadableError) as caught:
        parse_release_requests(b"static_host_release_" + b"\xff" * 10_000_000, "URL")
    shown = "static_host_release_" + "\ufffd" * 100
    assert str(caught.value) == f"URL has the line {shown!r}. {REMEDY}"


@pytest.mark.parametrize("missing", ["requests_total", "requests_created", "last_request_timestamp_seconds"])
def test_metrics_of_a_release_are_whole(missing: str) -> None:
    lines = [line for line in METRICS.split("\n") if not line.startswith(f'static_host_release_{missing}{{release="f')]
    with pytest.raises(
        MetricsUnreadableError, match=r"^URL has metrics of releases that are incomplete or wrong\. Name"
    ):
        parse_release_requests("\n".join(lines).encode(), "URL")


@pytest.mark.parametrize("time_", ["1e+11", "9999999999e+02"])
def test_a_time_that_no_calendar_has_is_wrong(time_: str) -> None:
    data = METRICS.replace("1.780086400e+09", time_).encode()
    with pytest.raises(
        MetricsUnreadableError, match=r"^URL has metrics of releases that are incomplete or wrong\. Name"
    ):
        parse_release_requests(data, "URL")


@pytest.mark.parametrize("text", [b"", b"<html>", b"static_host_workers 1.0\n", b"\x00\xff" * 100, b"\n" * 100_000])
def test_other_texts_have_no_such_metric(text: bytes) -> None:
    with run_portal(text) as url:
        assert explain(url) == f"URL has no static_host_release_requests_total. {REMEDY}"


def test_a_text_without_an_end_is_read_in_part() -> None:
    with run_portal(METRICS.encode() + b"\n" * (4 << 20)) as url:
        assert explain(url) == f"URL sends 4 MiB or more. {REMEDY}"


@pytest.fixture
def answering() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def answer_once(listener: socket.socket, data: bytes) -> str:
    """Have a thread answer one request with these bytes; return the URL."""

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(4096)

    Thread(target=answer, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}/"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", f"URL returns status 404. {REMEDY}"),
        (b"HTTP/1.1 302 Found\r\nlocation: file:///etc/passwd\r\n\r\n", f"URL returns status 302. {REMEDY}"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "URL cannot be reached: SSH-2.0-OpenSSH_9.2\r\n.\nIs the address right"),
        (b"", "URL cannot be reached: Remote end closed connection without response. Is the address right"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + METRICS.encode(),
            "URL cannot be reached: IncompleteRead(",
        ),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nsta", "URL cannot be reached: IncompleteRead("),
    ],
)
def test_what_is_no_answer_is_named(answering: socket.socket, data: bytes, message: str) -> None:
    assert explain(answer_once(answering, data)).startswith(message)


def test_a_server_that_is_not_there_is_named() -> None:
    message = explain(f"http://127.0.0.1:{find_free_port()}/")
    assert message == (
        "URL cannot be reached: [Errno 111] Connection refused. Is the address right, including http or https, and is "
        "the deployment running?"
    )


def test_a_silent_server_is_given_up(answering: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_requests, "_TIMEOUT_SECONDS", 0.1)
    url = f"http://127.0.0.1:{answering.getsockname()[1]}/"
    assert explain(url).startswith("URL cannot be reached: timed out. Is the address right")


def test_a_slow_server_is_given_up(answering: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment_source, "_TIMEOUT_SECONDS", -10.0)
    url = answer_once(answering, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123456789")
    assert explain(url).startswith("URL cannot be reached: fewer than 10000 bytes a second arrived.")


def test_the_table_has_two_more_columns() -> None:
    sizes = [
        ReleaseSize(Release(digest, 1_780_000_000, origin), 9, 1000, 2, 100) for digest, origin in ((A, ""), (B, "x"))
    ]
    sizes.append(ReleaseSize(Release("a" * 16, None, "y"), 9, 1000, 0, 0))
    cells = [
        re.split(" {2,}", line) for line in format_releases(sizes, READ, 1_780_086_400 + 3 * 86400 + 5).split("\n")
    ]
    assert [row[6:] for row in cells] == [
        ["requests", "last asked for", "origin"],
        ["1,234,567", "3d ago", "this tree"],
        ["0", "not since 2026-05-28 20:26Z", "x"],
        ["-", "-", "y"],
    ]
    assert [row[:6] for row in cells] == [re.split(" {2,}", line)[:6] for line in format_releases(sizes).split("\n")]


@pytest.mark.parametrize(
    ("seconds", "text"), [(-60, "0min"), (0, "0min"), (3_599, "59min"), (3_600, "1h"), (86_400, "1d"), (90_000, "25h")]
)
def test_an_age_is_a_rounded_duration(seconds: int, text: str) -> None:
    sizes = [ReleaseSize(Release(A, 0), 1, 1, 1, 1)]
    assert f"  {text} ago  " in format_releases(sizes, READ, READ[A].last_request + seconds + 0.5)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "127.0.0.1:9100", "http://", "http://a:0/", "http://[", "http://é/"]
)
def test_what_is_no_url_of_metrics_is_a_wrong_option(plain: Path, url: str) -> None:
    done = run("static-host", "releases", "--seen", url, cwd=plain, **SETTINGS)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"Invalid value for '--seen': {url} is not a URL like http://10.0.0.5:9100/." in done.stderr


def test_releases_of_a_running_server_are_listed_with_their_requests(
    project: Path, build: Build, tmp_path: Path
) -> None:
    release = make_releaser(project, build, tmp_path)
    one = release("1")
    two = release("2", DJANGO_STATIC_PREVIOUS=str(one))
    new, old = (each.digest for each in read_index(two).releases)
    (name,) = (name for name in list_immutable_names(one) if name.startswith("only-1."))
    ports = [str(find_free_port()) for _ in range(2)]
    urls = [f"http://127.0.0.1:{port}/" for port in ports]
    own = {**SETTINGS, "DJANGO_STATIC_ROOT": str(two)}
    seen = ["--seen", urls[0], "--seen", urls[1]]
    before = int(time.time())
    with (
        run_server(cwd=project, METRICS_PORT=ports[0], **own) as running,
        run_server(cwd=project, METRICS_PORT=ports[1], **own) as other,
    ):
        for url in (running.url, running.url, other.url):
            assert httpx.get(f"{url}/static/{name}").status_code == 200
        wait_until(lambda: read_release_requests(urls)[old].requests == 3, lambda: read_release_requests(urls))
        result = run("static-host", "releases", str(two), *seen, "--json", cwd=project, **SETTINGS)
        assert result.returncode == 0, result.stderr
        newest, oldest = json.loads(result.stdout)["releases"]
        result = run("static-host", "releases", str(two), *seen, cwd=project, **SETTINGS)
        lines = [re.split(r" {2,}", line) for line in result.stdout.splitlines()]
    assert (newest["release"], newest["requests"], newest["last_request"]) == (new, 0, 0)
    assert (oldest["release"], oldest["requests"]) == (old, 3)
    assert before - 1 <= oldest["last_request"] <= time.time()
    assert before - 1 <= oldest["counted_since"] <= oldest["last_request"] + 1
    assert lines[0][4:] == ["alone", "bytes alone", "requests", "last asked for", "origin"]
    assert (lines[1][6], lines[1][7][:12], lines[1][8]) == ("0", "not since 20", "this tree")
    assert (lines[2][6], lines[2][8]) == ("3", str(one))
    assert re.fullmatch(r"\d+min ago", lines[2][7])


def test_a_release_that_cannot_be_counted_has_no_number(plain: Path) -> None:
    (digest,) = (each.digest for each in read_index(plain / "staticfiles").releases)
    with run_portal(METRICS.encode()) as url:  # of servers with other releases
        result = run("static-host", "releases", "--seen", url, "--json", cwd=plain, **SETTINGS)
    (found,) = json.loads(result.stdout)["releases"]
    assert found["release"] == digest
    assert [found[key] for key in ("requests", "last_request", "counted_since")] == [None, None, None]


def test_a_release_without_a_file_of_its_own_has_no_number(project: Path, build: Build, tmp_path: Path) -> None:
    one = make_releaser(project, build, tmp_path)("1")
    (project / "mysite/static/only-1.js").unlink()
    result = build_afresh(project, build, DJANGO_STATIC_PREVIOUS=str(one))
    assert result.returncode == 0, result.stderr
    new, old = (each.digest for each in read_index(project / "staticfiles").releases)
    with run_portal(METRICS.replace(A, new).replace(B, old).encode()) as url:
        result = run("static-host", "releases", "--seen", url, "--json", cwd=project, **SETTINGS)
    found = [(each["release"], each["requests"]) for each in json.loads(result.stdout)["releases"]]
    assert found == [(new, None), (old, 0)]


def test_an_error_ends_the_command_with_its_code_and_remedy(plain: Path) -> None:
    with run_portal(b"static_host_workers 1.0\n") as url:
        result = run("static-host", "releases", "--seen", url, cwd=plain, **SETTINGS)
    assert (result.returncode, result.stdout) == (8, "")
    assert result.stderr == f"static-host: {url} has no static_host_release_requests_total. {REMEDY}\n"
