"""A project whose views send files, for WSGI and for ASGI, also with middleware around it."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.file_cases import CONTENT
from tests.support.worker_projects import make_project

VARIABLES = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_THREADS": "1"}
LARGE_BYTES = 100_000_000

VIEWS = """
import asyncio, json, os, tempfile
from itertools import repeat
from pathlib import Path
from django.core.signals import request_finished
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

FILES = Path(__file__).parents[1] / "files"
events = []

def finished(**_):
    events.append("finished")

request_finished.connect(finished)

class Noted(FileResponse):
    def __init__(self, file, **options):
        super().__init__(file, **options)
        self.noted = file

    def close(self):
        events.append("close")
        super().close()
        events.append(f"closed {self.noted.closed}")

class Silent(JsonResponse):
    def close(self):
        pass

def page(request):
    return HttpResponse("ok")

def show_events(request):
    shown = list(events)
    events.clear()
    return Silent({"events": shown, "open": sorted(map(os.path.realpath, map("/proc/self/fd/{}".format,
        os.listdir("/proc/self/fd"))))})

def set_fields(response, lines):
    for name in list(response.headers):
        del response[name]
    for name, _, value in (line.partition(": ") for line in lines):
        if name == "set-cookie":
            cookie, _, content = value.partition("=")
            response.cookies[cookie] = content
        else:
            response[name] = value
    return response

def case(request):
    asked = json.loads(request.GET["case"])
    response = Noted((FILES / asked["name"]).open("rb"), status=asked["status"])
    length = response["content-length"]
    return set_fields(response, [*asked["lines"], *([f"content-length: {length}"] if asked["states_length"] else [])])

def send(request, name):
    file = (FILES / name).open("rb")
    file.seek(int(request.GET.get("offset", 0)))
    return Noted(file)

def temporary(request):
    file = tempfile.NamedTemporaryFile()
    file.write(b"t" * int(request.GET.get("size", 300_000)))
    file.seek(0)
    return Noted(file)

shared = (FILES / "small.txt").open("rb")

def share(request):
    shared.seek(0)
    return FileResponse(shared)

async def from_thread(request):
    return Noted(await asyncio.to_thread((FILES / "medium.bin").open, "rb"))

def lying(request):
    response = Noted((FILES / "medium.bin").open("rb"))
    response["content-length"] = request.GET["length"]
    return response

def named(request):
    asked = json.loads(request.GET["case"])
    pieces = repeat(b"x" * 10_000) if asked.get("is_endless") else [b"the view's own"]
    kind = StreamingHttpResponse if asked.get("is_stream") else HttpResponse
    return set_fields(kind(pieces, status=asked.get("status", 200)), asked["lines"])

urlpatterns = [
    path("page/", page), path("events/", show_events), path("case/", case), path("send/<name>", send),
    path("temporary/", temporary), path("share/", share), path("from_thread/", from_thread), path("lying/", lying),
    path("named/", named),
]
try:
    from django_sendfile import sendfile
except ImportError:
    pass
else:
    def private(request, name):
        return sendfile(request, FILES / name, attachment=True)

    urlpatterns.append(path("private/<path:name>", private))
"""

WSGI = """
from pathlib import Path
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
MEDIUM = Path(__file__).parents[1] / "files/medium.bin"

def overridden(environ, start_response):
    environ["REQUEST_METHOD"] = environ.get("HTTP_X_METHOD", environ["REQUEST_METHOD"])
    return application(environ, start_response)

class Wrapped:
    def __init__(self, response):
        self.response = response
        self.close = response.close

    def __iter__(self):
        return (piece.swapcase() for piece in self.response)

def wrapped(environ, start_response):
    response = application(environ, start_response)
    return Wrapped(response) if environ["PATH_INFO"].startswith("/send/") else response

def bare(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/x-own")])
    if environ["QUERY_STRING"] == "written":
        write(b"written ")
    return environ["wsgi.file_wrapper"](MEDIUM.open("rb"), 8192)
"""

ASGI = """
from django.core.asgi import get_asgi_application
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware

application = get_asgi_application()

def pass_on(app):
    async def wrapped(scope, receive, send):
        async def send_on(message):
            await send(message)
        await app(scope, receive, send_on)
    return wrapped

def add_field(app):
    # As most middleware does.
    async def wrapped(scope, receive, send):
        async def send_on(message):
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-added", b"1")]}
            await send(message)
        await app(scope, receive, send_on)
    return wrapped

def lower_names(app):
    # Starlette's compression does not find Django's own Content-Length.
    async def wrapped(scope, receive, send):
        async def send_on(message):
            if message["type"] == "http.response.start":
                message["headers"] = [(name.lower(), value) for name, value in message["headers"]]
            await send(message)
        await app(scope, receive, send_on)
    return wrapped

def build_anew(app):
    # A middleware that makes messages of its own.
    async def wrapped(scope, receive, send):
        async def send_on(message):
            if message["type"] == "http.response.start":
                message = {"type": message["type"], "status": message["status"], "headers": message["headers"]}
            await send(message)
        await app(scope, receive, send_on)
    return wrapped

def swap_case(app):
    # One that changes the body piece by piece.
    async def wrapped(scope, receive, send):
        async def send_on(message):
            if message["type"] == "http.response.start" and scope["path"].startswith("/send/"):
                fields = [field for field in message["headers"] if field[0].lower() != b"content-length"]
                message = {**message, "headers": fields}
            elif scope["path"].startswith("/send/"):
                message = {**message, "body": message.get("body", b"").swapcase()}
            await send(message)
        await app(scope, receive, send_on)
    return wrapped

def count_bytes(app):
    # One that wants to see all of the body.
    async def wrapped(scope, receive, send):
        messages = []
        async def keep(message):
            messages.append(message)
        await app(scope, receive, keep)
        start, *rest = messages
        size = sum(len(message.get("body", b"")) for message in rest)
        start["headers"] = [*start["headers"], (b"x-size", b"%d" % size)]
        for message in messages:
            await send(message)
    return wrapped

async def dispatch(request, call_next):
    response = await call_next(request)
    response.headers["x-added"] = "1"
    return response

def override(app):
    async def wrapped(scope, receive, send):
        scope["method"] = dict(scope["headers"]).get(b"x-method", scope["method"].encode()).decode()
        await app(scope, receive, send)
    return wrapped

overridden = override(application)
passed = pass_on(application)
added = add_field(application)
anew = build_anew(application)
counted = count_bytes(application)
swapped = swap_case(application)
based = BaseHTTPMiddleware(application, dispatch)
zipped = GZipMiddleware(lower_names(application), minimum_size=500)
zipped_always = GZipMiddleware(lower_names(application), minimum_size=1)
"""

SETTINGS = """
ALLOWED_HOSTS = ["*"]
MIDDLEWARE = []
ASGI_APPLICATION = "mysite.asgi.application"
WSGI_APPLICATION = "mysite.wsgi.application"
SENDFILE_ROOT = str(BASE_DIR / "files")
SENDFILE_URL = "/protected"
SENDFILE_BACKEND = "django_sendfile.backends.nginx"
"""


def make_file_project(directory: Path, cache: Path) -> Path:
    """Copy and build the project "plain" with these views, and with files in its directory ``files``."""
    project = make_project(directory, cache, VIEWS)
    (project / "mysite/asgi.py").write_text(ASGI)
    (project / "mysite/wsgi.py").write_text(WSGI)
    with (project / "mysite/settings.py").open("a") as settings:
        settings.write(SETTINGS)
    files = project / "files"
    files.mkdir()
    (files / "small.txt").write_bytes(CONTENT)
    (files / "10").write_bytes(CONTENT)
    (files / "4000").write_bytes(b"x" * 4000)
    (files / "empty.txt").touch()
    (files / "medium.bin").write_bytes(bytes(range(256)) * 2000)
    with (files / "large.bin").open("wb") as file:
        file.write(b"begin")
        os.truncate(file.fileno(), LARGE_BYTES - 3)
        file.seek(0, os.SEEK_END)
        file.write(b"end")
    return project


def write_settings(project: Path, name: str, *lines: str) -> dict[str, str]:
    """Write a settings module that adds lines to the project's own; return the variables that select it."""
    (project / f"{name}.py").write_text("\n".join(["from mysite.settings import *", *lines, ""]))
    return {**VARIABLES, "DJANGO_SETTINGS_MODULE": name}
