"""DJANGO_INTERFACE: synchronous projects, ASGI projects with WebSockets and a lifespan, and the wrong ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.support.builds import append_settings
from tests.support.processes import Running, run, run_server
from tests.support.projects import SETTINGS, copy_project

LIFESPAN = """
import os
from django.core.asgi import get_asgi_application
django = get_asgi_application()
asked = os.environ.get("LIFESPAN", "")

async def application(scope, receive, send):
    if scope["type"] != "lifespan":
        if scope["path"] == "/state/":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": scope["state"]["pool"].encode()})
            return
        await django(scope, receive, send)
        return
    await receive()
    if asked == "raises":
        raise RuntimeError("no connection to the broker")
    if asked == "refuses":
        await send({"type": "lifespan.startup.failed", "message": "the broker says no"})
        return
    scope["state"]["pool"] = "a pool"
    print("the project starts", flush=True)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    print("the project ends", flush=True)
    await send({"type": "lifespan.shutdown.complete"})
"""


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    project = copy_project("chat", tmp_path_factory.mktemp("chat"))
    result = run(
        *("static-host", "build"), cwd=project, DJANGO_SETTINGS_MODULE="chat.settings", DJANGO_STATIC_CACHE=str(cache)
    )
    assert result.returncode == 0, result.stderr
    return project


@pytest.fixture(params=["1", "2"])
def server(chat: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    variables = {"DJANGO_SETTINGS_MODULE": "chat.settings", "WEB_CONCURRENCY": request.param}
    with run_server(cwd=chat, **variables) as running:
        yield running


@pytest.fixture
def asgi(project: Path, cache: Path) -> Path:
    """The project "plain", with an ASGI application of its own that has a lifespan."""
    (project / "mysite/asgi.py").write_text(LIFESPAN)
    append_settings(project, "ASGI_APPLICATION = 'mysite.asgi.application'")
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
    assert run("static-host", "build", cwd=project, **variables).returncode == 0
    return project


def test_a_channels_project_has_its_pages_its_files_and_its_websockets(server: Running) -> None:
    page = httpx.get(f"{server.url}/")
    assert page.status_code == 200
    stylesheet = page.text.partition('href="')[2].partition('"')[0]
    answer = httpx.get(server.url + stylesheet, headers={"Accept-Encoding": "br"})
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert httpx.get(f"{server.url}/numbers/").text == "0\n1\n2\n"
    address = f"{server.url.replace('http', 'ws')}/ws/room/"
    with connect(address, origin=Origin(server.url)) as one:
        one.send(json.dumps({"text": "hello"}))
        assert json.loads(one.recv(5)) == {"text": "hello"}
    with pytest.raises(InvalidStatus) as refused:
        connect(address, origin=Origin("https://elsewhere.example"))
    assert refused.value.response.status_code == 403
    assert server.stop() == 0
    assert "Traceback" not in server.output


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_a_websocket_to_a_project_without_any_is_refused_and_not_an_error(plain: Path, interface: str) -> None:
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_INTERFACE": interface}
    with run_server(cwd=plain, **variables) as running:
        with pytest.raises(InvalidStatus) as refused:
            connect(f"{running.url.replace('http', 'ws')}/ws/", open_timeout=5)
        assert refused.value.response.status_code == 403
        assert httpx.get(f"{running.url}/").status_code == 200
        assert running.stop() == 0
    assert "Traceback" not in running.output
    assert "rror" not in running.output


WRAPPED = """
from django.core.asgi import get_asgi_application
django = get_asgi_application()

async def application(scope, receive, send):
    await django(scope, receive, send)
"""
COPIED = """
from django.core.asgi import get_asgi_application
django = get_asgi_application()

async def application(scope, receive, send):
    await django({**scope, "headers": list(scope["headers"])}, receive, send)
"""
BY_PROTOCOL = """
from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application
application = ProtocolTypeRouter({"http": get_asgi_application()})
"""
BY_PATH = """
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": URLRouter([])})
"""


@pytest.mark.parametrize("module", [WRAPPED, BY_PROTOCOL, BY_PATH], ids=["wrapped", "by protocol", "by path"])
def test_a_websocket_that_the_project_has_nothing_for_is_refused_and_not_an_error(asgi: Path, module: str) -> None:
    (asgi / "mysite/asgi.py").write_text(module)
    with run_server(cwd=asgi, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        with pytest.raises(InvalidStatus) as refused:
            connect(f"{running.url.replace('http', 'ws')}/ws/", open_timeout=5)
        assert refused.value.response.status_code == 403
        running.wait_for("WebSocket '/ws/': refused: ")
        assert running.stop() == 0
    assert "Traceback" not in running.output


def test_an_exception_in_a_websocket_is_logged_whole(asgi: Path) -> None:
    raising = "    if scope['type'] == 'websocket':\n        await receive()\n        raise ValueError('a fault')\n"
    (asgi / "mysite/asgi.py").write_text(WRAPPED.replace("    await", f"{raising}    await"))
    with run_server(cwd=asgi, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        with pytest.raises(InvalidStatus) as failed:
            connect(f"{running.url.replace('http', 'ws')}/ws/", open_timeout=5)
        assert failed.value.response.status_code == 500
        running.wait_for("\nValueError: a fault")


EXITS = """
import sys
from django.http import StreamingHttpResponse
from django.urls import path

def leaves(request):
    sys.exit("a view that exits")

async def also_leaves(request):
    sys.exit("a coroutine that exits")

def breaks(request):
    def chunks():
        yield b"begun"
        sys.exit("a stream that exits")
    return StreamingHttpResponse(chunks())

urlpatterns = [path("leaves/", leaves), path("also/", also_leaves), path("breaks/", breaks)]
"""


def test_a_request_that_raises_system_exit_ends_nothing_but_itself(asgi: Path) -> None:
    raising = "    if scope['type'] == 'websocket':\n        raise SystemExit('a socket that exits')\n"
    (asgi / "mysite/asgi.py").write_text(WRAPPED.replace("    await", f"{raising}    await"))
    (asgi / "mysite/urls.py").write_text(EXITS)
    with run_server(cwd=asgi, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        assert httpx.get(f"{running.url}/leaves/").status_code == 500
        assert httpx.get(f"{running.url}/also/").status_code == 500
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{running.url}/breaks/")
        with pytest.raises(InvalidStatus) as failed:
            connect(f"{running.url.replace('http', 'ws')}/ws/", open_timeout=5)
        assert failed.value.response.status_code == 500
        assert httpx.get(f"{running.url}/nothing/").status_code == 404
        assert running.stop() == 0
    for who in ("view", "coroutine", "stream", "socket"):
        assert running.output.count(f"\nSystemExit: a {who} that exits") == 1


@pytest.mark.parametrize("interface", ["auto", "wsgi"])
def test_wsgi_can_be_forced(chat: Path, interface: str) -> None:
    variables = {"DJANGO_SETTINGS_MODULE": "chat.settings", "DJANGO_INTERFACE": interface}
    with run_server(cwd=chat, **variables) as running:
        expected = "in 10 threads" if interface == "wsgi" else "through ASGI"
        assert f"Django project chat.settings {expected}" in running.output
        assert httpx.get(f"{running.url}/").status_code == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_lifespan_begins_before_the_first_request_and_ends_after_the_last(asgi: Path, workers: str) -> None:
    with run_server(cwd=asgi, DJANGO_SETTINGS_MODULE="mysite.settings", WEB_CONCURRENCY=workers) as running:
        assert httpx.get(f"{running.url}/state/").text == "a pool"
        assert httpx.get(f"{running.url}/").status_code == 200
        assert running.stop() == 0
    assert running.output.count("the project starts") == int(workers)
    assert running.output.count("the project ends") == int(workers)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("asked", "said"), [("raises", "RuntimeError: no connection to the broker"), ("refuses", "the broker says no")]
)
def test_a_lifespan_that_cannot_start_stops_the_server(asgi: Path, workers: str, asked: str, said: str) -> None:
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "WEB_CONCURRENCY": workers, "LIFESPAN": asked}
    result = run("static-host", "serve", cwd=asgi, PORT="0", **variables)
    assert result.returncode == 1
    assert said in result.stderr
    assert "ready on" not in result.stderr


FORMS = """
import hashlib
from django.http import HttpRequest, JsonResponse
from django.urls import path

def form(request: HttpRequest) -> JsonResponse:
    if "read" in request.GET:
        return JsonResponse({"length": request.META.get("CONTENT_LENGTH"), "body": len(request.read())})
    files = {name: hashlib.sha256(file.read()).hexdigest() for name, file in request.FILES.items()}
    return JsonResponse({"post": request.POST.dict(), "files": files, "length": request.META.get("CONTENT_LENGTH")})

urlpatterns = [path("form/", form)]
"""


@pytest.mark.parametrize("interface", ["wsgi", "asgi", "wrapped", "by protocol"])
def test_a_form_that_comes_in_chunks_keeps_its_fields_and_its_files(project: Path, cache: Path, interface: str) -> None:
    (project / "mysite/urls.py").write_text(FORMS)
    if interface in ("wrapped", "by protocol"):
        (project / "mysite/asgi.py").write_text({"wrapped": COPIED, "by protocol": BY_PROTOCOL}[interface])
        append_settings(project, "ASGI_APPLICATION = 'mysite.asgi.application'")
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
    assert run("static-host", "build", cwd=project, **variables).returncode == 0
    variables["DJANGO_INTERFACE"] = "wsgi" if interface == "wsgi" else "asgi"
    small, large = b"a small file", b"a large file" * 500_000
    with run_server(cwd=project, **variables) as running, httpx.Client(base_url=running.url) as client:
        for body in (small, large):
            request = client.build_request("POST", "/form/", data={"a": "é"}, files={"file": body})
            content = request.read()
            fields = {"Content-Type": request.headers["content-type"]}
            pieces = [content[at : at + 100_000] for at in range(0, len(content), 100_000)]
            assert client.post("/form/", content=iter(pieces), headers=fields).json() == {
                "post": {"a": "é"},
                "files": {"file": sha256(body).hexdigest()},
                "length": str(len(content)),
            }
            whole = client.post("/form/", content=content, headers=fields)
            assert whole.json()["files"] == {"file": sha256(body).hexdigest()}
        plain = {"Content-Type": "application/x-www-form-urlencoded"}
        assert client.post("/form/", content=iter([b"a=1&", b"b=2"]), headers=plain).json()["post"] == {
            "a": "1",
            "b": "2",
        }
        assert client.post("/form/", content=iter([b"a" * 3_000_000]), headers=plain).status_code == 400, "as always"
        assert client.post("/form/?read", content=iter([b"abc", b"de"])).json() == {"length": "5", "body": 5}
        assert client.post("/form/?read", content=iter([b""])).json() == {"length": "0", "body": 0}
        assert client.get("/form/").json()["length"] in (None, "")


def test_djangos_own_handler_is_not_called_for_a_lifespan(plain: Path) -> None:
    code = (
        "import asyncio, django; django.setup()\n"
        "from django.core.handlers.asgi import ASGIHandler\n"
        "from static_host_django.asgi_adapter import adapt_asgi_application\n"
        "async def fail(*_): raise RuntimeError('it is called')\n"
        "class Own(ASGIHandler): pass\n"
        "ASGIHandler.__call__ = fail\n"
        "for kind in (ASGIHandler, Own):\n"
        "    try: print(asyncio.run(adapt_asgi_application(kind())({'type': 'lifespan'}, None, None)))\n"
        "    except RuntimeError as error: print(error)\n"
    )
    done = run("python", "-c", code, cwd=plain, **SETTINGS)
    assert (done.stdout, done.stderr) == ("None\nit is called\n", "")
