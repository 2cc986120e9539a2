"""The response of a view whose body is a whole file → the response that the client gets.

Rule: what the view says stays, but for what follows from the request: ranges and conditions are decided as for static
files, by the view's own ETag and Last-Modified. That holds for GET and HEAD, status 200, and a body without content
coding; any other response is sent as it is.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus

from static_host.origin.body_cache import Body
from static_host.origin.conditional import Validators, parse_http_date
from static_host.origin.conditional_response import combine_fields, respond_conditionally
from static_host.origin.headers import UNCACHEABLE, Headers, PreparedHeaders
from static_host.origin.response import Response, Slice

_OF_LENGTH = frozenset({b"content-length"})
_OF_CONTENT = frozenset({b"accept-ranges", b"content-disposition", b"content-language", b"content-length"})
_NOT_OF_304 = _OF_CONTENT | {b"content-type"}
_NOT_OF_ERROR = _NOT_OF_304 | {b"cache-control", b"content-location", b"etag", b"expires", b"last-modified"}
CONDITIONAL_FIELDS = frozenset({b"range", b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"})
"""Fields of a request without which the response is the view's own."""
ACCEPT_RANGES = (b"accept-ranges", b"bytes")


def has_ranges(status: int, names: Iterable[bytes]) -> bool:
    """Whether parts of a file can be requested, by status and field names of the view's response."""
    return status == 200 and not {b"content-encoding", b"content-range", b"accept-ranges"}.intersection(names)


def respond_with_file(
    method: str,
    request_fields: Iterable[tuple[bytes, bytes]],
    status: int,
    fields: list[tuple[bytes, bytes]],
    length: int,
    source: Body | Slice,
) -> Response:
    """Return the response, which the caller closes. `fields` are the view's; `source` is the body, of this length."""
    if status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):  # a view may name a file all the same
        response = Response(status, _drop(fields, _OF_LENGTH))
    elif method not in ("GET", "HEAD") or not has_ranges(status, (name for name, _ in fields)):
        response = Response(status, _state_length(fields, length), () if method == "HEAD" else (source,))
    else:
        requested = combine_fields(request_fields)
        has_list = b"," in requested.get(b"range", b"")
        prepared = _prepare_headers(fields, length, secrets.token_hex(16).encode() if has_list else b"")
        build_error = partial(_build_error, method, fields)
        response = respond_conditionally(method, requested, prepared, lambda: source, build_error)
    if isinstance(source, Slice) and not any(isinstance(part, Slice) for part in response.body):
        source.file.close()
    return response


def _prepare_headers(fields: list[tuple[bytes, bytes]], length: int, boundary: bytes) -> PreparedHeaders:
    found = dict(reversed(fields))  # the first one counts
    return PreparedHeaders(
        _find_validators(found),
        found.get(b"content-type", b"application/octet-stream"),
        length,
        boundary,
        is_coded=False,
        common=(*_drop(fields, _OF_LENGTH | {b"content-type"}), ACCEPT_RANGES),
        ok=(*_state_length(fields, length), ACCEPT_RANGES),
        not_modified=_drop(fields, _NOT_OF_304),
    )


def _build_error(
    method: str, fields: list[tuple[bytes, bytes]], status: int, text: bytes, *extra: tuple[bytes, bytes]
) -> Response:
    """Return an error that keeps the view's fields, but for those that describe the content."""
    own: Headers = (
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(text)),
        (b"cache-control", UNCACHEABLE),
    )
    return Response(status, (*own, *extra, *_drop(fields, _NOT_OF_ERROR)), () if method == "HEAD" else (text,))


def _find_validators(fields: dict[bytes, bytes]) -> Validators:
    """Return the validators of a view's response. Its date is strong once its second is over (RFC 9110 §8.8.2.2)."""
    modified = parse_http_date(fields.get(b"last-modified", b""))
    is_strong = modified is not None and modified < int(time.time())
    return Validators(fields.get(b"etag", b"").strip(), modified, is_date_derived=False, is_date_strong=is_strong)


def _state_length(fields: list[tuple[bytes, bytes]], length: int) -> Headers:
    """Return the fields with this Content-Length, in its place if it is the view's own."""
    stated = (b"content-length", b"%d" % length)
    own = [field for field in fields if field[0] == b"content-length"]
    return tuple(fields) if own == [stated] else (*_drop(fields, _OF_LENGTH), stated)


def _drop(fields: Iterable[tuple[bytes, bytes]], names: frozenset[bytes]) -> Headers:
    return tuple(field for field in fields if field[0] not in names)
