"""Projects whose workers are watched: the project "plain" with views of a test's own, built once."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import httpx

from tests.support.processes import Running, run
from tests.support.projects import SETTINGS, copy_project

VARIABLES = {**SETTINGS, "DJANGO_PYTHON": sys.executable, "DJANGO_THREADS": "3"}
VIEWS = """
import os, sys, threading, time
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

gate = threading.Event()
VERSION = 1
kept = []

def modules(request):
    return JsonResponse(sorted({name.partition(".")[0] for name in sys.modules}), safe=False)

def pid(request):
    return HttpResponse(str(os.getpid()))

def version(request):
    return HttpResponse(str(VERSION))

def hang(request):
    print("hang begins", flush=True)
    gate.wait()
    return HttpResponse("released")

def release(request):
    gate.set()
    return HttpResponse("ok")

def die(request):
    print(f"die in {os.getpid()}", flush=True)
    os.kill(os.getpid(), 11)
    gate.wait()  # another thread may be the one that the signal ends the process in

def grow(request):
    kept.append(bytearray(b"x" * 30_000_000))
    return HttpResponse(str(os.getpid()))

def link(request):
    from django.templatetags.static import static
    return HttpResponse(static("digits.txt"))

def page(request):
    return HttpResponse(b"x" * 500_000)

def size(request):
    return HttpResponse(f"{len(request.body)} {request.META.get('CONTENT_LENGTH')}")

class Closing(HttpResponse):
    def close(self):
        gate.wait()

def never_closed(request):
    return Closing("closing")

def stream(request):
    def pieces():
        yield b"first"
        gate.wait()
    return StreamingHttpResponse(pieces())

views = (modules, pid, version, hang, release, die, grow, link, page, size, never_closed, stream)
urlpatterns = [path(f"{view.__name__}/", view) for view in views]
"""


def make_project(directory: Path, cache: Path, views: str = VIEWS) -> Path:
    """Copy and build the project "plain" with these views."""
    project = copy_project("plain", directory)
    (project / "mysite/urls.py").write_text(views)
    build(project, cache)
    return project


def build(project: Path, cache: Path, *options: str) -> None:
    """Build the project's static tree, which takes the place of the one that stands."""
    built = run("static-host", "build", *options, cwd=project, DJANGO_STATIC_CACHE=str(cache), **SETTINGS)
    assert built.returncode == 0, built.stderr


def get(server: Running, path: str) -> httpx.Response:
    """Request a path of the server."""
    return httpx.get(f"{server.url}{path}", timeout=60)


def list_children(pid: int) -> list[int]:
    """Return the children of a process, and theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *list_children(child)]
    return found
