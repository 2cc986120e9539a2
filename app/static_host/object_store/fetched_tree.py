"""The files fetched from the store, as a tree that the origin's core serves from.

Rule: this module never waits, so it fetches nothing: it raises `BodyNotFetchedError` for a body that is not cached, and
the caller fetches the body and tries again. Bodies in memory share the budget of the server's own tree. A file on disk
counts as cached only while it is unchanged since its digest was compared.
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
    """The body of a representation is not cached and must be fetched first."""

    def __init__(self, representation: Representation) -> None:
        super().__init__(representation.file)
        self.representation = representation


class FetchedTree(Tree):
    """A tree without an index of its own: its bodies are in `bodies` (memory) and in `disk_cache`, if there is one."""

    def __init__(self, disk_cache: DiskCache | None, bodies: BodyCache) -> None:
        root = disk_cache.directory if disk_cache else Path(os.devnull)
        super().__init__(root, disk_cache.descriptor if disk_cache else -1, Index("", b""), b"", bodies.budget)
        self.bodies = bodies
        self.disk_cache = disk_cache
        self._pins: Counter[str] = Counter()
        self._pinned: dict[str, Body] = {}

    @contextmanager
    def pin(self, digest: str) -> Iterator[None]:
        """Keep the body in memory from its arrival until the block ends, even if the cache evicts it."""
        self._pins[digest] += 1
        try:
            yield
        finally:
            self._pins[digest] -= 1
            if not self._pins[digest]:
                del self._pins[digest]
                self._pinned.pop(digest, None)

    def is_kept_in_memory(self, representation: Representation) -> bool:
        """Whether the body is short enough for memory."""
        return representation.length <= self._max_in_memory_bytes

    def has_room_for(self, representation: Representation) -> bool:
        """Whether the body fits into memory or into the disk cache."""
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
        """Return the whole body; None if it is too long for memory. Raises BodyNotFetchedError, OSError."""
        try:
            return self._pinned.get(representation.digest) or super().read_body(representation)
        except FileChangedError:
            raise BodyNotFetchedError(representation) from None

    def keep_in_memory(self, representation: Representation, data: bytes) -> None:
        """Keep a body in memory. The caller has compared its digest."""
        body = self.bodies.get(representation.digest)
        if body is None:
            body = self.bodies.keep(representation.digest, data)
        if representation.digest in self._pins:
            self._pinned[representation.digest] = body

    def remember_file(self, representation: Representation, facts: os.stat_result) -> None:
        """Remember a file in the disk cache. The caller has compared its digest."""
        self._identities[representation.digest] = (facts.st_ino, facts.st_mtime_ns)
