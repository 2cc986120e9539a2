"""``static-host verify`` on the bundled site: the server itself, and behind an nginx that is set up well or badly."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Authority
from tests.support.nginx import NGINX, run_nginx
from tests.support.processes import Running, find_free_port, run, run_server
from tests.support.required import needs

pytestmark = needs(NGINX, "no nginx on this machine")

PLAIN = 'proxy_set_header Accept-Encoding "";'
ENCODED = ("favicon.svg", "inspector.css", "journey.svg", "main.js", "panel.js", "timing.js")
FILES = (*ENCODED, "bytes.png", "instrument-sans.woff2")


@dataclass(frozen=True)
class Site:
    """The bundled site on a server; its static host is the port of 127.0.0.1 at which an nginx is to be run."""

    server: Running
    cdn_port: int

    @property
    def address(self) -> str:
        return self.server.url.removeprefix("http://")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A directory with the built tree of the bundled site."""
    directory = tmp_path_factory.mktemp("site")
    built = run("static-host", "build", cwd=directory, DJANGO_STATIC_CACHE=str(cache))
    assert built.returncode == 0, built.stderr
    return directory


@pytest.fixture(scope="module")
def site(tree: Path) -> Iterator[Site]:
    port = find_free_port()
    with run_server(cwd=tree, DJANGO_STATIC_HOST=f"http://localhost:{port}") as server:
        yield Site(server, port)


@pytest.fixture(scope="module")
def one_host(tree: Path) -> Iterator[Running]:
    """The bundled site, its files on the page's own host."""
    with run_server(cwd=tree) as server:
        yield server


def verify(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return run("static-host", "verify", *arguments, cwd=cwd, **variables)


def document(site: Site, directory: Path, **options: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and what ``--json`` prints of the site behind an nginx with these options.

    The page comes from 127.0.0.1 and its files from localhost, which is another host.
    """
    with run_nginx(site.address, directory / "nginx", port=site.cdn_port, **options):
        result = verify("--json", f"http://127.0.0.1:{site.cdn_port}/", cwd=directory)
    assert result.stderr == ""
    return result.returncode, json.loads(result.stdout)


def told(printed: dict[str, Any], *levels: str) -> list[str]:
    """Return the findings of these levels, each as ``level check: found -> remedy``, with short names of files."""
    texts = [
        f"{f['level']} {f['check']}: {f['found']}{' -> ' * bool(f['remedy'])}{f['remedy']}"
        for f in printed["findings"]
        if f["level"] in levels
    ]
    return [re.sub(r"\S+/static/(?:inspector/)?([a-z-]+)\.[0-9a-f]{12}\.", r"\1.", text) for text in texts]


def test_the_server_itself_is_in_order(one_host: Running, tmp_path: Path) -> None:
    result = verify(one_host.url, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    files, _, findings = result.stdout.partition("\n\n")
    head, *rows = (re.sub(r"[.][0-9a-f]{12}(?=[.])", "", line).split() for line in files.splitlines())
    assert head == [
        *("file", "browser", "status", "br", "zstd", "gzip", "cache", "cache-control", "vary", "etag", "cors"),
        *("range", "304", "dictionary", "http"),
    ]
    assert {row[0].rpartition("/")[2] for row in rows} == set(FILES)
    by_name = {row[0]: row[1:] for row in rows}
    css, png = by_name["/static/inspector/inspector.css"], by_name["/static/inspector/bytes.png"]
    assert [css[0], *css[2:]] == [
        *("br", "200", "built", "built", "built", "?", "immutable", "yes", "strong", "*", "yes", "yes", "-", "1.1")
    ]
    assert png == [
        *("identity", "5,514", "200", "-", "-", "-", "?", "immutable", "-", "strong", "*", "yes", "yes", "-", "1.1")
    ]
    assert findings.splitlines() == [
        f"info     cdn            {one_host.url}: no known CDN; HTTP/1.1",
        f"info     cache-state    {one_host.url}: no header field says whether a response comes from a cache",
        f"{' ' * 24}-> If a CDN is to stand here, let it send Cache-Status (RFC 9211), Age or a field of its own.",
        "info     dictionary     no file is offered as a compression dictionary (RFC 9842)",
        "ok       file           8 files available (200)",
        "ok       compression    6 files compressed for browsers, with br or zstd",
        "ok       coding         8 files sent in a coding that was requested",
        "ok       body           8 files the same bytes in each coding, from the origin and from the cache",
        "ok       cache-control  8 files with a fingerprint, cached by browsers for a year",
        "ok       vary           6 files with Vary: Accept-Encoding",
        "ok       range          8 files available in ranges",
        "ok       revalidation   8 files revalidated without a body (304)",
        "ok       not-found      a name that does not exist gets 404, which caches do not store",
    ]


def test_the_laptops_cdn_is_in_order(site: Site, tmp_path: Path) -> None:
    code, printed = document(site, tmp_path)
    assert (code, printed["ok"], told(printed, "error", "warning")) == (0, True, [])
    assert told(printed, "info")[0] == f"info cdn: http://localhost:{site.cdn_port}: nginx; HTTP/1.1"
    assert "ok cache: 8 files from the cache at the second request" in told(printed, "ok")
    assert "ok cors: 7 files readable for pages of another host" in told(printed, "ok")  # all but the favicon
    assert printed["static_prefixes"] == [f"http://localhost:{site.cdn_port}/static/"]
    (css,) = (each for each in printed["files"] if each["url"].endswith(".css"))
    assert (css["kind"], css["cors_mode"], css["cdn"]) == ("style", True, "nginx")
    assert {
        name: (asked["first"]["coding"], asked["first"]["way"], asked["first"]["cache"], asked["again"]["cache"])
        for name, asked in css["asked"].items()
    } == {
        "browser": ("br", "as built", "miss", "hit"),
        "br": ("br", "as built", "miss", "hit"),
        "zstd": ("zstd", "as built", "miss", "hit"),
        "gzip": ("gzip", "as built", "miss", "hit"),
        "identity": ("identity", "none", "miss", "hit"),
    }
    assert (css["range"]["status"], css["revalidation"]["status"]) == (206, 304)
    assert [answer["status"] for answer in printed["not_found"][0]["answers"]] == [404, 404]


MISTAKES = [
    pytest.param(
        f"{PLAIN} gzip on; gzip_proxied any; gzip_min_length 1; gzip_types *;",
        0,
        """
        warning compression: favicon.svg and 5 more: browsers get gzip instead of br or zstd, which are smaller ->
        Pass what browsers say: proxy_set_header Accept-Encoding $http_accept_encoding

        warning re-encoded: favicon.svg and 5 more: browsers get gzip from the CDN's fast encoder, not from the build
        -> Set gzip off (and brotli off)
        """,
        id="it compresses",
    ),
    pytest.param(
        PLAIN,
        1,
        """
        error compression: inspector.css and 4 more: browsers get no compression, though the file is compressible ->
        Pass what browsers say
        """,
        id="it asks for no coding",
    ),
    pytest.param(
        "proxy_hide_header Cache-Control;",
        1,
        """
        error cache-control: favicon.svg and 7 more: no Cache-Control, though the name has a fingerprint: browsers
        revalidate what never changes; the origin sends public, max-age=31536000, immutable -> Remove
        proxy_hide_header Cache-Control

        warning not-found: static-host-verify.css: a 404 has no Cache-Control, which lets caches store it; the origin
        sends private, no-store, max-age=0 -> Remove proxy_hide_header Cache-Control
        """,
        id="it strips Cache-Control",
    ),
    pytest.param(
        "expires 4h;",
        1,
        """
        error cache-control: favicon.svg and 7 more: Cache-Control: max-age=14400, though the name has a
        fingerprint
        """,
        id="it sets another Cache-Control",
    ),
    pytest.param(
        "proxy_ignore_headers Vary;",
        1,
        """
        error coding: favicon.svg and 5 more: a client that accepts no coding gets br, which it may not understand: the
        cache ignores Vary, and sends one response to all -> Remove Vary from proxy_ignore_headers
        """,
        id="it ignores Vary",
    ),
    pytest.param(
        "proxy_ignore_headers Cache-Control; proxy_cache_valid 200 404 1m;",
        1,
        """
        error page: http://127.0.0.1:PORT/: the page comes from a cache, despite Cache-Control: private,
        no-cache -> Keep pages only if Cache-Control allows it

        error not-found: static-host-verify.css: a 404 is cached: a file that a page requests during a deployment stays
        missing afterwards -> Remove proxy_cache_valid for 404
        """,
        id="it keeps errors and pages",
    ),
    pytest.param(
        "max_ranges 0;",
        0,
        """
        warning range: favicon.svg and 7 more: a range request gets 200, not 206: downloads cannot be resumed ->
        Remove max_ranges 0
        """,
        id="it drops ranges",
    ),
    pytest.param(
        "proxy_hide_header Access-Control-Allow-Origin;",
        1,
        """
        error cors: instrument-sans.woff2 and 6 more: a response (200, 206, 304) has no Access-Control-Allow-Origin for
        the page: browsers block modules, fonts and elements with crossorigin from another host -> Remove
        proxy_hide_header Access-Control-Allow-Origin
        """,
        id="it strips CORS",
    ),
    pytest.param(
        "proxy_no_cache 1; proxy_cache_bypass 1;",
        1,
        """
        error cache: favicon.svg and 7 more: the CDN does not cache the file, though Cache-Control allows it -> Set
        proxy_cache for the static prefix; proxy_no_cache
        """,
        id="it keeps nothing",
    ),
    pytest.param(
        "proxy_hide_header ETag;",
        0,
        """
        warning etag: favicon.svg and 7 more: there is no entity tag: browsers cannot revalidate their copy
        """,
        id="it strips entity tags",
    ),
    pytest.param(
        "add_header Vary User-Agent;",
        0,
        """
        warning vary: favicon.svg and 7 more: Vary also has user-agent: caches store a copy for each value
        """,
        id="it varies by the browser",
    ),
    pytest.param(
        "proxy_hide_header Vary;",
        0,
        """
        warning vary: favicon.svg and 5 more: Vary lacks Accept-Encoding, though there are several codings: a cache on
        the way may send visitors the wrong one -> Remove proxy_hide_header Vary
        """,
        id="it strips Vary",
    ),
    pytest.param(
        "add_header Set-Cookie seen=1;",
        0,
        """
        warning cookie: favicon.svg and 7 more: the response sets a cookie
        """,
        id="it sets a cookie",
    ),
    pytest.param(
        "sub_filter_types text/css; sub_filter_once off; sub_filter color colour;",
        1,
        """
        error body: inspector.css: the decoded bytes differ between responses: they are of two releases, or damaged ->
        Purge the static prefix

        warning etag: inspector.css: there is no entity tag

        warning range: inspector.css: a range request gets 200, not 206
        """,
        id="it rewrites what is not encoded",
    ),
]
"""What an nginx is told beside the laptop CDN's configuration, the exit code, and how the findings begin."""


@pytest.mark.parametrize(("also", "code", "expected"), MISTAKES)
def test_a_mistake_is_told_with_nginxs_remedy(site: Site, tmp_path: Path, also: str, code: int, expected: str) -> None:
    without = PLAIN.partition(' "')[0] if PLAIN in also else ""
    exit_code, printed = document(site, tmp_path, also=also, without=without)
    found = [text.replace(f":{site.cdn_port}", ":PORT") for text in told(printed, "error", "warning")]
    starts = [" ".join(paragraph.split()) for paragraph in expected.split("\n\n")]
    assert [text[: len(start)] for text, start in zip(found, starts, strict=False)] == starts
    assert len(found) == len(starts), found
    assert (exit_code, printed["ok"]) == (code, code == 0)


@pytest.mark.parametrize(("protocol", "version", "findings"), [(" http2", "HTTP/2", 0), ("", "HTTP/1.1", 1)])
def test_the_http_version_is_that_which_the_host_agrees_to(
    one_host: Running, tmp_path: Path, protocol: str, version: str, findings: int
) -> None:
    authority = Authority(tmp_path)
    own = authority.issue("localhost", "127.0.0.1")
    tls = f"ssl_certificate {own}; ssl_certificate_key {own};"
    port = find_free_port()
    with run_nginx(
        one_host.url.removeprefix("http://"), tmp_path / "nginx", port=port, listen=f"ssl{protocol}", server=tls
    ):
        result = verify("--json", f"https://localhost:{port}/", cwd=tmp_path, SSL_CERT_FILE=str(authority.file))
        refused = verify(f"https://localhost:{port}/", cwd=tmp_path)
    printed = json.loads(result.stdout)
    assert (result.returncode, printed["hosts"][f"https://localhost:{port}"]["http"]) == (0, version)
    told_of = [finding["found"] for finding in printed["findings"] if finding["check"] == "http-version"]
    assert (
        told_of
        == [f"https://localhost:{port} speaks HTTP/1.1: browsers request six files at a time, not all at once"][
            :findings
        ]
    )
    assert refused.returncode == 1
    assert "CERTIFICATE_VERIFY_FAILED" in refused.stdout
