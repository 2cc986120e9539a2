"""DJANGO_STATIC_NOT_FOUND: the project's own page for a missing static file, through real servers."""

from __future__ import annotations

import gzip
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.builds import append_settings
from tests.support.processes import Running, run, run_server
from tests.support.projects import SETTINGS
from tests.support.wire import exchange
from tests.support.worker_projects import make_project

PAGE = b"<!doctype html><title>Gone</title>" + b"<p>nothing here</p>" * 40
ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
VIEWS = "urlpatterns = []\n"
VARIABLES = {**SETTINGS, "DJANGO_STATIC_NOT_FOUND": "errors/404.html"}
LINE = (
    b"HTTP/1.1 404 Not Found\r\n"
    b"content-type: text/plain; charset=utf-8\r\n"
    b"content-length: 10\r\n"
    b"cache-control: private, no-store, max-age=0\r\n"
    b"access-control-allow-origin: *\r\n"
    b"cross-origin-resource-policy: cross-origin\r\n"
    b"timing-allow-origin: *\r\n"
    b"x-content-type-options: nosniff\r\n"
    b"\r\n"
    b"Not Found\n"
)
HEAD = (
    b"HTTP/1.1 404 Not Found\r\n"
    b"content-type: text/html; charset=utf-8\r\n"
    b"content-length: 794\r\n"
    b"access-control-allow-origin: *\r\n"
    b"cross-origin-resource-policy: cross-origin\r\n"
    b"timing-allow-origin: *\r\n"
    b"x-content-type-options: nosniff\r\n"
    b"referrer-policy: no-referrer\r\n"
    b"content-security-policy: default-src 'self'\r\n"
    b"cache-control: private, no-store, max-age=0\r\n"
    b"vary: Accept, Accept-Encoding\r\n"
    b"\r\n"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    return make_site(tmp_path_factory.mktemp("own-404"), cache)


def make_site(directory: Path, cache: Path) -> Path:
    """Return a built project whose tree has the page."""
    project = make_project(directory, cache, VIEWS)
    (project / "mysite/static/errors").mkdir()
    (project / "mysite/static/errors/404.html").write_bytes(PAGE)
    rules = "/static/errors/404.html\n  Content-Security-Policy: default-src 'self'\n  Cache-Control: max-age=9\n"
    (project / "mysite/static/_headers").write_text(f"{rules}  Expires: Thu, 01 Jan 2099 00:00:00 GMT\n")
    middleware = "MIDDLEWARE = ['django.middleware.security.SecurityMiddleware']"
    append_settings(
        project, middleware, "SECURE_REFERRER_POLICY = 'no-referrer'", "SECURE_CROSS_ORIGIN_OPENER_POLICY = None"
    )
    built = run("static-host", "build", cwd=project, **SETTINGS)
    assert built.returncode == 0, built.stderr
    return project


@pytest.fixture(scope="module")
def server(project: Path) -> Iterator[Running]:
    with run_server(cwd=project, **VARIABLES) as running:
        yield running


def make_head(*fields: str, method: str = "GET", path: str = "/static/gone") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *fields, "", ""]).encode()


def test_a_browser_gets_the_page_and_all_others_the_line(server: Running) -> None:
    page = make_head(f"Accept: {ACCEPT}")
    line = make_head("Accept: */*")
    assert exchange(server.port, page) == HEAD + PAGE
    assert exchange(server.port, line) == LINE
    pipelined = exchange(server.port, page + line + page).replace(b"connection: close\r\n", b"")
    assert pipelined == HEAD + PAGE + LINE + HEAD + PAGE
    assert exchange(server.port, make_head("accept:text/HTML", path="/static/gone.js")) == HEAD + PAGE
    server.wait_for(" 404 ", times=6)


@pytest.mark.parametrize(
    "fields",
    [(), ("Accept: application/json",), ("Accept: text/html;q=0, */*",), ("Referer: http://a/text/html",)],
)
def test_no_page_where_none_is_asked_for(server: Running, fields: tuple[str, ...]) -> None:
    assert exchange(server.port, make_head(*fields)) == LINE


def test_other_methods_have_the_server_s_responses(server: Running) -> None:
    accept = f"Accept: {ACCEPT}"
    assert exchange(server.port, make_head(accept, method="HEAD")) == HEAD
    assert exchange(server.port, make_head(accept, "Content-Length: 0", method="POST")) == LINE
    assert exchange(server.port, make_head(accept, method="OPTIONS")).startswith(b"HTTP/1.1 204 ")


def test_neither_conditions_nor_ranges_count(server: Running) -> None:
    etag = httpx.head(f"{server.url}/static/errors/404.html", headers={"accept-encoding": "identity"}).headers["etag"]
    for field in (
        f"If-None-Match: {etag}",
        "If-None-Match: *",
        'If-Match: "other"',
        "Range: bytes=0-3",
        "Range: bytes=9999-",
        "If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT",
    ):
        assert exchange(server.port, make_head(f"Accept: {ACCEPT}", field)) == HEAD + PAGE, field


def test_the_page_is_encoded(server: Running) -> None:
    fields = {"accept": ACCEPT, "accept-encoding": "gzip"}
    with httpx.stream("GET", f"{server.url}/static/gone", headers=fields) as got:
        assert (got.status_code, got.headers["content-encoding"]) == (404, "gzip")
        assert gzip.decompress(b"".join(got.iter_raw())) == PAGE
        assert "etag" not in got.headers
    none = make_head(f"Accept: {ACCEPT}", "Accept-Encoding: identity;q=0")
    assert exchange(server.port, none) == LINE  # no coding of the page is acceptable


def test_the_page_under_its_own_name_is_a_file(server: Running) -> None:
    got = httpx.get(f"{server.url}/static/errors/404.html", headers={"accept": ACCEPT, "accept-encoding": "identity"})
    assert (got.status_code, got.content, got.headers["cache-control"]) == (200, PAGE, "max-age=9")


def test_a_page_that_the_tree_lacks_stops_the_start(project: Path) -> None:
    done = run("static-host", "serve", cwd=project, **{**VARIABLES, "DJANGO_STATIC_NOT_FOUND": "404.html"}, PORT="0")
    assert done.returncode == 3
    assert "static-host: DJANGO_STATIC_NOT_FOUND='404.html': " in done.stderr
    assert done.stderr.endswith("has no such file. Name a file of the tree, or build it with that page.\n")


def test_a_new_release_brings_its_own_page(tmp_path: Path, cache: Path) -> None:
    project = make_site(tmp_path, cache)
    with run_server(cwd=project, **VARIABLES) as server:
        assert httpx.get(f"{server.url}/static/gone", headers={"accept": ACCEPT}).content == PAGE
        (project / "mysite/static/errors/404.html").write_bytes(b"<title>new</title>")
        assert run("static-host", "build", cwd=project, **SETTINGS).returncode == 0
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("SIGHUP: all workers are new")
        got = httpx.get(f"{server.url}/static/gone", headers={"accept": ACCEPT})
        assert (got.status_code, got.content) == (404, b"<title>new</title>")
        (project / "mysite/static/errors/404.html").unlink()
        assert run("static-host", "build", cwd=project, **SETTINGS).returncode == 0
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("SIGHUP: nothing changes: DJANGO_STATIC_NOT_FOUND='errors/404.html': ")
        assert httpx.get(f"{server.url}/static/gone", headers={"accept": ACCEPT}).content == b"<title>new</title>"


def test_development_shows_it_too(project: Path) -> None:
    with run_server("static-host", "dev", cwd=project, ready=r"ready on (http://\S+),", **VARIABLES) as running:
        got = httpx.get(f"{running.url}/static/digits.tx", headers={"accept": ACCEPT})
        assert (got.status_code, got.content) == (404, PAGE)
        assert got.headers["content-type"] == "text/html; charset=utf-8"
        assert got.headers["cache-control"] == "private, no-store, max-age=0"
        line = httpx.get(f"{running.url}/static/digits.tx").text
        assert line.startswith("Not Found\nThe project has no static file 'digits.tx'.\n")
        running.wait_for("there is no static file 'digits.tx'; did you mean digits.txt?")
