"""DJANGO_STATIC_FALLBACK: the page of a single-page application, through real servers, WSGI and ASGI."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.processes import Running, run, run_server
from tests.support.projects import SETTINGS
from tests.support.worker_projects import make_project

PAGE = b"<!doctype html><title>App</title>" + b"<p>single page</p>" * 40
HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "accept-encoding": "identity"}
VIEWS = """
from django.conf.urls.i18n import i18n_patterns
from django.http import Http404, HttpResponse, JsonResponse
from django.urls import include, path

def known(request):
    return HttpResponse("known")

def missing(request):
    raise Http404

api = [path("items/", lambda request: JsonResponse({"items": []}))]
urlpatterns = [
    path("known/", known), path("missing/", missing), path("api/", include(api)), path("", include([])),
    *i18n_patterns(path("translated/", known)),
]
"""


def make_spa(directory: Path, cache: Path, placed: str = "STATICFILES_DIRS = [*STATICFILES_DIRS, 'dist']") -> Path:
    """Return a built project whose tree has a page, where the setting `placed` has it."""
    project = make_project(directory, cache, VIEWS)
    (project / "dist").mkdir()
    (project / "dist/index.html").write_bytes(PAGE)
    with (project / "mysite/settings.py").open("a") as settings:
        settings.write(
            f"\nimport os\nFORCE_SCRIPT_NAME = os.environ.get('SCRIPT_NAME')\nALLOWED_HOSTS = ['*']\n{placed}\n"
            "SECURE_REFERRER_POLICY = 'no-referrer'\n"
            "MIDDLEWARE = [f'django.middleware.{name}' for name in (\n"
            "    'security.SecurityMiddleware', 'common.CommonMiddleware', 'clickjacking.XFrameOptionsMiddleware')]\n"
        )
    built = run("static-host", "build", cwd=project, **SETTINGS)
    assert built.returncode == 0, built.stderr
    return project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    return make_spa(tmp_path_factory.mktemp("spa"), cache)


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def server(project: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    variables = {**SETTINGS, "DJANGO_STATIC_FALLBACK": "index.html", "DJANGO_INTERFACE": request.param}
    with run_server(cwd=project, **variables, DJANGO_STATIC_CDN_MAX_AGE="86400") as running:
        yield running


def ask(server: Running, path: str, method: str = "GET", **fields: str) -> httpx.Response:
    return httpx.request(method, server.url + path, headers={**HTML, **fields})


@pytest.mark.parametrize(
    "path", ["/", "/orders/7", "/orders/7/?tab=1", "/en-us/orders/", "/orders/%C3%BC", "/orders/%E6%97%A5", "/%ff"]
)
def test_a_path_that_the_project_does_not_know_is_the_page(server: Running, path: str) -> None:
    got = ask(server, path)
    assert (got.status_code, got.content, got.headers["content-type"]) == (200, PAGE, "text/html; charset=utf-8")
    assert got.headers["cache-control"] == "max-age=0, must-revalidate"
    assert got.headers["vary"].startswith("Accept-Encoding, Accept")
    assert (got.headers["x-frame-options"], got.headers["referrer-policy"]) == ("DENY", "no-referrer")
    assert "access-control-allow-origin" not in got.headers
    assert "x-static-host-unknown-path" not in got.headers


def test_no_cdn_keeps_the_page_for_it_has_many_addresses(server: Running) -> None:
    assert "cdn-cache-control" not in ask(server, "/orders/7").headers
    for fields in ({}, {"range": "bytes=0-8"}):  # on the fast path, and past it
        assert ask(server, "/static/index.html", **fields).headers["cdn-cache-control"] == "max-age=86400"


def test_the_page_is_encoded_and_revalidated(server: Running) -> None:
    with httpx.stream("GET", f"{server.url}/orders", headers={**HTML, "accept-encoding": "gzip"}) as got:
        assert (got.headers["content-encoding"], gzip.decompress(b"".join(got.iter_raw()))) == ("gzip", PAGE)
    known = ask(server, "/orders").headers["etag"]
    again = ask(server, "/orders", **{"if-none-match": known})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", known)
    head = ask(server, "/orders", "HEAD")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(PAGE)))
    part = ask(server, "/orders", range="bytes=0-8")
    assert (part.status_code, part.content) == (206, b"<!doctype")


@pytest.mark.parametrize(
    ("path", "method", "fields"),
    [
        ("/orders", "GET", {"accept": "*/*"}),
        ("/orders", "GET", {"accept": "application/json"}),
        ("/orders", "GET", {"accept": "text/html;q=0, */*"}),
        ("/app.js", "GET", {"accept": "*/*"}),
        ("/pixel.png", "GET", {"accept": "image/avif,image/webp,*/*;q=0.8"}),
        ("/orders", "POST", {}),
        ("/api/nothing", "GET", {}),
        ("/api/items/7", "GET", {}),
        ("/missing/", "GET", {}),
        ("/static/nothing.js", "GET", {}),
    ],
)
def test_what_is_no_page_of_the_application_stays_a_404(
    server: Running, path: str, method: str, fields: dict[str, str]
) -> None:
    got = ask(server, path, method, **fields)
    assert (got.status_code, PAGE in got.content) == (404, False)
    assert "x-static-host-unknown-path" not in got.headers


def test_the_project_s_own_pages_are_its_own(server: Running) -> None:
    assert ask(server, "/known/").text == "known"
    assert ask(server, "/api/items/").json() == {"items": []}
    assert ask(server, "/en-us/translated/").text == "known"
    server.wait_for(" 200 ")


def test_a_script_name_of_asgi_is_no_part_of_what_the_urlconf_knows(project: Path) -> None:
    variables = {**SETTINGS, "DJANGO_STATIC_FALLBACK": "index.html", "DJANGO_INTERFACE": "asgi"}
    with run_server(cwd=project, **variables, SCRIPT_NAME="/below") as server:
        assert ask(server, "/below/orders/7").content == PAGE
        assert ask(server, "/below/known/").text == "known"
        for path in ("/below/missing/", "/below/api/nothing"):
            assert ask(server, path).status_code == 404
        server.wait_for(" 200 ")


@pytest.mark.parametrize(
    "placed",
    [
        "STATICFILES_DIRS = [*STATICFILES_DIRS, 'dist']; WHITENOISE_INDEX_FILE = True",
        "WHITENOISE_ROOT = 'dist'",
        "WHITENOISE_ROOT = 'dist'; WHITENOISE_INDEX_FILE = True",
    ],
)
def test_the_page_may_be_where_whitenoise_s_settings_have_it(tmp_path: Path, cache: Path, placed: str) -> None:
    project = make_spa(tmp_path, cache, placed)
    with run_server(cwd=project, **SETTINGS, DJANGO_STATIC_FALLBACK="index.html") as server:
        got = ask(server, "/orders/7")
        assert (got.status_code, got.content) == (200, PAGE)
        assert got.headers["cache-control"] == "max-age=0, must-revalidate"
        assert ask(server, "/api/nothing").status_code == 404
        server.wait_for(" 200 ")


def test_a_page_that_the_tree_lacks_stops_the_start(project: Path) -> None:
    done = run("static-host", "serve", cwd=project, **SETTINGS, DJANGO_STATIC_FALLBACK="app.html", PORT="0")
    assert done.returncode == 3
    assert "DJANGO_STATIC_FALLBACK='app.html': " in done.stderr
    assert "has no such file. Name a file of the tree, or build it with that page." in done.stderr


def test_without_the_variable_nothing_changes(project: Path) -> None:
    with run_server(cwd=project, **SETTINGS) as server:
        got = ask(server, "/orders")
        assert got.status_code == 404
        assert "x-static-host-unknown-path" not in got.headers
