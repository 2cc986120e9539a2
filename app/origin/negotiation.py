"""Accept-Encoding → content coding (RFC 9110 §12.5.3).

Rule: the client's weights come first, then the smallest representation; equal lengths go by br, zstd, gzip, identity.
An element that is not of the grammar is ignored, as if it had not been sent, so rubbish never makes a coding
acceptable and never takes one away. A coding that the field does not name, and ``*`` does not cover, is not
acceptable; identity is, unless ``identity;q=0`` or a ``*;q=0`` without an identity beside it excludes it.

Without the field every coding is acceptable (§12.5.3, first rule): identity is sent, the one that every client can
read. When no representation is acceptable, `preferred` returns None, and the origin answers 406 (§15.5.7): the RFC
asks for a response without content coding "unless the identity coding is indicated as unacceptable", and a client
that has excluded identity has said so in as many words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from app.origin.index import Representation

Weights = tuple[int, ...]
"""Thousandths of a weight for each coding of `CODINGS`; 0 means not acceptable."""

CODINGS = ("br", "zstd", "gzip", "identity")
ONLY_IDENTITY: Weights = (0, 0, 0, 1)
_ALIASES = {"x-gzip": "gzip"}  # RFC 9110 §8.4.1.3
_CACHED_LENGTH = 256
_UNNAMED_IDENTITY = 1  # acceptable, but behind everything that was asked for

_ELEMENT = re.compile(
    r"[ \t]*(?P<coding>[!#$%&'*+.^_`|~0-9A-Za-z-]+)"
    r"(?:[ \t]*;[ \t]*[qQ]=(?P<weight>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?[ \t]*"
)


def weights(field: bytes | None) -> Weights:
    """Return the weights that an Accept-Encoding field value gives; `None` when there is no such field.

    Several field lines are passed joined by commas (§5.3). Results for ordinary values are cached.
    """
    if field is None:
        return ONLY_IDENTITY
    return _cached(field) if len(field) <= _CACHED_LENGTH else _parsed(field)


def preferred(wanted: Weights, representations: Sequence[Representation]) -> Representation | None:
    """Return the representation to send, or None when none is acceptable."""
    best, best_rank = None, (0, 0, 0)
    for representation in representations:
        place = CODINGS.index(representation.coding)
        rank = (wanted[place], -representation.length, -place)
        if wanted[place] and (best is None or rank > best_rank):
            best, best_rank = representation, rank
    return best


def _parsed(field: bytes) -> Weights:
    named: dict[str, int] = {}
    for element in field.decode("latin-1").split(","):
        match = _ELEMENT.fullmatch(element)
        if match:
            coding = match["coding"].lower()
            named[_ALIASES.get(coding, coding)] = round(float(match["weight"] or 1) * 1000)
    rest = named.get("*", 0)
    identity = named.get("identity", named.get("*", _UNNAMED_IDENTITY))
    return (*(named.get(coding, rest) for coding in CODINGS[:-1]), identity)


_cached = lru_cache(maxsize=1024)(_parsed)
