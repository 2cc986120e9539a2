"""What was answered, as it is told of: one `RequestRecord` for each request, of whichever lane.

Rule: nothing of a request is told but its target, the client's address and its identifier. In a query, the values of
parameters that by their name hold a secret are masked, and those that are URLs with such a parameter; header fields,
cookies and bodies are never told. What is longer than a bound is cut, and ends with `TRUNCATION_MARK`.

Strategy: the query is cut and decoded once as a whole, and each of its parameters is searched once, by an expression
that never looks at a byte more often than a few times. So a line costs the same whatever a client sends.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import quote

HeaderFields = Iterable[tuple[bytes, bytes]]

IDENTIFIER_FIELDS = (b"x-request-id", b"x-amz-cf-id", b"cf-ray", b"x-amzn-trace-id")
"""Fields in which a proxy names a request; the first of them that there is counts."""
MAX_TARGET_BYTES = 2048
"""Bytes of a target that are logged."""
MAX_ADDRESS_CHARACTERS = 64
"""Characters of a client's address that are logged: an IPv6 address with a zone has no more."""
MAX_LOGGED_FIELD_LINES = 64
"""Lines of a head, as bytes, that are looked at for the access log."""
MAX_FIELDS = 256
"""Fields of a head among which an identifier is looked for."""
TRUNCATION_MARK = "…"
"""What ends a text that was cut."""

_MAX_DECODINGS = 4
"""How often a parameter may be percent-encoded and still be understood: URLs in URLs in URLs."""
_EQUALS = rb"=\x01"
_SECRET_WORDS = rb"passw|pwd|secret|token|jwt|otp|key|sig|auth|session|credential|code"
_SECRET_WORD = re.compile(_SECRET_WORDS, re.IGNORECASE)
_SECRET_PARAMETER = re.compile(
    rb"\A(?=[^=]*+=)[^=]*?(?:%(words)b)"
    rb"|(?:;|(?<![^%(equals)b])[^%(equals)b;?#]*+[?#])(?=[^%(equals)b;]*+[%(equals)b])[^%(equals)b;]*?(?:%(words)b)"
    % {b"words": _SECRET_WORDS, b"equals": _EQUALS},
    re.IGNORECASE,
)
"""A decoded parameter with a secret: a word in its name; or, in a URL that is its value, in the name of another one.

The lookahead finds the end of a name once, before any word is looked for, so that no name is read again and again.
"""
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}")
_UNESCAPED = {f"%{a}{b}".encode(): bytes.fromhex(a + b) for a in string.hexdigits for b in string.hexdigits} | {
    b"%26": b";",
    b"%3D": b"\x01",
    b"%3d": b"\x01",
}
_IDENTIFIER = re.compile(rb"[A-Za-z0-9._=+/:;@-]{1,128}")
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9._:\[\]%-]+")
_LOGGED_FIELDS = re.compile(
    rb"\r\n(x-forwarded-for|x-request-id|x-amz-cf-id|cf-ray|x-amzn-trace-id):[ \t]*([^\r]*)", re.IGNORECASE
)


class RequestRecord(NamedTuple):
    """One request and its answer.

    `client` is an address, and `port` its port, 0 where a proxy does not tell it; `size` is that of the body in bytes,
    `seconds` are from the head to the last byte handed over, `lane` is who answered: fast, static (the middleware),
    store (what was found there), django, health or refused; `find_identifier` is how a proxy named the request.
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


def truncate_text(text: str, max_characters: int) -> str:
    """Return a text, or of a longer one its beginning and the mark."""
    return text if len(text) <= max_characters else text[:max_characters] + TRUNCATION_MARK


def format_address(client: tuple[str, int] | None) -> tuple[str, int]:
    """Return a client's address and port, as they may be told, or nothing; a proxy may name it by any characters."""
    host, port = client or ("", 0)
    shown = host[:MAX_ADDRESS_CHARACTERS]
    if not _PLAIN_ADDRESS.fullmatch(shown):
        shown = quote(shown)
    return shown + TRUNCATION_MARK if len(host) > MAX_ADDRESS_CHARACTERS else shown, port


def format_target(path: bytes, query: bytes) -> str:
    """Return the target of a request, as it may be told: in ASCII, but for the mark of what was cut."""
    shown = path[:MAX_TARGET_BYTES]
    if query and len(path) < MAX_TARGET_BYTES:
        shown += b"?" + mask_secrets(query[: MAX_TARGET_BYTES - len(shown)])
    text = shown.decode() if shown.isascii() else quote(shown, safe=string.punctuation)
    return text + TRUNCATION_MARK if len(path) + len(query) > MAX_TARGET_BYTES else text


def mask_secrets(query: bytes) -> bytes:
    """Return the query with the values of parameters masked whose names tell of a secret."""
    decoded = _decode_query(query)
    if not _SECRET_WORD.search(decoded):
        return query
    parameters = zip(query.split(b"&"), decoded.split(b"&"), strict=True)
    return b"&".join([_mask_parameter(raw) if _SECRET_PARAMETER.search(plain) else raw for raw, plain in parameters])


def _mask_parameter(parameter: bytes) -> bytes:
    name, equals, _ = parameter.partition(b"=")
    return name + b"=***" if equals else b"***"


def _decode_query(query: bytes) -> bytes:
    """Return a query without percent-encoding, in which ``&`` and ``=`` still stand where they stood, and nowhere else.

    An encoded ``&`` becomes ``;``, which separates as well, and an encoded ``=`` becomes the byte 1.
    """
    for _ in range(_MAX_DECODINGS):
        query, count = _ESCAPE.subn(_unescape, query)
        if not count:
            break
    return query


def _unescape(escape: re.Match[bytes]) -> bytes:
    return _UNESCAPED[escape[0]]


def get_raw_path(scope: Any) -> bytes:
    """Return the path of an ASGI scope, percent-encoded as it came."""
    raw: bytes | None = scope.get("raw_path")
    return raw or quote(scope["path"]).encode()


def find_identifier(fields: HeaderFields) -> str:
    """Return how a proxy names the request, or nothing; `fields` have names in lower case."""
    found = {
        name: value
        for name, value in islice(fields, MAX_FIELDS)
        if name in IDENTIFIER_FIELDS and _IDENTIFIER.fullmatch(value)
    }
    return next((found[name].decode() for name in IDENTIFIER_FIELDS if name in found), "")


def parse_logged_parts(head: bytes) -> tuple[str, str, list[tuple[bytes, bytes]]]:
    """Return the method, the target, and the fields that are told of."""
    method, target, _ = head.split(b" ", 2)
    path, _, query = target.partition(b"?")
    lines = islice(_LOGGED_FIELDS.finditer(head), MAX_LOGGED_FIELD_LINES)
    fields = [(line[1].lower(), line[2].rstrip(b" \t")) for line in lines]
    return method.decode("latin-1"), format_target(path, query), fields
