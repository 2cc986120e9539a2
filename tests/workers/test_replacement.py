"""Workers that are replaced: after so many requests, for their memory, and when they die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from static_host.conf.settings import Settings
from static_host.workers.pool_options import PoolOptions
from static_host.workers.recycling import Recycling
from static_host.workers.worker import Slot, Worker, describe_request, list_lines
from tests.support.processes import Running, find_free_port, run_server
from tests.support.waiting import wait_until
from tests.support.worker_projects import VARIABLES, get, make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    return make_project(tmp_path_factory.mktemp("replacement"), cache)


@pytest.fixture
def server(project: Path) -> Iterator[Running]:
    with run_server(cwd=project, **VARIABLES) as running:
        yield running


def test_a_worker_is_replaced_after_so_many_requests_and_no_request_fails(project: Path) -> None:
    variables = {**VARIABLES, "DJANGO_WORKER_REQUESTS": "20", "WEB_CONCURRENCY": "2"}
    with run_server(cwd=project, **variables) as server, ThreadPoolExecutor(4) as threads:
        seen: set[str] = set()
        while len(seen) < 6:
            for answer in threads.map(lambda _: get(server, "/pid/"), range(20)):
                assert answer.status_code == 200
                seen.add(answer.text)
        assert "is being replaced: it has served 2" in server.output
        assert " ended with " not in server.output


def test_a_worker_is_replaced_when_it_has_too_much_memory(project: Path) -> None:
    with run_server(cwd=project, DJANGO_WORKER_MEMORY="250MB", **VARIABLES) as server:
        first = get(server, "/pid/").text
        pages = [get(server, "/grow/") for _ in range(8)]
        assert {page.status_code for page in pages} == {200}
        server.wait_for(f"worker {first} is being replaced: it has ")
        wait_until(lambda: get(server, "/pid/").text != first, lambda: server.output)
        wait_until(lambda: not os.path.exists(f"/proc/{first}"), "it lives")  # noqa: PTH110
        assert " ended with " not in server.output


def test_a_bound_of_memory_below_what_the_project_needs_is_told_once_and_replaces_nothing(project: Path) -> None:
    with run_server(cwd=project, DJANGO_WORKER_MEMORY="1MB", WEB_CONCURRENCY="2", **VARIABLES) as server:
        server.wait_for("DJANGO_WORKER_MEMORY=1000000 has no effect: a worker has ")
        assert server.output.count("has no effect") == 1


@pytest.mark.parametrize("requests", [0, 1, 1000])
def test_workers_that_start_together_are_not_replaced_together(requests: int) -> None:
    limits = set()
    for _ in range(200):
        worker = Worker(None, Slot(0), None, 1)  # type: ignore[arg-type]
        Recycling(PoolOptions(worker_requests=requests)).set_limits(worker)
        limits.add(worker.request_limit)
    if requests == 1000:
        assert {limit for limit in limits if limit is None or not 1000 <= limit <= 1100} == set()
        assert len(limits) > 20
    else:
        assert limits == {requests or None}


@pytest.mark.parametrize(("text", "size"), [("", 0), ("0", 0), ("512MB", 512_000_000), ("1GiB", 1 << 30)])
def test_memory_is_written_as_other_sizes_are(monkeypatch: pytest.MonkeyPatch, text: str, size: int) -> None:
    monkeypatch.setenv("DJANGO_WORKER_MEMORY", text)
    assert Settings.read().worker_memory == size


def test_the_log_names_the_signal_and_what_a_worker_did_when_it_died(server: Running) -> None:
    with ExitStack() as connections, ThreadPoolExecutor(2) as threads:
        hanging = threads.submit(get, server, "/hang/?token=secret")
        server.wait_for("hang begins")
        pid = get(server, "/pid/").text
        answer = connections.enter_context(httpx.Client()).post(f"{server.url}/die/", timeout=60)
        assert answer.status_code == 502
        server.wait_for(f"worker {pid} ended with signal SIGSEGV while it served 2 requests:")
        server.wait_for("  GET /hang/?token=")
        server.wait_for("  POST /die/\n")
        assert "secret" not in server.output
        server.wait_for("hang begins", times=2)  # a safe request is tried once more
        get(server, "/release/")
        assert (hanging.result().status_code, hanging.result().text) == (200, "released")


def test_a_request_that_kills_workers_is_tried_on_two_and_one_that_changes_something_on_one(project: Path) -> None:
    with run_server(cwd=project, WEB_CONCURRENCY="3", **VARIABLES) as server:
        assert httpx.post(f"{server.url}/die/", timeout=60).status_code == 502
        assert server.output.count("die in ") == 1
        assert get(server, "/die/").status_code == 502
        assert server.output.count("die in ") == 3
        assert get(server, "/version/").text == "1"


def test_a_worker_that_dies_while_another_one_is_started_in_its_place_is_replaced_once(project: Path) -> None:
    with run_server(cwd=project, DJANGO_REQUEST_SECONDS="1", **VARIABLES) as server:
        pid = int(get(server, "/pid/").text)
        assert get(server, "/hang/").status_code == 504
        with suppress(ProcessLookupError):  # on a busy machine its successor may be ready
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: get(server, "/version/").text == "1", lambda: server.output)
        assert server.output.count(" is ready") == 1


def read_worker_metrics(port: int) -> dict[str, float]:
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line.startswith("static_host_worker_"))
    return {name.removeprefix("static_host_worker_"): float(value) for name, value in pairs if "_created" not in name}


def test_metrics_by_worker_are_those_of_its_place_whoever_serves_in_it(project: Path) -> None:
    port = find_free_port()
    with run_server(cwd=project, METRICS_PORT=str(port), WEB_CONCURRENCY="2", **VARIABLES) as server:
        assert [get(server, "/pid/").status_code for _ in range(3)] == [200] * 3
        before = read_worker_metrics(port)
        kernel = ("memory_bytes", "open_fds", "start_time_seconds", "cpu_seconds_total")
        names = ("threads_busy", "requests_total", "restarts_total", "crashes_total", *kernel)
        assert set(before) == {f'{name}{{worker="{number}"}}' for name in names for number in (0, 1)}
        assert before['requests_total{worker="0"}'] + before['requests_total{worker="1"}'] == 3
        assert before['restarts_total{worker="0"}'] == 0
        assert before['memory_bytes{worker="1"}'] > 10_000_000
        assert before['open_fds{worker="1"}'] >= 3
        assert before['cpu_seconds_total{worker="0"}'] >= 0
        assert abs(before['start_time_seconds{worker="0"}'] - time.time()) < 600
        assert httpx.post(f"{server.url}/die/", timeout=60).status_code == 502
        server.wait_for(" is ready")
        wait_until(lambda: set(read_worker_metrics(port)) == set(before), lambda: server.output)
        after = read_worker_metrics(port)
        assert after['crashes_total{worker="0"}'] + after['crashes_total{worker="1"}'] == 1
        assert after['restarts_total{worker="0"}'] + after['restarts_total{worker="1"}'] == 1
        assert after['requests_total{worker="0"}'] >= before['requests_total{worker="0"}']


def test_a_list_of_requests_is_bounded_in_both_directions() -> None:
    head = b"GET\0/" + b"x" * 5000 + b"\0q=1\x001.1\0https\0\x001\x00443\0localhost\x008000"
    assert len(describe_request(head)) == 201
    assert describe_request(b"garbage") == "?"
    assert list_lines(map(str, range(12))).count("\n") == 11
    assert list_lines(map(str, range(12))).endswith("\n  and 2 more")
    assert list_lines([]) == ""
