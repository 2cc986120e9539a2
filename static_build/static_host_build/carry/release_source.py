"""The interface of a source of earlier releases, and its errors.

Rule: a source returns indexes and the bytes of files as they are. It encodes, decodes and checks nothing: the caller
compares the bytes with the digest in the index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from static_host.origin.index import Index, InvalidIndexError, parse_index
from static_host.origin.representation import Representation

SOURCE_CHUNK_BYTES = 1 << 16
"""Bytes of one read."""


class ReleaseSourceError(Exception):
    """A source or one of its trees cannot be used; the message names it, the reason and the remedy."""


class BodyUnusableError(Exception):
    """The bytes of a file are unavailable or wrong; the message says why, as the end of a sentence."""


class CodingLostError(Exception):
    """The file is available, but not in this coding: a CDN or proxy does not pass it on."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The index of a tree: its bytes, its location for messages, and when it was written (Unix time), if known."""

    data: bytes
    location: str
    time: int | None = None


class ReleaseSource(Protocol):
    """A source of one or more trees."""

    @property
    def name(self) -> str:
        """The name of the source in messages and in the index."""

    def read_snapshots(self, max_count: int) -> list[Snapshot]:
        """Return up to `max_count` trees, newest first, at least one. Raises ReleaseSourceError."""

    def read_body(self, name: str, representation: Representation) -> Iterator[bytes]:
        """Yield the bytes of one representation of the resource `name`. Raises BodyUnusableError, CodingLostError."""

    def close(self) -> None:
        """Release the resources of the source."""


def load_index(snapshot: Snapshot) -> Index:
    """Return the index of a tree. Raises ReleaseSourceError."""
    try:
        return parse_index(snapshot.data)
    except InvalidIndexError as error:
        raise ReleaseSourceError(f"the index {snapshot.location} cannot be used: {error}.") from None
