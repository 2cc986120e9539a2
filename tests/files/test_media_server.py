"""DJANGO_SERVE_MEDIA in `serve`, `dev` and `check`: the project's own storage, its uploads, a reload, refusals."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.builds import append_settings
from tests.support.media import write
from tests.support.processes import find_free_port, run, run_server
from tests.support.projects import SETTINGS, copy_project
from tests.support.wire import exchange

MEDIA = 'MEDIA_ROOT = BASE_DIR / "media"\nMEDIA_URL = "media/"\nROOT_URLCONF = "mysite.uploads"'
VIEWS = """
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import HttpResponse
from django.urls import path, re_path

def upload(request):
    return HttpResponse(default_storage.url(default_storage.save(request.GET["name"], ContentFile(b"an upload"))))

def delete(request):
    default_storage.delete(request.GET["name"])
    return HttpResponse("deleted")

urlpatterns = [path("upload/", upload), path("delete/", delete), re_path("", lambda request: HttpResponse("the view"))]
"""
VARIABLES = {**SETTINGS, "DJANGO_PYTHON": sys.executable, "DJANGO_SERVE_MEDIA": "true"}


@pytest.fixture
def project(tmp_path: Path, plain: Path) -> Path:
    """A copy of "plain" with its tree, and uploads."""
    project = copy_project("plain", tmp_path)
    shutil.copytree(plain / "staticfiles", project / ".releases/one")
    (project / "staticfiles").symlink_to(".releases/one")
    (project / "mysite/uploads.py").write_text(VIEWS)
    append_settings(project, MEDIA)
    return project


def check_media(project: Path, **variables: str) -> list[str]:
    """Return the findings of `check` about uploads, and those that are errors."""
    result = run("static-host", "check", "--json", cwd=project, **{**SETTINGS, **variables})
    findings = json.loads(result.stdout)["findings"]
    return [
        f"{each['level']} {each['check']}: {each['found']} {each['remedy']}".rstrip()
        for each in findings
        if each["check"] == "media" or each["level"] == "error"
    ]


def test_uploads_are_served_as_soon_as_the_project_has_saved_them(project: Path) -> None:
    with (
        run_server(cwd=project, **VARIABLES) as server,
        httpx.Client(base_url=server.url, headers={"host": "localhost"}) as client,
    ):
        assert f"uploads of {project}/media at /media/" in server.output  # there is no such directory yet
        assert client.get("/media/a.txt").status_code == 404
        url = client.get("/upload/?name=a.txt").text
        assert url == "/media/a.txt"
        for _ in range(3):
            assert client.get(url).text == "an upload"
        (project / "media/a.txt").unlink()
        response = client.get(url)
        assert (response.status_code, response.text) == (404, "Not Found\n")
        assert response.headers["cache-control"] == "private, no-store, max-age=0"
        assert client.get("/upload/?name=x/y.html").text == "/media/x/y.html"
        response = client.get("/media/x/y.html")
        assert response.headers["content-disposition"] == "attachment"
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert client.get("/static/digits.txt").text == "0123456789"
        assert client.get("/other").text == "the view"
        server.stop()
    assert "GET /media/a.txt HTTP/1.1 200 9 - media " in server.output
    assert "GET /media/a.txt HTTP/1.1 404 10 - media " in server.output


def test_without_the_setting_uploads_are_the_projects_business(project: Path) -> None:
    write(project / "media", "a.txt", b"a")
    with run_server(cwd=project, **{**VARIABLES, "DJANGO_SERVE_MEDIA": "false"}) as server:
        assert httpx.get(f"{server.url}/media/a.txt", headers={"host": "localhost"}).text == "the view"
        assert "uploads" not in server.output


def test_the_origin_secret_and_the_metrics_hold_for_uploads(project: Path) -> None:
    write(project / "media", "a.txt", b"a")
    secret, port = "a secret of some length".replace(" ", "-"), find_free_port()
    with run_server(cwd=project, DJANGO_ORIGIN_SECRET=secret, METRICS_PORT=str(port), **VARIABLES) as server:
        for _ in range(3):
            assert httpx.get(f"{server.url}/media/a.txt").status_code == 403
            assert httpx.get(f"{server.url}/media/a.txt", headers={"x-origin-secret": secret}).text == "a"
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert 'static_host_requests_total{handler="media",status="200"} 3.0' in metrics
    assert 'static_host_requests_total{handler="refused",status="403"} 3.0' in metrics
    assert 'static_host_response_bytes_total{coding="identity",handler="media"} 3.0' in metrics


def test_pipelined_requests_have_their_responses_in_order(project: Path) -> None:
    write(project / "media", "a.txt", b"first")
    write(project / "media", "b.bin", b"x" * 300_000)
    with run_server(cwd=project, **VARIABLES) as server:
        ask = b"GET /media/%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
        data = ask % b"a.txt" + ask % b"b.bin" + ask % b"a.txt" + ask % b"none" + ask % b"a.txt"
        for _ in range(2):
            received = exchange(server.port, data)
            assert [received.find(b"first"), received.find(b"xxx"), received.rfind(b"first")] == sorted(
                [received.find(b"first"), received.find(b"xxx"), received.rfind(b"first")]
            )
            assert received.count(b"first") == 3
            assert received.count(b"HTTP/1.1 404 ") == 1


def test_a_reload_takes_the_new_places(project: Path, tmp_path: Path) -> None:
    write(project / "media", "a.txt", b"former")
    write(tmp_path / "other", "a.txt", b"later")
    with run_server(cwd=project, **VARIABLES) as server:

        def get(path: str) -> str:
            return httpx.get(f"{server.url}{path}", headers={"host": "localhost"}).text

        for _ in range(3):
            assert get("/media/a.txt") == "former"
        append_settings(project, 'MEDIA_URL = "static/media/"')
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("SIGHUP: nothing changes: DJANGO_SERVE_MEDIA=true: MEDIA_URL = '/static/media/'")
        assert get("/media/a.txt") == "former"
        append_settings(project, f'MEDIA_ROOT = "{tmp_path}/other"', 'MEDIA_URL = "/uploads/"')
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("SIGHUP: all workers are new")
        assert get("/uploads/a.txt") == "later"
        assert get("/media/a.txt") == "the view"


def test_force_script_name_is_before_the_url_or_left_out(project: Path) -> None:
    write(project / "media", "a.txt", b"a")
    append_settings(project, 'FORCE_SCRIPT_NAME = "/app"')
    with run_server(cwd=project, **VARIABLES) as server:
        for path in ("/app/media/a.txt", "/media/a.txt"):
            assert httpx.get(f"{server.url}{path}", headers={"host": "localhost"}).text == "a"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('MEDIA_ROOT = ""', "MEDIA_ROOT is empty: Django's uploads would go to the working directory, with its code."),
        ('MEDIA_URL = ""', "MEDIA_URL = '/' has no path of its own: every page's URL begins like it."),
        ('MEDIA_URL = "static/x/"', "MEDIA_URL = '/static/x/' and the static files at /static/ overlap."),
        ("MEDIA_ROOT = BASE_DIR", "contains the working directory"),
        ('MEDIA_ROOT = BASE_DIR / "mysite"', "contains the settings module"),
        ('MEDIA_ROOT = BASE_DIR / "staticfiles"', "contains the static tree"),
        (
            'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "media/db.sqlite3"}}',
            "contains the database 'default'",
        ),
    ],
)
def test_a_directory_with_anything_else_in_it_ends_the_start(project: Path, line: str, message: str) -> None:
    append_settings(project, line)
    result = run("static-host", "serve", cwd=project, PORT="0", **VARIABLES)
    assert result.returncode == 2
    assert f"DJANGO_SERVE_MEDIA=true: {'MEDIA_ROOT = ' * message.startswith('contains')}" in result.stderr
    assert message in result.stderr
    assert "Set MEDIA_" in result.stderr
    assert any(
        f"error project: DJANGO_SERVE_MEDIA=true: {'' if 'contains' in message else message}" in each
        for each in check_media(project, **VARIABLES)
    )


def test_a_storage_that_is_not_local_is_named_and_not_served(project: Path) -> None:
    storages = '{**__import__("django").conf.global_settings.STORAGES, "default": {"BACKEND": "mysite.bucket.Bucket"}}'
    (project / "mysite/bucket.py").write_text(
        "from django.core.files.storage import Storage\n\nclass Bucket(Storage):\n    pass\n"
    )
    append_settings(project, "import django.conf", f"STORAGES = {storages}")
    line = "uploads are not served here: they are in mysite.bucket.Bucket, which is no local directory"
    with run_server(cwd=project, **VARIABLES) as server:
        assert line in server.output
        assert httpx.get(f"{server.url}/media/a.txt", headers={"host": "localhost"}).text == "the view"
    assert check_media(project) == [f"ok media: {line}"]
    assert check_media(project, DJANGO_SERVE_MEDIA="true") == [
        f"info media: {line} DJANGO_SERVE_MEDIA=true has no effect; unset it."
    ]


def test_a_storage_that_cannot_be_used_ends_nothing(project: Path) -> None:
    storages = '{**django.conf.global_settings.STORAGES, "default": {"BACKEND": "no.such.Storage"}}'
    append_settings(project, "import django.conf", f"STORAGES = {storages}")
    with run_server(cwd=project, **VARIABLES) as server:
        assert "uploads are not served here: the default storage cannot be used: " in server.output
    (finding,) = check_media(project)
    assert finding.startswith("warning media: uploads are not served here: the default storage cannot be used: ")
    assert finding.endswith("Correct the default storage in STORAGES.")


def test_check_says_who_serves_uploads(project: Path) -> None:
    found = f"info media: uploads in {project}/media are not served at /media/ by this server"
    assert check_media(project) == [f"{found} DJANGO_SERVE_MEDIA=true serves them, if nothing else does."]
    assert check_media(project, DJANGO_SERVE_MEDIA="true") == [f"ok media: uploads of {project}/media at /media/"]
    warning, _ = check_media(project, DJANGO_SERVE_MEDIA="true", DJANGO_MEDIA_INLINE="true")
    assert warning.startswith("warning media: DJANGO_MEDIA_INLINE=true, but MEDIA_URL = '/media/' names no host: ")
    append_settings(project, 'MEDIA_URL = "https://uploads.example.com/media/"')
    assert len(check_media(project, DJANGO_SERVE_MEDIA="true", DJANGO_MEDIA_INLINE="true")) == 1
    append_settings(project, 'MEDIA_ROOT = ""')
    assert check_media(project) == []


def test_a_health_check_below_the_url_is_named(project: Path) -> None:
    variables = {**VARIABLES, "DJANGO_HEALTH_PATH": "/media/healthz"}
    with run_server(cwd=project, **variables) as server:
        assert "/media/healthz is an upload's URL: no health check responds there" in server.output


def test_dev_serves_uploads(project: Path) -> None:
    append_settings(project, "DEBUG = True")
    write(project / "media", "a.txt", b"a")
    ready = r"ready on (http://[^\s,]+), development: "
    with run_server("static-host", "dev", cwd=project, ready=ready, **VARIABLES) as server:
        assert f"uploads of {project}/media at /media/" in server.output
        response = httpx.get(f"{server.url}/media/a.txt")
        assert (response.text, response.headers["x-content-type-options"]) == ("a", "nosniff")
        assert httpx.get(f"{server.url}/media/none").text == "Not Found\n"
        assert httpx.get(f"{server.url}/other").text == "the view"
        append_settings(project, 'MEDIA_URL = "/uploads/"')
        server.wait_for("reloaded in")
        assert httpx.get(f"{server.url}/uploads/a.txt").text == "a"
        assert httpx.get(f"{server.url}/media/a.txt").text == "the view"


def test_dev_refuses_what_serve_refuses(project: Path) -> None:
    append_settings(project, "MEDIA_ROOT = BASE_DIR")
    result = run("static-host", "dev", cwd=project, PORT="0", **VARIABLES)
    assert result.returncode == 2
    assert "contains the working directory" in result.stderr
