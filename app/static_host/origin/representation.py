"""Resources, their representations, and the releases that have them: the types of the index.

Rule: these are facts and no headers. One digest names a content in the index, in caches and in object stores.
"""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass, replace
from hashlib import sha256

from static_host.origin.own_fields import Fields

CODING_SUFFIXES = {"identity": "", "gzip": ".gz", "br": ".br", "zstd": ".zst"}
"""Content coding (RFC 9110 §8.4.1) → suffix of the encoded sibling's file name."""
SVGZ_IDENTITY_SUFFIX = ".identity"
"""Suffix of an .svgz file's decoded sibling, in a tree that other tools made."""
DICTIONARY_CODING = "dcz"
"""zstd with an earlier version as dictionary (RFC 9842 §5); a file can have several such siblings."""


@dataclass(frozen=True, slots=True)
class Representation:
    """One content coding of one resource (RFC 9110 §3.2).

    `file` is relative to the tree, `length` in bytes. `digest` is the first 144 bits of the SHA-256 of the file's
    bytes, in URL-safe base64 (24 characters). `dictionary` is the whole SHA-256, in base64 as in HTTP fields (44
    characters), of the dictionary that decoding needs; empty if it needs none.
    """

    coding: str
    file: str
    length: int
    digest: str
    dictionary: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """The target of one URL path: a media type and the representations, smallest first.

    `match` is an ASCII URL pattern of the later versions for which this resource is a dictionary, relative to its own
    URL; empty if it is none.
    """

    media_type: str
    immutable: bool
    representations: tuple[Representation, ...]
    releases: tuple[int, ...] = (0,)
    """Numbers of the releases that have it: 0 is the one that the tree was built for."""
    match: str = ""
    fields: Fields = ()
    """Header fields of the project's own."""

    @property
    def carried(self) -> bool:
        """Whether only earlier releases have it."""
        return 0 not in self.releases

    @property
    def identity(self) -> Representation:
        """The representation without content coding: every resource has one."""
        return next(r for r in self.representations if r.coding == "identity")

    @property
    def without_deltas(self) -> Resource:
        """The resource without the representations that need a dictionary."""
        return replace(self, representations=tuple(r for r in self.representations if not r.dictionary))

    @property
    def standalone(self) -> Resource:
        """The resource without what exists for other releases: their numbers, `match` and deltas."""
        return Resource(self.media_type, self.immutable, self.without_deltas.representations, fields=self.fields)


@dataclass(frozen=True, slots=True)
class Release:
    """One state of the sources, as it was built and served.

    `digest` names it, in 16 hexadecimal digits. `time` is when it was built, in seconds since 1970 (UTC), or None if
    unknown. `origin` is the place that it was carried from, and empty for the release that the tree was built for.
    """

    digest: str
    time: int | None = None
    origin: str = ""


def compute_digest(body: bytes | memoryview) -> str:
    """Return the digest that the index records for these bytes."""
    return shorten_digest(sha256(body).digest())


def shorten_digest(full: bytes) -> str:
    """Return the recorded form of a whole SHA-256 (32 bytes)."""
    return urlsafe_b64encode(full[:18]).decode()


def format_file_name(name: str, coding: str, dictionary: str = "") -> str:
    """Return the file name that the build gives a representation of the resource `name`.

    A delta's has the first 48 bits of its dictionary's SHA-256: ``site.js.3f9a12bc0d4e.dcz``.
    """
    if coding == DICTIONARY_CODING:
        return f"{name}.{b64decode(dictionary)[:6].hex()}.{coding}"
    return name + CODING_SUFFIXES[coding]
