"""Facts of the index → ready header blocks, computed once for each representation.

Rule: caching policy is the server's, and it is here. A fingerprinted name is kept for a year and never asked for
again (RFC 8246); any other name is kept for a short time and then revalidated; an error is never kept, in the words
that every CDN understands. Every answer may be read by any origin, errors included: fonts, modules and a browser's
timing figures need that when the pages come from another host.
"""

from __future__ import annotations

from dataclasses import dataclass

from static_host.origin.conditional import Validators, derive_last_modified, format_http_date
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


@dataclass(frozen=True, slots=True)
class PreparedHeaders:
    """One representation, ready to send: headers of 200 and 304 (§15.4.5), and what every 206 has in common."""

    representation: Representation
    validators: Validators
    media_type: bytes
    common: Headers
    ok: Headers
    not_modified: Headers


def format_cache_control(max_age: int, *, immutable: bool) -> bytes:
    """Return the Cache-Control value; `max_age` in seconds is for names that are not immutable."""
    return b"public, max-age=31536000, immutable" if immutable else b"max-age=%d, must-revalidate" % max_age


def select_vary(resource: Resource) -> Headers:
    """Return the Vary field of all that is answered of a resource, where there is a choice (RFC 9110 §12.5.5)."""
    if any(representation.dictionary for representation in resource.representations):
        return VARY_DICTIONARY  # RFC 9842 §6.2
    return VARY if len(resource.representations) > 1 else ()


def format_use_as_dictionary(resource: Resource) -> Headers:
    """Return the field that has a browser keep the resource, decoded, for its later versions (RFC 9842 §2.1)."""
    if not resource.match:
        return ()
    text = resource.match.encode("ascii").replace(b"\\", rb"\\").replace(b'"', rb"\"")  # RFC 9651 §3.3.3
    return ((b"use-as-dictionary", b'match="%s"' % text),)


def prepare_headers(resource: Resource, representation: Representation, max_age: int) -> PreparedHeaders:
    """Return the header blocks of one representation."""
    validators = Validators(b'"%s"' % representation.digest.encode(), derive_last_modified(representation.digest))
    coding = representation.coding.encode()
    media_type = resource.media_type.encode("latin-1")
    encoding: Headers = () if coding == b"identity" else ((b"content-encoding", coding),)
    not_modified: Headers = (
        (b"etag", validators.etag),
        (b"last-modified", format_http_date(validators.modified)),
        (b"cache-control", format_cache_control(max_age, immutable=resource.immutable)),
        *select_vary(resource),
        *CORS_HEADERS,
    )
    common: Headers = (*encoding, *not_modified, (b"accept-ranges", b"bytes"))
    ok: Headers = (
        (b"content-type", media_type),
        (b"content-length", b"%d" % representation.length),
        *common,
        *format_use_as_dictionary(resource),
    )
    return PreparedHeaders(representation, validators, media_type, common, ok, not_modified)


def build_error_headers(text: bytes, *extra: tuple[bytes, bytes]) -> Headers:
    """Return the headers of an error whose body is `text`."""
    return (
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(text)),
        (b"cache-control", UNCACHEABLE),
        *extra,
        *CORS_HEADERS,
    )
