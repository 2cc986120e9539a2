"""Busy threads are named in the log, and a server that cannot answer is not ready."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from static_host import health
from static_host.workers.busy_watch import BusyWatch
from static_host.workers.pool_options import PoolOptions
from tests.support.processes import find_free_port, run, run_server
from tests.support.waiting import wait_until
from tests.support.worker_projects import VARIABLES, get, make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    return make_project(tmp_path_factory.mktemp("readiness"), cache)


BLOCKING = """
import time
from pathlib import Path
from django.core.asgi import get_asgi_application
django = get_asgi_application()

async def app(scope, receive, send):
    if scope.get("path") == "/block/":
        print("blocks", flush=True)
        while not Path("go").exists():
            time.sleep(0.01)
    await django(scope, receive, send)
"""


def test_the_log_names_what_keeps_all_threads_busy(project: Path) -> None:
    with run_server(cwd=project, **VARIABLES) as server, ThreadPoolExecutor(5) as threads:
        views = [threads.submit(get, server, f"/hang/?n={number}&password=hidden") for number in range(3)]
        server.wait_for("hang begins", times=3)
        views.append(threads.submit(get, server, "/version/"))
        server.wait_for("all 3 threads have been busy for 5 s (requests that wait: 1):")
        for number in range(3):
            server.wait_for(f"  GET /hang/?n={number}&password=")
        assert "hidden" not in server.output
        os.kill(server.process.pid, signal.SIGKILL)
        assert all(view.exception() for view in views)


class Pool:
    """A pool of one worker, whose two threads are busy."""

    def __init__(self, ready_seconds: float = 10) -> None:
        self.options = PoolOptions(ready_seconds=ready_seconds)
        self.waiting_count = 0
        self.workers = [self]
        self.is_retiring = False
        self.blocked_seconds = 0.0

    def list_busy(self) -> list[Any]:
        return [SimpleNamespace(head=b"", began_at=0.0), SimpleNamespace(head=b"", began_at=1.0)]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


def test_busy_threads_are_logged_once_each_time(clock: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> None:
    watch = BusyWatch(Pool())  # type: ignore[arg-type]
    logged = []
    for second in range(30):
        clock.now = 100.0 + second
        if second in (0, 14):
            watch.note_all_busy()
        if second == 12:
            watch.note_free()
        watch.check()
        logged.append(len(caplog.records))
    assert (logged.index(1), logged.index(2), logged[-1]) == (5, 19, 2)


@pytest.mark.parametrize("seconds", [10, 0])
def test_only_requests_that_wait_make_it_not_ready(clock: SimpleNamespace, seconds: int) -> None:
    pool = Pool(seconds)
    watch = BusyWatch(pool)  # type: ignore[arg-type]
    assert watch.find_obstacle() == ""  # nothing waits
    watch.note_waiting(1)
    pool.waiting_count = 1
    found = []
    for elapsed in (9.9, 10.0, 19.9, 20.0):
        clock.now = 100.0 + elapsed
        if elapsed == 19.9:
            watch.note_answer()
        found.append(bool(watch.find_obstacle()))
    assert found == ([False, True, False, False] if seconds else [False] * 4)


def get_metrics(port: int) -> str:
    return httpx.get(f"http://127.0.0.1:{port}/metrics").text


def test_a_server_that_answers_nothing_while_requests_wait_is_not_ready_until_it_does(project: Path) -> None:
    variables = {**VARIABLES, "DJANGO_THREADS": "1", "DJANGO_READY_SECONDS": "1", "DJANGO_REQUEST_SECONDS": "5"}
    port = find_free_port()
    with run_server(cwd=project, METRICS_PORT=str(port), **variables) as server, ThreadPoolExecutor(2) as threads:
        hanging = threads.submit(get, server, "/hang/")
        server.wait_for("hang begins")
        assert get(server, "/readyz").text == "ok\n"  # no request waits
        waiting = threads.submit(get, server, "/pid/")
        wait_until(lambda: get(server, "/readyz").status_code == 503, lambda: server.output)
        wait_until(lambda: "static_host_ready 0.0\n" in get_metrics(port), lambda: get_metrics(port))
        assert get(server, "/healthz").text == "ok\n"
        server.wait_for("not ready: requests wait, and no thread has become free for 1 s")
        assert hanging.result().status_code == 504
        assert waiting.result().status_code == 200
        assert get(server, "/readyz").text == "ok\n"
        assert "static_host_ready 1.0\n" in get_metrics(port)
        server.wait_for("ready again")


def test_a_server_whose_event_loop_is_blocked_is_not_ready_until_it_answers(project: Path) -> None:
    (project / "mysite/blocking.py").write_text(BLOCKING)
    (project / "blocking.py").write_text("from mysite.settings import *\nASGI_APPLICATION = 'mysite.blocking.app'\n")
    own = {**VARIABLES, "DJANGO_SETTINGS_MODULE": "blocking", "DJANGO_READY_SECONDS": "1"}
    with run_server(cwd=project, **own) as server, ThreadPoolExecutor(1) as threads:
        assert get(server, "/readyz").status_code == 200
        blocked = threads.submit(get, server, "/block/")
        server.wait_for("blocks")
        wait_until(lambda: get(server, "/readyz").status_code == 503, "it stays ready")
        assert get(server, "/readyz").text == "no event loop has answered for 1 s\n"
        (project / "go").touch()
        assert blocked.result().status_code == 404
        wait_until(lambda: get(server, "/readyz").status_code == 200, "it does not become ready again")


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_a_server_is_not_ready_before_all_migrations_are_applied(project: Path, tmp_path: Path, interface: str) -> None:
    database = tmp_path / "site.sqlite3"
    settings = project / f"mysite/settings_{interface}.py"
    settings.write_text(
        "from mysite.settings import *\n"
        'INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.contenttypes", "django.contrib.auth"]\n'
        f'DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {str(database)!r}}}}}\n'
    )
    own = {**VARIABLES, "DJANGO_SETTINGS_MODULE": f"mysite.settings_{interface}", "DJANGO_INTERFACE": interface}
    with run_server(cwd=project, DJANGO_READY_MIGRATIONS="true", **own) as server:
        refused = get(server, "/readyz")
        assert (refused.status_code, refused.text) == (503, "migrations are not applied\n")
        server.wait_for("not ready: migrations are not applied: contenttypes.0001_initial")
        assert get(server, "/pid/").status_code == 200
        assert run("python", "-m", "django", "migrate", cwd=project, PYTHONPATH=str(project), **own).returncode == 0
        assert get(server, "/readyz").text == "ok\n"
        database.unlink()
        assert get(server, "/readyz").text == "ok\n"  # it is not asked again


def test_migrations_that_cannot_be_read_are_told_in_the_log_alone(project: Path) -> None:
    with run_server(cwd=project, DJANGO_READY_MIGRATIONS="true", **VARIABLES) as server:
        wait_until(lambda: get(server, "/readyz").text == "migrations cannot be read\n", lambda: server.output)
        server.wait_for("not ready: migrations: ")
        assert "no-such-database.invalid" in server.output or "psycopg" in server.output


def test_a_database_that_hangs_delays_a_check_for_a_moment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "DATABASE_TIMEOUT_SECONDS", 0.01)

    class Hanging:
        calls = 0

        def find_obstacle(self) -> str:
            return ""

        async def list_unapplied_migrations(self) -> list[str]:
            self.calls += 1
            await asyncio.Event().wait()
            return []

    async def main() -> list[str]:
        readiness = health.Readiness(pool, is_migrated=False)  # type: ignore[arg-type]
        return [await readiness.find_obstacle() for _ in range(3)]

    pool = Hanging()
    assert asyncio.run(main()) == ["no answer from the database within 0.01 s"] * 3
    assert pool.calls == 1


class Databases:
    """A pool whose workers answer one query after the other, and which may have an obstacle of its own."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.obstacle = ""

    def find_obstacle(self) -> str:
        return self.obstacle

    async def query_databases(self, aliases: tuple[str, ...]) -> str:
        assert aliases == ("default",)
        return self.answers.pop(0)


def test_scrapes_know_what_a_query_has_found_and_begin_another_one_after_a_time(clock: SimpleNamespace) -> None:
    pool = Databases("", "OperationalError\0refused", "")
    readiness = health.Readiness(pool, ["default"])  # type: ignore[arg-type]

    async def scrape(at: float) -> list[bool]:
        clock.now = at
        loop, query = asyncio.get_running_loop(), readiness._pending_query
        scrapes = [await asyncio.to_thread(readiness.measure, loop) for _ in range(3)]
        while (begun := readiness._pending_query) is not None and not begun.done():
            await begun
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # in which the check takes what its query has found
        assert (begun is not query) == (at in (100.0, 105.0, 110.0))
        return scrapes

    async def main() -> None:
        assert readiness.measure(asyncio.get_running_loop()) is False  # nothing is known yet
        await scrape(100.0)  # before or after the query has its result
        assert await scrape(104.9) == [True] * 3
        await scrape(105.0)
        assert await scrape(109.9) == [False] * 3
        await scrape(110.0)
        assert await scrape(114.9) == [True] * 3
        pool.obstacle = "no worker can be started"
        assert await scrape(114.9) == [False] * 3  # at once
        pool.obstacle = ""
        readiness.is_ending = True
        assert await scrape(200.0) == [False] * 3

    asyncio.run(main())
    assert pool.answers == []


def test_scrapes_without_databases_need_no_loop() -> None:
    readiness = health.Readiness(Databases())  # type: ignore[arg-type]
    assert readiness.measure(None) is True  # type: ignore[arg-type]
    assert health.Readiness().measure(None) is True  # type: ignore[arg-type]


@pytest.mark.parametrize("view", ["sleeps", "blocks", "waits"])
def test_the_stack_of_a_view_that_hangs_is_told_for_an_asgi_project_too(project: Path, view: str) -> None:
    urls = project / "mysite/asgi_urls.py"
    urls.write_text(
        "import asyncio, time\n"
        "from django.http import HttpResponse\n"
        "from django.urls import path\n"
        "async def sleeps(request):\n    await asyncio.sleep(600)  # this one sleeps\n"
        "async def blocks(request):\n    time.sleep(600)  # this one blocks\n"
        "def waits(request):\n    time.sleep(600)  # this one waits\n"
        "def fine(request):\n    return HttpResponse('fine')\n"
        "urlpatterns = [path(f'{view.__name__}/', view) for view in (sleeps, blocks, waits, fine)]\n"
    )
    settings = project / "mysite/asgi_settings.py"
    settings.write_text('from mysite.settings import *\nROOT_URLCONF = "mysite.asgi_urls"\nMIDDLEWARE = []\n')
    own = {**VARIABLES, "DJANGO_SETTINGS_MODULE": "mysite.asgi_settings", "DJANGO_INTERFACE": "asgi"}
    with run_server(cwd=project, DJANGO_REQUEST_SECONDS="1", **own) as server:
        assert get(server, f"/{view}/").status_code == 504
        server.wait_for(f"the view of 'GET /{view}/' hangs here:")
        server.wait_for(f"# this one {view}")
        wait_until(lambda: get(server, "/fine/").text == "fine", lambda: server.output)
