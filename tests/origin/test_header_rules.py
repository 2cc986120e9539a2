"""The rules of a file `_headers`: what they match, how they add up, and what is wrong with a line."""

from __future__ import annotations

import pytest

from static_host.origin.header_rules import HeaderRules, InvalidHeaderRulesError


def select(text: str, *paths: str, unversioned: str = "") -> dict[str, str | None]:
    return HeaderRules(text).select(paths, [unversioned] if unversioned else [])


@pytest.mark.parametrize(
    ("pattern", "path", "is_match"),
    [
        ("/static/sw.js", "/static/sw.js", True),
        ("/static/sw.js", "/static/sw.json", False),
        ("/static/sw.js", "/STATIC/sw.js", False),
        ("/static/sw.js", "/static/swxjs", False),
        ("/*", "/", True),
        ("/*", "/static/a/b.css", True),
        ("/static/*", "/static", False),
        ("/static/*.css", "/static/a/b.css", True),
        ("/static/*.css", "/static/b.css.map", False),
        ("/*/b.css", "/static/a/b.css", True),
        ("/static/:file", "/static/a.css", True),
        ("/static/:file", "/static/", False),
        ("/static/:file", "/static/a/b.css", False),
        ("/static/:app/:file.css", "/static/a/b.css", True),
        ("/static/:file.*", "/static/b.min.css", True),
        ("/static/:a_1/x", "/static/é/x", True),
        ("/caf%C3%A9%20%2A.txt", "/café *.txt", True),
        ("/caf%C3%A9%20%2A.txt", "/café a.txt", False),
        ("/static/x:1", "/static/x:1", True),
        ("/a\\.b$", "/a\\.b$", True),
    ],
)
def test_a_pattern(pattern: str, path: str, is_match: bool) -> None:
    assert select(f"{pattern}\n  X-A: b\n", path) == ({"x-a": "b"} if is_match else {})


def test_all_rules_that_match_add_up() -> None:
    text = (
        "\ufeff# all files\r\n"
        "/*\r\n"
        "\tX-Robots-Tag: noindex\r\n"
        "  x-frame-options:   DENY  \r\n"
        "\r\n"
        "  # fonts\r\n"
        "/static/fonts/*\r\n"
        "X-Robots-Tag: nofollow\r\n"
        "  Link: </a>; rel=preload\r\n"
        "  Link: </b>; rel=preload\r\n"
        "/static/fonts/open.woff2\r\n"
        "  Access-Control-Allow-Origin: https://app.example:8443\r\n"
        "  X-Frame-Options: SAMEORIGIN\r\n"
        "  ! X-Frame-Options\r\n"
        "  !X-Content-Type-Options\r\n"
    )
    assert select(text, "/static/a.css") == {"x-robots-tag": "noindex", "x-frame-options": "DENY"}
    assert select(text, "/static/fonts/open.woff2") == {
        "x-robots-tag": "noindex, nofollow",
        "x-frame-options": "SAMEORIGIN",
        "link": "</a>; rel=preload, </b>; rel=preload",
        "access-control-allow-origin": "https://app.example:8443",
        "x-content-type-options": None,
    }


def test_a_value_that_a_later_rule_removes_and_one_that_it_sets_again() -> None:
    text = "/*\n  X-A: 1\n  X-B: 1\n/a\n  ! X-A\n  ! X-B\n/a\n  X-B: 2\n"
    assert select(text, "/a") == {"x-a": None, "x-b": "2"}


def test_the_same_value_twice_is_one() -> None:
    assert select("/*\n  X-Frame-Options: DENY\n  X-A: b\n/a\n  X-Frame-Options: DENY\n  X-A: b\n", "/a") == {
        "x-frame-options": "DENY",
        "x-a": "b",
    }


def test_a_value_has_what_the_pattern_matched() -> None:
    text = "/:app/*.pdf\n  Link: <https://docs.example:443/:app/:splat>; rel=canonical, :other\n"
    assert select(text, "/static/2024/a b.pdf") == {
        "link": "<https://docs.example:443/static/2024/a%20b>; rel=canonical, :other"
    }


def test_a_fingerprinted_file_has_the_fields_of_its_logical_name_but_its_own_lifetime() -> None:
    text = "/static/sw.js\n  Service-Worker-Allowed: /\n  Cache-Control: no-cache\n"
    assert select(text, "/static/sw.0123456789ab.js", unversioned="/static/sw.js") == {"service-worker-allowed": "/"}
    assert select("/static/*.js\n  Cache-Control: no-cache\n", "/static/sw.12.js", unversioned="/static/sw.js") == {
        "cache-control": "no-cache"
    }
    assert select("/static/*\n  X-A: 1\n/static/sw.js\n  X-A: 2\n", "/static/sw.1.js", unversioned="/static/sw.js") == {
        "x-a": "1, 2"
    }


def test_a_rule_that_holds_at_the_root_alone() -> None:
    assert select("/robots.txt\n  X-A: b\n", "/static/robots.txt", "/robots.txt") == {"x-a": "b"}


def test_the_rules_that_match_no_file() -> None:
    rules = HeaderRules("/a\n  X: y\n\n/statc/*\n  X: y\n")
    rules.select(["/a"])
    assert rules.list_unmatched() == [(4, "/statc/*")]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("  X-A: b\n", 1, "a field has to follow a path, which begins with a slash"),
        ("static/*\n/a\n  X-A: b\n", 1, "a field has to follow a path, which begins with a slash"),
        ("/a\n  X-A b\n", 2, "expected `Name: value`, `! Name`, or a path that begins with a slash"),
        ("/a\n  X A: b\n", 2, "'X A' is not the name of a header field"),
        ("/a\n  : b\n", 2, "'' is not the name of a header field"),
        ("/a\n  ! \n", 2, "'' is not the name of a header field"),
        ("/a\n  ! X-A: b\n", 2, "'X-A: b' is not the name of a header field"),
        ("/a\n  X-A:\n", 2, "the value of X-A is empty, or has characters other than ASCII"),
        ("/a\n  X-A: caf\u00e9\n", 2, "the value of X-A is empty, or has characters other than ASCII"),
        ("/a\n  X-A: b\0c\n", 2, "the value of X-A is empty, or has characters other than ASCII"),
        (f"/a\n  X-A: {'b' * 8193}\n", 2, "the value of X-A has more than 8192 characters"),
        ("/a\n\n/b\n  X: y\n", 1, "the path has no fields below it"),
        ("/a\n  X: y\n/b", 3, "the path has no fields below it"),
        ("https://a.example/*\n  X: y\n", 1, "a path has no scheme and no host: it begins with a slash"),
        ("/*/a/*\n  X: y\n", 1, "a path has one * at most, and one placeholder of each name"),
        ("/:a/:a\n  X: y\n", 1, "a path has one * at most, and one placeholder of each name"),
        ("/:splat/*\n  X: y\n", 1, "a path has one * at most, and one placeholder of each name"),
        ("/:a:b\n  X: y\n", 1, "a path has one placeholder at most between two slashes"),
        (f"/{'a' * 10_000}\n  X: y\n", 1, "the path has more than 10000 characters"),
        (
            "/a?b\n  X: y\n",
            *(1, "a path has no query, no fragment and no space; write %3F, %23 or %20 for one in a file name"),
        ),
        (
            "/a\n  Content-Length: 1\n",
            2,
            "Content-Length cannot be set. The server frames its messages itself (RFC 9112)",
        ),
        (
            "/a\n  ! ETag\n",
            2,
            "ETag cannot be removed. The server sends the right one for each content coding and each range",
        ),
        (
            "/a\n  VARY: Origin\n",
            2,
            "VARY cannot be set. The server sends the right one for each content coding and each range",
        ),
        ("/a\n  Age: 1\n", 2, "Age cannot be set. Only a cache knows it (RFC 9111 §5.1)"),
        (
            "/a\n  Set-Cookie: a=b\n",
            *(2, "Set-Cookie cannot be set. Caches give a static answer to every visitor; set cookies in a view"),
        ),
        (
            "/a\n  Basic-Auth: me:secret\n",
            *(
                2,
                "Basic-Auth cannot be set. Static files are public; protect them at the CDN, or send them from a view",
            ),
        ),
        (
            "/a\n  Location: /b\n",
            *(
                2,
                "Location cannot be set. Static files take GET, HEAD and OPTIONS, and redirect nowhere; use a view",
            ),
        ),
        ("/a\n  Content-Type: garbage\n", 2, "'garbage' is not a media type"),
        ("/a\n  Content-Type: text/plain; charset\n", 2, "'text/plain; charset' is not a media type"),
        ("/a\n  ! Content-Type\n", 2, "Content-Type cannot be removed. A file has a media type; set another one"),
    ],
)
def test_a_bad_line_is_named_with_its_number(text: str, line: int, problem: str) -> None:
    with pytest.raises(InvalidHeaderRulesError) as error:
        HeaderRules(text)
    assert error.value.problems == ((line, problem),)


def test_all_bad_lines_are_named_at_once() -> None:
    with pytest.raises(InvalidHeaderRulesError) as error:
        HeaderRules("X: y\n/a\n  Date: now\nhttps://a/*\n  X: y\n  Y\n")
    assert [line for line, _ in error.value.problems] == [1, 3, 4, 6]


@pytest.mark.parametrize("name", ["Access-Control-Allow-Origin", "Content-Disposition", "Service-Worker-Allowed"])
def test_two_values_of_a_field_that_is_no_list_are_an_error(name: str) -> None:
    with pytest.raises(InvalidHeaderRulesError) as error:
        select(f"/*\n  {name}: a\n\n/b\n  {name}: b\n", "/b")
    problem = f"{name} has another value for /b in line 2, and is no list. Write `! {name}` above it to replace that"
    assert error.value.problems == ((5, problem),)
    assert select(f"/*\n  {name}: a\n/b\n  ! {name}\n  {name}: b\n", "/b") == {name.lower(): "b"}


def test_values_that_are_too_long_together_are_an_error() -> None:
    with pytest.raises(InvalidHeaderRulesError) as error:
        select(f"/*\n  X-A: {'a' * 5000}\n  X-A: {'b' * 5000}\n", "/b")
    assert error.value.problems == ((3, "the value of X-A has more than 8192 characters"),)
