"""How a server is found ready, and how it ends: nothing that was taken is lost."""

from __future__ import annotations

import http.client
import os
import pty
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from static_host.conf.server import END_SECONDS
from static_host.server.listener import count_pending_connections, open_listener
from static_host.server.process import _ACCEPT_TIMEOUT_SECONDS
from static_host.workers.pool_options import PoolOptions
from tests.support.processes import (
    SCRIPTS,
    Running,
    find_free_port,
    make_environment,
    minding_signals,
    run,
    run_server,
)
from tests.support.projects import SETTINGS, copy_project
from tests.support.waiting import wait_until

DATABASE = "\nDATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'data/db.sqlite3'}}\n"


def uncached(answer: httpx.Response) -> tuple[int, str, str]:
    return answer.status_code, answer.text, answer.headers["cache-control"]


def test_ready_is_answered_for_any_host_and_never_kept(server: Running) -> None:
    answer = httpx.get(f"{server.url}/readyz", headers={"host": "10.1.2.3"})
    assert uncached(answer) == (200, "ok\n", "private, no-store, max-age=0")
    assert httpx.head(f"{server.url}/readyz").status_code == 200
    assert httpx.post(f"{server.url}/readyz").status_code == 405


def test_the_checks_have_other_paths_where_the_environment_says_so(plain: Path) -> None:
    paths = {"DJANGO_HEALTH_PATH": "/-/alive", "DJANGO_READY_PATH": "/-/ready/"}
    with run_server(cwd=plain, **SETTINGS, **paths) as running:
        assert httpx.get(f"{running.url}/-/alive").text == "ok\n"
        assert httpx.get(f"{running.url}/-/ready/").text == "ok\n"
        assert httpx.get(f"{running.url}/healthz").status_code == 404
        assert httpx.get(f"{running.url}/readyz").status_code == 404


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"DJANGO_HEALTH_PATH": "healthz"}, "DJANGO_HEALTH_PATH='healthz': it is not a path below /."),
        ({"DJANGO_READY_PATH": "/healthz"}, "DJANGO_READY_PATH='/healthz': it is that of DJANGO_HEALTH_PATH."),
        (
            {"DJANGO_READY_DATABASE": "main"},
            "DJANGO_READY_DATABASE='main': mysite.settings has no database of this name",
        ),
        ({"DJANGO_DRAIN_SECONDS": "-1"}, "DJANGO_DRAIN_SECONDS='-1': Expected: a number of seconds from 0 to 3600."),
    ],
)
def test_an_impossible_setting_is_refused_at_the_start(plain: Path, variables: dict[str, str], expected: str) -> None:
    result = run("static-host", "serve", cwd=plain, **SETTINGS, **variables)
    assert result.returncode == 2
    assert expected in result.stderr


@pytest.mark.parametrize(
    ("pattern", "route"), [("path('healthz'", "'healthz'"), ("re_path(r'^healthz/?$'", "'^healthz/?$'")]
)
def test_a_url_of_the_project_s_own_is_not_shadowed_in_silence(
    project: Path, cache: Path, pattern: str, route: str
) -> None:
    urls = project / "mysite/urls.py"
    own = f"from django.http import HttpResponse\nurlpatterns.append({pattern}, lambda r: HttpResponse('own')))\n"
    urls.write_text(f"{urls.read_text()}\nfrom django.urls import path, re_path\n{own}")
    assert run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **SETTINGS).returncode == 0
    with run_server(cwd=project, **SETTINGS) as running:
        assert f"static-host: /healthz is answered here, not by the project's own {route}\n" in running.lines
        assert httpx.get(f"{running.url}/healthz").text == "ok\n"
    with run_server(cwd=project, DJANGO_HEALTH_PATH="/alive", **SETTINGS) as running:
        assert "is answered here" not in running.output
        assert httpx.get(f"{running.url}/healthz").text == "own"


def test_a_database_that_does_not_answer_makes_it_unready_until_it_does(project: Path, cache: Path) -> None:
    settings = project / "mysite/settings.py"
    settings.write_text(settings.read_text() + DATABASE)
    assert run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **SETTINGS).returncode == 0
    with run_server(cwd=project, DJANGO_READY_DATABASE="default", **SETTINGS) as running:
        answer = httpx.get(f"{running.url}/readyz")
        expected = (503, "the database 'default': OperationalError\n", "private, no-store, max-age=0")
        assert uncached(answer) == expected
        assert httpx.get(f"{running.url}/healthz").status_code == 200
        assert httpx.get(f"{running.url}/static/digits.txt").status_code == 200
        (project / "data").mkdir()
        assert httpx.get(f"{running.url}/readyz").status_code == 200
        running.wait_for("ready again")
        assert "not ready: the database 'default': OperationalError: unable to open database file" in running.output


def test_the_metric_of_readiness_follows_a_database_though_none_but_scrapes_come(project: Path, cache: Path) -> None:
    settings, port = project / "mysite/settings.py", find_free_port()
    settings.write_text(settings.read_text() + DATABASE)
    assert run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **SETTINGS).returncode == 0

    def scrape() -> str:
        return httpx.get(f"http://127.0.0.1:{port}/metrics").text

    variables = {"DJANGO_READY_DATABASE": "default", "DJANGO_DRAIN_SECONDS": "60", "METRICS_PORT": str(port)}
    with run_server(cwd=project, **variables, **SETTINGS) as running:
        assert "static_host_ready 0.0\n" in scrape()
        running.wait_for("not ready: the database 'default': OperationalError: unable to open database file")
        (project / "data").mkdir()
        wait_until(lambda: "static_host_ready 1.0\n" in scrape(), scrape)
        running.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "static_host_ready 0.0\n" in scrape(), scrape)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_after_a_signal_it_is_unready_and_serves_on_for_the_drain_time(plain: Path, number: int) -> None:
    with run_server(cwd=plain, DJANGO_DRAIN_SECONDS="4", **SETTINGS) as running:
        assert httpx.get(f"{running.url}/readyz").status_code == 200  # a signal before that ends the start
        running.process.send_signal(number)
        wait_until(lambda: httpx.get(f"{running.url}/readyz").status_code == 503, "it is still ready")
        answer = httpx.get(f"{running.url}/readyz")
        assert uncached(answer) == (503, "stopping\n", "private, no-store, max-age=0")
        assert httpx.get(f"{running.url}/healthz").status_code == 200
        assert httpx.get(f"{running.url}/static/digits.txt").text == "0123456789"
        assert running.process.wait(20) == 0


def test_a_second_sigint_ends_the_drain(plain: Path) -> None:
    with run_server(cwd=plain, DJANGO_DRAIN_SECONDS="3600", **SETTINGS) as running:
        assert httpx.get(f"{running.url}/readyz").status_code == 200
        running.process.send_signal(signal.SIGINT)
        wait_until(lambda: httpx.get(f"{running.url}/readyz").status_code == 503, "it is still ready")
        assert running.stop(signal.SIGINT) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_a_terminal_only_ctrl_c_stops_without_the_drain(plain: Path, number: int) -> None:
    ours, terminal = pty.openpty()
    port = find_free_port()
    variables = {**SETTINGS, "PORT": str(port), "DJANGO_DRAIN_SECONDS": "3600"}
    command = [str(SCRIPTS / "static-host"), "serve"]
    process = subprocess.Popen(
        command, cwd=plain, env=make_environment(variables), stdin=terminal, preexec_fn=minding_signals
    )
    try:
        wait_until(lambda: get_status(port) == 200, "it does not start")
        process.send_signal(number)
        if number == signal.SIGTERM:
            wait_until(lambda: get_status(port) == 503, "it is still ready")
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(terminal)


def test_a_stop_takes_no_longer_than_a_platform_is_told_to_wait() -> None:
    options = PoolOptions(grace_seconds=25.0)
    assert options.find_end_seconds(None, 100.0) == 25.0  # another server's stop
    assert options.find_end_seconds(125.0, 100.0) == 25.0
    assert options.find_end_seconds(125.0, 120.0) == 5.0
    assert options.find_end_seconds(125.0, 125.0) == 2.0
    assert END_SECONDS >= _ACCEPT_TIMEOUT_SECONDS + 2.0 + 0.5


def get_status(port: int) -> int:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code
    except httpx.ConnectError:
        return 0


def asked(port: int, path: str, counts: list[int], failures: list[str]) -> None:
    """Ask over kept connections until the server takes no more; a connection that it closed is opened anew."""
    while True:
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
                connection.connect()
                while True:
                    connection.request("GET", path)
                    answer = connection.getresponse()
                    body = answer.read()
                    counts[0] += 1
                    if answer.status != 200 or not body:
                        failures.append(f"{answer.status} {body!r}")
                    if answer.getheader("connection") == "close":
                        break
        except ConnectionRefusedError:
            return  # there is no server any more
        except OSError as error:
            failures.append(f"{path}: {error!r}")
            return
        except http.client.HTTPException as error:
            failures.append(f"{path}: {error!r}")


@pytest.mark.parametrize("variables", [{}, {"WEB_CONCURRENCY": "2"}], ids=["one process", "two workers"])
def test_under_load_no_request_is_lost_when_it_ends(plain: Path, variables: dict[str, str]) -> None:
    with run_server(cwd=plain, ACCESS_LOG="false", **SETTINGS, **variables) as running:
        counts, failures = [0], list[str]()
        paths = ["/static/digits.txt", "/", "/static/site.css", "/healthz"] * 3
        clients = [Thread(target=asked, args=(running.port, path, counts, failures)) for path in paths]
        for client in clients:
            client.start()
        wait_until(lambda: failures or counts[0] > 500, "too few requests are answered")
        assert running.stop(signal.SIGTERM) == 0
        for client in clients:
            client.join(10)
    assert failures == []


def test_connections_that_nobody_has_accepted_are_counted() -> None:
    with open_listener("127.0.0.1", 0) as listener:
        assert count_pending_connections(listener) == 0
        with socket.create_connection(listener.getsockname(), 5):
            assert count_pending_connections(listener) == 1
            listener.accept()[0].close()
            assert count_pending_connections(listener) == 0


def test_a_worker_that_another_process_stops_refuses_no_connection(plain: Path) -> None:
    with run_server(cwd=plain, WEB_CONCURRENCY="2", **SETTINGS) as running:
        for process in running.workers:
            os.kill(process, signal.SIGKILL)
        wait_until(lambda: running.output.count("is ready") == 2, "no other worker takes its place")
        assert httpx.get(f"{running.url}/static/digits.txt", timeout=30).text == "0123456789"


@pytest.fixture
def chat(tmp_path: Path, cache: Path) -> Iterator[Running]:
    project = copy_project("chat", tmp_path)
    variables = {"DJANGO_SETTINGS_MODULE": "chat.settings"}
    assert run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **variables).returncode == 0
    with run_server(cwd=project, **variables) as running:
        yield running


def test_web_sockets_learn_that_the_server_goes_away(chat: Running) -> None:
    address = re.sub("^http", "ws", chat.url) + "/ws/room/"
    with connect(address, origin=Origin(chat.url)) as socket:
        chat.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            list(iter(lambda: socket.recv(10), None))
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 1001
    assert chat.process.wait(10) == 0


def built_again(project: Path, cache: Path) -> str:
    (project / "mysite/static/digits.txt").write_text("9876543210")
    assert run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **SETTINGS).returncode == 0
    return "9876543210"
