"""SecurityMiddleware's part: static responses beside the project's own pages, which Django itself makes."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.builds import append_settings
from tests.support.cases import CSS
from tests.support.processes import Running, run_server
from tests.support.projects import SETTINGS
from tests.support.worker_projects import build, make_project

VIEWS = """
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("page/", lambda request: HttpResponse("page")), path("open/", lambda request: HttpResponse("open"))]
"""
ADDITIONS = r"""
MIDDLEWARE = ['django.middleware.security.SecurityMiddleware']
ALLOWED_HOSTS = ['127.0.0.1', '.example.com']
SECURE_HSTS_SECONDS = 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = ["^open/", r"^static/doc\.html$", "^robots"]
SECURE_REFERRER_POLICY = 'origin, same-origin'
"""
HSTS = "max-age=3600; includeSubDomains"
HTTPS = {"x-forwarded-proto": "https"}
FIELDS = ("strict-transport-security", "referrer-policy", "cross-origin-opener-policy", "x-content-type-options")
DOCUMENT, TEXT = "/static/doc.html", CSS


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    project = make_project(tmp_path_factory.mktemp("security"), cache, VIEWS)
    (project / "mysite/static/doc.html").write_text("<!doctype html><title>Document</title>")
    (project / "mysite/static/_headers").write_text(
        "/static/own.txt\n  Referrer-Policy: no-referrer\n  ! Strict-Transport-Security\n"
    )
    (project / "mysite/static/own.txt").write_text("own")
    append_settings(project, ADDITIONS)
    build(project, cache)
    return project


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def server(project: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    with run_server(cwd=project, **SETTINGS, DJANGO_INTERFACE=request.param) as running:
        yield running


def ask(server: Running, path: str, method: str = "GET", **fields: str) -> httpx.Response:
    return httpx.request(method, server.url + path, headers={name.replace("_", "-"): v for name, v in fields.items()})


def read_fields(response: httpx.Response) -> list[str | None]:
    return [response.headers.get(name) for name in FIELDS]


def test_a_secure_request_gets_what_a_page_gets(server: Running) -> None:
    expected = [HSTS, "origin,same-origin", "same-origin", "nosniff"]
    assert read_fields(ask(server, "/page/", **HTTPS)) == expected
    for _ in range(2):
        assert read_fields(ask(server, DOCUMENT, **HTTPS)) == expected
    etag = ask(server, DOCUMENT, **HTTPS).headers["etag"]
    unchanged = ask(server, DOCUMENT, **HTTPS, if_none_match=etag)
    assert (unchanged.status_code, read_fields(unchanged)) == (304, expected)
    part = ask(server, DOCUMENT, **HTTPS, range="bytes=0-1")
    assert (part.status_code, read_fields(part)) == (206, expected)
    assert read_fields(ask(server, TEXT, "HEAD", **HTTPS)) == [HSTS, "origin,same-origin", None, "nosniff"]
    assert read_fields(ask(server, "/static/own.txt", **HTTPS)) == [None, "no-referrer", None, "nosniff"]


@pytest.mark.parametrize("path", ["/page/", TEXT, "/static/missing.txt"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_an_insecure_request_is_redirected_as_a_page_is(server: Running, path: str, method: str) -> None:
    for fields in ({}, {"x_forwarded_proto": "http"}, {"x_forwarded_proto": "https, http"}):
        got = ask(server, f"{path}?v=1&w=%20", method, host="www.example.com:8000", **fields)
        assert (got.status_code, got.headers["location"]) == (301, f"https://www.example.com:8000{path}?v=1&w=%20")
        assert (got.content, got.headers.get("strict-transport-security")) == (b"", None)
    assert ask(server, path, method, host="evil.example").status_code == 400
    assert ask(server, path, method, host="evil.example", **HTTPS).status_code != 301


def test_behind_two_proxies_the_scheme_is_the_one_that_the_outer_one_tells(server: Running) -> None:
    for _ in range(2):  # the second one finds what the first one has left
        chain = {"x_forwarded_for": "203.0.113.7, 127.0.0.1", "x_forwarded_proto": "https, http"}
        assert ask(server, TEXT, **chain).headers["strict-transport-security"] == HSTS
        assert ask(server, TEXT, **chain | {"x_forwarded_for": "203.0.113.7"}).status_code == 301
        assert ask(server, TEXT, x_forwarded_proto="https, https").headers["strict-transport-security"] == HSTS


def test_caches_keep_no_redirect(server: Running) -> None:
    assert ask(server, TEXT).headers["cache-control"] == "private, no-store, max-age=0"


def test_an_exempt_path_is_served_without_hsts(server: Running) -> None:
    expected = [None, "origin,same-origin", "same-origin", "nosniff"]
    assert read_fields(ask(server, "/open/")) == expected
    for _ in range(2):
        got = ask(server, DOCUMENT)
        assert (got.status_code, read_fields(got)) == (200, expected)
        assert ask(server, "/robots.txt").status_code == 200
    assert ask(server, f"{DOCUMENT}x").status_code == 301


def test_health_checks_are_exempt(server: Running) -> None:
    for path in ("/healthz", "/readyz"):
        got = ask(server, path, host="10.0.0.1")
        assert (got.status_code, read_fields(got)[0]) == (200, None)


def test_a_peer_that_is_no_proxy_cannot_tell_the_scheme(project: Path) -> None:
    with run_server(cwd=project, **SETTINGS, FORWARDED_ALLOW_IPS="192.0.2.1") as server:
        for path in ("/page/", TEXT, TEXT):
            assert ask(server, path, **HTTPS).status_code == 301


def test_the_variable_turns_all_of_it_off(project: Path) -> None:
    with run_server(cwd=project, **SETTINGS, DJANGO_STATIC_SECURITY="false") as server:
        for path, fields in ((TEXT, {}), (DOCUMENT, HTTPS)):
            got = ask(server, path, **fields)
            assert (got.status_code, read_fields(got)) == (200, [None, None, None, "nosniff"])
        assert ask(server, "/page/").status_code == 301


def test_sighup_takes_the_project_s_new_settings(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "project"
    shutil.copytree(project, other, symlinks=True)
    with run_server(cwd=other, **SETTINGS) as server, httpx.Client(base_url=server.url) as client:
        assert client.get(TEXT).status_code == 301
        assert client.get(TEXT, headers=HTTPS).headers["strict-transport-security"] == HSTS
        append_settings(
            other,
            "SECURE_SSL_REDIRECT = False\nSECURE_HSTS_SECONDS = 7\nSECURE_PROXY_SSL_HEADER = ('HTTP_X_TLS', 'on')",
        )
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("SIGHUP: all workers are new")
        for fields, value in (({}, None), (HTTPS, "7"), ({"x-tls": "on"}, "7"), ({"x-tls": "off", **HTTPS}, None)) * 2:
            got = client.get(TEXT, headers=fields)
            expected = value and f"max-age={value}; includeSubDomains"
            assert (got.status_code, got.headers.get("strict-transport-security")) == (200, expected)


def test_the_page_of_a_single_page_application_has_django_s_fields_once(project: Path) -> None:
    with run_server(cwd=project, **SETTINGS, DJANGO_STATIC_FALLBACK="doc.html") as server:
        got = ask(server, "/orders", accept="text/html", **HTTPS)
        assert got.status_code == 200
        assert got.headers.get_list("strict-transport-security") == [HSTS]
        assert got.headers.get_list("referrer-policy") == ["origin,same-origin"]
        assert got.headers.get_list("cross-origin-opener-policy") == ["same-origin"]
        assert ask(server, "/orders", accept="text/html").status_code == 301
