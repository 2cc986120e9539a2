"""The slabs of all workers (`static_host.origin.slabs`): each worker can read what the others have made.

Rule: the parent keeps one descriptor of every slab, and announces to each worker, also to a later one, which slabs the
others have made and dropped. The slabs of a worker that ends are dropped with it. A worker that does not read its
announcements delays no other: they are queued for it, without those that are outdated by then.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from contextlib import suppress

from static_host.origin.body_cache import BodyCache
from static_host.origin.slabs import Slab

QUEUE = 24 << 10
"""Bytes for messages that are on their way: some 60 of them. Each may keep a slab in memory that was dropped since."""
_MADE, _DROPPED, _TAKEN = b"+", b"-", b"="
_MESSAGE, _DESCRIPTOR = struct.Struct("<cQ"), struct.Struct("i")


class _News:
    """What one end of a connection has to tell the other."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, QUEUE)
        self._untold: dict[int, tuple[bytes, int]] = {}

    def made(self, key: int, descriptor: int) -> None:
        """Tell of a slab; one without a descriptor, -1, cannot be passed on."""
        self._untold[key] = _MADE, descriptor
        self.tell()

    def dropped(self, key: int) -> None:
        """Tell that a slab is to be forgotten, if it was told of."""
        if self._untold.pop(key, None) is None:
            self._untold[key] = _DROPPED, -1
            self.tell()

    def tell(self) -> None:
        """Tell what there is room for."""
        for key, (kind, descriptor) in list(self._untold.items()):
            if not _is_sent(self._connection, kind, key, descriptor):
                return
            del self._untold[key]


class _Worker:
    """A worker, as the parent has it."""

    def __init__(self, connection: socket.socket, end: socket.socket) -> None:
        self.connection = connection
        self.end = end
        self.slabs: dict[int, tuple[int, int]] = {}
        """By the worker's number: key, and descriptor, -1 for none."""
        self.news = _News(connection)


class Pool:
    """The parent's part."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers: list[_Worker] = []
        self._count = 0

    def joined(self) -> socket.socket | None:
        """Return a worker's end of a new connection, or None where slabs cannot be passed on."""
        if not hasattr(os, "memfd_create"):
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        worker = _Worker(ours, theirs)
        with self._lock:
            for other in self._workers:
                for key, descriptor in other.slabs.values():
                    worker.news.made(key, descriptor)
            self._workers.append(worker)
        threading.Thread(target=self._listen, args=(worker,), name="slabs of a worker", daemon=True).start()
        return theirs

    def left(self, end: socket.socket | None) -> None:
        """Hear no more from the worker that had this end: a process that it has started may have it, too."""
        with self._lock:
            for worker in self._workers:
                if worker.end is end:
                    worker.connection.shutdown(socket.SHUT_RDWR)

    def _listen(self, worker: _Worker) -> None:
        with suppress(EOFError):
            while True:
                self._take(worker, *_heard(worker.connection))
        with self._lock, worker.connection:
            self._workers.remove(worker)
            for number in list(worker.slabs):
                self._drop(worker, number)

    def _take(self, worker: _Worker, kind: bytes, number: int, descriptor: int) -> None:
        with self._lock:
            if kind == _MADE:
                self._count += 1
                worker.slabs[number] = self._count, descriptor
                for other in self._workers:
                    if other is not worker:
                        other.news.made(self._count, descriptor)
            elif kind == _DROPPED:
                self._drop(worker, number)
            worker.news.tell()  # it has taken some, perhaps

    def _drop(self, worker: _Worker, number: int) -> None:
        key, descriptor = worker.slabs.pop(number)
        for other in self._workers:
            if other is not worker:
                other.news.dropped(key)
        if descriptor >= 0:
            os.close(descriptor)


class Member:
    """A worker's part (`static_host.origin.body_cache.Others`)."""

    def __init__(self, connection: socket.socket, bodies: BodyCache) -> None:
        self._connection = connection
        self._bodies = bodies
        self._news = _News(connection)
        self._numbers: dict[Slab, int] = {}
        self._count = 0

    def news(self) -> None:
        """Take what the parent has told, and tell it what it had no room for."""
        has_taken = False
        try:
            while True:
                self._take(*_heard(self._connection, socket.MSG_DONTWAIT))
                has_taken = True
        except BlockingIOError:
            self._news.tell()
            if has_taken:
                _is_sent(self._connection, _TAKEN)  # or else the parent has others to hear
        except EOFError:
            self._bodies.leave()

    def _take(self, kind: bytes, key: int, descriptor: int) -> None:
        if kind == _DROPPED:
            self._bodies.take_back(key)
            return
        slab = None
        if descriptor >= 0:
            with suppress(OSError, ValueError):  # no memory, or no descriptor for it
                slab = Slab.received(descriptor)
        self._bodies.lend(key, slab)

    def made(self, slab: Slab) -> None:
        """Tell of a slab."""
        self._count += 1
        self._numbers[slab] = self._count
        self._news.made(self._count, slab.descriptor)

    def dropped(self, slab: Slab) -> None:
        """Tell that a slab is to be forgotten."""
        self._news.dropped(self._numbers.pop(slab))


def _is_sent(to: socket.socket, kind: bytes, key: int = 0, descriptor: int = -1) -> bool:
    """Whether a message could be sent at once. An end that is gone shows when it is listened to."""
    passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, _DESCRIPTOR.pack(descriptor))] if descriptor >= 0 else []
    try:
        to.sendmsg([_MESSAGE.pack(kind, key)], passed, socket.MSG_DONTWAIT)
    except OSError:
        return False
    return True


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
