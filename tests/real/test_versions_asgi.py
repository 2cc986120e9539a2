"""The project's side through ASGI, on each Python and Django that it is for."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.real.environments import STREAM_VIEW, Environment
from tests.support.builds import read_files
from tests.support.processes import Running, run, run_server
from tests.support.projects import copy_project
from tests.support.worker_projects import get

pytestmark = pytest.mark.timeout(600)

CHAT = {"DJANGO_SETTINGS_MODULE": "chat.settings"}
URLS = """
import asyncio, time
from pathlib import Path
from django.http import HttpResponse

async def greet(request):
    await asyncio.sleep(0)
    return HttpResponse(f"hello {request.scope['type']}")
"""
URLS += STREAM_VIEW
URLS += """
async def hang(request):
    await asyncio.Event().wait()  # for ever

urlpatterns += [path(f"{view.__name__}/", view) for view in (greet, stream, hang)]
"""


@pytest.fixture(scope="module")
def chat(environment: Environment, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A project that is called through ASGI, with WebSockets and without Django's admin; it is built."""
    project = copy_project("chat", tmp_path_factory.mktemp("versions"))
    with (project / "chat/urls.py").open("a") as urls:
        urls.write(URLS)
    environment.run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **CHAT)
    return project


@pytest.fixture(scope="module")
def server(environment: Environment, chat: Path) -> Iterator[Running]:
    variables = {**CHAT, "DJANGO_PYTHON": environment.python, "DJANGO_REQUEST_SECONDS": "2", "WEB_CONCURRENCY": "2"}
    with run_server(cwd=chat, **variables) as running:
        yield running
        assert running.stop() == 0, running.output


def test_without_files_of_django_the_tree_is_that_of_our_own_interpreter(chat: Path, cache: Path) -> None:
    variables = {"DJANGO_PYTHON": sys.executable, "DJANGO_STATIC_ROOT": "own", "DJANGO_STATIC_CACHE": str(cache)}
    own = run("static-host", "build", cwd=chat, **variables, **CHAT)
    assert own.returncode == 0, own.stderr
    files = read_files(chat / "staticfiles")
    assert "room.js" in files
    assert files == read_files(chat / "own")


def test_asynchronous_views_and_streams(chat: Path, server: Running) -> None:
    assert " through ASGI, Python " in server.output
    assert len(server.workers) == 2
    assert get(server, "/greet/").text == "hello http"
    assert get(server, "/numbers/").text == "0\n1\n2\n"
    with httpx.stream("GET", f"{server.url}/stream/", timeout=60) as response:
        pieces = response.iter_text()
        assert next(pieces) == "first, "
        (chat / "go-on").touch()
        assert "".join(pieces) == "second"


def test_a_web_socket(server: Running) -> None:
    url = server.url
    with connect(f"{url.replace('http', 'ws')}/ws/room/", origin=Origin(url)) as room:
        room.send('{"text": "h\u00e9"}')
        assert json.loads(room.recv(60)) == {"text": "h\u00e9"}


def test_an_asynchronous_view_that_hangs_is_504_and_its_stack_is_in_the_log(server: Running) -> None:
    assert get(server, "/hang/").status_code == 504
    server.wait_for("the view of 'GET /hang/' hangs here:")
    server.wait_for("await asyncio.Event().wait()  # for ever")
    server.wait_for("is ready")
    assert get(server, "/greet/").status_code == 200
