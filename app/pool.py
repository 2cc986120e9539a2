"""The slabs of all workers (`app.origin.slabs`), of which each has what the others have made.

Rule: the parent keeps one descriptor of every slab, and tells each worker, also one that comes later, of those that
the others have made and dropped. The slabs of a worker that ends are dropped with it. A worker that does not take its
news is let go: it then goes on alone, and nothing waits for it.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from contextlib import suppress

from app.origin.bodies import Bodies
from app.origin.slabs import Slab

_MADE, _DROPPED = b"+", b"-"
_MESSAGE, _DESCRIPTOR = struct.Struct("<cQ"), struct.Struct("i")


class Pool:
    """The parent's part."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slabs: dict[socket.socket, dict[int, tuple[int, int]]] = {}
        self._count = 0

    def joined(self) -> socket.socket | None:
        """Return a worker's end of a new connection, or None where slabs cannot be passed on."""
        if not hasattr(os, "memfd_create"):
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with self._lock:
            for slabs in self._slabs.values():
                for key, descriptor in slabs.values():
                    _tell(ours, _MADE, key, descriptor)
            self._slabs[ours] = {}
        threading.Thread(target=self._listen, args=(ours,), name="slabs of a worker", daemon=True).start()
        return theirs

    def _listen(self, worker: socket.socket) -> None:
        with worker:
            with suppress(EOFError):
                while True:
                    self._take(worker, *_heard(worker))
            with self._lock:
                slabs = self._slabs.pop(worker)
                for number in list(slabs):
                    self._drop(slabs, number)

    def _take(self, worker: socket.socket, kind: bytes, number: int, descriptor: int) -> None:
        with self._lock:
            slabs = self._slabs[worker]
            if kind == _DROPPED:
                self._drop(slabs, number)
            elif descriptor >= 0:
                self._count += 1
                slabs[number] = self._count, descriptor
                self._tell_others(slabs, _MADE, self._count, descriptor)

    def _drop(self, slabs: dict[int, tuple[int, int]], number: int) -> None:
        if number in slabs:
            key, descriptor = slabs.pop(number)
            os.close(descriptor)
            self._tell_others(slabs, _DROPPED, key)

    def _tell_others(self, own: dict[int, tuple[int, int]], kind: bytes, key: int, descriptor: int = -1) -> None:
        for worker, slabs in self._slabs.items():
            if slabs is not own:
                _tell(worker, kind, key, descriptor)


class Member:
    """A worker's part (`app.origin.bodies.Others`)."""

    def __init__(self, connection: socket.socket, bodies: Bodies) -> None:
        self._connection = connection
        self._bodies = bodies
        self._numbers: dict[Slab, int] = {}
        self._count = 0

    def news(self) -> None:
        """Take what the parent has told."""
        try:
            while True:
                self._take(*_heard(self._connection, socket.MSG_DONTWAIT))
        except BlockingIOError:
            pass
        except EOFError:
            self._bodies.leave()

    def _take(self, kind: bytes, key: int, descriptor: int) -> None:
        if kind == _DROPPED:
            self._bodies.take_back(key)
        elif descriptor >= 0:
            with suppress(OSError, ValueError):  # no memory
                self._bodies.lend(key, Slab.received(descriptor))

    def made(self, slab: Slab) -> None:
        """Tell of a slab, if it can be passed on."""
        if slab.descriptor >= 0:
            self._count += 1
            self._numbers[slab] = self._count
            _tell(self._connection, _MADE, self._count, slab.descriptor)

    def dropped(self, slab: Slab) -> None:
        """Tell that a slab is to be forgotten."""
        if slab in self._numbers:
            _tell(self._connection, _DROPPED, self._numbers.pop(slab))


def _tell(to: socket.socket, kind: bytes, key: int, descriptor: int = -1) -> None:
    """Send a message, or end the connection if that takes time: then nothing is told halfway."""
    try:
        passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, _DESCRIPTOR.pack(descriptor))] if descriptor >= 0 else []
        to.sendmsg([_MESSAGE.pack(kind, key)], passed, socket.MSG_DONTWAIT)
    except OSError:
        with suppress(OSError):
            to.shutdown(socket.SHUT_RDWR)


def _heard(connection: socket.socket, flags: int = 0) -> tuple[bytes, int, int]:
    """Return kind, key and descriptor, -1 for none, of a message. Raises EOFError, BlockingIOError."""
    try:
        room = socket.CMSG_LEN(_DESCRIPTOR.size)
        message, passed, *_ = connection.recvmsg(_MESSAGE.size, room, flags | socket.MSG_CMSG_CLOEXEC)
    except BlockingIOError:
        raise
    except OSError:
        raise EOFError from None
    if len(message) < _MESSAGE.size:
        raise EOFError
    kind, key = _MESSAGE.unpack(message)
    return kind, key, _DESCRIPTOR.unpack(passed[0][2])[0] if passed else -1
