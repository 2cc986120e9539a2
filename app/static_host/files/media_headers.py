"""What visitors uploaded → header blocks.

Rule: no file that a visitor uploaded runs as the site. A browser keeps to the type that is stated (`nosniff`). What it
could run when it shows the file (HTML, XML, SVG …) is an attachment, and has a policy under which nothing runs. Scripts
and stylesheets are plain text besides, which no page applies. Pages still show an SVG file in `<img>`.
"""

from __future__ import annotations

import os

from static_host.files.media_types import TEXT_TYPE, format_content_type, guess_media_type, is_active, is_script
from static_host.files.validators import find_validators
from static_host.origin.headers import UNCACHEABLE, Headers, PreparedHeaders, format_cache_control
from static_host.origin.response import Response

RETRY_AFTER = (b"retry-after", b"5")
"""The field of a 503."""
NOSNIFF: Headers = ((b"x-content-type-options", b"nosniff"),)
# An SVG file that a page shows in <img> may have styles, fonts and pictures in itself; some browsers apply the policy.
_POLICY = (
    b"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; "
    b"form-action 'none'; frame-ancestors 'none'"
)
GUARD: Headers = ((b"content-disposition", b"attachment"), (b"content-security-policy", _POLICY))
"""Fields of a file that a browser could run as the site."""


def select_type(name: bytes, *, is_inline: bool) -> tuple[bytes, Headers]:
    """Return Content-Type and the guarding fields of a file with this name; with `is_inline` there is no guard."""
    media_type = guess_media_type(name)
    if is_inline:
        return format_content_type(media_type), ()
    if is_script(media_type):
        return format_content_type(TEXT_TYPE), GUARD
    return format_content_type(media_type), GUARD if is_active(media_type) else ()


def prepare_headers(
    name: bytes, facts: os.stat_result, now: float, max_age: int, *, is_inline: bool
) -> PreparedHeaders:
    """Return the header blocks of a file. `now` is the time of the `facts`; `max_age` is in seconds."""
    validators, validator_fields = find_validators(facts, now)
    media_type, guard = select_type(name, is_inline=is_inline)
    not_modified: Headers = (
        *validator_fields,
        (b"cache-control", format_cache_control(max_age, immutable=False)),
        *NOSNIFF,
        *guard,
    )
    common: Headers = (*not_modified, (b"accept-ranges", b"bytes"))
    length: Headers = ((b"content-length", b"%d" % facts.st_size),)
    ok: Headers = ((b"content-type", media_type), *length, *common)
    boundary = validators.etag.removeprefix(b"W/").strip(b'"')
    return PreparedHeaders(validators, media_type, facts.st_size, boundary, False, common, ok, not_modified)


def build_error(method: str, status: int, text: bytes, *extra: tuple[bytes, bytes]) -> Response:
    """Return an error, which no cache keeps; `extra` are further fields."""
    headers: Headers = (
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(text)),
        (b"cache-control", UNCACHEABLE),
        *extra,
        *NOSNIFF,
    )
    return Response(status, headers, () if method == "HEAD" else (text,))
