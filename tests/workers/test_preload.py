"""Workers that are forked from a process that has loaded the project, and those that are not."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from tests.support.processes import Running, run_server
from tests.support.waiting import wait_until
from tests.support.worker_projects import VARIABLES, get, list_children, make_project

TWO = {**VARIABLES, "WEB_CONCURRENCY": "2"}
LOADED = "the project is loaded in"
PARENT = """
def parent(request):
    return HttpResponse(str(os.getppid()))

def thread(request):
    threading.Thread(target=time.sleep, args=(600,)).start()
    return HttpResponse("started")

urlpatterns += [path("parent/", parent), path("thread/", thread)]
"""


@pytest.fixture
def project(tmp_path: Path, cache: Path) -> Path:
    project = make_project(tmp_path, cache)
    add_code(project, f'print("{LOADED}", os.getpid(), flush=True)\n{PARENT}')
    return project


def add_code(project: Path, code: str) -> None:
    with (project / "mysite/urls.py").open("a") as urls:
        urls.write(f"\n{code}\n")


def read_state(pid: int) -> str:
    """Return the state of a process, "Z" for one that has ended and was not waited for, or an empty string."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def wait_for_end(pids: list[int]) -> None:
    wait_until(lambda: not any(read_state(pid) not in ("", "Z") for pid in pids), lambda: [*map(read_state, pids)])


def find_template(server: Running) -> int:
    return int(get(server, "/parent/").text)


def test_workers_are_forked_from_one_process_that_has_loaded_the_project(project: Path) -> None:
    with run_server(cwd=project, **TWO) as server:
        template = find_template(server)
        assert server.output.count(LOADED) == 1
        assert f"{LOADED} {template}\n" in server.output
        assert len(list_children(template)) == 2
        assert list_children(server.process.pid).count(template) == 1
        assert "DJANGO_PRELOAD" not in server.output
        everything = list_children(server.process.pid)
        assert server.stop() == 0
        wait_for_end(everything)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "threading.Thread(target=time.sleep, args=(600,), name='poller', daemon=True).start()",
            "it has started threads",
        ),
        ("import socket; kept = socket.create_server(('127.0.0.1', 0))", "it has opened a socket"),
        ("import subprocess; kept = subprocess.Popen(['cat'], stdin=subprocess.PIPE)", "it has opened a pipe"),
        ("import select; kept = select.epoll()", "it has opened an eventpoll"),
        (
            "from django.db import connection; connection.cursor()",
            "it has opened a connection to the database 'default'",
        ),
    ],
)
def test_a_project_that_is_not_to_be_forked_is_loaded_by_each_worker(project: Path, code: str, reason: str) -> None:
    settings = project / "mysite/settings.py"
    settings.write_text(
        f"{settings.read_text()}\nDATABASES = {{'default': {{'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'x'}}}}\n"
    )
    add_code(project, code)
    with run_server(cwd=project, **TWO) as server:
        assert f"DJANGO_PRELOAD=auto: each worker loads the project, because {reason}" in server.output
        assert find_template(server) == server.process.pid
        assert server.output.count(LOADED) == 2
        assert server.output.count("DJANGO_PRELOAD") == 1


def test_the_setting_has_the_last_word(project: Path) -> None:
    with run_server(cwd=project, DJANGO_PRELOAD="false", **TWO) as server:
        assert server.output.count(LOADED) == 2
        assert "DJANGO_PRELOAD" not in server.output
    add_code(project, "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()")
    with run_server(cwd=project, DJANGO_PRELOAD="true", **TWO) as server:
        assert "DJANGO_PRELOAD=true: workers are forked, although it has started threads" in server.output
        assert server.output.count(LOADED) == 1
        assert get(server, "/version/").text == "1"


def test_the_end_of_a_forked_worker_is_known_and_leaves_no_zombie(project: Path) -> None:
    with run_server(cwd=project, **TWO) as server:
        template, worker = find_template(server), int(get(server, "/pid/").text)
        os.kill(worker, signal.SIGABRT)
        server.wait_for(f"worker {worker} ended with signal SIGABRT while it served 0 requests")
        server.wait_for(" is ready")
        children = list_children(template)
        assert worker not in children
        assert len(children) == 2
        assert "Z" not in map(read_state, children)
        assert server.output.count(LOADED) == 1


def test_workers_serve_on_when_their_template_ends_and_the_next_one_comes_from_a_new_template(project: Path) -> None:
    with run_server(cwd=project, **TWO) as server:
        template, worker = find_template(server), int(get(server, "/pid/").text)
        os.kill(template, signal.SIGKILL)
        wait_for_end([template])
        assert get(server, "/version/").text == "1"
        os.kill(worker, signal.SIGKILL)
        server.wait_for(f"worker {worker} ended with an unknown status")
        server.wait_for("the process that forks workers has ended; another one loads the project")
        server.wait_for(" is ready")
        pids = {find_template(server) for _ in range(8)}
        assert template not in pids
        assert server.output.count(LOADED) == 2


def test_a_reload_has_a_template_of_its_own_and_the_former_one_ends(project: Path) -> None:
    with run_server(cwd=project, **TWO) as server:
        former = find_template(server)
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("SIGHUP: all workers are new")
        assert find_template(server) != former
        wait_until(lambda: not read_state(former), lambda: read_state(former))
        assert server.output.count(LOADED) == 2


@pytest.mark.parametrize("preload", ["true", "false"])
def test_a_front_that_is_killed_leaves_no_process(project: Path, preload: str) -> None:
    with run_server(cwd=project, DJANGO_PRELOAD=preload, **TWO) as server:
        assert get(server, "/thread/").text == "started"  # no daemon, so it would hold the interpreter's end up
        (project / "mysite/urls.py").write_text('print("loading", flush=True)\nimport time\ntime.sleep(600)\n')
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("loading")
        everything = list_children(server.process.pid)
        assert len(everything) == (4 if preload == "true" else 3)
        os.kill(server.process.pid, signal.SIGKILL)
        wait_for_end(everything)


def test_the_lifespan_of_an_asgi_project_runs_in_each_forked_worker_and_not_in_the_template(project: Path) -> None:
    (project / "mysite/asgi.py").write_text(
        "import os\n"
        "from django.core.asgi import get_asgi_application\n"
        "django = get_asgi_application()\n"
        "async def application(scope, receive, send):\n"
        '    if scope["type"] != "lifespan":\n'
        "        return await django(scope, receive, send)\n"
        "    while True:\n"
        '        event = (await receive())["type"]\n'
        '        print(f"{event} in {os.getpid()}\\n", end="", flush=True)\n'
        '        await send({"type": f"{event}.complete"})\n'
        '        if event == "lifespan.shutdown":\n'
        "            return\n"
    )
    settings = project / "mysite/settings.py"
    settings.write_text(f'{settings.read_text()}\nASGI_APPLICATION = "mysite.asgi.application"\n')
    with run_server(cwd=project, **TWO) as server:
        template = find_template(server)
        workers = {str(pid) for pid in list_children(template)}
        assert set(re.findall(r"lifespan.startup in (\d+)", server.output)) == workers
        assert server.stop() == 0
        wait_until(lambda: set(re.findall(r"lifespan.shutdown in (\d+)", server.output)) == workers, server.output)


def test_a_project_that_forks_at_its_import_is_no_obstacle_for_the_status_of_workers(project: Path) -> None:
    add_code(project, "import subprocess; kept = subprocess.Popen(['true'])")
    with run_server(cwd=project, **TWO) as server:
        worker = int(get(server, "/pid/").text)
        os.kill(worker, signal.SIGTERM)  # workers leave it to the front
        os.kill(worker, signal.SIGKILL)
        server.wait_for(f"worker {worker} ended with signal SIGKILL")
