"""Files out of the store on the disk, within a budget: those that were fetched or opened first go first.

Rule: a file lies under its digest, and only whole ones do: it is written beside, at its full length from the start, so
that it counts, and renamed. Several processes share a directory, and take turns where they make room. It belongs to
this user alone, and still nothing in it is believed: whoever reads a file compares it with its digest.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ABANDONED_SECONDS = 600.0
"""Seconds after which a file that nobody writes any more was left behind by a process that has ended."""
_PENDING_PREFIX = ".draft-"
_OWN_FILE = re.compile(rf"[A-Za-z0-9_-]{{24}}|{re.escape(_PENDING_PREFIX)}[0-9a-f]{{16}}")


class CacheUnusableError(Exception):
    """The directory cannot be used; the message says why."""


class NoSpaceError(Exception):
    """A file is longer than the budget."""


class CacheFullError(NoSpaceError):
    """The room is taken by files that are being written just now."""


class PendingFile:
    """A file on its way to the shelf."""

    def __init__(self, cache: DiskCache, descriptor: int, name: str) -> None:
        self._cache = cache
        self._name = name
        self.descriptor = descriptor

    def write(self, data: bytes) -> None:
        """Add bytes. Raises OSError."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self.descriptor, rest) :]

    def finish(self, digest: str) -> os.stat_result:
        """Put the file in its place, and return what the file system says of it. Raises OSError."""
        facts = os.fstat(self.descriptor)
        os.rename(self._name, digest, src_dir_fd=self._cache.descriptor, dst_dir_fd=self._cache.descriptor)
        self._close()
        return facts

    def abandon(self) -> None:
        """Remove it, unless it is in its place."""
        if self.descriptor >= 0:
            self._close()
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._cache.descriptor)

    def _close(self) -> None:
        os.close(self.descriptor)
        self.descriptor = -1


class DiskCache:
    """The files in a directory, of `budget` bytes at most. Raises CacheUnusableError."""

    def __init__(self, directory: Path, budget: int) -> None:
        self.directory = directory
        self.budget = budget
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise CacheUnusableError(f"{directory}: {error.strerror}") from None
        facts = os.fstat(self.descriptor)
        if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o022:
            os.close(self.descriptor)
            raise CacheUnusableError(f"{directory} can be written by others")
        if not os.access(directory, os.W_OK | os.X_OK):
            os.close(self.descriptor)
            raise CacheUnusableError(f"{directory} cannot be written")

    def open_pending(self, length: int) -> PendingFile:
        """Make room for so many bytes, and return a file for them. Raises NoSpaceError, OSError."""
        if length > self.budget:
            raise NoSpaceError
        name = _PENDING_PREFIX + secrets.token_hex(8)
        with self._lock():
            self._make_room(length)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(name, flags, 0o600, dir_fd=self.descriptor)
            os.ftruncate(descriptor, length)
        return PendingFile(self, descriptor, name)

    def open_file(self, digest: str) -> int | None:
        """Return a descriptor of the file, which from now on counts as one that came last, or None."""
        try:
            descriptor = os.open(digest, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.descriptor)
        except OSError:
            return None
        with suppress(OSError):  # the other time says that the file is still the same
            os.utime(descriptor, ns=(time.time_ns(), os.fstat(descriptor).st_mtime_ns))
        return descriptor

    def remove(self, digest: str) -> None:
        """Remove a file that is not what it should be."""
        with suppress(OSError):
            os.unlink(digest, dir_fd=self.descriptor)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        own = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.descriptor)
        try:
            with suppress(OSError):  # a file system without locks keeps to the budget less well
                fcntl.flock(own, fcntl.LOCK_EX)
            yield
        finally:
            os.close(own)

    def _make_room(self, length: int) -> None:
        now = time.time()
        files = []
        with os.scandir(self.descriptor) as entries:
            for entry in filter(lambda entry: _OWN_FILE.fullmatch(entry.name), entries):
                with suppress(FileNotFoundError):
                    facts = entry.stat(follow_symlinks=False)
                    is_draft = entry.name.startswith(_PENDING_PREFIX) and now - facts.st_mtime < ABANDONED_SECONDS
                    files.append((is_draft, facts.st_atime, entry.name, facts.st_size))
        total = sum(size for *_, size in files)
        for is_draft, _, name, size in sorted(files):
            if total + length <= self.budget:
                return
            if is_draft:
                raise CacheFullError
            self.remove(name)
            total -= size
        if total + length > self.budget:
            raise NoSpaceError
