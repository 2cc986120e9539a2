"""What SecurityMiddleware does to a response, for static ones: literal fields, and which requests are redirected."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from static_host.origin.headers import prepare_headers
from static_host.origin.representation import Representation, Resource
from static_host.origin.request_head import find_field_lines, make_line_finder
from static_host.origin.responder import Responder
from static_host.origin.response_cache import ResponseCache
from static_host.origin.security import SecurityPolicy
from static_host.origin.tree import load_tree
from tests.support.trees import make_tree

FACTS: dict[str, Any] = {
    "hsts": "",
    "referrer_policy": "",
    "opener_policy": "",
    "proxy_header": [],
    "redirects": False,
    "redirect_host": "",
    "redirect_exempt": [],
    "allowed_hosts": ["example.com", ".example.org", "[::1]"],
    "uses_forwarded_host": False,
}
HSTS = (b"strict-transport-security", b"max-age=3600; includeSubDomains; preload")
IDENTITY = Representation("identity", "a.html", 3, "0123456789abcdefghijklmn")
PROTO = ["x-forwarded-proto", "https"]


def make_policy(**facts: Any) -> SecurityPolicy:
    return SecurityPolicy.from_facts({**FACTS, **facts})


def make_all(**facts: Any) -> SecurityPolicy:
    return make_policy(
        hsts=HSTS[1].decode(), referrer_policy="no-referrer,same-origin", opener_policy="same-origin", **facts
    )


def test_without_the_middleware_there_is_nothing() -> None:
    policy = SecurityPolicy.from_facts({})
    assert policy == SecurityPolicy()
    assert policy.select_fields("text/html") == ()
    assert (policy.depends_on_scheme, policy.scheme_fields) == (False, ())
    assert not policy.requires_redirect(b"/static/a.txt")


@pytest.mark.parametrize(
    ("media_type", "is_document"),
    [
        ("text/html; charset=utf-8", True),
        ("TEXT/HTML", True),
        ("image/svg+xml", True),
        ("text/css; charset=utf-8", False),
        ("text/javascript", False),
        ("", False),
    ],
)
def test_documents_alone_have_an_opener_policy(media_type: str, is_document: bool) -> None:
    fields = [HSTS, (b"referrer-policy", b"no-referrer,same-origin")]
    fields += [(b"cross-origin-opener-policy", b"same-origin")] * is_document
    assert list(make_all().select_fields(media_type)) == fields


def test_fields_of_the_project_s_own_win() -> None:
    own = (
        ("cross-origin-opener-policy", None),
        ("referrer-policy", "origin"),
        ("strict-transport-security", "max-age=1"),
    )
    resource = Resource("text/html", False, (IDENTITY,), fields=own)
    prepared = prepare_headers(resource, IDENTITY, 60, make_all().select_fields(resource.media_type))
    for headers in (prepared.ok, prepared.not_modified, prepared.common):
        found = dict(headers)
        assert b"cross-origin-opener-policy" not in found
        assert (found[b"referrer-policy"], found[b"strict-transport-security"]) == (b"origin", b"max-age=1")
        assert len(found) == len(headers)


def test_a_value_that_no_field_can_have_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert make_policy(referrer_policy="no-referrer\r\nSet-Cookie: a").select_fields("text/html") == ()
    reason = "the value of referrer-policy is empty, or has characters other than ASCII"
    assert caplog.messages == [f"static files have no referrer-policy of the project's: {reason}"]


@pytest.mark.parametrize(
    ("header", "scheme", "values", "is_secure"),
    [
        ([], "https", [], True),
        ([], "http", [], False),
        ([], "http", [b"https"], False),
        (PROTO, "http", [b"https"], True),
        (PROTO, "http", [b" https , http"], True),
        (PROTO, "http", [b"https", b"http"], True),
        (PROTO, "http", [b"HTTPS"], False),
        (PROTO, "https", [b"http"], False),
        (PROTO, "https", [b""], False),
        (PROTO, "https", [], True),
        (["x-tls", "on"], "http", [b"https"], False),
    ],
)
def test_a_request_is_secure_as_in_django(header: list[str], scheme: str, values: list[bytes], is_secure: bool) -> None:
    policy = make_all(proxy_header=header)
    assert policy.is_secure(scheme, [(b"x-forwarded-proto", value) for value in values]) == is_secure


def test_the_fields_that_tell_the_scheme_count_only_where_it_counts() -> None:
    assert make_policy(proxy_header=["x-tls", "on"], referrer_policy="origin").scheme_fields == ()
    assert make_policy(proxy_header=["x-tls", "on"], redirects=True).scheme_fields == ("x-tls", "x-forwarded-proto")
    assert make_policy(proxy_header=PROTO, hsts="max-age=1").scheme_fields == ("x-forwarded-proto",)
    assert make_policy(hsts="max-age=1").scheme_fields == ("x-forwarded-proto",)


def redirect(policy: SecurityPolicy, path: bytes, query: bytes = b"", **fields: str) -> tuple[int, bytes]:
    lines = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in fields.items()]
    response = policy.build_redirect("GET", path, query, lines)
    return response.status, dict(response.headers).get(b"location", b"")


@pytest.mark.parametrize(
    ("host", "location"),
    [
        ("example.com", b"https://example.com/static/a.txt"),
        ("EXAMPLE.com.", b"https://EXAMPLE.com./static/a.txt"),
        ("example.com:8000", b"https://example.com:8000/static/a.txt"),
        (" example.org\t", b"https://example.org/static/a.txt"),
        ("a.b.example.org", b"https://a.b.example.org/static/a.txt"),
        ("[::1]:8000", b"https://[::1]:8000/static/a.txt"),
        ("[::1]", b"https://[::1]/static/a.txt"),
        ("evil.example", b""),
        ("a.example.com", b""),
        ("badexample.org", b""),
        ("example.com/evil.example", b""),
        ("evil.example@example.com", b""),
        ("example.com\xe9", b""),
        ("", b""),
        ("a" * 400, b""),
    ],
)
def test_the_redirect_goes_to_a_host_of_the_project(host: str, location: bytes) -> None:
    assert redirect(make_policy(redirects=True), b"/static/a.txt", host=host) == (301 if location else 400, location)


def test_the_redirect_is_kept_by_no_cache() -> None:
    response = make_policy(redirects=True).build_redirect("GET", b"/static/a.txt", b"", [(b"host", b"example.com")])
    assert (response.status, response.body) == (301, ())
    assert response.headers == (
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"0"),
        (b"cache-control", b"private, no-store, max-age=0"),
        (b"location", b"https://example.com/static/a.txt"),
        (b"access-control-allow-origin", b"*"),
        (b"cross-origin-resource-policy", b"cross-origin"),
        (b"timing-allow-origin", b"*"),
        (b"x-content-type-options", b"nosniff"),
    )


def test_the_redirect_keeps_path_and_query() -> None:
    policy = make_policy(redirects=True, redirect_host="secure.example")
    assert redirect(policy, b"/static/a%20b.txt", b"v=1&w=%C3%BC;x") == (
        301,
        b"https://secure.example/static/a%20b.txt?v=1&w=%C3%BC;x",
    )
    assert redirect(policy, b"/static/\xc3\xbc<\r\n", b'"\\#', host="evil.example") == (
        301,
        b"https://secure.example/static/%C3%BC%3C%0D%0A?%22%5C%23",
    )


def test_the_host_that_a_proxy_names_counts_where_the_project_says_so() -> None:
    fields = {"host": "example.com", "x_forwarded_host": "www.example.org"}
    assert redirect(make_policy(redirects=True), b"/a", b"", **fields)[1] == b"https://example.com/a"
    trusting = make_policy(redirects=True, uses_forwarded_host=True)
    assert redirect(trusting, b"/a", b"", **fields)[1] == b"https://www.example.org/a"
    assert redirect(trusting, b"/a", host="example.com")[1] == b"https://example.com/a"
    assert redirect(make_policy(redirects=True, allowed_hosts=["*"]), b"/a", host="any.example")[0] == 301


@pytest.mark.parametrize(
    ("path", "is_redirected"),
    [
        (b"/static/a.txt", True),
        (b"/static/plain/a.txt", False),
        (b"/static/pl%61in/a.txt", False),
        (b"//static/plain/a.txt", False),
        (b"/robots.TXT", False),
        (b"/static/robots.txt", True),
        (b"/static/plain/" + b"a" * 1024, True),
        (b"/static/plain/\xff%ff", False),
    ],
)
def test_exempt_paths_stay(path: bytes, is_redirected: bool) -> None:
    policy = make_policy(redirects=True, redirect_exempt=[["^static/plain/", 0], ["^robots", 2]])
    assert policy.requires_redirect(path) == is_redirected


def test_a_pattern_of_another_python_exempts_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert make_policy(redirects=True, redirect_exempt=[["(", 0]]).exempt == ()
    assert caplog.messages[0].startswith("SECURE_REDIRECT_EXEMPT: '(' exempts no static file: ")


def make_head(*lines: bytes) -> bytes:
    return b"\r\n".join([b"GET /static/a.txt HTTP/1.1", b"Host: example.com", *lines, b"", b""])


def make_responder(directory: Path, **facts: Any) -> Responder:
    tree = load_tree(make_tree(directory, {"a.txt": b"0123456789"}))
    return Responder(tree, "/static/", security=make_policy(**facts))


def is_with_hsts(cache: ResponseCache, head: bytes) -> bool:
    response = cache.respond(head)
    assert response is not None
    assert cache.find(head) is response
    return b"strict-transport-security: max-age=1\r\n" in response.block


def test_a_cached_response_is_for_one_scheme(tmp_path: Path) -> None:
    cache = ResponseCache(make_responder(tmp_path, hsts="max-age=1", proxy_header=["x-tls", "on"]))
    heads = [make_head(), make_head(b"X-TLS: on"), make_head(b"x-tls: off"), make_head(b"X-Other: on")]
    assert [is_with_hsts(cache, head) for head in heads * 2] == [False, True, False, False] * 2
    conditional = make_head(b"X-TLS: on", b"If-None-Match: *")
    assert is_with_hsts(cache, conditional)


def test_what_is_redirected_is_left_to_the_other_path(tmp_path: Path) -> None:
    responder = make_responder(tmp_path, redirects=True, redirect_exempt=[["txt$", 0]], proxy_header=PROTO)
    cache = ResponseCache(responder)
    assert cache.respond(make_head()) is not None
    responder.security = make_policy(redirects=True, proxy_header=PROTO)
    cache = ResponseCache(responder)
    assert cache.respond(make_head()) is None
    assert cache.respond(make_head(b"X-Forwarded-Proto: https")) is not None
    assert cache.find(make_head()) is None


def test_the_policy_of_the_next_tree_holds(tmp_path: Path) -> None:
    responder = make_responder(tmp_path / "old")
    cache = ResponseCache(responder)
    find = cache.find
    secure = make_head(b"X-Forwarded-Proto: https")
    before = cache.respond(secure)
    assert before is not None
    assert find(make_head()) is before, "without HSTS the scheme does not count"
    responder.replace(make_responder(tmp_path / "new", hsts="max-age=1", proxy_header=PROTO))
    assert find(secure) is None
    assert is_with_hsts(cache, secure)
    assert find(make_head()) is None
    responder.replace(make_responder(tmp_path / "newer"))
    assert not is_with_hsts(cache, secure)
    assert find(make_head()) is not None


def test_lines_are_found_by_any_name_that_django_can_look_up() -> None:
    head = b"GET / HTTP/1.1\r\nX-TLS: on\r\n-9: a\r\nx-tls-b: c\r\nHost: a\r\nx9a: 1\r\n\r\n"
    assert make_line_finder("x-tls", "-9", "x9a")(head) == [b"X-TLS: on\r", b"-9: a\r", b"Host: a\r", b"x9a: 1\r"]
    assert find_field_lines(head) == [b"Host: a\r"]
