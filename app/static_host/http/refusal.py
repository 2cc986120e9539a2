"""The response to a request that no application gets: it is no valid HTTP, or exceeds a limit."""

from __future__ import annotations

from asyncio import Transport
from collections.abc import Iterable
from http import HTTPStatus

from static_host.http.request_parser import Request
from static_host.http.status_lines import STATUS_LINES
from static_host.middleware.forwarded import ClientAddress
from static_host.origin.headers import UNCACHEABLE
from static_host.telemetry.log_and_counters import RequestRecorder
from static_host.telemetry.request_record import RequestRecord, format_address, format_target

Field = tuple[bytes, bytes]


def send_refusal(
    transport: Transport,
    status: int,
    fields: Iterable[Field],
    client: ClientAddress | None,
    recorder: RequestRecorder | None,
    *,
    request: Request | None = None,
    is_head: bool = False,
) -> None:
    """Send the response with `fields` in front of its own, and record it; without its body to a HEAD.

    `request` is known if only its body is refused.

    The caller closes the connection, later: if it were closed at once, data that still arrives would reset it, and the
    client lose the response (RFC 9112 §9.6).
    """
    text = f"{HTTPStatus(status).phrase}\n".encode()
    own = (
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(text)),
        (b"cache-control", UNCACHEABLE),
        (b"connection", b"close"),
    )
    lines = b"".join(b"%s: %s\r\n" % field for field in (*fields, *own))
    transport.write(b"".join((STATUS_LINES[status], lines, b"\r\n", b"" if is_head else text)))
    if recorder:
        record = build_refusal_record(client, status, 0 if is_head else len(text))
        if request is not None:
            record = record._replace(method=request.method, target=format_target(request.path, request.query))
        recorder.record(record)


def build_refusal_record(client: ClientAddress | None, status: int, size: int) -> RequestRecord:
    """Return the record of a refusal, of which method and target are unknown; `size` is the body's bytes."""
    return RequestRecord(*format_address(client), "-", "-", "1.1", status, size, "", "refused", 0.0, "")
