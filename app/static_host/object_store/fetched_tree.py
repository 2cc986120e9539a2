"""The files that were found in the store, as a tree of their own: what the origin's core serves them from.

Rule: nothing is fetched here, because nothing here may wait: a body that is not at hand is `BodyNotFetchedError`, and
whoever asked has it fetched, and asks again. What is in memory is in the memory of the server's own tree, within its
budget. A file on the disk is what it was when its digest was last compared, or it is not at hand.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from static_host.object_store.disk_cache import DiskCache
from static_host.origin.body_cache import Body, BodyCache
from static_host.origin.index import Index
from static_host.origin.representation import Representation
from static_host.origin.tree import FileChangedError, Tree


class BodyNotFetchedError(Exception):
    """A representation's body has to be fetched first."""

    def __init__(self, representation: Representation) -> None:
        super().__init__(representation.file)
        self.representation = representation


class FetchedTree(Tree):
    """A tree without an index of its own: on `shelf`, where there is one, and in the memory of `bodies`."""

    def __init__(self, disk_cache: DiskCache | None, bodies: BodyCache) -> None:
        root = disk_cache.directory if disk_cache else Path(os.devnull)
        super().__init__(root, disk_cache.descriptor if disk_cache else -1, Index("", b""), b"", bodies.budget)
        self.bodies = bodies
        self.disk_cache = disk_cache
        self._pins: Counter[str] = Counter()
        self._pinned: dict[str, Body] = {}

    @contextmanager
    def pin(self, digest: str) -> Iterator[None]:
        """Have a body that comes meanwhile stay at hand to the end, whatever comes after it and takes its room."""
        self._pins[digest] += 1
        try:
            yield
        finally:
            self._pins[digest] -= 1
            if not self._pins[digest]:
                del self._pins[digest]
                self._pinned.pop(digest, None)

    def is_kept_in_memory(self, representation: Representation) -> bool:
        """Whether the body is one that is kept in memory."""
        return representation.length <= self._max_in_memory_bytes

    def has_room_for(self, representation: Representation) -> bool:
        """Whether the body can be kept, in memory or on the disk."""
        room = self.disk_cache.budget if self.disk_cache else 0
        return self.is_kept_in_memory(representation) or representation.length <= room

    def open(self, representation: Representation) -> io.FileIO:
        """Return the open file. Raises BodyNotFetchedError, OSError."""
        is_known = self.is_kept_in_memory(representation) or representation.digest in self._identities
        if self.disk_cache is None or not is_known:
            raise BodyNotFetchedError(representation)
        try:
            return super().open(replace(representation, file=representation.digest))
        except (FileNotFoundError, FileChangedError):
            self._identities.pop(representation.digest, None)
            raise BodyNotFetchedError(representation) from None

    def read_body(self, representation: Representation) -> Body | None:
        """Return the whole body, or None when it is too large for memory. Raises BodyNotFetchedError, OSError."""
        try:
            return self._pinned.get(representation.digest) or super().read_body(representation)
        except FileChangedError:
            raise BodyNotFetchedError(representation) from None

    def keep_in_memory(self, representation: Representation, data: bytes) -> None:
        """Keep a body in memory whose digest was compared."""
        body = self.bodies.find(representation.digest)
        if body is None:
            body = self.bodies.keep(representation.digest, data)
        if representation.digest in self._pins:
            self._pinned[representation.digest] = body

    def remember_file(self, representation: Representation, facts: os.stat_result) -> None:
        """Remember a file on the shelf whose digest was compared."""
        self._identities[representation.digest] = (facts.st_ino, facts.st_mtime_ns)
