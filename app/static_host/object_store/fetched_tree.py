"""The files that were found in the store, as a tree of their own: what the origin's core serves them from.

Rule: nothing is fetched here, because nothing here may wait: a body that is not at hand is `Unfetched`, and whoever
asked has it fetched, and asks again. What is in memory is in the memory of the server's own tree, within its budget.
A file on the disk is what it was when its digest was last compared, or it is not at hand.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from static_host.object_store.disk_cache import Shelf
from static_host.origin.body_cache import Bodies, Body
from static_host.origin.index import Index, Representation
from static_host.origin.tree import FileChanged, Tree


class Unfetched(Exception):
    """A representation's body has to be fetched first."""

    def __init__(self, representation: Representation) -> None:
        super().__init__(representation.file)
        self.representation = representation


class Found(Tree):
    """A tree without an index of its own: on `shelf`, where there is one, and in the memory of `bodies`."""

    def __init__(self, shelf: Shelf | None, bodies: Bodies) -> None:
        root = shelf.directory if shelf else Path(os.devnull)
        super().__init__(root, shelf.descriptor if shelf else -1, Index("", b""), b"", bodies.budget)
        self.bodies = bodies
        self.shelf = shelf
        self._awaited: Counter[str] = Counter()
        self._arrived: dict[str, Body] = {}

    @contextmanager
    def awaited(self, digest: str) -> Iterator[None]:
        """Have a body that comes meanwhile stay at hand to the end, whatever comes after it and takes its room."""
        self._awaited[digest] += 1
        try:
            yield
        finally:
            self._awaited[digest] -= 1
            if not self._awaited[digest]:
                del self._awaited[digest]
                self._arrived.pop(digest, None)

    def fits_in_memory(self, representation: Representation) -> bool:
        """Whether the body is one that is kept in memory."""
        return representation.length <= self._in_memory

    def has_room_for(self, representation: Representation) -> bool:
        """Whether the body can be kept, in memory or on the disk."""
        room = self.shelf.budget if self.shelf else 0
        return self.fits_in_memory(representation) or representation.length <= room

    def open(self, representation: Representation) -> io.FileIO:
        """Return the open file. Raises Unfetched, OSError."""
        is_known = self.fits_in_memory(representation) or representation.digest in self._seen
        if self.shelf is None or not is_known:
            raise Unfetched(representation)
        try:
            return super().open(replace(representation, file=representation.digest))
        except (FileNotFoundError, FileChanged):
            self._seen.pop(representation.digest, None)
            raise Unfetched(representation) from None

    def body(self, representation: Representation) -> Body | None:
        """Return the whole body, or None when it is too large for memory. Raises Unfetched, OSError."""
        try:
            return self._arrived.get(representation.digest) or super().body(representation)
        except FileChanged:
            raise Unfetched(representation) from None

    def hold(self, representation: Representation, data: bytes) -> None:
        """Keep a body in memory whose digest was compared."""
        body = self.bodies.find(representation.digest)
        if body is None:
            body = self.bodies.keep(representation.digest, data)
        if representation.digest in self._awaited:
            self._arrived[representation.digest] = body

    def know(self, representation: Representation, facts: os.stat_result) -> None:
        """Remember a file on the shelf whose digest was compared."""
        self._seen[representation.digest] = (facts.st_ino, facts.st_mtime_ns)
