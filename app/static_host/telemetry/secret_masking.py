"""Masks secrets in the query of a request's target, for every log.

Rule: the value of a parameter whose name suggests a secret is masked, and so is a URL with such a parameter.

Strategy: the query is decoded once as a whole. One linear expression searches each parameter once.
"""

from __future__ import annotations

import re
import string

_MAX_DECODINGS = 4
"""Levels of percent-encoding that are decoded: URLs in URLs in URLs."""
_EQUALS = rb"=\x01"
_SECRET_WORDS = rb"passw|pwd|secret|token|jwt|otp|key|sig|auth|session|credential|code"
_SECRET_WORD = re.compile(_SECRET_WORDS, re.IGNORECASE)
_SECRET_PARAMETER = re.compile(
    rb"\A(?=[^=]*+=)[^=]*?(?:%(words)b)"
    rb"|(?:;|(?<![^%(equals)b])[^%(equals)b;?#]*+[?#])(?=[^%(equals)b;]*+[%(equals)b])[^%(equals)b;]*?(?:%(words)b)"
    % {b"words": _SECRET_WORDS, b"equals": _EQUALS},
    re.IGNORECASE,
)
"""A decoded parameter with a secret: the word is in its name, or in a parameter's name inside a URL that is its value.

The lookahead finds the end of the name once, before the search for a word, so that no name is scanned repeatedly.
"""
_ESCAPE = re.compile(rb"%[0-9A-Fa-f]{2}")
_UNESCAPED = {f"%{a}{b}".encode(): bytes.fromhex(a + b) for a in string.hexdigits for b in string.hexdigits} | {
    b"%26": b";",
    b"%3D": b"\x01",
    b"%3d": b"\x01",
}


def mask_secrets(query: bytes) -> bytes:
    """Return the query with ``***`` as the value of each parameter whose name suggests a secret."""
    decoded = _decode_query(query)
    if not _SECRET_WORD.search(decoded):
        return query
    parameters = zip(query.split(b"&"), decoded.split(b"&"), strict=True)
    return b"&".join([_mask_parameter(raw) if _SECRET_PARAMETER.search(plain) else raw for raw, plain in parameters])


def _mask_parameter(parameter: bytes) -> bytes:
    name, equals, _ = parameter.partition(b"=")
    return name + b"=***" if equals else b"***"


def _decode_query(query: bytes) -> bytes:
    """Return the query without percent-encoding, with every ``&`` and ``=`` in its place and no further ones.

    An encoded ``&`` becomes ``;``, which also separates parameters, and an encoded ``=`` becomes the byte 1.
    """
    for _ in range(_MAX_DECODINGS):
        query, count = _ESCAPE.subn(_unescape, query)
        if not count:
            break
    return query


def _unescape(escape: re.Match[bytes]) -> bytes:
    return _UNESCAPED[escape[0]]
