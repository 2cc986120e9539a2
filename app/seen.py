"""What was answered, as it is told of: one `Seen` for each request, of whichever lane.

Rule: nothing of a request is told but its target, the client's address and its identifier. In a query, the values of
parameters that by their name hold a secret are masked, and those that are URLs with such a parameter; header fields,
cookies and bodies are never told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

Fields = Iterable[tuple[bytes, bytes]]

IDENTIFIERS = (b"x-request-id", b"x-amz-cf-id", b"cf-ray", b"x-amzn-trace-id")
"""Fields in which a proxy names a request; the first of them that there is counts."""

_WORDS = "passw|pwd|secret|token|jwt|otp|key|sig|auth|session|credential|code"
_SECRET = re.compile(_WORDS, re.IGNORECASE)
_URL_WITH_SECRET = re.compile(rf"[?&;#][^=&;]*(?:{_WORDS})[^=&;]*=", re.IGNORECASE)
_PARAMETER = re.compile(r"([^=&]*)=([^&]*)")
_IDENTIFIER = re.compile(rb"[A-Za-z0-9._=+/:;@-]{1,128}")
_HOST = re.compile(r"[A-Za-z0-9._:\[\]%-]+")


LANE = "static_host.lane"
"""In a scope: who answers, where it is not Django: "static", "store" or "health"."""


class Seen(NamedTuple):
    """One request and its answer.

    `size` is that of the body in bytes, `seconds` are from the head to the last byte handed over, `lane` is who
    answered: fast, static (the middleware), store (what was found
    there), django, health or refused; `identifier` is how a proxy named the request.
    """

    client: str
    method: str
    target: str
    version: str
    status: int
    size: int
    coding: str
    lane: str
    seconds: float
    identifier: str


def address(client: tuple[str, int] | None) -> str:
    """Return a client's address and port, as they may be told, or nothing; a proxy may name it by any characters."""
    if not client:
        return ""
    host, port = client
    return f"{host if _HOST.fullmatch(host) else quote(host)}:{port}"


def target(path: str, query: str) -> str:
    """Return the target of a request, as it may be told; `path` is percent-encoded."""
    return f"{path}?{_PARAMETER.sub(_told, query)}" if query else path


def _told(parameter: re.Match[str]) -> str:
    name, value = parameter.groups()
    is_secret = _SECRET.search(unquote(name)) or _URL_WITH_SECRET.search(unquote(value))
    return f"{name}=***" if is_secret else parameter[0]


def path_of(scope: Any) -> str:
    """Return the path of an ASGI scope, percent-encoded as it came."""
    raw: bytes | None = scope.get("raw_path")
    return raw.decode("latin-1") if raw else quote(scope["path"])


def identifier(fields: Fields) -> str:
    """Return how a proxy names the request, or nothing; `fields` have names in lower case."""
    found = {name: value for name, value in fields if name in IDENTIFIERS and _IDENTIFIER.fullmatch(value)}
    return next((found[name].decode() for name in IDENTIFIERS if name in found), "")
