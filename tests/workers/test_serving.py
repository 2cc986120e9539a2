"""A project in an interpreter of its own (DJANGO_PYTHON), through a real server."""

from __future__ import annotations

import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import django
import httpx
import pytest

from tests.support.processes import Running, run, run_server
from tests.support.waiting import wait_until
from tests.support.wire_project import make_wire_project
from tests.support.worker_projects import VARIABLES, get, list_children, make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    return make_project(tmp_path_factory.mktemp("apart"), cache)


@pytest.fixture
def server(project: Path) -> Iterator[Running]:
    with run_server(cwd=project, **VARIABLES) as running:
        yield running


def is_running(pid: int | str) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def open_request(server: Running, data: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), 60)
    connection.sendall(data)
    return connection


def test_a_worker_has_django_and_the_standard_library_alone(project: Path) -> None:
    third_party = {"starlette", "uvicorn", "uvloop", "httptools", "click", "pydantic", "websockets", "static_host"}
    with run_server(cwd=project, PYTHONUTF8="1", **VARIABLES) as server:  # else tests fork it, with what they imported
        loaded = set(get(server, "/modules/").json())
    assert {"django", "static_host_django"} <= loaded
    assert not third_party & loaded


def test_the_front_imports_neither_django_nor_the_project(project: Path) -> None:
    with run_server("python", "-X", "importtime", "-m", "static_host", "serve", cwd=project, **VARIABLES) as server:
        assert get(server, "/version/").text == "1"
        imported = {match[1] for match in re.finditer(r"import time:.*\|\s+(\w+)", server.output)}
    assert {"starlette", "uvicorn", "static_host"} <= imported
    assert not {"django", "asgiref", "mysite"} & imported


def test_the_front_imports_nothing_that_serving_does_not_need(project: Path) -> None:
    unneeded = {
        *("static_host.dev.server", "static_host.object_store", "static_host.verify", "static_host.workers.program"),
        "static_host_build",
    }
    with run_server("python", "-X", "importtime", "-m", "static_host", "serve", cwd=project, **VARIABLES) as server:
        assert get(server, "/version/").text == "1"
        imported = set(re.findall(r"import time:.*\|\s+([\w.]+)$", server.output, re.MULTILINE))
    assert {"static_host.server.serve", "uvicorn.server", "uvloop"} <= imported
    assert not unneeded & imported


def test_the_start_up_line_names_the_interpreter_and_the_versions(server: Running) -> None:
    python = re.escape(".".join(map(str, sys.version_info[:3])))
    line = (
        rf"Django project mysite\.settings in 3 threads, Python {python}, Django \d[\w.]*, {re.escape(sys.executable)}"
    )
    assert re.search(line, server.output)


def test_a_view_that_hangs_is_504_its_stack_is_logged_and_its_worker_replaced(project: Path) -> None:
    with run_server(cwd=project, DJANGO_REQUEST_SECONDS="1", **VARIABLES) as server:
        before = get(server, "/pid/").text
        assert get(server, "/hang/").status_code == 504
        server.wait_for("GET /hang/: no response within 1 s")
        server.wait_for("the view of 'GET /hang/' hangs here:")
        server.wait_for("gate.wait()")
        server.wait_for("is ready")
        assert get(server, "/pid/").text != before
        assert get(server, "/static/digits.txt").text == "0123456789"


def test_a_view_that_hangs_for_a_client_that_has_gone_is_no_different(project: Path) -> None:
    with run_server(cwd=project, DJANGO_REQUEST_SECONDS="1", **VARIABLES) as server:
        before = get(server, "/pid/").text
        with open_request(server, b"GET /hang/?token=abc HTTP/1.1\r\nHost: localhost\r\n\r\n") as connection:
            server.wait_for("hang begins")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
        server.wait_for("GET /hang/?token=***: its view has gone on for 1 s without a client")
        server.wait_for("gate.wait()")
        server.wait_for("is ready")
        assert get(server, "/pid/").text != before
        assert "Traceback" not in server.output


@pytest.mark.parametrize(("view", "body"), [("never_closed", b"closing"), ("stream", b"first")])
def test_so_is_one_that_hangs_after_its_response_or_in_a_stream(project: Path, view: str, body: bytes) -> None:
    with run_server(cwd=project, DJANGO_REQUEST_SECONDS="1", **VARIABLES) as server:
        with open_request(server, f"GET /{view}/ HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()) as connection:
            got = b""
            while body not in got:
                got += connection.recv(1000)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
        server.wait_for(f"GET /{view}/: its view has gone on for 1 s without a client")
        server.wait_for("gate.wait()")
        server.wait_for("is ready")
        assert get(server, "/version/").text == "1"


def test_hanging_views_leave_static_files_and_health_checks_alone_and_the_queue_is_bounded(project: Path) -> None:
    with run_server(cwd=project, DJANGO_QUEUE="0", **VARIABLES) as server, ExitStack() as connections:
        for _ in range(3):
            connections.enter_context(open_request(server, b"GET /hang/ HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        server.wait_for("hang begins", times=3)
        assert get(server, "/static/digits.txt").text == "0123456789"
        assert get(server, "/healthz").text == "ok\n"
        refused = get(server, "/pid/")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


def test_a_worker_that_dies_costs_its_own_requests_alone(server: Running) -> None:
    before = get(server, "/pid/").text
    answer = get(server, "/die/")
    assert (answer.status_code, answer.text) == (502, "The server could not complete this request.\n")
    server.wait_for(f"worker {before} ended with signal SIGSEGV while it served 1 request:\n  GET /die/")
    assert get(server, "/static/digits.txt").text == "0123456789"
    wait_until(lambda: get(server, "/pid/").text not in ("", before), lambda: server.output)
    assert "Traceback" not in server.output


def test_sighup_brings_new_code_without_a_failed_request(tmp_path: Path, cache: Path) -> None:
    project = make_project(tmp_path, cache)
    with run_server(cwd=project, **VARIABLES) as server, ThreadPoolExecutor(1) as threads:
        assert get(server, "/version/").text == "1"
        hanging = threads.submit(get, server, "/hang/")
        server.wait_for("hang begins")
        urls = project / "mysite/urls.py"
        urls.write_text(urls.read_text().replace("VERSION = 1", "VERSION = 22"))
        old = get(server, "/pid/").text
        server.process.send_signal(signal.SIGHUP)
        seen: list[httpx.Response] = []
        wait_until(lambda: seen.append(get(server, "/version/")) or seen[-1].text == "22", lambda: server.output)  # type: ignore[func-returns-value]
        assert {answer.status_code for answer in seen} == {200}
        assert not hanging.done()  # the old worker finishes what it has
        os.kill(int(old), signal.SIGKILL)
        server.wait_for("hang begins", times=2)  # it is tried once more
        get(server, "/release/")
        assert hanging.result().text == "released"


def test_a_project_that_does_not_load_any_more_changes_nothing_but_the_log(tmp_path: Path, cache: Path) -> None:
    project = make_project(tmp_path, cache)
    with run_server(cwd=project, **VARIABLES) as server:
        before = get(server, "/pid/").text
        (project / "mysite/urls.py").write_text("raise RuntimeError('not yet')")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("RuntimeError: not yet")
        assert get(server, "/pid/").text == before


def test_no_worker_outlives_a_front_that_is_killed(server: Running) -> None:
    worker = int(get(server, "/pid/").text)
    os.kill(server.process.pid, signal.SIGKILL)
    wait_until(
        lambda: not Path(f"/proc/{worker}/cmdline").exists() or not Path(f"/proc/{worker}/cmdline").read_bytes(),
        "it lives",
    )


def test_slow_uploads_hold_no_thread(server: Running) -> None:
    with ExitStack() as connections:
        head = b"POST /size/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx"
        uploads = [connections.enter_context(open_request(server, head)) for _ in range(100)]
        assert get(server, "/version/").text == "1"
        for upload in uploads:
            upload.sendall(b"y" * 99)
        assert {upload.recv(4096).rpartition(b"\r\n")[2] for upload in uploads} == {b"100 100"}


def test_clients_that_read_nothing_hold_no_thread(server: Running) -> None:
    with ExitStack() as connections:
        for _ in range(30):
            connections.enter_context(open_request(server, b"GET /page/ HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        assert get(server, "/version/").text == "1"


@pytest.mark.parametrize("length", [10, 300_000, 2_000_000])
def test_a_body_reaches_the_view_whole_with_its_length(server: Running, length: int) -> None:
    whole = httpx.post(f"{server.url}/size/", content=b"x" * length)
    assert whole.text == f"{length} {length}"
    chunked = httpx.post(f"{server.url}/size/", content=iter([b"x" * length]))
    assert chunked.text == f"{length} {length}"


def test_a_body_longer_than_allowed_is_413(project: Path) -> None:
    with run_server(cwd=project, DJANGO_MAX_BODY="1kB", **VARIABLES) as server:
        assert httpx.post(f"{server.url}/size/", content=b"x" * 1000).text == "1000 1000"
        refused = httpx.post(f"{server.url}/size/", content=b"x" * 1001)
        assert (refused.status_code, refused.text) == (413, "The body of this request is too large.\n")


def test_several_workers_share_the_requests_and_end_with_the_front(project: Path) -> None:
    variables = {**VARIABLES, "WEB_CONCURRENCY": "2", "DJANGO_GRACE_SECONDS": "0.5"}
    with run_server(cwd=project, **variables) as server, ExitStack() as connections:
        connections.enter_context(open_request(server, b"GET /hang/ HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        server.wait_for("hang begins")
        serving = {int(get(server, "/pid/").text) for _ in range(4)}
        pids = list_children(server.process.pid)
        assert serving <= set(pids)
        assert server.stop() == 0
        assert not any(map(is_running, pids))


def serve(project: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return run("static-host", "serve", cwd=project, **{**VARIABLES, "PORT": "0", **variables})


def test_the_channels_of_a_peak_are_closed_after_it(tmp_path: Path, cache: Path) -> None:
    project = make_wire_project(tmp_path, cache)
    with run_server(cwd=project, DJANGO_INTERFACE="asgi", **VARIABLES) as server, ExitStack() as stack:

        def count_descriptors() -> int:
            return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))

        before = count_descriptors()
        for _ in range(200):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10))
            connection.sendall(b"GET /slow/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        wait_until(lambda: count_descriptors() >= before + 400, lambda: f"{count_descriptors() - before} are open")
        wait_until(
            lambda: get(server, "/release/").text == "released" and count_descriptors() < before + 150,
            lambda: f"{count_descriptors() - before} stay open",
        )


def test_a_settings_module_that_does_not_exist_is_named(project: Path) -> None:
    result = serve(project, DJANGO_SETTINGS_MODULE="nosite.settings")
    assert result.returncode == 2
    assert "DJANGO_SETTINGS_MODULE='nosite.settings': there is no module 'nosite'" in result.stderr


def test_an_exception_of_the_project_is_shown_whole(tmp_path: Path, cache: Path) -> None:
    project = make_project(tmp_path, cache)
    (project / "mysite/urls.py").write_text("1 / 0")
    result = serve(project)
    assert result.returncode == 1
    assert "the Django project mysite.settings raised an exception while it was loaded:" in result.stderr
    assert result.stderr.rstrip().endswith("ZeroDivisionError: division by zero")
    assert result.stderr.count("Traceback") == 1


def test_the_packages_of_the_project_s_environment_need_not_fit_ours(project: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "own"], check=True)
    (packages,) = tmp_path.glob("own/lib/python*/site-packages")
    ours = Path(django.__file__).parents[1]
    for name in ("django", "asgiref", "sqlparse"):
        (packages / name).symlink_to(ours / name)
    for name in ("click", "pydantic", "starlette", "uvicorn", "websockets", "whitenoise"):
        (packages / f"{name}.py").write_text("raise ImportError('a version that does not fit')")
    python = str(tmp_path / "own/bin/python")
    with run_server(cwd=project, **{**VARIABLES, "DJANGO_PYTHON": python}) as server:
        assert get(server, "/version/").text == "1"
        assert f", {python}\n" in server.output
