"""The project's side on each Python and Django that it is for: the build, pages, commands.

These tests are here, and not among those of the workers: `make projects` has each file's tests in one process, so a
server serves all tests of an environment, and its Python has the pip that installs the locked packages.
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.real.environments import STREAM_VIEW, Environment
from tests.support.builds import read_files
from tests.support.processes import Running, run_server
from tests.support.waiting import wait_until
from tests.support.worker_projects import get

pytestmark = pytest.mark.timeout(600)

CONTRADICTING = {
    "click": "8.1.7",
    "pydantic": "1.10.",
    "uvicorn": "0.30.6",
    "websockets": "12.0",
    "whitenoise": "6.6.0",
}
"""Packages of the environment with Python 3.11 and Django 4.2, in versions that the program itself does not take."""
STYLE = b"body { margin: 0 }\n"
STATIC_URL = "//cdn.example.com/static/site.e60183a3a01a.css"
SHOW = "from django.templatetags.static import static; print(static('site.css'))"
SETTINGS = """
import importlib.util

ALLOWED_HOSTS = ["127.0.0.1"]
DEBUG = False
STATICFILES_DIRS = [BASE_DIR / "assets"]
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend"}}  # of Django 6.1
if importlib.util.find_spec("whitenoise"):
    MIDDLEWARE.insert(1, "whitenoise.middleware.WhiteNoiseMiddleware")
"""
URLS = """
import hashlib, os, sys, threading, time
from importlib import import_module, metadata
from pathlib import Path
from django.contrib import admin
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.template import engines
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

VERSION = "before"
PAGE = '{% load static %}<link rel="stylesheet" href="{% static "site.css" %}">'

def page(request):
    return HttpResponse(engines["django"].from_string(PAGE).render({}, request))

def version(request):
    return HttpResponse(VERSION)

def parent(request):
    return HttpResponse(str(os.getppid()))

def packages(request):
    found = {}
    for name in ("click", "pydantic", "uvicorn", "websockets", "whitenoise", "starlette"):
        try:
            import_module(name)
        except ModuleNotFoundError:
            continue
        found[name] = metadata.version(name)
    return JsonResponse(found)

@csrf_exempt
def upload(request):
    file = request.FILES["file"]
    digest = hashlib.sha256(b"".join(file.chunks())).hexdigest()
    return HttpResponse(f"{request.POST['title']} {file.name} {file.size} {digest}")
"""
URLS += STREAM_VIEW
URLS += """
def fail(request):
    try:
        return 1 / 0
    except ZeroDivisionError as error:
        raise RuntimeError("this view always fails") from error

def hang(request):
    threading.Event().wait()  # for ever

views = (version, parent, packages, upload, stream, fail, hang)
urlpatterns = [path("", page), path("admin/", admin.site.urls), *(path(f"{view.__name__}/", view) for view in views)]
"""


@pytest.fixture(scope="module")
def trees() -> dict[str, dict[str, bytes]]:
    """The first tree of each kind, with which later ones are compared."""
    return {}


@dataclass(frozen=True)
class Site:
    """A project that `startproject` has made, with a view for each test; it is built."""

    environment: Environment
    project: Path

    def run(self, *command: str) -> str:
        return self.environment.run(*command, cwd=self.project, DJANGO_STATIC_HOST="cdn.example.com")


@pytest.fixture(scope="module")
def site(environment: Environment, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Site:
    directory = tmp_path_factory.mktemp("versions")
    subprocess.run([environment.python, "-m", "django", "startproject", "mysite"], cwd=directory, check=True)
    project = directory / "mysite"
    with (project / "mysite/settings.py").open("a") as settings:
        settings.write(SETTINGS)
    (project / "mysite/urls.py").write_text(URLS)
    (project / "db.sqlite3").touch()
    (project / "assets").mkdir()
    (project / "assets/site.css").write_bytes(STYLE)
    variables = {"DJANGO_STATIC_CACHE": str(cache), "DJANGO_STATIC_EFFORT": "fast"}
    environment.run("static-host", "build", cwd=project, **variables)
    return Site(environment, project)


@pytest.fixture(scope="module")
def server(site: Site) -> Iterator[Running]:
    variables = {"DJANGO_STATIC_HOST": "cdn.example.com", "DJANGO_REQUEST_SECONDS": "2", "WEB_CONCURRENCY": "2"}
    with run_server(cwd=site.project, DJANGO_PYTHON=site.environment.python, **variables) as running:
        yield running
        assert running.stop() == 0, running.output


def test_the_same_files_give_the_same_tree(site: Site, trees: dict[str, dict[str, bytes]]) -> None:
    files = read_files(site.project / "staticfiles")
    assert files["site.e60183a3a01a.css"] == STYLE
    assert "admin/css/base.css" in files
    assert files == trees.setdefault(site.environment.django, files)


def test_check_finds_no_error(site: Site) -> None:
    found = json.loads(site.run("static-host", "check", "--json"))
    levels = {each["check"]: each["level"] for each in found["findings"]}
    assert found["ok"] is True
    assert (levels["tree"], levels["project"], levels["migrations"]) == ("ok", "ok", "warning")
    assert levels.get("whitenoise") == ("info" if site.environment.has_contradicting else None)


def test_workers_are_forked_in_the_environment_and_have_its_packages(site: Site, server: Running) -> None:
    python, django = site.environment.version, site.environment.django
    assert f" threads, Python {python}." in server.output
    assert f", Django {django}" in server.output
    assert f", {site.environment.python}\n" in server.output
    (parent,) = {get(server, "/parent/").text for _ in range(4)}
    assert int(parent) != server.process.pid
    assert len(server.workers) == 2
    found = get(server, "/packages/").json()
    if site.environment.has_contradicting:
        assert set(found) == set(CONTRADICTING)
        assert all(found[name].startswith(version) for name, version in CONTRADICTING.items()), found
    else:
        assert found == {}


def test_a_page_names_the_file_with_host_and_fingerprint(server: Running) -> None:
    assert get(server, "/").text == f'<link rel="stylesheet" href="{STATIC_URL}">'
    file = get(server, "/static/site.e60183a3a01a.css")
    assert (file.content, file.headers["cache-control"]) == (STYLE, "public, max-age=31536000, immutable")
    assert "Django administration" in httpx.get(f"{server.url}/admin/login/").text


def test_an_upload_reaches_the_view_whole(server: Running) -> None:
    body = bytes(range(256)) * 2000
    sent = httpx.post(f"{server.url}/upload/", data={"title": "é"}, files={"file": ("a.bin", body)}, timeout=60)
    assert sent.text == f"é a.bin 512000 {hashlib.sha256(body).hexdigest()}"


def test_a_stream_goes_out_as_it_is_produced(site: Site, server: Running) -> None:
    with httpx.stream("GET", f"{server.url}/stream/", timeout=60) as response:
        pieces = response.iter_text()
        assert next(pieces) == "first, "
        (site.project / "go-on").touch()
        assert "".join(pieces) == "second"


def test_an_exception_is_in_the_log_with_its_cause(server: Running) -> None:
    assert get(server, "/fail/").status_code == 500
    server.wait_for("RuntimeError: this view always fails")
    log = server.output[server.output.index("Internal Server Error: /fail/") :]
    assert log.index("return 1 / 0") < log.index("ZeroDivisionError: division by zero")
    assert "The above exception was the direct cause of the following exception:" in log


def test_sighup_brings_new_code(site: Site, server: Running) -> None:
    assert get(server, "/version/").text == "before"
    (site.project / "mysite/urls.py").write_text(URLS.replace('"before"', '"after"'))
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("SIGHUP: all workers are new")
    assert {get(server, "/version/").text for _ in range(4)} == {"after"}


def test_a_view_that_hangs_is_504_and_its_stack_is_in_the_log(server: Running) -> None:
    assert get(server, "/hang/").status_code == 504
    server.wait_for("the view of 'GET /hang/' hangs here:")
    server.wait_for("threading.Event().wait()  # for ever")
    server.wait_for("is ready")
    assert get(server, "/").status_code == 200


def test_commands_and_programs_give_the_url_of_pages(site: Site) -> None:
    assert site.run("static-host", "manage", "shell", "-v0", "-c", SHOW) == f"{STATIC_URL}\n"
    assert site.run("static-host", "run", "--", "python", "-c", f"import django; django.setup(); {SHOW}") == (
        f"{STATIC_URL}\n"
    )
    plan = site.run("static-host", "manage", "showmigrations", "--plan")
    assert "[ ]  contenttypes.0001_initial\n" in plan


def test_dev_serves_from_the_finders_and_loads_changed_code(site: Site) -> None:
    urls, python = site.project / "mysite/urls.py", site.environment.python
    ready = r"ready on (http://[^\s,]+), development: "
    with run_server("static-host", "dev", cwd=site.project, ready=ready, DJANGO_PYTHON=python) as server:
        assert get(server, "/").text == '<link rel="stylesheet" href="/static/site.css">'
        assert get(server, "/static/site.css").content == STYLE
        assert get(server, "/static/admin/css/base.css").status_code == 200
        urls.write_text(URLS.replace('"before"', '"changed"'))
        wait_until(lambda: get(server, "/version/").text == "changed", lambda: server.output)
        assert server.stop() == 0
        assert "Traceback" not in server.output
