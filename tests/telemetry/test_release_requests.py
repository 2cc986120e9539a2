"""Requests for files that one release alone has, counted by release: whichever path they take."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import httpx
import pytest

from static_host.telemetry import counters as module
from static_host.telemetry.counters import Counters
from tests.support.builds import Build
from tests.support.clocks import ManualClock
from tests.support.processes import Running, find_free_port, run_server
from tests.support.projects import SETTINGS
from tests.support.releases import Releaser, change_release, make_releaser, read_index
from tests.support.waiting import wait_until

FAST: dict[str, str] = {}
BY_ASGI = {"connection": "close"}
PREFIX = "static_host_release_"


@pytest.fixture
def release(project: Path, build: Build, tmp_path: Path) -> Releaser:
    return make_releaser(project, build, tmp_path)


def find_name(tree: Path, begin: str) -> str:
    """Return the only fingerprinted name that begins so."""
    (name,) = (name for name, each in read_index(tree).items() if name.startswith(begin) and each.immutable)
    return name


def read_metrics(port: int) -> dict[tuple[str, str], float]:
    """Return the values of the metrics by release, by metric and release."""
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
    found = {}
    for line in lines:
        if line.startswith(PREFIX):
            metric, _, value = line.removeprefix(PREFIX).partition('{release="')
            found[metric, value[:16]] = float(value.removeprefix(value[:16]).removeprefix('"} '))
    return found


def wait_for_count(port: int, digest: str, count: int) -> None:
    wait_until(lambda: read_metrics(port)["requests_total", digest] >= count, lambda: read_metrics(port))
    assert read_metrics(port)["requests_total", digest] == count


@pytest.mark.parametrize("fields", [FAST, BY_ASGI], ids=["fast", "asgi"])
def test_a_request_counts_for_the_release_that_alone_has_the_file(
    project: Path, release: Releaser, fields: dict[str, str]
) -> None:
    one = release("1")
    two = release("2", DJANGO_STATIC_PREVIOUS=str(one))
    new, old = (each.digest for each in read_index(two).releases)
    port = find_free_port()
    variables = {"DJANGO_STATIC_ROOT": str(two), "METRICS_PORT": str(port), "DJANGO_STATIC_NOT_FOUND": "digits.txt"}
    with run_server(cwd=project, **variables, **SETTINGS) as running:
        began = read_metrics(port)
        assert {key: value for key, value in began.items() if key[0] != "requests_created"} == {
            ("requests_total", new): 0,
            ("requests_total", old): 0,
            ("last_request_timestamp_seconds", new): 0,
            ("last_request_timestamp_seconds", old): 0,
        }
        started_at = began["requests_created", old]
        assert time.time() - 60 < started_at == began["requests_created", new] <= time.time()

        def get(name: str, status: int, method: str = "GET", **more: str) -> httpx.Response:
            headers = {**fields, **{key.replace("_", "-"): value for key, value in more.items()}}
            got = httpx.request(method, f"{running.url}/static/{name}", headers=headers)
            assert got.status_code == status
            return got

        name, shared = find_name(one, "only-1."), find_name(two, "digits.")
        tag = get(name, 200).headers["etag"]
        get(name, 200)
        get(name, 304, if_none_match=tag)
        get(name, 206, range="bytes=0-1")
        get(name, 206, range="bytes=0-0,2-2", accept_encoding="identity")
        get(name, 200, "HEAD")
        wait_for_count(port, old, 6)
        last = read_metrics(port)["last_request_timestamp_seconds", old]
        assert started_at - 1 <= last <= time.time()
        for other, status in ((shared, 200), ("digits.txt", 200), ("site.css", 200), ("gone.0123456789ab.js", 404)):
            get(other, status)
        get("gone", 404, accept="text/html")
        get(name, 416, range="bytes=9999-")
        get(name, 412, if_match='"x"')
        get(name, 405, "POST")
        get(name, 204, "OPTIONS")
        for _ in range(2):
            get(name, 200, **{"user-agent": "static-host build"})
        get(find_name(two, "only-2."), 200)
        wait_for_count(port, new, 1)
        assert read_metrics(port)["requests_total", old] == 6
        handler = "static" if fields else "fast"
        wait_until(lambda: f"GET /static/{name} HTTP/1.1 206 2 br {handler} " in running.output, lambda: running.output)


def test_a_page_for_what_is_missing_is_no_request_for_its_file(project: Path, release: Releaser) -> None:
    one = release("1")
    (digest,) = (each.digest for each in read_index(one).releases)
    port = find_free_port()
    page = find_name(one, "only-1.")
    variables = {"DJANGO_STATIC_ROOT": str(one), "METRICS_PORT": str(port), "DJANGO_STATIC_NOT_FOUND": page}
    with run_server(cwd=project, **variables, **SETTINGS) as running:
        got = httpx.get(f"{running.url}/static/gone", headers={"accept": "text/html"})
        assert (got.status_code, b"only in release 1" in got.content) == (404, True)
        get_file(running, page)
        wait_for_count(port, digest, 1)

        def is_later() -> bool:
            get_file(running, page)
            metrics = read_metrics(port)
            return metrics["last_request_timestamp_seconds", digest] > metrics["requests_created", digest]

        wait_until(is_later, lambda: read_metrics(port))


def test_a_build_that_carries_from_the_server_is_no_visitor(project: Path, release: Releaser) -> None:
    one = release("1")
    port = find_free_port()
    variables = {"DJANGO_STATIC_ROOT": str(one), "METRICS_PORT": str(port), "DJANGO_STATIC_SHOW_INDEX": "true"}
    with run_server(cwd=project, **variables, **SETTINGS) as running:
        two = release("2", DJANGO_STATIC_PREVIOUS=running.url)
        name, digest = find_name(one, "only-1."), read_index(one).releases[0].digest
        assert (two / name).is_file()
        running.wait_for(f"GET /static/{name} HTTP/1.1 200 ", times=4)
        get_file(running, name)
        wait_for_count(port, digest, 1)


def build_next(project: Path, build: Build, name: str, **variables: str) -> Path:
    change_release(project, name)
    result = build(DJANGO_STATIC_PREVIOUS="staticfiles", DJANGO_STATIC_PREVIOUS_PROBLEMS="warn", **variables)
    assert result.returncode == 0, result.stderr
    return (project / "staticfiles").resolve()


def get_file(running: Running, name: str, status: int = 200) -> None:
    assert httpx.get(f"{running.url}/static/{name}").status_code == status


def test_a_new_tree_keeps_the_counts_of_the_releases_that_it_still_has(project: Path, build: Build) -> None:
    one = build_next(project, build, "1")
    name_1 = find_name(one, "only-1.")
    two = build_next(project, build, "2")
    name_2, (digest_2, digest_1) = find_name(two, "only-2."), [each.digest for each in read_index(two).releases]
    port = find_free_port()
    with run_server(cwd=project, METRICS_PORT=str(port), **SETTINGS) as running:
        get_file(running, name_1)
        get_file(running, name_2)
        get_file(running, name_2)
        wait_for_count(port, digest_2, 2)
        before = read_metrics(port)
        three = build_next(project, build, "3", DJANGO_STATIC_KEEP_RELEASES="1")
        digest_3 = read_index(three).releases[0].digest
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("SIGHUP: all workers are new")
        after = read_metrics(port)
        assert digest_1 in {key[1] for key in before}
        assert {key[1] for key in after} == {digest_3, digest_2}
        assert {key: value for key, value in after.items() if key[1] == digest_2} == {
            key: value for key, value in before.items() if key[1] == digest_2
        }
        assert after["requests_total", digest_3] == 0
        assert after["requests_created", digest_3] >= before["requests_created", digest_2]
        get_file(running, name_1, 404)
        get_file(running, name_2)
        get_file(running, find_name(three, "only-3."))
        wait_for_count(port, digest_3, 1)
        wait_for_count(port, digest_2, 3)


def test_a_file_that_two_releases_have_becomes_that_of_one(project: Path, release: Releaser) -> None:
    one = release("1")
    style = project / "mysite/static/extra.css"
    style.write_text("p { color: red }\n")
    two = release("2", DJANGO_STATIC_PREVIOUS=str(one))
    index, shared = read_index(two), find_name(one, "digits.")
    assert index.name_only_release(index[shared]) == ""
    assert index.name_only_release(index[find_name(two, "extra.")]) == index.releases[0].digest
    assert index.name_only_release(index[find_name(one, "only-1.")]) == index.releases[1].digest
    assert index.name_only_release(index["extra.css"]) == ""  # its content is another one in each release
    alone = read_index(one)
    assert alone.name_only_release(alone[shared]) == alone.releases[0].digest


def test_the_counters_keep_whole_seconds_of_the_last_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock(0)
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(clock, "time", lambda: 1_700_000_000.9, raising=False)
    counters = Counters()
    counters.keep_releases(["a", "b"])
    counters.now = 1_700_000_001
    counters.count_release_request("a")
    counters.count_release_request("store")
    copied = counters.copy()
    counters.count_release_request("a")
    shown = {name: (each.since, each.count, each.last) for name, each in copied.releases.items()}
    assert shown == {
        "a": (1_700_000_000, 1, 1_700_000_001),
        "b": (1_700_000_000, 0, 0),
        "store": (1_700_000_001, 1, 1_700_000_001),
    }
    counters.now = 1_700_000_002
    counters.keep_releases(["c", "a"])
    shown = {name: (each.since, each.count, each.last) for name, each in counters.releases.items()}
    assert shown == {"c": (1_700_000_002, 0, 0), "a": (1_700_000_000, 2, 1_700_000_001)}
