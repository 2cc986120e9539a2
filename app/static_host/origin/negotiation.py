"""Accept-Encoding → content coding (RFC 9110 §12.5.3), and Available-Dictionary → delta (RFC 9842 §2.2, §6).

Rule: the client's weights decide first, then the smallest representation; of equal lengths br, zstd, gzip, identity, in
this order. An element that does not match the grammar is ignored, so it neither makes a coding acceptable nor excludes
one. A coding that neither the field nor ``*`` covers is not acceptable. Identity is acceptable unless ``identity;q=0``
excludes it, or ``*;q=0`` without an element for identity.

A delta needs a client that names its coding (``*`` is not enough) and has exactly the dictionary it was made with.

Without the field every coding is acceptable (§12.5.3, first rule), and identity is sent, which every client can read.
If no representation is acceptable, `select_representation` returns None, and the origin responds with 406 (§15.5.7).
The RFC suggests a response without content coding "unless the identity coding is indicated as unacceptable", and such a
client has indicated exactly that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from static_host.origin.representation import DICTIONARY_CODING, Representation

Weights = tuple[int, ...]
"""Thousandths of a weight for each coding of `CODINGS`; 0 means not acceptable."""

CODINGS = ("br", "zstd", "gzip", "identity", DICTIONARY_CODING)
ONLY_IDENTITY: Weights = (0, 0, 0, 1, 0)
_ALIASES = {"x-gzip": "gzip"}  # RFC 9110 §8.4.1.3
_MAX_CACHED_BYTES = 256
_DEFAULT_IDENTITY_WEIGHT = 1  # acceptable, but after every coding that is named

_ELEMENT = re.compile(
    r"[ \t]*(?P<coding>[!#$%&'*+.^_`|~0-9A-Za-z-]+)"
    r"(?:[ \t]*;[ \t]*[qQ]=(?P<weight>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?[ \t]*"
)
_SHA_256 = re.compile(rb":([A-Za-z0-9+/]{43}=):")


def parse_accept_encoding(field: bytes | None) -> Weights:
    """Return the weights of an Accept-Encoding field value; `field` is None if the request has no such field.

    Several field lines are passed joined by commas (§5.3). Results for values of usual length are cached.
    """
    if field is None:
        return ONLY_IDENTITY
    return _parse_cached(field) if len(field) <= _MAX_CACHED_BYTES else _parse_uncached(field)


def parse_available_dictionary(field: bytes | None) -> str:
    """Return the dictionary's SHA-256, in base64, from an Available-Dictionary field value (RFC 9842 §2.2).

    The value is one Byte Sequence (RFC 9651 §3.3.5). Returns an empty string for anything else, and without the field.
    """
    match = _SHA_256.fullmatch(field) if field else None
    return match[1].decode() if match else ""


def select_representation(
    wanted: Weights, representations: Sequence[Representation], dictionary: str = ""
) -> Representation | None:
    """Return the representation to send, or None if none is acceptable; `dictionary` is the one the client has."""
    best, best_rank = None, (0, 0, 0)
    for representation in representations:
        if representation.dictionary not in ("", dictionary):
            continue
        place = CODINGS.index(representation.coding)
        rank = (wanted[place], -representation.length, -place)
        if wanted[place] and (best is None or rank > best_rank):
            best, best_rank = representation, rank
    return best


def _parse_uncached(field: bytes) -> Weights:
    named: dict[str, int] = {}
    for element in field.decode("latin-1").split(","):
        match = _ELEMENT.fullmatch(element)
        if match:
            coding = match["coding"].lower()
            named[_ALIASES.get(coding, coding)] = round(float(match["weight"] or 1) * 1000)
    rest = named.get("*", 0)
    identity = named.get("identity", named.get("*", _DEFAULT_IDENTITY_WEIGHT))
    plain = (named.get(coding, rest) for coding in CODINGS[:3])
    return (*plain, identity, named.get(DICTIONARY_CODING, 0))


_parse_cached = lru_cache(maxsize=1024)(_parse_uncached)
