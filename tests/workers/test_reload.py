"""SIGHUP: new code and the new static tree, while requests come."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.processes import Running, run_server
from tests.support.waiting import wait_until
from tests.support.worker_projects import VARIABLES, build, get, make_project


@pytest.fixture
def project(tmp_path: Path, cache: Path) -> Path:
    return make_project(tmp_path, cache)


@pytest.fixture
def server(project: Path) -> Iterator[Running]:
    with run_server(cwd=project, WEB_CONCURRENCY="2", **VARIABLES) as running:
        yield running


def set_version(project: Path, version: int) -> None:
    urls = project / "mysite/urls.py"
    text = urls.read_text()
    urls.write_text(text.replace(text.partition("VERSION = ")[2].partition("\n")[0], f"{version}" + " " * version, 1))


def test_a_reload_brings_the_new_tree_and_its_pages_and_keeps_the_files_of_the_old_ones(
    server: Running, project: Path, cache: Path
) -> None:
    before = get(server, "/link/").text
    assert get(server, before).text == "0123456789"
    assert get(server, "/static/digits.txt").text == "0123456789"
    (project / "mysite/static/digits.txt").write_text("9876543210")
    build(project, cache, "--previous", "staticfiles")
    set_version(project, 2)
    assert get(server, "/static/digits.txt").text == "0123456789"  # the release that it has opened
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("SIGHUP: all workers are new")
    after = get(server, "/link/").text
    assert after != before
    assert (get(server, after).text, get(server, before).text) == ("9876543210", "0123456789")
    assert get(server, "/static/digits.txt").text == "9876543210"
    assert {get(server, "/version/").text for _ in range(4)} == {"2"}
    wait_until(lambda: len(list_releases(server)) == 1, lambda: list_releases(server))  # the former one is released


def list_releases(server: Running) -> set[str]:
    """Return the directories of releases that the front has open."""
    links = [str(link.resolve()) for link in Path(f"/proc/{server.process.pid}/fd").iterdir()]
    return {link for link in links if ".releases/" in link and Path(link).is_dir()}


def test_a_tree_that_cannot_be_served_changes_nothing_but_the_log(server: Running, project: Path) -> None:
    page = get(server, "/link/").text
    (project / "staticfiles").unlink()
    set_version(project, 2)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("SIGHUP: nothing changes: there is no static tree at ")
    assert get(server, "/link/").text == page
    assert get(server, page).text == "0123456789"
    assert {get(server, "/version/").text for _ in range(4)} == {"1"}


def test_a_tree_with_other_urls_is_refused(server: Running, project: Path, cache: Path) -> None:
    settings = project / "mysite/settings.py"
    settings.write_text(settings.read_text().replace('STATIC_URL = "static/"', 'STATIC_URL = "other/"'))
    build(project, cache)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("is for /other/, not /static/. Start the server anew")
    assert get(server, "/static/digits.txt").text == "0123456789"


def test_two_reloads_and_a_worker_that_dies_meanwhile_fail_no_request(server: Running, project: Path) -> None:
    with ThreadPoolExecutor(2) as threads:
        for version in (2, 3):
            set_version(project, version)
            server.process.send_signal(signal.SIGHUP)
            server.process.send_signal(signal.SIGHUP)
            with suppress(ProcessLookupError):  # on a busy machine its successor may be ready
                os.kill(int(get(server, "/pid/").text), signal.SIGKILL)
            pages = [threads.submit(get, server, "/version/") for _ in range(50)]
            assert {page.result().status_code for page in pages} == {200}
        wait_until(lambda: {get(server, "/version/").text for _ in range(4)} == {"3"}, lambda: server.output)


def test_a_termination_in_a_reload_ends_the_process_that_loads_the_project(server: Running, project: Path) -> None:
    (project / "mysite/urls.py").write_text(
        'import os, time\nprint("loading", os.getpid(), flush=True)\ntime.sleep(600)\n'
    )
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("loading")
    (line,) = [line for line in server.lines if line.startswith("loading")]
    assert server.stop() == 0
    wait_until(lambda: not Path(f"/proc/{line.split()[1]}").exists(), "it lives")
