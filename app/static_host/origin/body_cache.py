"""Bodies in memory, within a budget; the requested ones stay.

Strategy: a long body lies in a file in memory (memfd_create(2)), which sendfile(2) gives to a socket without a copy.
When the budget is exceeded, the oldest body is dropped, unless it was requested since its last turn: then it gets
another one. A dropped body lives on while a response uses it. Connections come first: a descriptor of the upper half of
those that the process may have is never a body's.
"""

from __future__ import annotations

import errno
import mmap
import os
import resource
from collections import OrderedDict
from contextlib import suppress

LONG_BYTES = 32 << 10
"""From this length on, sendfile(2) costs less than a copy."""
DESCRIPTORS_PER_FILE = 2
"""A file in memory has one, and its mapping another."""
BUDGET_BYTES_PER_HEAD = 8 << 10
"""Bytes of the budget for each resource, and each response, whose header lines are kept."""
MIN_HEADS, MAX_HEADS = 256, 16_384


class MemoryFile(mmap.mmap):
    """A body in a file in memory, which is mapped. `descriptor` is open for as long as there is the body."""

    descriptor = -1

    @classmethod
    def create(cls, data: bytes) -> MemoryFile:
        """Return a file with this content. Raises OSError, also on systems without such files."""
        create_file = getattr(os, "memfd_create", None)
        if create_file is None:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        descriptor: int = create_file("static-host body")
        try:
            _refuse_high_descriptor(descriptor)
            os.ftruncate(descriptor, len(data))
            with mmap.mmap(descriptor, len(data), prot=mmap.PROT_WRITE) as writable:
                writable[:] = data
            file = cls(descriptor, len(data), prot=mmap.PROT_READ)
        except BaseException:
            os.close(descriptor)
            raise
        file.descriptor = descriptor
        return file

    def __del__(self) -> None:
        """Close the file; the kernel keeps what is mapped, or on its way to a socket."""
        if self.descriptor >= 0:
            os.close(self.descriptor)


Body = bytes | MemoryFile


class BodyCache:
    """At most `budget` bytes of bodies, by digest. The newest body may exceed the budget until the next one comes."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.stored_bytes = 0
        self._bodies: OrderedDict[str, Body] = OrderedDict()
        self._recently_used: set[str] = set()
        self._files_left = _get_max_files()

    @property
    def max_heads(self) -> int:
        """How many heads may be kept beside the bodies, whose memory stays below the budget, too."""
        return min(max(self.budget // BUDGET_BYTES_PER_HEAD, MIN_HEADS), MAX_HEADS)

    def get(self, digest: str) -> Body | None:
        """Return a body, or None if it is not here."""
        body = self._bodies.get(digest)
        if body is not None:
            self._recently_used.add(digest)
        return body

    def keep(self, digest: str, data: bytes) -> Body:
        """Store a body that is not here, dropping others if need be; return it as it is stored."""
        body = self._bodies[digest] = self._store(data)
        self.stored_bytes += len(body)
        while self.stored_bytes > self.budget and len(self._bodies) > 1:
            self._take_turn(digest)
        return body

    def _store(self, data: bytes) -> Body:
        if len(data) >= LONG_BYTES and self._files_left:
            with suppress(OSError):  # another system, no memory, or no descriptor
                file = MemoryFile.create(data)
                self._files_left -= 1
                return file
        return data

    def _take_turn(self, newest: str) -> None:
        """Drop the oldest body, or give it another turn."""
        digest, body = self._bodies.popitem(last=False)
        if digest == newest or digest in self._recently_used:
            self._recently_used.discard(digest)
            self._bodies[digest] = body
            return
        self.stored_bytes -= len(body)
        self._files_left += isinstance(body, MemoryFile)


def _get_max_files() -> int:
    """Return how many bodies may be files: they take an eighth of the descriptors that the process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 15 if soft == resource.RLIM_INFINITY else soft // (8 * DESCRIPTORS_PER_FILE)


def _refuse_high_descriptor(descriptor: int) -> None:
    """Raise OSError if connections are to have the descriptor."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and descriptor >= soft // 2:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
