"""Header blocks as they are made once per representation: each field, in its order, as literal bytes."""

from __future__ import annotations

import pytest

from static_host.origin.headers import (
    build_error_headers,
    encode_own_fields,
    format_cache_control,
    format_cdn_cache_control,
    format_use_as_dictionary,
    prepare_headers,
    prepare_preflight,
    select_vary,
)
from static_host.origin.representation import Representation, Resource

DIGEST = "hNiYd_DUBB77a_kaFvAkjy_V"
IDENTITY = Representation("identity", "a.txt", 10, DIGEST)
BR = Representation("br", "a.txt.br", 7, "W-beZnwQuOVuBP5mCaUfEqZF")
DELTA = Representation("dcz", "a.txt.0.dcz", 3, "CDEyUJ4smNkXCuRQrPzyOgvv", "its")
OPEN = (
    (b"access-control-allow-origin", b"*"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"timing-allow-origin", b"*"),
    (b"x-content-type-options", b"nosniff"),
)


def test_the_headers_of_a_representation() -> None:
    resource = Resource("text/plain; charset=utf-8", True, (BR, IDENTITY), match="a.*.txt")
    prepared = prepare_headers(resource, BR, 60)
    not_modified = (
        (b"etag", b'"W-beZnwQuOVuBP5mCaUfEqZF"'),
        (b"last-modified", prepared.not_modified[1][1]),
        (b"cache-control", b"public, max-age=31536000, immutable"),
        (b"vary", b"Accept-Encoding"),
        *OPEN,
    )
    assert prepared.not_modified == not_modified
    assert prepared.common == ((b"content-encoding", b"br"), *not_modified, (b"accept-ranges", b"bytes"))
    assert prepared.ok == (
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"7"),
        *prepared.common,
        (b"use-as-dictionary", b'match="a.*.txt"'),
    )
    assert (prepared.representation, prepared.media_type) == (BR, b"text/plain; charset=utf-8")
    assert prepared.validators.etag == b'"W-beZnwQuOVuBP5mCaUfEqZF"'


def test_the_headers_of_a_representation_without_coding_or_choice() -> None:
    prepared = prepare_headers(Resource("text/x-é", False, (IDENTITY,)), IDENTITY, 60)
    assert prepared.media_type == b"text/x-\xe9"
    assert prepared.ok == (
        (b"content-type", b"text/x-\xe9"),
        (b"content-length", b"10"),
        (b"etag", b'"hNiYd_DUBB77a_kaFvAkjy_V"'),
        (b"last-modified", b"Wed, 15 Mar 2006 11:16:21 GMT"),
        (b"cache-control", b"max-age=60, must-revalidate"),
        *OPEN,
        (b"accept-ranges", b"bytes"),
    )
    assert prepared.validators.modified == 1_142_421_381


def test_cdns_alone_keep_names_without_a_fingerprint_longer() -> None:
    plain = Resource("text/plain", False, (IDENTITY,))
    assert format_cdn_cache_control(plain, 86400) == ((b"cdn-cache-control", b"max-age=86400"),)
    assert format_cdn_cache_control(plain, 0) == ((b"cdn-cache-control", b"max-age=0"),)
    assert format_cdn_cache_control(plain, None) == ()
    assert format_cdn_cache_control(Resource("text/plain", True, (IDENTITY,)), 86400) == ()


@pytest.mark.parametrize("value", ["no-store", None])
def test_a_cache_control_of_the_project_s_own_holds_for_cdns_too(value: str | None) -> None:
    resource = Resource("text/plain", False, (IDENTITY,), fields=(("cache-control", value),))
    assert format_cdn_cache_control(resource, 86400) == ()


def test_fields_of_the_project_s_own() -> None:
    fields = (
        ("access-control-allow-origin", "https://app.example"),
        ("cache-control", "no-cache"),
        ("content-disposition", "attachment"),
        ("strict-transport-security", "max-age=31536000"),
        ("timing-allow-origin", None),
        ("x-unknown", None),
    )
    resource = Resource("text/plain", True, (BR, IDENTITY), match="a.*.txt", fields=fields)
    prepared = prepare_headers(resource, BR, 60)
    assert prepared.not_modified == (
        (b"etag", b'"W-beZnwQuOVuBP5mCaUfEqZF"'),
        (b"last-modified", prepared.not_modified[1][1]),
        (b"cache-control", b"no-cache"),
        (b"vary", b"Accept-Encoding"),
        (b"access-control-allow-origin", b"https://app.example"),
        (b"cross-origin-resource-policy", b"cross-origin"),
        (b"x-content-type-options", b"nosniff"),
        (b"strict-transport-security", b"max-age=31536000"),
    )
    describing = (b"content-disposition", b"attachment")
    assert prepared.common == (
        (b"content-encoding", b"br"),
        *prepared.not_modified,
        (b"accept-ranges", b"bytes"),
        describing,
    )
    assert prepared.ok == (
        (b"content-type", b"text/plain"),
        (b"content-length", b"7"),
        *prepared.common,
        (b"use-as-dictionary", b'match="a.*.txt"'),
    )
    assert prepare_preflight(encode_own_fields(resource.fields)) == (
        (b"allow", b"GET, HEAD, OPTIONS"),
        (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
        (b"access-control-allow-headers", b"*"),
        (b"access-control-max-age", b"86400"),
        (b"access-control-allow-origin", b"https://app.example"),
        *OPEN[1:],
    )


@pytest.mark.parametrize(
    ("representations", "vary"),
    [
        ((IDENTITY,), ()),
        ((BR, IDENTITY), ((b"vary", b"Accept-Encoding"),)),
        ((DELTA, IDENTITY), ((b"vary", b"Accept-Encoding, Available-Dictionary"),)),
        ((DELTA, BR, IDENTITY), ((b"vary", b"Accept-Encoding, Available-Dictionary"),)),
    ],
)
def test_vary_names_what_the_choice_depends_on(
    representations: tuple[Representation, ...], vary: tuple[tuple[bytes, bytes], ...]
) -> None:
    assert select_vary(Resource("text/plain", False, representations)) == vary


def test_a_pattern_is_a_string_of_structured_fields() -> None:
    assert format_use_as_dictionary(Resource("text/plain", False, (IDENTITY,))) == ()
    resource = Resource("text/plain", False, (IDENTITY,), match='a"\\.*.js')
    assert format_use_as_dictionary(resource) == ((b"use-as-dictionary", b'match="a\\"\\\\.*.js"'),)


def test_without_a_lifetime_there_is_no_cache_control_but_for_immutable_files() -> None:
    mutable = prepare_headers(Resource("text/plain", False, (IDENTITY,)), IDENTITY, None)
    assert b"cache-control" not in dict(mutable.ok)
    immutable = prepare_headers(Resource("text/plain", True, (IDENTITY,)), IDENTITY, None)
    assert dict(immutable.ok)[b"cache-control"] == b"public, max-age=31536000, immutable"


def test_cache_control() -> None:
    assert format_cache_control(7, immutable=True) == b"public, max-age=31536000, immutable"
    assert format_cache_control(0, immutable=False) == b"max-age=0, must-revalidate"


def test_the_headers_of_an_error() -> None:
    assert build_error_headers(b"No\n", (b"allow", b"GET"), (b"x", b"y")) == (
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"3"),
        (b"cache-control", b"private, no-store, max-age=0"),
        (b"allow", b"GET"),
        (b"x", b"y"),
        *OPEN,
    )
