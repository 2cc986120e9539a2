"""What `verify` reads from a page: the URLs of its files, and which of them are static files of the deployment."""

from __future__ import annotations

import pytest

from static_host.verify.audit_findings import find_file_issues
from static_host.verify.audit_scope import Scope, count_out_of_scope, is_fingerprinted, parse_origin
from static_host.verify.page_references import PageReference, parse_page, parse_stylesheet
from static_host.verify.probe import FileProbe

BASE = "https://example.com/shop/page"
CDN = "https://cdn.example.com"


def listed(html: str) -> list[tuple[str, str, bool]]:
    return [(each.url.removeprefix("https://example.com"), each.kind, each.is_cors) for each in parse_page(html, BASE)]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<link rel="stylesheet" href="/a.css">', [("/a.css", "style", False)]),
        ("<LINK REL=Stylesheet HREF=a.css CROSSORIGIN>", [("/shop/a.css", "style", True)]),
        ('<link rel="shortcut icon" href="/f.ico">', [("/f.ico", "image", False)]),
        ('<link rel="preload" as="font" href="/a.woff2" crossorigin>', [("/a.woff2", "font", True)]),
        ('<link rel="preload" as="fetch" href="/a.json">', [("/a.json", "other", False)]),
        ('<link rel="modulepreload" href="/a.js">', [("/a.js", "module", True)]),
        ('<link rel="manifest" href="/m.json">', [("/m.json", "manifest", True)]),
        ('<link rel="compression-dictionary" href="/d">', [("/d", "dictionary", True)]),
        ('<link rel="canonical" href="/c"><link rel="alternate" href="/feed"><a href="/x">', []),
        ('<script src="/a.js"></script>', [("/a.js", "script", False)]),
        ('<script type="module" src="/a.js"></script>', [("/a.js", "module", True)]),
        ("<script>let page = '<img src=\"/no.png\">'</script>", []),
        ('<!-- <img src="/no.png"> --><img alt="/no.png">', []),
        (
            '<img src="/a.png" srcset="/b.png 2x, /c,d.png 3x,/e.png">',
            [(f"/{name}.png", "image", False) for name in ("a", "b", "c,d", "e")],
        ),
        ('<picture><source srcset="/a.webp 300w , /b.webp">', [(f"/{n}.webp", "image", False) for n in "ab"]),
        ('<link rel="preload" as="image" imagesrcset="/a.png 1x">', [("/a.png", "image", False)]),
        (
            '<video src="/a.mp4" poster="/a.png"><source src="/b.mp4"><track src="/a.vtt"></video>',
            [
                ("/a.mp4", "media", False),
                ("/a.png", "image", False),
                ("/b.mp4", "media", False),
                ("/a.vtt", "other", False),
            ],
        ),
        ('<svg><use xlink:href="/s.svg#a"/><use href="#b"/></svg>', [("/s.svg", "image", False)]),
        ('<img src="data:image/png;base64,AA"><img src=""><img src="#a"><img src="blob:x">', []),
        ('<img src="http://[bad/a.png"><img src="/a.png">', [("/a.png", "image", False)]),
        ('<img src="http://a:99999/a.png"><img src="/a.png">', [("/a.png", "image", False)]),
        (
            '<base href="http://[bad"><style>a { b: url(http://[bad) }</style><img src="a.png">',
            [("/shop/a.png", "image", False)],
        ),
        ('<base href="/b/"><base href="/c/"><img src="a.png">', [("/b/a.png", "image", False)]),
        (
            '<style>/* url(/no.png) */ a { b: url( "/a.png" ) } @import "/i.css";</style>',
            [("/a.png", "image", False), ("/i.css", "style", False)],
        ),
        ('<p style="background: url(&quot;/a.png&quot;)">', [("/a.png", "image", False)]),
        (
            '<script type="importmap">{"imports":{"a":"./a.js","d/":"/d/"},"scopes":{"/x/":{"b":"/b.js"}}}</script>',
            [("/shop/a.js", "module", True), ("/b.js", "module", True)],
        ),
        ('<script type="importmap">{"imports": [</script><script type="importmap">7</script>', []),
        ('<img src="/a.png"><img src="/a.png#x" crossorigin>', [("/a.png", "image", True)]),
    ],
)
def test_what_a_browser_fetches_for_a_page(html: str, expected: list[tuple[str, str, bool]]) -> None:
    assert listed(html) == expected


def test_what_a_stylesheet_names_lies_beside_it() -> None:
    css = """
        @charset "utf-8"; @import url("base.css") screen; @import 'print.css';
        @font-face { font-family: A; src: url(../fonts/a.woff2) format("woff2"), url('../fonts/a.ttf?v=1') }
        a { background: url(//img.example.com/a.png), url(data:,x), URL( b.svg ) } /* url(no.png) */
    """
    found = parse_stylesheet(css, f"{CDN}/static/css/site.css")
    assert {(each.url, each.kind, each.is_cors) for each in found} == {
        (f"{CDN}/static/css/base.css", "style", False),
        (f"{CDN}/static/css/print.css", "style", False),
        (f"{CDN}/static/fonts/a.woff2", "font", True),
        (f"{CDN}/static/fonts/a.ttf?v=1", "font", True),
        ("https://img.example.com/a.png", "image", False),
        (f"{CDN}/static/css/b.svg", "image", False),
    }


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/static/site.e8e374d844cc.css", True),
        ("/static/CACHE/css/output.e8e374d844cc.css", True),
        ("/static/app.e8e374d844cc", True),
        ("/static/site.css", False),
        ("/static/app-6cb17b72.js", False),
        ("/static/site.E8E374D844CC.css", False),
        ("/static/e8e374d844cc/site.css", False),
        ("/static/site.css?v=a.e8e374d844cc.b", False),
    ],
)
def test_a_fingerprint_is_what_djangos_manifest_puts_into_a_name(url: str, expected: bool) -> None:
    assert is_fingerprinted(f"https://example.com{url}") is expected


def test_a_fingerprint_brings_its_neighbours_into_scope_on_its_own_host() -> None:
    html = f"""
        <img src="{CDN}/assets/static/img/a.0123456789ab.png"><img src="{CDN}/assets/plain.png">
        <img src="{CDN}/other/b.png"><img src="/assets/c.png"><img src="https://cdn.example.com:8443/assets/d.png">
    """
    references = parse_page(html, BASE)
    scope = Scope.from_references(references, BASE)
    assert scope == Scope((f"{CDN}/assets/",))
    assert [each.url for each in references if scope.has_url(each.url)] == [
        f"{CDN}/assets/static/img/a.0123456789ab.png",
        f"{CDN}/assets/plain.png",
    ]
    assert count_out_of_scope(references, scope) == {
        f"{CDN}/other/": 1,
        "https://example.com/assets/": 1,
        "https://cdn.example.com:8443/assets/": 1,
    }


def test_where_no_name_tells_the_pages_host_is_in_scope() -> None:
    scope = Scope.from_references(parse_page('<img src="/a.png">', BASE), BASE)
    assert scope == Scope(("https://example.com/",), is_guessed=True)
    assert scope.has_url("https://example.com:443/static/a.css")
    assert not scope.has_url("http://example.com/static/a.css")
    assert not scope.has_url("https://example.com.evil.example/a.css")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Example.com/a", "https://example.com"),
        ("https://example.com:443/a", "https://example.com"),
        ("http://example.com:443/a", "http://example.com:443"),
        ("http://[::1]:8000/a", "http://[::1]:8000"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: str) -> None:
    assert parse_origin(url) == origin


@pytest.mark.parametrize(
    ("page", "file", "checks"),
    [
        ("https://example.com/", "http://cdn.example.com/a.css", ["file", "mixed-content"]),
        ("https://example.com/", "https://cdn.example.com/a.css", ["file"]),
        ("http://example.com/", "http://cdn.example.com/a.css", ["file"]),
    ],
)
def test_a_page_over_https_cannot_use_files_over_http(page: str, file: str, checks: list[str]) -> None:
    examination = FileProbe(PageReference(file, "style"), page, failure="ConnectTimeout")
    assert [flaw.check for flaw in find_file_issues(examination)] == checks
