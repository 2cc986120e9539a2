"""No input holds the process up: the time of what reads foreign bytes grows as their number does, and no faster.

Who adds a regular expression adds a row to `EXPRESSIONS`, with inputs that would hurt it if it were not linear, or a
reason to `NEVER_FOREIGN`. Who adds a loop over foreign bytes adds a row to `FUNCTIONS`.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from statistics import median
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from static_host.checks import csp
from static_host.files import media_files, sendfile_roots
from static_host.http import page, request_line, request_parser
from static_host.http.page_head import parse_page_head
from static_host.http.response_head import InvalidResponseError, make_head
from static_host.http.websocket_frames import WebSocketFrames
from static_host.http.websocket_handshake import build_scope
from static_host.http.websocket_messages import MessageQueue
from static_host.middleware.forwarded import TrustedProxies
from static_host.middleware.origin_secret import OriginSecret
from static_host.object_store import candidate_names, disk_cache
from static_host.origin import (
    conditional,
    header_rules,
    index_validation,
    negotiation,
    own_fields,
    page_dictionary,
    percent_decoding,
    request_head,
)
from static_host.origin.index import dump_index, parse_index
from static_host.origin.representation import Representation, Resource
from static_host.origin.response_cache import ResponseCache
from static_host.origin.security import SecurityPolicy
from static_host.pages import page_codings
from static_host.telemetry.request_record import (
    MAX_TARGET_BYTES,
    find_identifier,
    find_logged_fields,
    find_trace,
    format_address,
    format_target,
)
from static_host.telemetry.secret_masking import _SECRET_PARAMETER
from static_host.telemetry.timings import measure_proxy_seconds
from static_host.telemetry.trace_context import parse_traceparent
from static_host.verify import audit_scope, browser_access, cdn, client, crawler, html_parser, page_references
from static_host.verify.received_response import ReceivedResponse
from static_host_build import bundler_manifests
from static_host_build.carry import release_requests
from static_host_build.collect import static_root_files
from static_host_build.dictionary import patterns
from static_host_build.encode import encoder
from static_host_django.checks.csp import _CSP_MIDDLEWARE
from static_host_django.collect import page_text
from static_host_django.compressor_blocks import template_context
from static_host_django.environ import build_environ
from static_host_django.frames import FrameError, FrameReader, Head, Kind, decode_response, encode
from static_host_django.media_type import is_media_type
from static_host_django.static_names import iter_candidates
from tests.support.hostile_texts import LANGUAGES
from tests.support.linearity import (
    MAX_GROWTH_RATIO,
    Hostile,
    find_regex_calls,
    is_linear,
    measure_growth,
    measure_thread_seconds,
    repeat_bytes,
    repeat_texts,
)

QUERIES = (
    *("a", "?", "&", "=", ";", "%", "#", "%25", "%2525", "%3D", "%26", "%ff", "\xff", "x={?}", "x={?code}", "{?key}="),
    *("x={?a}&token=1", "x={;key}&token=1", "token=1&{?}", "token=1&{a=?b&}", "token=1&{%3f}=", "x=?{key}", "x={=?a}"),
)


def answer(**fields: str) -> ReceivedResponse:
    return ReceivedResponse(200, fields, 0, "", True, fields.get("plain", "").encode(), None, "HTTP/1.1")


def resource(match: str = "", media_type: str = "text/css") -> Resource:
    return Resource(media_type, True, (Representation("identity", "a.css", 1, "x" * 24),), match=match)


ENCODED_WORDS = (
    "=",
    "=?",
    "?",
    "=?utf-8?{=?}",
    "=?utf-8?q?{a}?=",
    "=?utf-8?q?{a",
    "=?utf-8?b?{YWFh}?=",
    "=?utf-8?q?{=}?=",
    "=?utf-8?q?a?={ =?utf-8?q?a?=}",
    "=?utf-8?{ }",
    "=?utf-8?{=?utf-8?q?}",
)


def decode_name(value: bytes) -> object:
    with suppress(sendfile_roots.NamedFileError):
        return sendfile_roots._decode(value)
    return None


def make_field(name: bytes, value: bytes) -> object:
    with suppress(InvalidResponseError):
        return make_head(200, [(name, value)], "GET", "1.1")
    return None


def parse_metrics(data: bytes) -> object:
    with suppress(release_requests.MetricsUnreadableError):
        return release_requests.parse_release_requests(data, "")
    return None


def of_head(head: bytes) -> object:
    return find_logged_fields(head)


def is_response(payload: bytes) -> bool:
    try:
        decode_response(payload)
    except FrameError:
        return False
    return True


def feed_web_socket(pieces: list[bytes]) -> None:
    config: Any = SimpleNamespace(ws_per_message_deflate=False, ws_max_size=None)
    frames = WebSocketFrames(config, MessageQueue(), lambda _: None)
    fields = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-version", b"13")]
    key = (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")
    frames.send_response(frames.receive_handshake([*fields, key]))
    for piece in pieces:
        frames.receive(piece)


def receive_handshake(fields: list[tuple[bytes, bytes]]) -> None:
    config: Any = SimpleNamespace(ws_per_message_deflate=True, ws_max_size=None)
    others = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-version", b"13")]
    key = (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")
    WebSocketFrames(config, MessageQueue(), lambda _: None).receive_handshake([*others, key, *fields])


def feed_in_pieces(count: int) -> None:
    reader = FrameReader()
    data = encode(Kind.BODY, bytes(count)[: 1 << 20])
    frames = [frame for byte in data for frame in reader.feed(bytes([byte]))]
    assert len(frames) == 1


def head_of(fields: list[tuple[bytes, bytes]]) -> Head:
    """Return the head of a request with these fields."""
    return Head(b"GET", b"/", b"", b"1.1", b"http", b"", b"127.0.0.1", b"1", b"127.0.0.1", b"80", fields)


def validators(name: str) -> Any:
    own = conditional.Validators(b'"x"', 0)
    return lambda value: conditional.evaluate({name.encode(): value}, own, 1 << 40)


EXPRESSIONS: dict[str, list[Hostile]] = {
    "static_host_django.static_names._QUERY_OR_FRAGMENT": repeat_texts(lambda name: list(iter_candidates(name)), "?", "#", "%", "%25", "a", " "),
    "static_host_django.checks.csp._CSP_MIDDLEWARE": repeat_texts(_CSP_MIDDLEWARE.search, "csp", "content_", "contentsecurity"),
    "static_host.checks.csp._group_by_kind": [
        Hostile(
            lambda count: csp._group_by_kind({"a": resource(media_type="application/font-" + "+" * count)}),  # type: ignore[arg-type]
            lambda count: count,
        )
    ],
    "static_host.checks.csp._is_source_match": repeat_texts(
        lambda source: csp._is_source_match(source, urlsplit("https://a/"), "/a"), "a", "a+{:}/", "{*.}", "a://{/}"
    ),
    "static_host.middleware.forwarded._WITH_PORT": repeat_bytes(
        lambda value: TrustedProxies(["10.0.0.0/8"]).find_client([value]), "1", "{:}1", "[", "[{1}", "10.0.0.1,", ",", " "
    ),
    "static_host.http.request_line._ABSOLUTE_FORM": repeat_bytes(
        lambda target: request_line._ABSOLUTE_FORM.match(target), "http://{a}", "http://{a}#", "http://a/{?}", "http{s}"
    ),
    "static_host.http.request_parser._END_OF_HEAD": repeat_bytes(request_parser._END_OF_HEAD.search, "\r", "{\r}\n", "\na", "\n\r{\r}"),
    "static_host.http.request_line._BEGIN": repeat_bytes(request_line._BEGIN.match, "A", "{A}(", "A{ }", " "),
    "static_host.http.request_line._LINE": repeat_bytes(
        request_line._LINE.fullmatch, "A", "GET{ }", "GET / {a}", "GET{ }/{ }HTTP/", "{a} {a} {a}", "GET {HTTP/}"
    ),
    "static_host.http.response_head._NAME": repeat_bytes(lambda name: make_field(name, b""), "a", "a{:}"),
    "static_host.http.response_head._VALUE": repeat_bytes(lambda value: make_field(b"a", value), "a", "a{\t}\n"),
    "static_host.http.response_head._LENGTH": repeat_bytes(lambda value: make_field(b"content-length", value), "1", " ", "1{ }2"),
    "static_host.http.request_line._HOST": repeat_bytes(request_line.is_host, "a", "[{a}", "[{:}]", "a:{1}x", "a{ }x", "a:1{ }x"),
    "static_host.http.page_head._REQUEST_LINE": repeat_bytes(parse_page_head, "GET /{a}", "GET /{?}", "GET /?{a} ", "GET /{a}? HTTP"),
    "static_host.http.page_head._FIELD": repeat_bytes(
        lambda fields: parse_page_head(b"GET / HTTP/1.1\r\n" + fields + b"\r\n"),
        *("a", "a:", "a:{ }", "a: b\r\n", "\n", ":", "a: b{ }\r\n", "host: a\r\n"),
    ),
    "static_host.pages.page_codings._is_compressible": repeat_bytes(
        page_codings._is_compressible, "text/{a}", "application/{a}+", "text/a{ }", "image/{+json}", "model/{a.}"
    ),
    "static_host.pages.page_codings._has_no_transform": repeat_bytes(
        page_codings._has_no_transform, " ", ",", "no-transform", " no-transform{x}", "{ ,}no-transfor"
    ),
    "static_host.pages.page_codings._MARKED": repeat_bytes(
        lambda value: page_codings.restore_entity_tags([(b"if-match", value)]),
        *('W/"', 'W/"{a}', '~page"', 'W/"~page"', 'W/"{~page}', '{W/"a}~page"'),
    ),
    "static_host.origin.page_dictionary._is_name": repeat_texts(page_dictionary.is_page_dictionary, "page-dictionary.{0}", "{page-dictionary.}"),
    "static_host_django.collect.page_text._ENGINE_SUFFIX": repeat_texts(page_text.is_page, ".j2", "a", "{.}jinja"),
    "static_host_django.collect.page_text._CALL": repeat_texts(
        page_text._CALL.match, "static{ }", "url 'a'{ }x", 'url "{a}', "{-}static", "url '{\"}'"
    ),
    "static_host_django.collect.page_text._REFERENCE": repeat_texts(
        lambda text: page_text._REFERENCE.findall(text), "{%", "{% include '", "{%{ }include", '{% extends{ }"a"', '{% extends "{a}'
    ),
    "static_host.http.page._find_framing": repeat_bytes(page._find_framing, "\n", "connection: ", "connection: {a}\r\n", "x-accel-redirect: {x-}\r\n", "a: b\r\n"),
    "static_host_django.frames._RESPONSE_HEAD": repeat_bytes(
        lambda lines: is_response(b"200\0" + lines), "a", "a: b\r\n", "a: {b}", "a: b\r\n{a: b\r\n}c", "a: {b\r}", "\r\n",
        "content-length: 1\r\n", "content-length: {1}",
    ),
    "static_host.origin.conditional._DATES": repeat_bytes(conditional.parse_http_date, "Mon, ", "0", " ", "Sunday, {0}"),
    "static_host.origin.conditional._ENTITY_TAGS": repeat_bytes(
        validators("if-none-match"), ",", " ", '"', '"a",', '"a" ,', '"a", {,}x', '"a"{ }x', '{"a" , }x', '{, }"', "W/"
    ),
    "static_host.origin.conditional._EACH_TAG": repeat_bytes(conditional._EACH_TAG.findall, '"', "W/", 'W/"', '"a"', '"{a}'),
    "static_host.origin.conditional._RANGE": repeat_bytes(
        validators("range"), "bytes={0}", "bytes={0-}", "bytes={0-0,}", "bytes={,}", "bytes={-1,}", "bytes=0-{9}x"
    ),
    "static_host.files.media_files._find_invalid": repeat_bytes(media_files._find_invalid, "a", "/", "a/", "a.", "a/{.}", "{a/}."),
    "static_host.origin.percent_decoding._ESCAPE": repeat_bytes(percent_decoding.unescape, "%", "%41", "a%41", "%%41", "%zz", "%4", "%%4"),
    "static_host.origin.request_head.make_line_finder": repeat_bytes(request_head.find_field_lines, "\n", "\na", "\nAccept-Encoding:", "\nac", "\r\n")
    + repeat_bytes(request_head.make_line_finder("x-tls", "x-forwarded-proto"), "\nx-", "\nx-forwarded-prot", "\nx-tls:", "\r\n"),
    "static_host.origin.request_head._REQUEST_LINE": repeat_bytes(request_head._REQUEST_LINE.match, "GET /{a}", "GET /{?}", "GET /?{a} ", "GET /{a}? HTTP"),
    "static_host.origin.request_head.HOST": repeat_bytes(request_head.HOST.fullmatch, "a", "a:{1}x", "{ }a", "a{ }x", "[{:}", "[{:}]x"),
    "static_host.origin.request_head.KEEP_ALIVE": repeat_bytes(request_head.KEEP_ALIVE.fullmatch, " ", "{ }keep-alive{ }", "keep-alive{ }x"),
    "static_host.origin.index.Index.__init__": [
        Hostile(parse_index, lambda count: dump_index("/static/", {f"{number:08}": resource() for number in range(count)}))
    ],
    "static_host.origin.negotiation._ELEMENT": repeat_bytes(
        negotiation.parse_accept_encoding, "a", " ", ",", "a;", "a{ }x", "{ }a{ }", "a;q={0}", "a;q=0.{0}", "a{ }, b{ };", "br,"
    ),
    "static_host.origin.negotiation._SHA_256": repeat_bytes(negotiation.parse_available_dictionary, ":", "a", ":{a}=:"),
    "static_host.origin.header_rules._PATTERN_PART": repeat_texts(header_rules._PATTERN_PART.split, ":", ":a", "*", "a"),
    "static_host.origin.header_rules._PLACEHOLDER": repeat_texts(lambda text: header_rules._PLACEHOLDER.sub("", text), ":", ":a", "a"),
    "static_host_django.media_type._MEDIA_TYPE": repeat_texts(
        is_media_type, "a", "a/a;", "a/a{ }", "a/a;{ }a", "a/a{;a=a}", 'a/a;a="{a}', 'a/a;a="{\\"}', "a/a{ ;\t}", "a/a{ ; a=a }"
    ),
    "static_host.origin.own_fields._NAME": repeat_texts(own_fields._NAME.fullmatch, "a", "a{ }"),
    "static_host.origin.own_fields._VALUE": repeat_texts(own_fields._VALUE.fullmatch, "a", " ", "a {}\n", "a{ }\t"),
    "static_host.origin.index_validation._PLAIN_MATCH": repeat_texts(index_validation.is_valid_match, "a", " "),
    "static_host.origin.index_validation._TEXT": repeat_texts(index_validation._TEXT.fullmatch, "a", "a{ }\n"),
    "static_host.origin.index_validation._DIGEST": repeat_texts(index_validation._DIGEST.fullmatch, "a"),
    "static_host.origin.index_validation._SHA_256": repeat_texts(index_validation._SHA_256.fullmatch, "a"),
    "static_host.origin.index_validation._DELTA_SUFFIX": repeat_texts(index_validation._DELTA_SUFFIX.fullmatch, ".", ".{a}", ".dcz", ".{a}.dcz."),
    "static_host.telemetry.request_record._find_logged_fields": repeat_bytes(
        of_head, "GET /{a} HTTP/1.1\r\n", "GET / HTTP/1.1{\r\nx-request-id:}", "GET / HTTP/1.1{\r\nx-}", "GET /{?} a",
        "GET / HTTP/1.1{\r\ntraceparent:}", "GET / HTTP/1.1{\r\ntr}",
    ),
    "static_host.middleware.origin_secret.OriginSecret.__init__": repeat_bytes(
        OriginSecret("X-Secret", ["a" * 16]).is_in_head, "\r\n", "\r\nx-secret:", "\r\nx-secret:{ }", "\r\nx-s"
    ),
    "static_host.telemetry.secret_masking._SECRET_WORD": repeat_bytes(lambda query: format_target(b"/", query), *QUERIES),
    "static_host.telemetry.secret_masking._SECRET_PARAMETER": repeat_bytes(_SECRET_PARAMETER.search, *QUERIES, "x=?{a?}", "x=;{key}", "key", "x=?{key?}", "x={;a}"),
    "static_host.telemetry.secret_masking._ESCAPE": repeat_bytes(lambda query: format_target(b"/", b"token=%25" + query), *QUERIES),
    "static_host.telemetry.request_record._IDENTIFIER": repeat_bytes(lambda value: find_identifier([(b"x-request-id", value)]), "a", " "),
    "static_host.telemetry.trace_context._TRACEPARENT": repeat_bytes(
        lambda value: parse_traceparent([value]), "0", "00-", " ", "01-" + "a" * 32 + "-" + "b" * 16 + "-01{-}", "01-{a}"
    ),
    "static_host.telemetry.timings._START": repeat_bytes(
        lambda value: measure_proxy_seconds(value, 1e9), "1", "t=", "t={1}", "1.{1}", "{1.}", " ", "t={ }1", "1{ }"
    ),
    "static_host.telemetry.request_record._PLAIN_ADDRESS": repeat_texts(lambda host: format_address((host, 0)), "a", "\xff", "::", " "),
    "static_host.object_store.candidate_names._HASH": repeat_texts(candidate_names._HASH.search, "a", "a-", "abcdefg.", "_"),
    "static_host.object_store.disk_cache._OWN_FILE": repeat_texts(disk_cache._OWN_FILE.fullmatch, "a", ".draft-"),
    "static_host.verify.browser_access.ACCEPTED_MEDIA_TYPES": [
        row for kind in browser_access.ACCEPTED_MEDIA_TYPES.values() for row in repeat_texts(kind.fullmatch, "text/", "x-", "text/x-", "a")
    ],
    "static_host.verify.received_response._ORIGIN_ETAG": repeat_texts(lambda tag: answer(etag=tag).is_as_built, '"', '"a', "W/"),
    "static_host.verify.received_response.ReceivedResponse.max_age": repeat_texts(
        lambda value: answer(**{"cache-control": value}).max_age, "max-age=1,", "max-age={0}", ",", "=", " "
    ),
    "static_host.verify.received_response.ReceivedResponse.age": repeat_texts(lambda value: answer(age=value).age, "1", " "),
    "static_host.verify.cdn._has": [
        row
        for field in ("cache-status", "x-cache", "via", "x-timer")
        for row in repeat_texts(
            lambda value, field=field: (cdn.parse_cache_state(answer(**{field: value})), cdn.identify_cdns(answer(**{field: value}))),  # type: ignore[misc]
            *(";", "; ", ";hit{ }x", ";{ }", ";fwd{ }", "hit", "HIT_", "(CloudFront", "S{1}", " "),
        )
    ],
    "static_host.verify.crawler._COMPRESSED_MEDIA_TYPES": repeat_texts(crawler._COMPRESSED_MEDIA_TYPES.match, "image/", "application/{g}zip"),
    "static_host.verify.crawler._decode_text": repeat_texts(
        lambda value: crawler._decode_text(answer(**{"content-type": value})),
        *("charset", "charset{ }", "charset={ }", "charset ="),
    ),
    **{
        f"static_host.verify.html_parser.{name}": repeat_texts(
            lambda page: list(html_parser.parse_elements(page)),
            *("<", "<!", "<!--", "<!-", "<?", "</", "</a", "<a ", "<a", "<a b='", '<a b="x', "<a b=", "<a =", "<a/"),
            *("<script>", "<script>{</script}", "<style>{</}", "<title>", "<a {b }", "<a {b='c' }", "<a b{ }", "<a{ }"),
            *("<!--{-}", "<!--{--!}", "<a b='{&}'>", "<a b='&#{1}'>", "<!doctype ", "<a {'}", "<a {/}"),
        )
        for name in ("_MARKUP", "_ATTRIBUTE", "_TAG_END", "_RAW_TEXT_ENDS")
    },
    "static_host.verify.page_references._SRCSET_CANDIDATE": repeat_texts(
        lambda text: page_references.parse_page(f'<img srcset="{text}">', "http://a/"),
        *(",", " ", "a", "a,", "a ,", "a{,}", "a{ }"),
    ),
    **{
        f"static_host.verify.page_references.{name}": repeat_texts(
            lambda text: page_references.parse_stylesheet(text, "http://a/"),
            *("/*", "/*a", "/*{*}", "/", "url(", 'url("', "url('", "url({ }", "url(a", "url(a{ }", "@import "),
            *("@import{ }", '@import "', "@import '", "@import url(", "url(a)", 'url("a" ', 'url("{a}', "@import", "u"),
        )
        for name in ("_COMMENT", "_URL", "_IMPORT")
    },
    "static_host.verify.page_references._FONT": repeat_texts(page_references._guess_css_kind, ".woff", ".", "a.ttf.", "."),
    "static_host.verify.page_references._guess_css_kind": repeat_texts(page_references._guess_css_kind, "?", "#", "a?"),
    "static_host.verify.audit_scope._FINGERPRINT": repeat_texts(audit_scope.is_fingerprinted, "http://a/{.}", "http://a/{.0123456789ab}x"),
    "static_host_django.compressor_blocks.template_context._NAME": repeat_texts(template_context._NAME.match, "a", "a'", "é/", '"'),
    "static_host_build.bundler_manifests.HASH_PATTERN": repeat_texts(
        lambda text: bundler_manifests._is_hashed("a", f"{text}.js"), "-", "a", "-a", "-abcdefg", "A"
    ),
    "static_host_build.bundler_manifests._BASE32": repeat_texts(
        lambda text: bundler_manifests._is_hashed(None, f"a.{text}.js"), "A", "2", "a", "A-", "ABCDEFGH."
    ),
    "static_host_build.bundler_manifests._ONLY_HASH": repeat_texts(bundler_manifests.is_hash, "a", "0", "a0", "{a}g"),
    "static_host_build.dictionary.patterns._DICTIONARY_TYPES": repeat_texts(
        patterns._DICTIONARY_TYPES.match, "application/{+}", "application/{a+}j", "text"
    ),
    "static_host_build.dictionary.patterns._PATTERN_SYNTAX": repeat_texts(patterns._quote_part, "*", "(", "\\", "é"),
    "static_host_build.dictionary.patterns._STAR": repeat_texts(patterns._STAR.split, "*", "\\", "\\*"),
    "static_host_build.carry.release_requests._LINE": repeat_bytes(
        parse_metrics,
        *("static_host_release_", "static_host_release_\n", "static_host_release_requests_total{", "\n", "a\n"),
        'static_host_release_requests_total{release="{0}"} 1',
        'static_host_release_requests_total{release="0123456789abcdef"} {1}',
        'static_host_release_requests_total{release="0123456789abcdef"} 1.{1}e+01',
        'static_host_release_requests_total{release="0123456789abcdef"} 1\n',
    ),
    "static_host_build.collect.static_root_files._FINGERPRINTED_NAME": repeat_texts(
        static_root_files._strip_fingerprint, "a", ".", ".0123456789ab", "{.0123456789ab}.", "a.0123456789ab.{a}."
    ),
    "static_host_build.encode.encoder._SOURCE_MAP": repeat_bytes(
        encoder.count_bytes_after_fingerprint,
        *("sourceMappingURL=", "sourceMappingURL={.map}", "sourceMappingURL=a.map{ }x", "//# s"),
    ),
}  # fmt: skip
NEVER_FOREIGN = {
    "static_host_django.whitenoise_settings._CHARSET": "a setting of the project's",
    "static_host_django.whitenoise_settings._read_prefix": "a setting of the project's",
    "static_host_django.whitenoise_settings._name_immutable_test": "a setting of the project's",
    "static_host_django.collect.whitenoise_functions.find_immutable": "a setting of the project's, as WhiteNoise uses it",
    "static_host.origin.header_rules._compile_pattern": "patterns of the project's own file; names are bounded by the file system",
    "static_host_django.security_settings._HEADER": "a setting of the project's",
    "static_host_django.security_settings._list_patterns": "a setting of the project's",
    "static_host.origin.security._compile_patterns": "a setting of the project's, as Django uses it; paths have MAX_EXEMPT_BYTES",
    "static_host_django.overrides._TRACKED_SETTINGS": "names of Django's settings",
    "static_host.conf.misspelled_variables.find_misspelled": "names of the operator's variables",
    "static_host_django.checks.project_settings.find_unusable_header": "a setting of the project's",
    "static_host.object_store.candidate_names.FingerprintMatcher.__init__": "the operator's own expression (DJANGO_STATIC_IMMUTABLE_PATTERN)",
    "static_host.cli.dev._ADDRESS": "the command line",
    "static_host.workers.interpreter._TRIAL_RESULT": "what an interpreter that the operator names prints when it is tried",
    "static_host.conf.validators._HOST": "the operator's variables",
    "static_host.conf.validators._RESERVED_HEADER_NAMES": "the operator's variables",
    "static_host.conf.validators._explain_invalid_host": "the operator's variables",
    "static_host.conf.validators.parse_file_mode": "the operator's variables",
    "static_host.conf.validators.parse_age": "the operator's variables",
    "static_host.conf.validators.validate_path": "the operator's variables",
    "static_host.conf.validators.validate_pattern": "the operator's variables",
    "static_host.conf.validators.validate_secrets": "the operator's variables",
    "static_host.conf.validators.mask_credentials": "the operator's variables",
    "static_host.conf.validators.validate_url_prefix": "the operator's variables, and STATIC_URL",
    "static_host_build.external_tree_index._make_immutable_test": "the operator's own expression",
    "static_host_build.resource_step.ResourceStep.make": "the operator's own expression, and one of ours",
}
LEXERS = "static_host_build.references."


def feed_chunks(data: bytes) -> None:
    """Read a chunked body that arrives at once."""
    parser = request_parser.RequestParser()
    with suppress(request_line.RequestRefusedError):
        parser.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + data)


FUNCTIONS = {
    "sendfile_roots._decode": repeat_bytes(decode_name, *ENCODED_WORDS),
    "the fields of a handshake": [
        Hostile(receive_handshake, lambda count: [(b"connection", b"a")] * count),
        Hostile(receive_handshake, lambda count: [(b"sec-websocket-extensions", b"permessage-deflate;a")] * count),
        Hostile(receive_handshake, lambda count: [(b"sec-websocket-extensions", b"," * count)]),
        Hostile(receive_handshake, lambda count: [(b"sec-websocket-key", b"a" * count)]),
    ],
    "a chunked body": repeat_bytes(feed_chunks, "1\r\na\r\n", "0\r\n{a:b\r\n}", "{0}1\r\na\r\n", "1;{a}\r\n", "\n"),
    "a request's environ": [
        Hostile(lambda fields: build_environ(head_of(fields), {}), lambda count: [(b"x-a", b"bc")] * count),
        Hostile(lambda fields: build_environ(head_of(fields), {}), lambda count: [(b"cookie", b"a=b")] * count),
        Hostile(
            lambda fields: build_environ(head_of(fields), {}), lambda count: [(b"x-%d" % each, b"") for each in range(count)]
        ),
    ],
    "a path that may be exempt from the redirect": repeat_bytes(
        SecurityPolicy(is_redirecting=True, exempt=(re.compile("(a|b)*c.*c$"),)).requires_redirect, "/", "a", "/{%61}", "c", "/static/{ac}"
    ),
    "the target of a redirect": repeat_bytes(
        lambda path: SecurityPolicy(redirect_host=b"a").build_redirect("GET", path, path, []), "/", "%", "<", "/{\xff}"
    ),
    "a trace among fields": [Hostile(find_trace, lambda count: [(b"traceparent", b"!")] * count)],
    "an identifier among fields": [Hostile(find_identifier, lambda count: [(b"x-request-id", b"!")] * count)],
    "a head that may have been answered": repeat_bytes(
        lambda head: ResponseCache.find(SimpleNamespace(_by_line={b"GET": {}}, _others_by_line={}, _not_found_by_line={}, _find_lines=request_head.find_field_lines), head),  # type: ignore[arg-type]
        *("GET\r\n{host:}", "GET\r\n{host:a\r\n}", "{GET}", "\r\n"),
    ),
    "the codings of an answer": repeat_texts(lambda coding: client._decode_body(coding, b"a" * 4096), "gzip,", ",", "br, "),
    "the URLs of a page": repeat_texts(
        lambda text: page_references.parse_page(text, "http://a/"),
        *("<img src=a>", "<base href=/{b/}><img src=a>", "<img src={../}>"),
    ),
    "the prefixes of a page": [
        Hostile(
            lambda found: list(map(audit_scope.Scope.from_references(found, "http://a/").has_url, [each.url for each in found])),
            lambda count: [
                page_references.PageReference(f"http://a/{each}/a.0123456789ab.css", "style") for each in range(count)
            ],
        )
    ],
    "the names of an index from elsewhere": repeat_texts(lambda name: index_validation.is_valid_resource(name, resource()), "a/", "a", "/"),
    "the outputs of a bundler's manifest": [
        Hostile(lambda data: bundler_manifests.find_hashed_outputs({"manifest.json": data}, {"a.js"}), make)
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
    "a WebSocket's bytes": [
        Hostile(feed_web_socket, make)
        for make in (
            lambda count: [b"\x01\x80\0\0\0\0", *[b"\x00\x81\0\0\0\0a"] * count],
            lambda count: [b"\x82\xff" + count.to_bytes(8, "big") + bytes(4), *[b"a"] * count],
            lambda count: [b"\x89\x80\0\0\0\0" * count],
        )
    ],
    "the subprotocols of a handshake": [
        Hostile(
            lambda fields: build_scope({"type": "http", "scheme": "http", "asgi": {}, "headers": fields}), make_fields
        )
        for make_fields in (
            lambda count: [(b"sec-websocket-protocol", b"a")] * count,
            lambda count: [(b"sec-websocket-protocol", b", " * count)],
        )
    ],
    "a frame that comes in pieces": [Hostile(feed_in_pieces, lambda count: count)],
    "a policy": repeat_texts(csp.parse_policy, "a ", ";", "a;", "default-src {a }"),
}  # fmt: skip


ROWS = {**EXPRESSIONS, **LANGUAGES, **FUNCTIONS}


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_a_short_hostile_input_raises_nothing(rows: list[Hostile]) -> None:
    for row in rows:
        row.function(row.make(64))


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_takes_time_in_proportion_to_its_input(name: str) -> None:
    slow = [row.make(4) for row in EXPRESSIONS[name] if not is_linear(row)]
    assert not slow, f"{name} is not linear; inputs of this kind: {slow}"


@pytest.mark.slow
@pytest.mark.parametrize("name", LANGUAGES)
def test_a_lexer_takes_time_in_proportion_to_its_input(name: str) -> None:
    slow = [row.make(4) for row in LANGUAGES[name] if not is_linear(row)]
    assert not slow, f"{name} is not linear; inputs of this kind: {slow}"


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_loop_takes_time_in_proportion_to_its_input(name: str) -> None:
    slow = [row.make(4) for row in FUNCTIONS[name] if not is_linear(row)]
    assert not slow, f"{name}: not linear; inputs of this kind: {slow}"


def test_every_expression_has_a_hostile_input_or_a_reason() -> None:
    found = find_regex_calls()
    known = EXPRESSIONS.keys() | NEVER_FOREIGN.keys()
    assert {name for name in found if not name.startswith(LEXERS)} == known
    assert {name.split(".")[2] for name in found if name.startswith(LEXERS)} == LANGUAGES.keys()


@pytest.mark.slow
@pytest.mark.parametrize("text", QUERIES)
def test_a_target_of_any_length_costs_the_log_no_more_than_one_that_is_shown_whole(text: str) -> None:
    (row,) = repeat_bytes(lambda query: [format_target(b"/", query) for _ in range(20)], text)
    shown = format_target(b"/", row.make(64_000).encode("latin-1"))
    assert len(shown) < 3 * MAX_TARGET_BYTES + 10
    assert shown.endswith("…")
    assert shown[:-1].isascii()
    assert any(measure_thread_seconds(row, 64_000) / measure_thread_seconds(row, 4_000) < 2 for _ in range(5))


@pytest.mark.slow
@pytest.mark.parametrize("text", ["a" * 100, "a{(}", "(a"])
def test_the_measure_tells_a_quadratic_function(text: str) -> None:
    def quadratic(value: str) -> int:
        return sum(value[:count].count("b") for count in range(0, len(value), 8))

    (row,) = repeat_texts(quadratic, text)
    assert median(measure_growth(row, 0.005) for _ in range(5)) > MAX_GROWTH_RATIO


def test_tiny_chunks_that_arrive_at_once_are_read_without_copying_what_follows_each() -> None:
    row = Hostile(feed_chunks, lambda count: b"1\r\na\r\n" * count)
    assert min(measure_growth(row, 0.1) for _ in range(3)) < MAX_GROWTH_RATIO
