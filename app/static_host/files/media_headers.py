"""What visitors uploaded → header blocks.

Rule: no file that a visitor uploaded runs as the site. A browser keeps to the type that is stated (`nosniff`). What it
could run when it shows the file (HTML, XML, SVG …) is an attachment, and has a policy under which nothing runs. Scripts
and stylesheets are plain text besides, which no page applies. Pages still show an SVG file in `<img>`.

The entity tag comes from inode, modification time and size, which a write within one tick of the clock may leave as
they are: the validators of a file that was modified within the last second are weak (RFC 9110 §8.8.1).
"""

from __future__ import annotations

import os

from static_host.files.media_types import TEXT_TYPE, format_content_type, guess_media_type, is_active, is_script
from static_host.origin.conditional import Validators, format_http_date
from static_host.origin.headers import UNCACHEABLE, Headers, PreparedHeaders, format_cache_control
from static_host.origin.response import Response

RECENT_SECONDS = 1.0
"""Age up to which a file's validators are weak."""

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


def is_recent(facts: os.stat_result, now: float) -> bool:
    """Whether the file was modified within the last second, or, by a wrong clock, later than `now`."""
    return now - facts.st_mtime < RECENT_SECONDS


def prepare_headers(
    name: bytes, facts: os.stat_result, now: float, max_age: int, *, is_inline: bool
) -> PreparedHeaders:
    """Return the header blocks of a file. `now` is the time of the `facts`; `max_age` is in seconds."""
    is_weak = is_recent(facts, now)
    opaque = b"%x-%x-%x" % (facts.st_ino, facts.st_mtime_ns, facts.st_size)
    modified = max(0, int(facts.st_mtime))
    validators = Validators(
        b'W/"%s"' % opaque if is_weak else b'"%s"' % opaque,
        modified,
        is_date_derived=False,
        is_date_strong=not is_weak,
    )
    media_type, guard = select_type(name, is_inline=is_inline)
    shown = min(modified, int(now - RECENT_SECONDS))  # not later than Date, which may be a second old (§8.8.2.1)
    not_modified: Headers = (
        (b"etag", validators.etag),
        (b"last-modified", format_http_date(shown)),
        (b"cache-control", format_cache_control(max_age, immutable=False)),
        *NOSNIFF,
        *guard,
    )
    common: Headers = (*not_modified, (b"accept-ranges", b"bytes"))
    length: Headers = ((b"content-length", b"%d" % facts.st_size),)
    ok: Headers = ((b"content-type", media_type), *length, *common)
    return PreparedHeaders(validators, media_type, facts.st_size, opaque, False, common, ok, not_modified)


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
