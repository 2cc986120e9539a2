"""Bodies in memory, within a budget: those that were asked for last stay.

Strategy: a short body is bytes. A longer one lies in a file of its own in memory (memfd_create(2)), mapped: whoever
reads it has a buffer, and sendfile(2) gives it to a socket without a copy, which costs more than everything else for
a body of 100 kB. It is a copy of what was read from the disk, which may vanish. What is forgotten meanwhile lives as
long as somebody still sends it.
"""

from __future__ import annotations

import mmap
import os
import resource
from collections import OrderedDict
from contextlib import suppress

LONG = 32 << 10
"""From this length in bytes on, a body lies in a file in memory, where the system has such files."""
FOR_A_HEAD = 8 << 10
"""Bytes of the budget for each resource, and each answer, whose header lines are kept ready."""
FEWEST_HEADS, MOST_HEADS = 256, 16_384


class Sealed(mmap.mmap):
    """A body in a file in memory; `descriptor` is the file's."""

    descriptor: int

    @classmethod
    def of(cls, data: bytes) -> Sealed:
        """Return a copy of the data. Raises OSError: no descriptor is left, or no memory."""
        descriptor = os.memfd_create("static-host body")
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            sealed = cls(descriptor, len(data), prot=mmap.PROT_READ)
        except BaseException:
            os.close(descriptor)
            raise
        sealed.descriptor = descriptor
        return sealed

    def __del__(self) -> None:
        """Close the file; a body that is on its way to a socket is kept by the kernel."""
        with suppress(AttributeError):  # it was not made
            os.close(self.descriptor)


Body = bytes | Sealed


class Bodies:
    """At most `budget` bytes of bodies, by digest: equal bodies are kept once."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._kept: OrderedDict[str, Body] = OrderedDict()
        self.held = 0
        """Bytes that are kept."""
        self._sealed = _most_sealed()

    @property
    def heads(self) -> int:
        """How many heads may be kept beside the bodies: their memory is to stay below the budget, too."""
        return min(max(self.budget // FOR_A_HEAD, FEWEST_HEADS), MOST_HEADS)

    def get(self, digest: str) -> Body | None:
        """Return a body if it is here; it then stays longest."""
        body = self._kept.get(digest)
        if body is not None:
            self._kept.move_to_end(digest)
        return body

    def keep(self, digest: str, data: bytes) -> Body:
        """Keep a body, and forget others for it if need be. Returns it as it is kept."""
        body = self._sealed_or_not(data)
        self._kept[digest] = body
        self.held += len(body)
        while self.held > self.budget:
            self._forget()
        return body

    def _forget(self) -> None:
        _, body = self._kept.popitem(last=False)
        self.held -= len(body)
        self._sealed += isinstance(body, Sealed)

    def _sealed_or_not(self, data: bytes) -> Body:
        if len(data) < LONG or not self._sealed:
            return data
        try:
            sealed = Sealed.of(data)
        except OSError:
            return data
        self._sealed -= 1
        return sealed


def _most_sealed() -> int:
    """Return how many bodies may lie in files: each takes two descriptors, and a quarter of all is enough for them."""
    if not hasattr(os, "memfd_create"):
        return 0
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 16 if soft == resource.RLIM_INFINITY else soft // 8
