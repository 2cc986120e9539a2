"""Which pages get a coding, and what their fields say."""

from __future__ import annotations

import pytest

from static_host.pages.page_codings import PageCodings, restore_entity_tags

ALL = PageCodings(("zstd", "br", "gzip"), 0)
BROWSER = [(b"accept-encoding", b"gzip, deflate, br, zstd")]
HTML = (b"content-type", b"text/html; charset=utf-8")
Fields = list[tuple[bytes, bytes]]


def describe(fields: Fields, request: Fields = BROWSER, *, length: int = 500, method: str = "GET") -> Fields:
    return ALL.describe(method, request, 200, fields, length)[0]


@pytest.mark.parametrize(
    ("field", "coding"),
    [
        (b"gzip, deflate, br, zstd", "zstd"),
        (b"gzip, deflate, br", "br"),
        (b"gzip;q=1, br;q=0.9", "gzip"),
        (b"gzip;q=0.5, br;q=0.5, zstd;q=0", "br"),
        (b"X-Gzip", "gzip"),
        (b"*", "zstd"),
        (b"*, zstd;q=0", "br"),
        (b"identity, gzip;q=0.5", ""),
        (b"identity;q=0.5, gzip;q=0.5", "gzip"),
        (b"deflate", ""),
        (b"dcz, dcb", ""),
        (b"gzip;q=0", ""),
        (b"identity;q=0", ""),
        (b"gzip;q=x", ""),
        (b"", ""),
        (b"g\xffzip, br", "br"),
    ],
)
def test_the_client_s_weights_decide_then_the_order(field: bytes, coding: str) -> None:
    fields, open_encoder = ALL.describe("GET", [(b"accept-encoding", field)], 200, [HTML], 500)
    assert bool(open_encoder) is bool(coding)
    assert (b"vary", b"Accept-Encoding") in fields
    assert dict(fields).get(b"content-encoding", b"").decode() == coding


def test_without_the_field_nothing_is_encoded_but_the_response_varies() -> None:
    assert describe([HTML], []) == [HTML, (b"vary", b"Accept-Encoding")]


def test_the_order_is_that_of_the_setting() -> None:
    fields, _ = PageCodings(("gzip", "br"), 0).describe("GET", BROWSER, 200, [HTML], 500)
    assert (b"content-encoding", b"gzip") in fields
    assert PageCodings((), 0).describe("GET", BROWSER, 200, [HTML], 500) == ([HTML], None)


@pytest.mark.parametrize(
    "media_type",
    [
        *(b"text/plain", b"TEXT/HTML", b"text/csv ;header=present", b"application/json", b"application/ld+json"),
        *(b"application/vnd.api+json; charset=utf-8", b"application/xhtml+xml", b"image/svg+xml", b"font/ttf"),
        *(b"application/javascript", b"application/rss+xml", b"application/x-ndjson", b"application/geo+json"),
        *(b"text/calendar", b"application/problem+json", b"application/wasm", b"model/gltf+json"),
    ],
)
def test_types_that_compress(media_type: bytes) -> None:
    assert (b"content-encoding", b"zstd") in describe([(b"content-type", media_type)])


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b"content-type", b"")],
        [(b"content-type", b"text/event-stream")],
        [(b"content-type", b"Text/Event-Stream; charset=utf-8")],
        [(b"content-type", b"image/png")],
        [(b"content-type", b"application/pdf")],
        [(b"content-type", b"application/octet-stream")],
        [(b"content-type", b"application/jsonx")],
        [(b"content-type", b"multipart/x-mixed-replace; boundary=a")],
        [HTML, (b"content-encoding", b"gzip")],
        [HTML, (b"content-encoding", b"identity")],
        [HTML, (b"cache-control", b"public, No-Transform")],
        [HTML, (b"cache-control", b"no-transform,max-age=1")],
        [HTML, (b"content-range", b"bytes 0-1/2")],
        [HTML, (b"content-digest", b"sha-256=:YQ==:")],
        [HTML, (b"content-md5", b"YQ==")],
    ],
)
def test_what_is_left_alone(fields: Fields) -> None:
    assert describe(list(fields)) == fields


@pytest.mark.parametrize("status", [204, 205, 206, 416])
def test_statuses_without_a_whole_body(status: int) -> None:
    fields = [HTML, *([(b"content-range", b"bytes */9")] if status == 416 else [])]
    assert ALL.describe("GET", BROWSER, status, fields, 500) == (fields, None)


@pytest.mark.parametrize("status", [200, 201, 400, 403, 404, 500, 503])
def test_errors_have_pages_as_well(status: int) -> None:
    assert ALL.describe("POST", BROWSER, status, [HTML], 500)[1]


def test_a_field_like_no_transform_is_another_one() -> None:
    assert ALL.describe("GET", BROWSER, 200, [HTML, (b"cache-control", b"x-no-transform")], 500)[1]


@pytest.mark.parametrize(
    ("method", "stated", "length", "is_encoded"),
    [
        ("GET", b"", 499, False),
        ("GET", b"", 500, True),
        ("GET", b"", -1, True),
        ("GET", b"9", -1, False),
        ("HEAD", b"499", 0, False),
        ("HEAD", b"500", 0, True),
        ("HEAD", b"", 0, True),
        ("HEAD", b"many", 0, False),
    ],
)
def test_short_bodies_are_left_alone(method: str, stated: bytes, length: int, is_encoded: bool) -> None:
    fields = [HTML, (b"content-length", stated)] if stated else [HTML]
    assert bool(ALL.describe(method, BROWSER, 200, fields, length)[1]) is is_encoded


def test_fields_that_hold_for_the_bytes_go() -> None:
    fields = [HTML, (b"content-length", b"900"), (b"accept-ranges", b"bytes"), (b"set-cookie", b"a=b")]
    encoded = [HTML, (b"set-cookie", b"a=b"), (b"vary", b"Accept-Encoding"), (b"content-encoding", b"zstd")]
    assert describe(fields, length=900) == encoded
    assert describe(fields, [], length=900) == [*fields, (b"vary", b"Accept-Encoding")]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ([b"Cookie"], b"Cookie, Accept-Encoding"),
        ([b"Cookie", b"Origin"], b"Cookie,Origin, Accept-Encoding"),
        ([b""], b"Accept-Encoding"),
        ([b"*"], b"*"),
        ([b"Cookie, ACCEPT-encoding"], b"Cookie, ACCEPT-encoding"),
    ],
)
def test_vary_is_one_field(given: list[bytes], sent: bytes) -> None:
    fields = describe([HTML, *((b"vary", value) for value in given)])
    assert [value for name, value in fields if name == b"vary"] == [sent]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (b'"abc"', b'W/"abc~page"'),
        (b'""', b'W/"~page"'),
        (b'W/"abc"', b'W/"abc"'),
        (b'"', b'"'),
        (b"abc", b"abc"),
    ],
)
def test_a_strong_entity_tag_becomes_a_weak_one(given: bytes, sent: bytes) -> None:
    assert dict(describe([HTML, (b"etag", given)]))[b"etag"] == sent
    assert dict(describe([HTML, (b"etag", given)], []))[b"etag"] == given


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (b'W/"abc~page"', b'"abc"'),
        (b'W/"a~page", "b", W/"c", W/"~page"', b'"a", "b", W/"c", ""'),
        (b'"abc~page"', b'"abc~page"'),
        (b"*", b"*"),
        (b'W/"abc~page', b'W/"abc~page'),
    ],
)
def test_the_view_sees_its_own_entity_tag(sent: bytes, seen: bytes) -> None:
    for name in (b"if-none-match", b"if-match"):
        assert restore_entity_tags([(name, sent)]) == [(name, seen)]
    for name in (b"if-range", b"x-other"):  # a weak tag matches no If-Range (RFC 9110 §13.1.5)
        assert restore_entity_tags([(name, sent)]) == [(name, sent)]


def test_a_304_names_the_tag_that_the_client_has() -> None:
    def not_modified(*known: bytes) -> Fields:
        request = [(b"if-none-match", each) for each in known]
        return ALL.describe("GET", request, 304, [(b"etag", b'"abc"')], 0)[0]

    assert not_modified(b'W/"abc~page"') == [(b"etag", b'W/"abc~page"'), (b"vary", b"Accept-Encoding")]
    assert not_modified(b'"x"', b'W/"b", W/"abc~page"')[0] == (b"etag", b'W/"abc~page"')
    assert not_modified(b'"abc"') == [(b"etag", b'"abc"'), (b"vary", b"Accept-Encoding")]
    assert not_modified(b'W/"ab~page"')[0] == (b"etag", b'"abc"')
