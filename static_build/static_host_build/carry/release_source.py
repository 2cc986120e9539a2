"""A place where earlier releases are: what the build asks of it, and what goes wrong there.

Rule: a place gives indexes and the bytes of files as they are. It encodes, decodes and believes nothing: whoever takes
bytes compares them with the digest in the index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from static_host.origin.index import Index, InvalidIndexError, parse_index
from static_host.origin.representation import Representation

SOURCE_CHUNK_BYTES = 1 << 16
"""Bytes that are asked for at once."""


class ReleaseSourceError(Exception):
    """Nothing can be carried from a place; the message names it, says why, and what can be done."""


class BodyUnusableError(Exception):
    """The bytes of a file cannot be had; the message says why, as the end of a sentence."""


class CodingLostError(Exception):
    """A file can be had, but not in this coding: something on the way does not pass it on."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tree's index: its bytes, where they lie, and when they were written (seconds since 1970), if that is known."""

    data: bytes
    location: str
    time: int | None = None


class ReleaseSource(Protocol):
    """Where one or more trees are."""

    @property
    def name(self) -> str:
        """What messages and the index call it."""

    def read_snapshots(self, most: int) -> list[Snapshot]:
        """Return the newest `most` trees, the newest first, one at least. Raises ReleaseSourceError."""

    def read_body(self, name: str, representation: Representation) -> Iterator[bytes]:
        """Give the bytes of one representation of the resource `name`. Raises BodyUnusableError, CodingLostError."""

    def close(self) -> None:
        """Let go of what it holds."""


def load_index(snapshot: Snapshot) -> Index:
    """Return the index of a tree. Raises ReleaseSourceError."""
    try:
        return parse_index(snapshot.data)
    except InvalidIndexError as error:
        raise ReleaseSourceError(f"the index {snapshot.location} cannot be used: {error}.") from None
