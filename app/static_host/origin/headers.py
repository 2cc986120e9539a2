"""Facts of the index → header blocks, computed once for each representation.

Rule: the caching policy is the server's, and is in this module. A fingerprinted name is cached for a year without
revalidation (RFC 8246); any other name for a short time, then revalidated. CDNs alone may be told to keep such a file
longer (RFC 9213). An error is never cached, in directives that every CDN obeys. Every origin may read every response,
errors included: fonts, modules and timing need that when the pages come from another host. A project's own fields
replace these, or remove them; errors keep the server's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from static_host.origin.conditional import Validators, derive_last_modified, format_http_date
from static_host.origin.page_dictionary import USE_AS_DICTIONARY, is_page_dictionary
from static_host.origin.representation import Representation, Resource

Headers = tuple[tuple[bytes, bytes], ...]

METHODS = b"GET, HEAD, OPTIONS"
UNCACHEABLE = b"private, no-store, max-age=0"

CORS_HEADERS: Headers = (
    (b"access-control-allow-origin", b"*"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"timing-allow-origin", b"*"),
    (b"x-content-type-options", b"nosniff"),
)
VARY: Headers = ((b"vary", b"Accept-Encoding"),)
VARY_DICTIONARY: Headers = ((b"vary", b"Accept-Encoding, Available-Dictionary"),)
PREFLIGHT: Headers = (
    (b"allow", METHODS),
    (b"access-control-allow-methods", METHODS),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"86400"),
    *CORS_HEADERS,
)
_DESCRIBING_NAMES = (b"content-disposition", b"content-language")
"""Fields about the representation itself, which a 304 leaves out (RFC 9110 §15.4.5)."""
OwnHeaders = list[tuple[bytes, bytes | None]]
"""A project's own fields; None removes the server's field of that name."""


@dataclass(frozen=True, slots=True)
class PreparedHeaders:
    """The headers of one selected representation, and what its parts are made of.

    `ok` is for 200, `not_modified` for 304 (RFC 9110 §15.4.5), `common` is what every 206 has. `boundary` separates
    the parts of several ranges: the body does not contain it by chance.
    """

    validators: Validators
    media_type: bytes
    length: int
    boundary: bytes
    is_coded: bool
    """Whether it has a content coding other than identity."""
    common: Headers
    ok: Headers
    not_modified: Headers


@dataclass(frozen=True, slots=True)
class StaticHeaders(PreparedHeaders):
    """The headers of a representation of the tree."""

    representation: Representation


def format_cache_control(max_age: int, *, immutable: bool) -> bytes:
    """Return the Cache-Control value; `max_age`, in seconds, applies to names that are not immutable."""
    return b"public, max-age=31536000, immutable" if immutable else b"max-age=%d, must-revalidate" % max_age


def format_cdn_cache_control(resource: Resource, cdn_max_age: int | None) -> Headers:
    """Return the field for CDNs alone (RFC 9213 §3); `cdn_max_age`, in seconds, is for names that are not immutable.

    A CDN that reads it ignores Cache-Control. So a Cache-Control of the project's own excludes it.
    """
    if cdn_max_age is None or resource.immutable or "cache-control" in dict(resource.fields):
        return ()
    return ((b"cdn-cache-control", b"max-age=%d" % cdn_max_age),)


def select_vary(resource: Resource) -> Headers:
    """Return the Vary field of every response for a resource with several representations (RFC 9110 §12.5.5)."""
    if any(representation.dictionary for representation in resource.representations):
        return VARY_DICTIONARY  # RFC 9842 §6.2
    return VARY if len(resource.representations) > 1 else ()


def format_use_as_dictionary(resource: Resource) -> Headers:
    """Return the field that makes a browser keep the resource as a dictionary (RFC 9842 §2.1)."""
    if resource.immutable and is_page_dictionary(resource.identity.file):
        return ((b"use-as-dictionary", USE_AS_DICTIONARY),)
    if not resource.match:
        return ()
    text = resource.match.encode("ascii").replace(b"\\", rb"\\").replace(b'"', rb"\"")  # RFC 9651 §3.3.3
    return ((b"use-as-dictionary", b'match="%s"' % text),)


def encode_own_fields(fields: Iterable[tuple[str, str | None]]) -> OwnHeaders:
    """Return the fields that the project has for a resource, as bytes."""
    return [(name.encode(), None if value is None else value.encode()) for name, value in fields]


def replace_fields(ours: Headers, own: Iterable[tuple[bytes, bytes | None]]) -> Headers:
    """Return the server's fields with those of the project: each in the place of its namesake, or at the end."""
    values = dict(own)
    if not values:
        return ours
    fields = [*((name, values.pop(name, value)) for name, value in ours), *values.items()]
    return tuple((name, value) for name, value in fields if value is not None)


def prepare_preflight(own: OwnHeaders) -> Headers:
    """Return the header of the response to OPTIONS: which requests from other origins a resource allows."""
    return replace_fields(PREFLIGHT, [field for field in own if field[0].startswith(b"access-")])


def prepare_headers(
    resource: Resource, representation: Representation, max_age: int | None, further: Headers = ()
) -> StaticHeaders:
    """Return the header blocks of one representation, with `further` fields of the server.

    `max_age` is in seconds, or None for no Cache-Control.
    """
    modified = derive_last_modified(representation.digest)
    validators = Validators(b'"%s"' % representation.digest.encode(), modified)
    coding = representation.coding.encode()
    media_type = resource.media_type.encode("latin-1")
    encoding: Headers = () if coding == b"identity" else ((b"content-encoding", coding),)
    is_limited = resource.immutable or max_age is not None
    ours: Headers = (
        (b"etag", validators.etag),
        (b"last-modified", format_http_date(modified)),
        *([(b"cache-control", format_cache_control(max_age or 0, immutable=resource.immutable))] if is_limited else []),
        *select_vary(resource),
        *CORS_HEADERS,
        *further,
    )
    own = encode_own_fields(resource.fields)
    not_modified = replace_fields(ours, [field for field in own if field[0] not in _DESCRIBING_NAMES])
    describing = replace_fields((), [field for field in own if field[0] in _DESCRIBING_NAMES])
    common: Headers = (*encoding, *not_modified, (b"accept-ranges", b"bytes"), *describing)
    ok: Headers = (
        (b"content-type", media_type),
        (b"content-length", b"%d" % representation.length),
        *common,
        *format_use_as_dictionary(resource),
    )
    return StaticHeaders(
        validators,
        media_type,
        representation.length,
        representation.digest.encode(),
        coding != b"identity",
        common,
        ok,
        not_modified,
        representation,
    )


def build_error_headers(text: bytes, *extra: tuple[bytes, bytes]) -> Headers:
    """Return the headers of an error with the body `text`, `extra` among them."""
    return (
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(text)),
        (b"cache-control", UNCACHEABLE),
        *extra,
        *CORS_HEADERS,
    )
