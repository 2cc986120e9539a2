"""The answer to a request that nobody is asked to answer: it is no HTTP, or against a bound."""

from __future__ import annotations

from asyncio import Transport
from collections.abc import Iterable
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from static_host.middleware.forwarded import Client
from static_host.middleware.request_log import Observer
from static_host.origin.headers import UNCACHEABLE
from static_host.telemetry.request_record import Seen, address

Field = tuple[bytes, bytes]

LINGER = 1.0
"""Seconds for which a refused connection stays open.

Closed at once, it would be reset by what the client still sends, and the answer be lost (RFC 9112 §9.6).
"""


def refuse(
    transport: Transport, status: int, fields: Iterable[Field], client: Client | None, observer: Observer | None
) -> None:
    """Send the answer, and tell of it; the caller closes the connection after `LINGER`."""
    text = f"{HTTPStatus(status).phrase}\n".encode()
    own = (
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(text)),
        (b"cache-control", UNCACHEABLE),
        (b"connection", b"close"),
    )
    lines = b"".join(b"%s: %s\r\n" % field for field in (*fields, *own))
    transport.write(b"".join((STATUS_LINE[status], lines, b"\r\n", text)))
    transport.write_eof()
    if observer:
        observer.see(refused(client, status, len(text)))


def refused(client: Client | None, status: int, size: int) -> Seen:
    """Return what is told of it."""
    return Seen(*address(client), "-", "-", "1.1", status, size, "", "refused", 0.0, "")
