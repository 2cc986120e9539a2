"""A project that shows what it is asked, and says what it is told to; for WSGI, and for ASGI with a WebSocket."""

from __future__ import annotations

from pathlib import Path

from tests.support.worker_projects import make_project

VARIABLES = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_MAX_BODY": "100kB"}
SECRET = "not-so-secret-0123456789"

VIEWS = """
import threading
from urllib.parse import unquote_to_bytes

from django.http import HttpResponse, JsonResponse
from django.urls import path

gate = threading.Event()

def echo(request, rest=""):
    print(f"seen {request.method} {request.get_full_path()}", flush=True)
    return JsonResponse({
        "method": request.method, "path": request.get_full_path(), "host": request.get_host(),
        "body": request.body.decode("latin-1"),
    })

def fields(request):
    names = ("HTTP_X_REQUEST_ID", "HTTP_X_A", "HTTP_HOST", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_COOKIE")
    return JsonResponse({name: request.META[name] for name in names if name in request.META})

def slow(request):
    gate.clear()
    print("slow begins", flush=True)
    gate.wait()
    return HttpResponse("slow")

async def release(request):
    gate.set()
    return HttpResponse("released")

def unread(request):
    return HttpResponse("unread")

def parse_fields(query):
    # Return a view's fields and its body's pieces: name=value&name=value|piece|piece.
    lines, *pieces = unquote_to_bytes(query).split(b"|")
    return [tuple(line.split(b"=", 1)) for line in lines.split(b"&") if line], pieces

urlpatterns = [
    path("echo/", echo), path("echo/<path:rest>", echo), path("fields/", fields), path("slow/", slow),
    path("release/", release), path("unread/", unread),
]
"""

WSGI = """
from django.core.wsgi import get_wsgi_application

django = get_wsgi_application()

from mysite.urls import parse_fields

def application(environ, start_response):
    if environ["PATH_INFO"] != "/raw/":
        return django(environ, start_response)
    fields, pieces = parse_fields(environ["QUERY_STRING"])
    start_response("200 OK", [(name.decode(), value.decode()) for name, value in fields])
    return pieces if len(pieces) == 1 else iter(pieces)
"""

ASGI = """
from django.core.asgi import get_asgi_application

django = get_asgi_application()

from mysite.urls import parse_fields

async def talk(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        await send({"type": "websocket.send", "text": f"echo {text}"})
        if text == "bye":
            await send({"type": "websocket.close", "code": 1000})

async def application(scope, receive, send):
    if scope["type"] == "websocket" and scope["path"] == "/ws/":
        print(f"seen WebSocket {scope['path']}", flush=True)
        await talk(receive, send)
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close"})
    elif scope["type"] == "http" and scope["path"] == "/raw/":
        fields, pieces = parse_fields(scope["query_string"])
        await send({"type": "http.response.start", "status": 200, "headers": [(n.lower(), v) for n, v in fields]})
        for number, piece in enumerate(pieces, 1):
            await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})
    else:
        await django(scope, receive, send)
"""


def make_wire_project(directory: Path, cache: Path) -> Path:
    """Copy and build the project "plain" with these views and applications; every host is allowed."""
    project = make_project(directory, cache, VIEWS)
    (project / "mysite/wsgi.py").write_text(WSGI)
    (project / "mysite/asgi.py").write_text(ASGI)
    with (project / "mysite/settings.py").open("a") as settings:
        settings.write(
            "\nALLOWED_HOSTS = ['*']\nMIDDLEWARE = []\n"
            "WSGI_APPLICATION = 'mysite.wsgi.application'\nASGI_APPLICATION = 'mysite.asgi.application'\n"
        )
    return project
