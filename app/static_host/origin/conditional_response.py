"""One selected representation and the fields of a request → 200, 206, 304, 412 or 416 (RFC 9110 §13 to §15).

Rule: every file is answered by this module, whether the tree, a view or a visitor has brought it. `conditional` decides
which status and which ranges; a body is read only for a response that has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from static_host.origin.body_cache import Body
from static_host.origin.conditional import ByteRange, evaluate
from static_host.origin.headers import Headers, PreparedHeaders
from static_host.origin.response import Response, Slice

_RELEVANT_FIELDS = frozenset(
    {
        b"accept-encoding",
        b"available-dictionary",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"range",
    }
)

ErrorBuilder = Callable[..., Response]
"""Makes the response to a status, its text, and further fields."""


def combine_fields(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the relevant fields, with several lines of one field joined to a list (RFC 9110 §5.3)."""
    lines: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in _RELEVANT_FIELDS:
            lines.setdefault(name, []).append(value.strip(b" \t"))
    return {name: values[0] if len(values) == 1 else b", ".join(values) for name, values in lines.items()}


def respond_conditionally(
    method: str,
    fields: dict[bytes, bytes],
    prepared: PreparedHeaders,
    read: Callable[[], Body | Slice],
    build_error: ErrorBuilder,
) -> Response:
    """Return the response to GET or HEAD. `read` returns the body or a slice of its file, which the caller closes.

    Raises what `read` raises.
    """
    if method == "HEAD":
        fields = {name: value for name, value in fields.items() if name != b"range"}  # §14.2: ranges are for GET alone
    outcome, ranges = evaluate(fields, prepared.validators, prepared.length)
    if outcome == 304:
        return Response(304, prepared.not_modified)
    if outcome == 412:
        return build_error(412, b"Precondition Failed\n")
    if outcome == 416:
        return build_error(416, b"Range Not Satisfiable\n", (b"content-range", b"bytes */%d" % prepared.length))
    source = read()
    if method == "HEAD":
        if isinstance(source, Slice):
            source.file.close()
        return Response(200, prepared.ok)
    if len(ranges) > 1 and prepared.is_coded:
        ranges = []  # clients cannot decode parts of a coded body one by one; §14.2 permits ignoring Range
    if not ranges:
        return Response(200, prepared.ok, (_slice_body(source, (0, prepared.length)),))
    if len(ranges) == 1:
        return _build_partial(prepared, source, ranges[0])
    return _build_multipart(prepared, source, ranges)


def _slice_body(source: Body | Slice, byte_range: ByteRange) -> Body | Slice:
    first, end = byte_range
    if isinstance(source, Slice):
        return Slice(source.file, source.offset + first, end - first)
    return source if end - first == len(source) else source[first:end]


def _format_content_range(prepared: PreparedHeaders, byte_range: ByteRange) -> bytes:
    return b"bytes %d-%d/%d" % (byte_range[0], byte_range[1] - 1, prepared.length)


def _build_partial(prepared: PreparedHeaders, source: Body | Slice, byte_range: ByteRange) -> Response:
    headers: Headers = (
        (b"content-type", prepared.media_type),
        (b"content-length", b"%d" % (byte_range[1] - byte_range[0])),
        (b"content-range", _format_content_range(prepared, byte_range)),
        *prepared.common,
    )
    return Response(206, headers, (_slice_body(source, byte_range),))


def _build_multipart(prepared: PreparedHeaders, source: Body | Slice, ranges: list[ByteRange]) -> Response:
    """Return a multipart/byteranges response (RFC 9110 §14.6)."""
    boundary = prepared.boundary
    parts: list[Body | Slice] = []
    for byte_range in ranges:
        head = b"\r\n--%s\r\nContent-Type: %s\r\nContent-Range: %s\r\n\r\n"
        parts += [
            head % (boundary, prepared.media_type, _format_content_range(prepared, byte_range)),
            _slice_body(source, byte_range),
        ]
    parts.append(b"\r\n--%s--\r\n" % boundary)
    length = sum(part.length if isinstance(part, Slice) else len(part) for part in parts)
    headers: Headers = (
        (b"content-type", b"multipart/byteranges; boundary=%s" % boundary),
        (b"content-length", b"%d" % length),
        *prepared.common,
    )
    return Response(206, headers, tuple(parts))
