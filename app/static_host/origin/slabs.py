"""Slabs: bodies one behind the other, in a file in memory that several processes share.

Strategy: each body follows a record of its digest and length, which is written when the body is complete. Another
process reads on from the last record that it knows. A record has a checksum, because it may be read while it is being
written. A slab never changes, it only grows: each process closes it on its own, and the system frees the memory
(memfd_create(2)) when the last one has. A process compares what another one wrote with its digest before it uses it.

Connections come first: a slab whose descriptor would be one of the upper half of those that the process may have is
not in a file.
"""

from __future__ import annotations

import errno
import mmap
import os
import resource
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from zlib import crc32

LONG = 32 << 10
"""From this length in bytes on, sendfile(2) gives a body to a socket, which costs less than to copy it."""
_RECORD = struct.Struct("<24sQI")
_FULL = b"\xff" * 24


class Sealed(mmap.mmap):
    """A long body in a slab: the file's bytes from `offset` on are mapped."""

    slab: Slab
    offset: int

    @classmethod
    def of(cls, slab: Slab, offset: int, length: int) -> Sealed:
        """Return the body that lies there. Raises OSError: no descriptor is left."""
        sealed = cls(slab.descriptor, length, prot=mmap.PROT_READ, offset=offset)
        sealed.slab, sealed.offset = slab, offset
        return sealed

    @property
    def descriptor(self) -> int:
        """The file's, which is open for as long as there is the body."""
        return self.slab.descriptor


Body = bytes | memoryview | Sealed


class Slab:
    """A file in memory for bodies; where the system has none to give, memory of this process, `descriptor` -1."""

    def __init__(self, descriptor: int, size: int, protection: int) -> None:
        self._map = mmap.mmap(descriptor, size, flags=mmap.MAP_SHARED, prot=protection)
        self._view = memoryview(self._map).toreadonly()
        self._end = 0
        self.descriptor = descriptor
        self.digests: list[str] = []
        """Of the bodies that are known to be in it."""
        self.held = 0
        """Bytes of those bodies."""

    @classmethod
    def made(cls, size: int) -> Slab:
        """Return an empty one. Raises OSError: no memory."""
        with suppress(AttributeError, OSError):  # another system, or no descriptor is left
            descriptor = os.memfd_create("static-host bodies")
            with _closed_on_failure(descriptor):
                _check_low(descriptor)
                os.ftruncate(descriptor, size)
                return cls(descriptor, size, mmap.PROT_READ | mmap.PROT_WRITE)
        return cls(-1, size, mmap.PROT_READ | mmap.PROT_WRITE)

    @classmethod
    def received(cls, descriptor: int) -> Slab:
        """Return the one that another process made. Raises OSError, ValueError; the descriptor is closed then."""
        with _closed_on_failure(descriptor):
            _check_low(descriptor)
            return cls(descriptor, os.fstat(descriptor).st_size, mmap.PROT_READ)

    def __del__(self) -> None:
        """Close the file; what is mapped, or on its way to a socket, is kept by the kernel."""
        if getattr(self, "descriptor", -1) >= 0:  # else it was not made
            os.close(self.descriptor)

    def add(self, digest: str, data: bytes | memoryview) -> int | None:
        """Return the offset at which the body lies from now on, or None where there is no room."""
        offset = _offset(self._end, len(data))
        end = offset + len(data)
        if end + _RECORD.size > len(self._view):  # a last record says that the slab is full
            return None
        self._map[offset:end] = data
        self._write(digest.encode(), len(data))
        self._know(digest, offset, end)
        return offset

    def finish(self) -> None:
        """Say that nothing more is added."""
        self._write(_FULL, 0)

    def found(self) -> Iterator[tuple[str, int, int]]:
        """Yield digest, offset and length of the bodies that another process has added since the last time."""
        while self._end >= 0:
            digest, length, checksum = _RECORD.unpack_from(self._view, self._end)
            if not checksum or checksum != _checksum(digest, length):
                return  # there is none yet, or not the whole of it
            offset = _offset(self._end, length)
            if digest == _FULL or offset + length + _RECORD.size > len(self._view):
                self._end = -1
                return
            self._know(digest.decode("latin-1"), offset, offset + length)
            yield self.digests[-1], offset, length

    def view(self, offset: int, length: int) -> memoryview:
        """Return what lies there."""
        return self._view[offset : offset + length]

    def sealed(self, offset: int, length: int) -> Sealed | None:
        """Return what lies there as a body that sendfile(2) can send, where it is one."""
        if length >= LONG and self.descriptor >= 0:
            with suppress(OSError):
                return Sealed.of(self, offset, length)
        return None

    def has(self, body: Body | None) -> bool:
        """Whether a body lies here."""
        return body.slab is self if isinstance(body, Sealed) else isinstance(body, memoryview) and body.obj is self._map

    def _write(self, digest: bytes, length: int) -> None:
        _RECORD.pack_into(self._map, self._end, digest, length, _checksum(digest, length))

    def _know(self, digest: str, offset: int, end: int) -> None:
        self.digests.append(digest)
        self.held += end - offset
        self._end = end


def room_for(length: int) -> int:
    """Return the bytes of a slab that a body of this length, alone, needs."""
    return _offset(0, length) + length + _RECORD.size


def _offset(end: int, length: int) -> int:
    """Return where a body begins whose record begins at `end`: a long one can be mapped."""
    begin = end + _RECORD.size
    return -(-begin // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY if length >= LONG else begin


def _checksum(digest: bytes, length: int) -> int:
    return crc32(digest + length.to_bytes(8, "little"))


@contextmanager
def _closed_on_failure(descriptor: int) -> Iterator[None]:
    """Close the descriptor if it does not become a slab's."""
    try:
        yield
    except BaseException:
        os.close(descriptor)
        raise


def _check_low(descriptor: int) -> None:
    """Raise OSError if the descriptor is one that connections are to have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and descriptor >= soft // 2:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
