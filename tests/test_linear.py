"""No input holds the process up: the time of what reads foreign bytes grows as their number does, and no faster.

Who adds a regular expression adds a row to `EXPRESSIONS`, with inputs that would hurt it if it were not linear, or a
reason to `NEVER_FOREIGN`. Who adds a loop over foreign bytes adds a row to `FUNCTIONS`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from static_host.checks import csp
from static_host.http import fast_path, limits
from static_host.middleware.forwarded import TrustedProxies
from static_host.middleware.origin_secret import OriginSecret
from static_host.object_store import candidate_names, disk_cache
from static_host.origin import conditional, escapes, index_validation, negotiation, request_head
from static_host.origin.index import Representation, Resource, dumps, loads
from static_host.origin.response_cache import Memo
from static_host.project.storage import candidates
from static_host.project.wsgi_environ import environ
from static_host.telemetry.log_configuration import MaskedTarget
from static_host.telemetry.request_record import _SECRET, MAX_TARGET_BYTES, address, identifier, target
from static_host.verify import browser_access, cdn, client, crawler, html, page_references, scope
from static_host.verify.response import Answer
from static_host_build import bundler_manifests
from static_host_build.collect import static_root
from static_host_build.compressor import no_request
from static_host_build.dictionary import patterns
from static_host_build.encode import encoder
from tests.support.hostile import Hostile, expressions, is_linear, repeated, repeated_bytes, seconds
from tests.support.hostile_files import LANGUAGES

QUERIES = (
    *("a", "?", "&", "=", ";", "%", "#", "%25", "%2525", "%3D", "%26", "%ff", "\xff", "x={?}", "x={?code}", "{?key}="),
    *("x={?a}&token=1", "x={;key}&token=1", "token=1&{?}", "token=1&{a=?b&}", "token=1&{%3f}=", "x=?{key}", "x={=?a}"),
)


def answer(**fields: str) -> Answer:
    return Answer(200, fields, 0, "", True, fields.get("plain", "").encode(), None, "HTTP/1.1")


def resource(match: str = "", media_type: str = "text/css") -> Resource:
    return Resource(media_type, True, (Representation("identity", "a.css", 1, "x" * 24),), match=match)


def of_head(head: bytes) -> object:
    return fast_path._told(head)


def scope_of(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {"method": "GET", "path": "/", "query_string": b"", "http_version": "1.1", "headers": list(fields)}


def validators(name: str) -> Any:
    own = conditional.Validators(b'"x"', 0)
    return lambda value: conditional.evaluate({name.encode(): value}, own, 1 << 40)


EXPRESSIONS: dict[str, list[Hostile]] = {
    "static_host.project.storage._REST": repeated(lambda name: list(candidates(name)), "?", "#", "%", "%25", "a", " "),
    "static_host.checks.csp._MIDDLEWARE": repeated(csp._MIDDLEWARE.search, "csp", "content_", "contentsecurity"),
    "static_host.checks.csp._by_kind": [
        Hostile(
            lambda count: csp._by_kind({"a": resource(media_type="application/font-" + "+" * count)}),  # type: ignore[arg-type]
            lambda count: count,
        )
    ],
    "static_host.checks.csp._matches": repeated(
        lambda source: csp._matches(source, urlsplit("https://a/"), "/a"), "a", "a+{:}/", "{*.}", "a://{/}"
    ),
    "static_host.middleware.forwarded._WITH_PORT": repeated_bytes(
        lambda value: TrustedProxies(["10.0.0.0/8"]).client([value]), "1", "{:}1", "[", "[{1}", "10.0.0.1,", ",", " "
    ),
    "static_host.http.limits._HOST": repeated_bytes(limits.is_host, "a", "[{a}", "[{:}]", "a:{1}x", "a{ }x", "a:1{ }x"),
    "static_host.origin.conditional._DATES": repeated_bytes(conditional.parsed_date, "Mon, ", "0", " ", "Sunday, {0}"),
    "static_host.origin.conditional._ENTITY_TAGS": repeated_bytes(
        validators("if-none-match"), ",", " ", '"', '"a",', '"a" ,', '"a", {,}x', '"a"{ }x', '{"a" , }x', '{, }"', "W/"
    ),
    "static_host.origin.conditional._EACH_TAG": repeated_bytes(conditional._EACH_TAG.findall, '"', "W/", 'W/"', '"a"', '"{a}'),
    "static_host.origin.conditional._RANGE": repeated_bytes(
        validators("range"), "bytes={0}", "bytes={0-}", "bytes={0-0,}", "bytes={,}", "bytes={-1,}", "bytes=0-{9}x"
    ),
    "static_host.origin.escapes._ESCAPE": repeated_bytes(escapes.unescaped, "%", "%41", "a%41", "%%41", "%zz", "%4", "%%4"),
    "static_host.origin.request_head.fields": repeated_bytes(request_head.fields, "\n", "\na", "\nAccept-Encoding:", "\nac", "\r\n"),
    "static_host.origin.request_head._LINE": repeated_bytes(request_head._LINE.match, "GET /{a}", "GET /{?}", "GET /?{a} ", "GET /{a}? HTTP"),
    "static_host.origin.request_head._HOST": repeated_bytes(request_head._HOST.fullmatch, "a", "a:{1}x", "{ }a", "a{ }x", "[{:}", "[{:}]x"),
    "static_host.origin.request_head._KEEPS": repeated_bytes(request_head._KEEPS.fullmatch, " ", "{ }keep-alive{ }", "keep-alive{ }x"),
    "static_host.origin.index.Index.__init__": [
        Hostile(loads, lambda count: dumps("/static/", {f"{number:08}": resource() for number in range(count)}))
    ],
    "static_host.origin.negotiation._ELEMENT": repeated_bytes(
        negotiation.weights, "a", " ", ",", "a;", "a{ }x", "{ }a{ }", "a;q={0}", "a;q=0.{0}", "a{ }, b{ };", "br,"
    ),
    "static_host.origin.negotiation._SHA_256": repeated_bytes(negotiation.held, ":", "a", ":{a}=:"),
    "static_host.origin.index_validation._PLAIN_MATCH": repeated(index_validation.is_plain, "a", " "),
    "static_host.origin.index_validation._TEXT": repeated(index_validation._TEXT.fullmatch, "a", "a{ }\n"),
    "static_host.origin.index_validation._DIGEST": repeated(index_validation._DIGEST.fullmatch, "a"),
    "static_host.origin.index_validation._SHA_256": repeated(index_validation._SHA_256.fullmatch, "a"),
    "static_host.origin.index_validation._OF_A_DELTA": repeated(index_validation._OF_A_DELTA.fullmatch, ".", ".{a}", ".dcz", ".{a}.dcz."),
    "static_host.http.fast_path._TOLD": repeated_bytes(
        of_head, "GET /{a} HTTP/1.1\r\n", "GET / HTTP/1.1{\r\nx-request-id:}", "GET / HTTP/1.1{\r\nx-}", "GET /{?} a"
    ),
    "static_host.middleware.origin_secret.OriginSecret.__init__": repeated_bytes(
        OriginSecret("X-Secret", ["a" * 16]).is_in_head, "\r\n", "\r\nx-secret:", "\r\nx-secret:{ }", "\r\nx-s"
    ),
    "static_host.telemetry.request_record._WORD": repeated_bytes(lambda query: target(b"/", query), *QUERIES),
    "static_host.telemetry.request_record._SECRET": repeated_bytes(_SECRET.search, *QUERIES, "x=?{a?}", "x=;{key}", "key", "x=?{key?}", "x={;a}"),
    "static_host.telemetry.request_record._ESCAPE": repeated_bytes(lambda query: target(b"/", b"token=%25" + query), *QUERIES),
    "static_host.telemetry.request_record._IDENTIFIER": repeated_bytes(lambda value: identifier([(b"x-request-id", value)]), "a", " "),
    "static_host.telemetry.request_record._HOST": repeated(lambda host: address((host, 0)), "a", "\xff", "::", " "),
    "static_host.object_store.candidate_names._HASH": repeated(candidate_names._HASH.search, "a", "a-", "abcdefg.", "_"),
    "static_host.object_store.disk_cache._OURS": repeated(disk_cache._OURS.fullmatch, "a", ".draft-"),
    "static_host.verify.browser_access.TYPES": [
        row for kind in browser_access.TYPES.values() for row in repeated(kind.fullmatch, "text/", "x-", "text/x-", "a")
    ],
    "static_host.verify.response._OURS": repeated(lambda tag: answer(etag=tag).is_as_built, '"', '"a', "W/"),
    "static_host.verify.response.Answer.max_age": repeated(
        lambda value: answer(**{"cache-control": value}).max_age, "max-age=1,", "max-age={0}", ",", "=", " "
    ),
    "static_host.verify.response.Answer.age": repeated(lambda value: answer(age=value).age, "1", " "),
    "static_host.verify.cdn._has": [
        row
        for field in ("cache-status", "x-cache", "via", "x-timer")
        for row in repeated(
            lambda value, field=field: (cdn.state(answer(**{field: value})), cdn.recognised(answer(**{field: value}))),  # type: ignore[misc]
            *(";", "; ", ";hit{ }x", ";{ }", ";fwd{ }", "hit", "HIT_", "(CloudFront", "S{1}", " "),
        )
    ],
    "static_host.verify.crawler._COMPRESSED": repeated(crawler._COMPRESSED.match, "image/", "application/{g}zip"),
    "static_host.verify.crawler._text": repeated(
        lambda value: crawler._text(answer(**{"content-type": value})),
        *("charset", "charset{ }", "charset={ }", "charset ="),
    ),
    **{
        f"static_host.verify.html.{name}": repeated(
            lambda page: list(html.elements(page)),
            *("<", "<!", "<!--", "<!-", "<?", "</", "</a", "<a ", "<a", "<a b='", '<a b="x', "<a b=", "<a =", "<a/"),
            *("<script>", "<script>{</script}", "<style>{</}", "<title>", "<a {b }", "<a {b='c' }", "<a b{ }", "<a{ }"),
            *("<!--{-}", "<!--{--!}", "<a b='{&}'>", "<a b='&#{1}'>", "<!doctype ", "<a {'}", "<a {/}"),
        )
        for name in ("_MARKUP", "_ATTRIBUTE", "_END", "_TEXTS")
    },
    "static_host.verify.page_references._CANDIDATE": repeated(
        lambda text: page_references.of_page(f'<img srcset="{text}">', "http://a/"),
        *(",", " ", "a", "a,", "a ,", "a{,}", "a{ }"),
    ),
    **{
        f"static_host.verify.page_references.{name}": repeated(
            lambda text: page_references.of_stylesheet(text, "http://a/"),
            *("/*", "/*a", "/*{*}", "/", "url(", 'url("', "url('", "url({ }", "url(a", "url(a{ }", "@import "),
            *("@import{ }", '@import "', "@import '", "@import url(", "url(a)", 'url("a" ', 'url("{a}', "@import", "u"),
        )
        for name in ("_COMMENT", "_URL", "_IMPORT")
    },
    "static_host.verify.page_references._FONT": repeated(page_references._kind_in_css, ".woff", ".", "a.ttf.", "."),
    "static_host.verify.page_references._kind_in_css": repeated(page_references._kind_in_css, "?", "#", "a?"),
    "static_host.verify.scope._FINGERPRINT": repeated(scope.is_fingerprinted, "http://a/{.}", "http://a/{.0123456789ab}x"),
    "static_host_build.compressor.no_request._NAME": repeated(no_request._NAME.match, "a", "a'", "é/", '"'),
    "static_host_build.bundler_manifests.HASH": repeated(
        lambda text: bundler_manifests._is_hashed("a", f"{text}.js"), "-", "a", "-a", "-abcdefg", "A"
    ),
    "static_host_build.bundler_manifests._BASE32": repeated(
        lambda text: bundler_manifests._is_hashed(None, f"a.{text}.js"), "A", "2", "a", "A-", "ABCDEFGH."
    ),
    "static_host_build.bundler_manifests._ONLY_HASH": repeated(bundler_manifests.is_hash, "a", "0", "a0", "{a}g"),
    "static_host_build.dictionary.patterns._TYPES": repeated(
        patterns._TYPES.match, "application/{+}", "application/{a+}j", "text"
    ),
    "static_host_build.dictionary.patterns._MEANT": repeated(patterns._written, "*", "(", "\\", "é"),
    "static_host_build.dictionary.patterns._STAR": repeated(patterns._STAR.split, "*", "\\", "\\*"),
    "static_host_build.collect.static_root._HASHED": repeated(
        static_root._plain, "a", ".", ".0123456789ab", "{.0123456789ab}.", "a.0123456789ab.{a}."
    ),
    "static_host_build.encode.encoder._SOURCE_MAP": repeated_bytes(
        encoder.after_the_fingerprint,
        *("sourceMappingURL=", "sourceMappingURL={.map}", "sourceMappingURL=a.map{ }x", "//# s"),
    ),
}  # fmt: skip
NEVER_FOREIGN = {
    "static_host.project.overrides._NAMES": "names of Django's settings",
    "static_host.conf.misspelled.misspelt": "names of the operator's variables",
    "static_host.checks.settings._header_refused": "a setting of the project's",
    "static_host.object_store.candidate_names.Fingerprinted.__init__": "the operator's own expression (DJANGO_STATIC_IMMUTABLE_PATTERN)",
    "static_host.conf.validators._HOST": "the operator's variables",
    "static_host.conf.validators._TAKEN": "the operator's variables",
    "static_host.conf.validators._refusal": "the operator's variables",
    "static_host.conf.validators.age": "the operator's variables",
    "static_host.conf.validators.path": "the operator's variables",
    "static_host.conf.validators.pattern": "the operator's variables",
    "static_host.conf.validators.secrets": "the operator's variables",
    "static_host.conf.validators.shown": "the operator's variables",
    "static_host.conf.validators.url_prefix": "the operator's variables, and STATIC_URL",
    "static_host_build.adopt._immutable": "the operator's own expression",
    "static_host_build.pipeline._Build._made": "the operator's own expression, and one of ours",
}
LEXERS = "static_host_build.references."

FUNCTIONS = {
    "a request's environ": [
        Hostile(lambda fields: environ(scope_of(fields), {}), lambda count: [(b"x-a", b"bc")] * count),
        Hostile(lambda fields: environ(scope_of(fields), {}), lambda count: [(b"cookie", b"a=b")] * count),
        Hostile(
            lambda fields: environ(scope_of(fields), {}), lambda count: [(b"x-%d" % each, b"") for each in range(count)]
        ),
    ],
    "an identifier among fields": [Hostile(identifier, lambda count: [(b"x-request-id", b"!")] * count)],
    "a head that may have been answered": repeated_bytes(
        lambda head: Memo.find(SimpleNamespace(_by_line={b"GET": {}}, _misses_by_line={}), head),  # type: ignore[arg-type]
        *("GET\r\n{host:}", "GET\r\n{host:a\r\n}", "{GET}", "\r\n"),
    ),
    "a target in the log of dev": repeated(
        lambda text: MaskedTarget().filter(logging.makeLogRecord({"args": ("a", "GET", f"/?{text}", "1.1", 200)})),
        *QUERIES[:12],
    ),
    "the codings of an answer": repeated(lambda coding: client._decoded(coding, b"a" * 4096), "gzip,", ",", "br, "),
    "the URLs of a page": repeated(
        lambda text: page_references.of_page(text, "http://a/"),
        *("<img src=a>", "<base href=/{b/}><img src=a>", "<img src={../}>"),
    ),
    "the prefixes of a page": [
        Hostile(
            lambda found: list(map(scope.Scope.of(found, "http://a/").covers, [each.url for each in found])),
            lambda count: [
                page_references.Reference(f"http://a/{each}/a.0123456789ab.css", "style") for each in range(count)
            ],
        )
    ],
    "the names of an index from elsewhere": repeated(lambda name: index_validation.is_sound(name, resource()), "a/", "a", "/"),
    "the outputs of a bundler's manifest": [
        Hostile(lambda data: bundler_manifests.outputs({"manifest.json": data}, {"a.js"}), make)
        for make in (
            lambda count: json.dumps({"a.js": "a/" * count}).encode(),
            lambda count: json.dumps({"a.js": "?" * count, "files": {}}).encode(),
            lambda count: json.dumps({f"{each}": f"{each}-abcdefg1.js" for each in range(count)}).encode(),
            lambda count: json.dumps(
                {"outputs": {f"{each}.js": {"imports": [{"path": f"{each}.js"}]} for each in range(count)}}
            ).encode(),
            lambda count: b"[" * count,
        )
    ],
    "a policy": repeated(csp.parsed, "a ", ";", "a;", "default-src {a }"),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_takes_time_in_proportion_to_its_input(name: str) -> None:
    slow = [row.make(4) for row in EXPRESSIONS[name] if not is_linear(row)]
    assert not slow, f"{name} is not linear; inputs of this kind: {slow}"


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_lexer_takes_time_in_proportion_to_its_input(name: str) -> None:
    slow = [row.make(4) for row in LANGUAGES[name] if not is_linear(row)]
    assert not slow, f"{name} is not linear; inputs of this kind: {slow}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_loop_takes_time_in_proportion_to_its_input(name: str) -> None:
    slow = [row.make(4) for row in FUNCTIONS[name] if not is_linear(row)]
    assert not slow, f"{name}: not linear; inputs of this kind: {slow}"


def test_every_expression_has_a_hostile_input_or_a_reason() -> None:
    known = EXPRESSIONS.keys() | NEVER_FOREIGN.keys()
    assert {name for name in expressions() if not name.startswith(LEXERS)} == known
    assert {name.split(".")[2] for name in expressions() if name.startswith(LEXERS)} == LANGUAGES.keys()


@pytest.mark.parametrize("text", QUERIES)
def test_a_target_of_any_length_costs_the_log_no_more_than_one_that_is_shown_whole(text: str) -> None:
    (row,) = repeated_bytes(lambda query: [target(b"/", query) for _ in range(20)], text)
    shown = target(b"/", row.make(64_000).encode("latin-1"))
    assert len(shown) < 3 * MAX_TARGET_BYTES + 10
    assert shown.endswith("…")
    assert shown[:-1].isascii()
    assert any(seconds(row, 64_000) / seconds(row, 4_000) < 2 for _ in range(5))


@pytest.mark.parametrize("text", ["a" * 100, "a{(}", "(a"])
def test_the_measure_tells_a_quadratic_function(text: str) -> None:
    def quadratic(value: str) -> int:
        return sum(value[:count].count("b") for count in range(0, len(value), 8))

    assert not is_linear(repeated(quadratic, text)[0])
