"""A place where earlier releases are: what the build asks of it, and what goes wrong there.

Rule: a place gives indexes and the bytes of files as they are. It encodes, decodes and believes nothing: whoever takes
bytes compares them with the digest in the index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from static_host.origin.index import Index, IndexDamaged, Representation, loads

CHUNK = 1 << 16
"""Bytes that are asked for at once."""


class PlaceUnusable(Exception):
    """Nothing can be carried from a place; the message names it, says why, and what can be done."""


class BodyUnusable(Exception):
    """The bytes of a file cannot be had; the message says why, as the end of a sentence."""


class CodingLost(Exception):
    """A file can be had, but not in this coding: something on the way does not pass it on."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A tree's index: its bytes, where they lie, and when they were written (seconds since 1970), if that is known."""

    data: bytes
    where: str
    time: int | None = None


class Place(Protocol):
    """Where one or more trees are."""

    @property
    def name(self) -> str:
        """What messages and the index call it."""

    def snapshots(self, most: int) -> list[Snapshot]:
        """Return the newest `most` trees, the newest first, one at least. Raises PlaceUnusable."""

    def body(self, name: str, representation: Representation) -> Iterator[bytes]:
        """Give the bytes of one representation of the resource `name`. Raises BodyUnusable, CodingLost."""

    def close(self) -> None:
        """Let go of what it holds."""


def index_of(snapshot: Snapshot) -> Index:
    """Return the index of a tree. Raises PlaceUnusable."""
    try:
        return loads(snapshot.data)
    except IndexDamaged as error:
        raise PlaceUnusable(f"the index {snapshot.where} cannot be used: {error}.") from None
