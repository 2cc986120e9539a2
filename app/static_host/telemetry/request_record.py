"""The record of one request and its response, whichever handler answered: what the access log and metrics may contain.

Rule: of a request only target, client address, identifier, trace and waiting time are recorded; header fields, cookies
and bodies never are.
Secrets in a query are masked. A value beyond its bound is truncated and ends with `TRUNCATION_MARK`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple
from urllib.parse import quote

from static_host.telemetry.secret_masking import mask_secrets
from static_host.telemetry.trace_context import TraceContext, parse_traceparent

HeaderFields = Iterable[tuple[bytes, bytes]]

IDENTIFIER_FIELDS = (b"x-request-id", b"x-amz-cf-id", b"cf-ray", b"x-amzn-trace-id")
"""Fields in which a proxy gives a request its identifier; the first one present counts."""
_FORWARDED_RANK = len(IDENTIFIER_FIELDS) + 1
_TRACE_RANK = _FORWARDED_RANK + 1
_RANKS = {name: rank for rank, name in enumerate((*IDENTIFIER_FIELDS, b"x-forwarded-for", b"traceparent"), 1)}
_RANKS |= {b"X-Forwarded-For": _FORWARDED_RANK, b"X-Amz-Cf-Id": _RANKS[b"x-amz-cf-id"]}  # as they often come
_get_rank = itemgetter(0)
MAX_TARGET_BYTES = 2048
"""Bytes of a target that are logged."""
MAX_ADDRESS_CHARACTERS = 64
"""Characters of an address that are read and logged: an IPv6 address with a zone has no more."""
UNIX_PEER = ("unix:", 0)
"""The client of a connection over a Unix socket, which has no address, as nginx writes it."""
MAX_LOGGED_FIELD_LINES = 64
"""Field lines of a raw head that are read for the access log."""
MAX_FIELDS = 256
"""Fields of a request that are searched for an identifier, and for its trace."""
TRUNCATION_MARK = "…"
"""The end of a truncated text."""
BUILD_USER_AGENT = "static-host build"
"""The User-Agent of a build that carries files of a running server: it asks for every release, and is no visitor."""
ENCODED_BUILD_USER_AGENT = BUILD_USER_AGENT.encode()

_IDENTIFIER = re.compile(rb"[A-Za-z0-9._=+/:;@-]{1,128}")
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9._:\[\]%-]+")


def _build_any_case_pattern(name: bytes) -> str:
    return "".join(f"[{letter.upper()}{letter}]" if letter.isalpha() else letter for letter in name.decode())


_LOGGED_NAMES = "|".join(map(_build_any_case_pattern, (b"x-forwarded-for", *IDENTIFIER_FIELDS, b"traceparent")))
_find_logged_fields = re.compile(f"\n(?=[CcTtXx])({_LOGGED_NAMES}):[ \t]*([^\r]*)".encode()).findall
"""Find the fields of a head that name client, request or trace. Both cases are spelled out, as in `origin`."""


class RequestRecord(NamedTuple):
    """One request and its response.

    `port` is 0 where a proxy does not send the client's port. `size` is the body's length in bytes. `seconds` run from
    the request's head to the last byte that the transport accepts. `handler` is "fast" (the fast path), "static" (the
    middleware), "store" (the object store), "media" (uploads), "django", "health" or "refused". `identifier` is the
    request's name in one of `IDENTIFIER_FIELDS`, or empty. `queue_seconds` is the time before a worker took the
    request, or before it was given up; None for what Django has no part in. `release` is the digest of the release that
    alone has the file, for a visitor's request for a static one.
    """

    client: str
    port: int
    method: str
    target: str
    version: str
    status: int
    size: int
    coding: str
    handler: str
    seconds: float
    identifier: str
    trace: TraceContext | None = None
    queue_seconds: float | None = None
    release: str = ""


def truncate_text(text: str, max_characters: int) -> str:
    """Return the text, truncated to `max_characters` and the mark if it is longer."""
    return text if len(text) <= max_characters else text[:max_characters] + TRUNCATION_MARK


def format_address(client: tuple[str, int] | None) -> tuple[str, int]:
    """Return a client's address and port in a safe form; without a client, an empty address and port 0.

    A proxy may send any characters as an address: those that no address has are percent-encoded.
    """
    host, port = client or ("", 0)
    shown = host[:MAX_ADDRESS_CHARACTERS]
    if not _PLAIN_ADDRESS.fullmatch(shown):
        shown = quote(shown)
    return shown + TRUNCATION_MARK if len(host) > MAX_ADDRESS_CHARACTERS else shown, port


def format_target(path: bytes, query: bytes) -> str:
    """Return the request target for a log: secrets masked, truncated, in ASCII but for the mark."""
    shown = path[:MAX_TARGET_BYTES]
    if query and len(path) < MAX_TARGET_BYTES:
        shown += b"?" + mask_secrets(query[: MAX_TARGET_BYTES - len(shown)])
    text = shown.decode() if shown.isascii() else quote(shown, safe=string.punctuation)
    return text + TRUNCATION_MARK if len(path) + len(query) > MAX_TARGET_BYTES else text


def get_raw_path(scope: Any) -> bytes:
    """Return the percent-encoded path of an ASGI scope; a server may leave ``raw_path`` out, so it is encoded again."""
    raw: bytes | None = scope.get("raw_path")
    return raw or quote(scope["path"], errors="surrogateescape").encode()


def find_identifier(fields: HeaderFields) -> str:
    """Return the request's identifier from a proxy's field, or an empty string; field names are in lower case."""
    return _select_identifier(
        [(_RANKS[name], value) for name, value in islice(fields, MAX_FIELDS) if name in IDENTIFIER_FIELDS]
    )


def find_trace(fields: HeaderFields) -> TraceContext | None:
    """Return the trace that a request belongs to, if any; field names are in lower case."""
    return parse_traceparent([value for name, value in islice(fields, MAX_FIELDS) if name == b"traceparent"])


def find_logged_fields(head: bytes) -> tuple[list[bytes], str, TraceContext | None]:
    """Return the values of X-Forwarded-For in a raw head, the request's identifier or an empty string, its trace."""
    forwarded: list[bytes] = []
    traces: list[bytes] = []
    identifiers: list[tuple[int, bytes]] = []
    for name, value in _find_logged_fields(head)[:MAX_LOGGED_FIELD_LINES]:
        rank = _RANKS.get(name) or _RANKS[name.lower()]
        if rank == _FORWARDED_RANK:
            forwarded.append(value)
        elif rank == _TRACE_RANK:
            traces.append(value)
        else:
            identifiers.append((rank, value.rstrip(b" \t")))
    identifier = _select_identifier(identifiers) if identifiers else ""
    return forwarded, identifier, parse_traceparent(traces) if traces else None


def _select_identifier(found: list[tuple[int, bytes]]) -> str:
    """Return the first valid value of the field with the lowest rank."""
    if len(found) > 1:
        found.sort(key=_get_rank)
    for _, value in found:
        if _IDENTIFIER.fullmatch(value):
            return value.decode()
    return ""


def parse_logged_target(line: bytes) -> tuple[str, str]:
    """Return the method of a request line, and its target for the log."""
    method, target, _ = line.split(b" ", 2)
    if len(target) <= MAX_TARGET_BYTES and b"?" not in target and target.isascii():
        return method.decode(), target.decode()
    path, _, query = target.partition(b"?")
    return method.decode("latin-1"), format_target(path, query)
