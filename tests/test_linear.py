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

from app import content_policy, guard, protocol
from app.environ import environ
from app.forwarded import TrustedProxies
from app.logs import MaskedTarget
from app.origin import conditional, heads, negotiation, soundness
from app.origin.index import Representation, Resource, dumps, loads
from app.origin.memo import Memo
from app.secret import OriginSecret
from app.seen import _SECRET, MAX_TARGET_BYTES, address, identifier, target
from app.storage import candidates
from app.store import names, shelf
from app.verify import access, cdn, client, inquiry, markup, references, scope
from app.verify.answer import Answer
from static_build import bundles, dictionaries, encode, own_root
from tests.hostile import Hostile, expressions, is_linear, repeated, repeated_bytes, seconds
from tests.hostile_files import LANGUAGES

QUERIES = (
    *("a", "?", "&", "=", ";", "%", "#", "%25", "%2525", "%3D", "%26", "%ff", "\xff", "x={?}", "x={?code}", "{?key}="),
    *("x={?a}&token=1", "x={;key}&token=1", "token=1&{?}", "token=1&{a=?b&}", "token=1&{%3f}=", "x=?{key}", "x={=?a}"),
)


def answer(**fields: str) -> Answer:
    return Answer(200, fields, 0, "", True, fields.get("plain", "").encode(), None, "HTTP/1.1")


def resource(match: str = "", media_type: str = "text/css") -> Resource:
    return Resource(media_type, True, (Representation("identity", "a.css", 1, "x" * 24),), match=match)


def of_head(head: bytes) -> object:
    return protocol._told(head)


def scope_of(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {"method": "GET", "path": "/", "query_string": b"", "http_version": "1.1", "headers": list(fields)}


def validators(name: str) -> Any:
    own = conditional.Validators(b'"x"', 0)
    return lambda value: conditional.evaluate({name.encode(): value}, own, 1 << 40)


EXPRESSIONS: dict[str, list[Hostile]] = {
    "app.storage._REST": repeated(lambda name: list(candidates(name)), "?", "#", "%", "%25", "a", " "),
    "app.content_policy._MIDDLEWARE": repeated(content_policy._MIDDLEWARE.search, "csp", "content_", "contentsecurity"),
    "app.content_policy._by_kind": [
        Hostile(
            lambda count: content_policy._by_kind({"a": resource(media_type="application/font-" + "+" * count)}),  # type: ignore[arg-type]
            lambda count: count,
        )
    ],
    "app.content_policy._matches": repeated(
        lambda source: content_policy._matches(source, urlsplit("https://a/"), "/a"), "a", "a+{:}/", "{*.}", "a://{/}"
    ),
    "app.forwarded._WITH_PORT": repeated_bytes(
        lambda value: TrustedProxies(["10.0.0.0/8"]).client([value]), "1", "{:}1", "[", "[{1}", "10.0.0.1,", ",", " "
    ),
    "app.guard._HOST": repeated_bytes(guard.is_host, "a", "[{a}", "[{:}]", "a:{1}x", "a{ }x", "a:1{ }x"),
    "app.origin.conditional._DATES": repeated_bytes(conditional.parsed_date, "Mon, ", "0", " ", "Sunday, {0}"),
    "app.origin.conditional._ENTITY_TAGS": repeated_bytes(
        validators("if-none-match"), ",", " ", '"', '"a",', '"a" ,', '"a", {,}x', '"a"{ }x', '{"a" , }x', '{, }"', "W/"
    ),
    "app.origin.conditional._EACH_TAG": repeated_bytes(conditional._EACH_TAG.findall, '"', "W/", 'W/"', '"a"', '"{a}'),
    "app.origin.conditional._RANGE": repeated_bytes(
        validators("range"), "bytes={0}", "bytes={0-}", "bytes={0-0,}", "bytes={,}", "bytes={-1,}", "bytes=0-{9}x"
    ),
    "app.origin.heads.fields": repeated_bytes(heads.fields, "\n", "\na", "\nAccept-Encoding:", "\nac", "\r\n"),
    "app.origin.heads._LINE": repeated_bytes(heads._LINE.match, "GET /{a}", "GET /{?}", "GET /?{a} ", "GET /{a}? HTTP"),
    "app.origin.heads._HOST": repeated_bytes(heads._HOST.fullmatch, "a", "a:{1}x", "{ }a", "a{ }x", "[{:}", "[{:}]x"),
    "app.origin.heads._KEEPS": repeated_bytes(heads._KEEPS.fullmatch, " ", "{ }keep-alive{ }", "keep-alive{ }x"),
    "app.origin.index.Index.__init__": [
        Hostile(loads, lambda count: dumps("/static/", {f"{number:08}": resource() for number in range(count)}))
    ],
    "app.origin.negotiation._ELEMENT": repeated_bytes(
        negotiation.weights, "a", " ", ",", "a;", "a{ }x", "{ }a{ }", "a;q={0}", "a;q=0.{0}", "a{ }, b{ };", "br,"
    ),
    "app.origin.negotiation._SHA_256": repeated_bytes(negotiation.held, ":", "a", ":{a}=:"),
    "app.origin.soundness._PLAIN_MATCH": repeated(soundness.is_plain, "a", " "),
    "app.origin.soundness._TEXT": repeated(soundness._TEXT.fullmatch, "a", "a{ }\n"),
    "app.origin.soundness._DIGEST": repeated(soundness._DIGEST.fullmatch, "a"),
    "app.origin.soundness._SHA_256": repeated(soundness._SHA_256.fullmatch, "a"),
    "app.origin.soundness._OF_A_DELTA": repeated(soundness._OF_A_DELTA.fullmatch, ".", ".{a}", ".dcz", ".{a}.dcz."),
    "app.protocol._TOLD": repeated_bytes(
        of_head, "GET /{a} HTTP/1.1\r\n", "GET / HTTP/1.1{\r\nx-request-id:}", "GET / HTTP/1.1{\r\nx-}", "GET /{?} a"
    ),
    "app.secret.OriginSecret.__init__": repeated_bytes(
        OriginSecret("X-Secret", ["a" * 16]).is_in_head, "\r\n", "\r\nx-secret:", "\r\nx-secret:{ }", "\r\nx-s"
    ),
    "app.seen._WORD": repeated_bytes(lambda query: target(b"/", query), *QUERIES),
    "app.seen._SECRET": repeated_bytes(_SECRET.search, *QUERIES, "x=?{a?}", "x=;{key}", "key", "x=?{key?}", "x={;a}"),
    "app.seen._ESCAPE": repeated_bytes(lambda query: target(b"/", b"token=%25" + query), *QUERIES),
    "app.seen._IDENTIFIER": repeated_bytes(lambda value: identifier([(b"x-request-id", value)]), "a", " "),
    "app.seen._HOST": repeated(lambda host: address((host, 0)), "a", "\xff", "::", " "),
    "app.store.names._HASH": repeated(names._HASH.search, "a", "a-", "abcdefg.", "_"),
    "app.store.shelf._OURS": repeated(shelf._OURS.fullmatch, "a", ".draft-"),
    "app.verify.access.TYPES": [
        row for kind in access.TYPES.values() for row in repeated(kind.fullmatch, "text/", "x-", "text/x-", "a")
    ],
    "app.verify.answer._OURS": repeated(lambda tag: answer(etag=tag).is_as_built, '"', '"a', "W/"),
    "app.verify.answer.Answer.max_age": repeated(
        lambda value: answer(**{"cache-control": value}).max_age, "max-age=1,", "max-age={0}", ",", "=", " "
    ),
    "app.verify.answer.Answer.age": repeated(lambda value: answer(age=value).age, "1", " "),
    "app.verify.cdn._has": [
        row
        for field in ("cache-status", "x-cache", "via", "x-timer")
        for row in repeated(
            lambda value, field=field: (cdn.state(answer(**{field: value})), cdn.recognised(answer(**{field: value}))),  # type: ignore[misc]
            *(";", "; ", ";hit{ }x", ";{ }", ";fwd{ }", "hit", "HIT_", "(CloudFront", "S{1}", " "),
        )
    ],
    "app.verify.inquiry._COMPRESSED": repeated(inquiry._COMPRESSED.match, "image/", "application/{g}zip"),
    "app.verify.inquiry._text": repeated(
        lambda value: inquiry._text(answer(**{"content-type": value})),
        *("charset", "charset{ }", "charset={ }", "charset ="),
    ),
    **{
        f"app.verify.markup.{name}": repeated(
            lambda page: list(markup.elements(page)),
            *("<", "<!", "<!--", "<!-", "<?", "</", "</a", "<a ", "<a", "<a b='", '<a b="x', "<a b=", "<a =", "<a/"),
            *("<script>", "<script>{</script}", "<style>{</}", "<title>", "<a {b }", "<a {b='c' }", "<a b{ }", "<a{ }"),
            *("<!--{-}", "<!--{--!}", "<a b='{&}'>", "<a b='&#{1}'>", "<!doctype ", "<a {'}", "<a {/}"),
        )
        for name in ("_MARKUP", "_ATTRIBUTE", "_END", "_TEXTS")
    },
    "app.verify.references._CANDIDATE": repeated(
        lambda text: references.of_page(f'<img srcset="{text}">', "http://a/"),
        *(",", " ", "a", "a,", "a ,", "a{,}", "a{ }"),
    ),
    **{
        f"app.verify.references.{name}": repeated(
            lambda text: references.of_stylesheet(text, "http://a/"),
            *("/*", "/*a", "/*{*}", "/", "url(", 'url("', "url('", "url({ }", "url(a", "url(a{ }", "@import "),
            *("@import{ }", '@import "', "@import '", "@import url(", "url(a)", 'url("a" ', 'url("{a}', "@import", "u"),
        )
        for name in ("_COMMENT", "_URL", "_IMPORT")
    },
    "app.verify.references._FONT": repeated(references._kind_in_css, ".woff", ".", "a.ttf.", "."),
    "app.verify.references._kind_in_css": repeated(references._kind_in_css, "?", "#", "a?"),
    "app.verify.scope._FINGERPRINT": repeated(scope.is_fingerprinted, "http://a/{.}", "http://a/{.0123456789ab}x"),
    "static_build.bundles.HASH": repeated(
        lambda text: bundles._is_hashed("a", f"{text}.js"), "-", "a", "-a", "-abcdefg", "A"
    ),
    "static_build.bundles._BASE32": repeated(
        lambda text: bundles._is_hashed(None, f"a.{text}.js"), "A", "2", "a", "A-", "ABCDEFGH."
    ),
    "static_build.bundles._ONLY_HASH": repeated(bundles.is_hash, "a", "0", "a0", "{a}g"),
    "static_build.dictionaries._TYPES": repeated(
        dictionaries._TYPES.match, "application/{+}", "application/{a+}j", "text"
    ),
    "static_build.dictionaries._MEANT": repeated(dictionaries._written, "*", "(", "\\", "é"),
    "static_build.dictionaries._STAR": repeated(dictionaries._STAR.split, "*", "\\", "\\*"),
    "static_build.own_root._HASHED": repeated(
        own_root._plain, "a", ".", ".0123456789ab", "{.0123456789ab}.", "a.0123456789ab.{a}."
    ),
    "static_build.encode._SOURCE_MAP": repeated_bytes(
        encode.after_the_fingerprint,
        *("sourceMappingURL=", "sourceMappingURL={.map}", "sourceMappingURL=a.map{ }x", "//# s"),
    ),
}  # fmt: skip
NEVER_FOREIGN = {
    "app.overrides._NAMES": "names of Django's settings",
    "app.misspelt.misspelt": "names of the operator's variables",
    "app.inspection._header_refused": "a setting of the project's",
    "app.store.names.Fingerprinted.__init__": "the operator's own expression (DJANGO_STATIC_IMMUTABLE_PATTERN)",
    "app.values._HOST": "the operator's variables",
    "app.values._TAKEN": "the operator's variables",
    "app.values._refusal": "the operator's variables",
    "app.values.age": "the operator's variables",
    "app.values.path": "the operator's variables",
    "app.values.pattern": "the operator's variables",
    "app.values.secrets": "the operator's variables",
    "app.values.shown": "the operator's variables",
    "app.values.url_prefix": "the operator's variables, and STATIC_URL",
    "static_build.adopt._immutable": "the operator's own expression",
    "static_build.pipeline._Build._made": "the operator's own expression, and one of ours",
}
LEXERS = "static_build.references."

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
        lambda text: references.of_page(text, "http://a/"),
        *("<img src=a>", "<base href=/{b/}><img src=a>", "<img src={../}>"),
    ),
    "the prefixes of a page": [
        Hostile(
            lambda found: list(map(scope.Scope.of(found, "http://a/").covers, [each.url for each in found])),
            lambda count: [
                references.Reference(f"http://a/{each}/a.0123456789ab.css", "style") for each in range(count)
            ],
        )
    ],
    "the names of an index from elsewhere": repeated(lambda name: soundness.is_sound(name, resource()), "a/", "a", "/"),
    "the outputs of a bundler's manifest": [
        Hostile(lambda data: bundles.outputs({"manifest.json": data}, {"a.js"}), make)
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
    "a policy": repeated(content_policy.parsed, "a ", ";", "a;", "default-src {a }"),
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
