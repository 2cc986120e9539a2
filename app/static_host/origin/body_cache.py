"""Bodies in memory, within a budget that the processes of a server share; the requested ones stay.

Strategy: bodies lie in slabs (`slabs`), which other processes can map, too: a body missing here may be in a slab of
theirs. When the budget is exceeded, this process drops its oldest slab. It copies the bodies that were requested since
the last round into a newer slab; a slab that consists mostly of such bodies gets another round as it is. A dropped body
lives on while a response uses it. If not every process can map every slab (no descriptor is left, or the system has no
files in memory), each process keeps to its share of the budget.
"""

from __future__ import annotations

import resource
from collections import deque
from typing import Protocol

from static_host.origin.representation import compute_digest
from static_host.origin.slabs import Body, Sealed, Slab, room_for

SLABS = 32
"""Slabs that the budget is divided into, so that little is dropped at a time."""
BUDGET_BYTES_PER_HEAD = 8 << 10
"""Bytes of the budget for each resource, and each response, whose header lines are kept."""
MIN_HEADS, MAX_HEADS = 256, 16_384

__all__ = ["Body", "BodyCache", "Others", "Sealed"]


class Others(Protocol):
    """The other processes of the same server."""

    def news(self) -> None:
        """Receive which slabs they have made (`BodyCache.lend`) or dropped (`BodyCache.take_back`)."""

    def made(self, slab: Slab) -> None:
        """Announce a new slab to them."""

    def dropped(self, slab: Slab) -> None:
        """Announce that a slab is dropped."""


class BodyCache:
    """At most `budget` bytes of bodies in all processes of a server, by digest.

    The newest body may exceed the budget until the next exchange with the others; in a single process, until the next
    body.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.stored_bytes = 0
        """Bytes in the slabs of this process."""
        self._bodies: dict[str, Body] = {}
        self._recently_used: set[str] = set()
        self._slabs: deque[Slab] = deque()
        self._filling: Slab | None = None
        self._size = budget // SLABS
        self._others: Others | None = None
        self._share = 0
        self._lent: dict[int, Slab] = {}
        self._withheld: set[int] = set()
        self._places: dict[str, tuple[Slab, int, int]] = {}
        self._sealable = _get_max_sealed()

    @property
    def max_heads(self) -> int:
        """How many heads may be kept beside the bodies, whose memory stays below the budget, too."""
        return min(max(self.budget // BUDGET_BYTES_PER_HEAD, MIN_HEADS), MAX_HEADS)

    def get(self, digest: str) -> Body | None:
        """Return a body if this process has it mapped, or None."""
        body = self._bodies.get(digest)
        if body is not None:
            self._recently_used.add(digest)
        return body

    def find(self, digest: str) -> Body | None:
        """Return a body if this or another process has it, or None."""
        body = self.get(digest)
        if body is not None or self._others is None:
            return body
        self.meet()
        place = self._places.pop(digest, None)
        if place is None:
            return None
        slab, offset, length = place
        if compute_digest(slab.view(offset, length)) != digest:
            return None
        return self._register(digest, slab, offset, length)

    def keep(self, digest: str, data: bytes) -> Body:
        """Store a body that no process has, dropping others if need be; return it as it is stored."""
        if not data:  # the empty body takes no space
            return self._bodies.setdefault(digest, data)
        self._write(digest, data)
        self._make_room(digest)
        return self._bodies.get(digest, data)

    def share(self, others: Others | None, processes: int) -> None:
        """Share the budget with the others: this process may use its share, and what they leave.

        `others` is None where the processes cannot exchange slabs; each keeps to its share then.
        """
        self._others, self._share = others, self.budget // processes
        if others is None:
            self.leave()
            return
        for slab in self._slabs:
            others.made(slab)

    def leave(self) -> None:
        """Continue without the others, with this process's share of the budget."""
        self._others, self.budget = None, self._share
        self._withheld.clear()
        for key in list(self._lent):
            self.take_back(key)
        self._make_room()

    def meet(self) -> None:
        """Learn of the others' slabs, and drop our own to stay within the common budget."""
        if self._others is None:
            return
        self._others.news()
        for slab in self._lent.values():
            for digest, offset, length in slab.found():
                if digest not in self._bodies:
                    self._places[digest] = slab, offset, length
        self._make_room()

    def lend(self, key: int, slab: Slab | None) -> None:
        """Add a slab of another process; None if this process cannot map it."""
        if slab:
            self._lent[key] = slab
        else:
            self._withheld.add(key)

    def take_back(self, key: int) -> None:
        """Forget a slab of another process."""
        self._withheld.discard(key)
        slab = self._lent.pop(key, None)
        if slab is not None:
            self._forget(slab)

    def _write(self, digest: str, data: bytes | memoryview) -> None:
        """Write a body into one of our slabs, unless memory is short."""
        slab = self._filling
        offset = slab.add(digest, data) if slab else None
        if slab is None or offset is None:
            try:
                slab = self._made(len(data))
            except OSError:
                return
            offset = slab.add(digest, data) or 0
        self.stored_bytes += len(data)
        self._register(digest, slab, offset, len(data))

    def _made(self, length: int) -> Slab:
        """Return a new slab with space for a body; a long body gets one of its own. Raises OSError."""
        slab = Slab.made(max(self._size, room_for(length)))
        self._slabs.append(slab)
        if length <= self._size // 2:
            if self._filling:
                self._filling.finish()
            self._filling = slab
        if self._others:
            self._others.made(slab)
        return slab

    def _register(self, digest: str, slab: Slab, offset: int, length: int) -> Body:
        body: Body | None = slab.sealed(offset, length) if self._sealable else None
        if body is None:
            body = slab.view(offset, length)
        else:
            self._sealable -= 1
        self._bodies[digest] = body
        return body

    def _make_room(self, newest: str = "") -> None:
        """Drop our slabs until all processes keep to the budget, or we to our share; never the `newest` body's."""
        while self._is_over() and len(self._slabs) > bool(newest):
            slab = self._slabs.popleft()
            requested = [
                digest
                for digest in slab.digests
                if digest in self._recently_used and slab.has(self._bodies.get(digest))
            ]
            self._recently_used.difference_update(requested)
            bodies = {digest: self._bodies[digest] for digest in requested}
            if newest in slab.digests or 2 * sum(map(len, bodies.values())) > slab.held:
                self._slabs.append(slab)
                continue
            self._drop(slab)
            for digest, body in bodies.items():
                self._write(digest, memoryview(body))

    def _is_over(self) -> bool:
        if self.stored_bytes <= self._share:
            return False
        return self.stored_bytes + sum(slab.held for slab in self._lent.values()) > self.budget or self._is_hidden()

    def _is_hidden(self) -> bool:
        """Whether a slab of some process is unknown to another."""
        return self._others is not None and bool(self._withheld or any(slab.descriptor < 0 for slab in self._slabs))

    def _drop(self, slab: Slab) -> None:
        if slab is self._filling:
            self._filling = None
        self.stored_bytes -= slab.held
        self._forget(slab)
        if self._others:
            self._others.dropped(slab)

    def _forget(self, slab: Slab) -> None:
        """Drop the references to all bodies in a slab."""
        for digest in slab.digests:
            body = self._bodies.get(digest)
            if slab.has(body):
                self._sealable += isinstance(body, Sealed)
                del self._bodies[digest]
                self._recently_used.discard(digest)
            if digest in self._places and self._places[digest][0] is slab:
                del self._places[digest]


def _get_max_sealed() -> int:
    """Return how many bodies may have a mapping of their own: an eighth of the descriptor limit, as each takes one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 16 if soft == resource.RLIM_INFINITY else soft // 8
