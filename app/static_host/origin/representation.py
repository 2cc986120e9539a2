"""What the origin serves: resources, the representations of each, and the releases that have them.

Rule: these are facts, never headers. A content has one digest, which names it in the index, in caches and in the store.
"""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass, replace
from hashlib import sha256

CODING_SUFFIXES = {"identity": "", "gzip": ".gz", "br": ".br", "zstd": ".zst"}
"""Content coding (RFC 9110 §8.4.1) → what is appended to a file's name for its encoded sibling."""
SVGZ_IDENTITY_SUFFIX = ".identity"
"""What is appended to an .svgz file's name for its decoded sibling, in a tree that other tools made."""
DICTIONARY_CODING = "dcz"
"""The coding by zstd with an earlier version as dictionary (RFC 9842 §5); a file can have several such siblings."""


@dataclass(frozen=True, slots=True)
class Representation:
    """One content coding of one resource (RFC 9110 §3.2).

    `file` is relative to the tree, `length` is in bytes, `compute_digest` is the first 144 bits of the SHA-256 of the
    file's bytes in URL-safe base64 (24 characters). `dictionary` is the whole SHA-256, in base64 as HTTP fields have it
    (44 characters), of the bytes without which it cannot be decoded; empty where nothing else is needed.
    """

    coding: str
    file: str
    length: int
    digest: str
    dictionary: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """What one URL path names: a media type and its representations, smallest first.

    `match` is a URL pattern for the later versions of the resource, relative to its own URL, in ASCII; it is empty for
    one that is no dictionary for them.
    """

    media_type: str
    immutable: bool
    representations: tuple[Representation, ...]
    releases: tuple[int, ...] = (0,)
    """The releases that have it, by their number in the tree: 0 is the one that the tree was built for."""
    match: str = ""

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
        """The resource with those representations alone that need no dictionary."""
        return replace(self, representations=tuple(r for r in self.representations if not r.dictionary))

    @property
    def standalone(self) -> Resource:
        """The resource without all that there is for the sake of other releases."""
        return Resource(self.media_type, self.immutable, self.without_deltas.representations)


@dataclass(frozen=True, slots=True)
class Release:
    """What was built once, and then served.

    `compute_digest` names it, in 16 hexadecimal digits; `time` is when it was made, in seconds since 1970 (UTC), or
    None where nobody knows; `origin` is where it was carried from, and empty for the one that a tree was built for.
    """

    digest: str
    time: int | None = None
    origin: str = ""


def compute_digest(body: bytes | memoryview) -> str:
    """Return what the index records of a file's bytes."""
    return shorten_digest(sha256(body).digest())


def shorten_digest(full: bytes) -> str:
    """Return the recorded form of a whole SHA-256."""
    return urlsafe_b64encode(full[:18]).decode()


def format_file_name(name: str, coding: str, dictionary: str = "") -> str:
    """Return the file of one representation of the resource `name`, as the build calls it.

    That of a delta has the first 48 bits of its dictionary's SHA-256 in it: ``site.js.3f9a12bc0d4e.dcz``.
    """
    if coding == DICTIONARY_CODING:
        return f"{name}.{b64decode(dictionary)[:6].hex()}.{coding}"
    return name + CODING_SUFFIXES[coding]
