"""A whole page from a worker → its lines and its body as they are sent, encoded if the client accepts it."""

from __future__ import annotations

from http import HTTPStatus

from static_host.pages.page_codings import MIN_LENGTH, Fields, PageCodings
from static_host.pages.page_sender import MAX_INLINE_BYTES
from static_host.workers.exchange import Exchange
from static_host_django.frames import split_field_lines


def encode_whole(
    codings: PageCodings, method: bytes, request: Fields, status: int, lines: bytes, exchange: Exchange
) -> tuple[bytes, bytes] | None:
    """Return field lines and body; None if a thread has to encode them. `lines` have the body's length."""
    length = exchange.held_bytes
    if method == b"GET" and length < MIN_LENGTH and status != HTTPStatus.NOT_MODIFIED:
        return lines, exchange.take()
    given = split_field_lines(lines)
    fields, open_encoder = codings.describe(method.decode(), request, status, given, length)
    if fields is given:
        return lines, exchange.take()
    if open_encoder and length > MAX_INLINE_BYTES:
        return None
    body = exchange.take()
    if open_encoder and method == b"GET":
        body = open_encoder().encode(body, is_last=True)
        fields.append((b"content-length", b"%d" % len(body)))
    return b"".join([b"%b: %b\r\n" % field for field in fields]), body
