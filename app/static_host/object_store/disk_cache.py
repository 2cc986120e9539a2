"""A cache of the store's files on disk, within a budget; the least recently used files are evicted first.

Rule: a file is named by its digest and is always complete. It is written under a temporary name, at its full length
from the start so that it counts towards the budget, and then renamed. Several processes share a directory and lock it
while they make room. Only this user can write to it. The caller still compares each file with its digest.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from static_host.conf.settings import Settings

log = logging.getLogger("static_host.store")

ABANDONED_SECONDS = 600.0
"""Seconds without a write after which a pending file counts as left behind by a process that has ended."""
_PENDING_PREFIX = ".draft-"
_OWN_FILE = re.compile(rf"[A-Za-z0-9_-]{{24}}|{re.escape(_PENDING_PREFIX)}[0-9a-f]{{16}}")


class CacheUnusableError(Exception):
    """The cache directory cannot be used; the message says why."""


class NoSpaceError(Exception):
    """The file does not fit into the budget."""


class CacheFullError(NoSpaceError):
    """Files that are being written take up the budget."""


class PendingFile:
    """A file that is being written into the cache."""

    def __init__(self, cache: DiskCache, descriptor: int, name: str) -> None:
        self._cache = cache
        self._name = name
        self.descriptor = descriptor

    def write(self, data: bytes) -> None:
        """Append bytes. Raises OSError."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self.descriptor, rest) :]

    def finish(self, digest: str) -> os.stat_result:
        """Rename the file to its digest, and return its `stat` result. Raises OSError."""
        facts = os.fstat(self.descriptor)
        os.rename(self._name, digest, src_dir_fd=self._cache.descriptor, dst_dir_fd=self._cache.descriptor)
        self._close()
        return facts

    def abandon(self) -> None:
        """Remove the file, unless it is finished."""
        if self.descriptor >= 0:
            self._close()
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._cache.descriptor)

    def _close(self) -> None:
        os.close(self.descriptor)
        self.descriptor = -1


class DiskCache:
    """The files in a directory, together at most `budget` bytes. Raises CacheUnusableError."""

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

    @classmethod
    def from_settings(cls, settings: Settings) -> DiskCache | None:
        """Return the cache that the settings ask for; None, with a warning, if it cannot be used."""
        if not settings.static_store_disk:
            return None
        try:
            directory = settings.static_store_directory or _get_default_directory()
            return cls(directory, settings.static_store_disk)
        except (CacheUnusableError, FileNotFoundError) as error:  # the latter if no temporary directory can be used
            log.warning("files of DJANGO_STATIC_STORE are kept in memory only: %s", error)
            return None

    def open_pending(self, length: int) -> PendingFile:
        """Make room for a file of `length` bytes, and return it. Raises NoSpaceError, OSError."""
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
        """Return a descriptor of the file, and mark it as just used; None if the cache lacks it."""
        try:
            descriptor = os.open(digest, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.descriptor)
        except OSError:
            return None
        with suppress(OSError):  # the modification time shows that the file is unchanged
            os.utime(descriptor, ns=(time.time_ns(), os.fstat(descriptor).st_mtime_ns))
        return descriptor

    def remove(self, digest: str) -> None:
        """Remove a file, such as a damaged one."""
        with suppress(OSError):
            os.unlink(digest, dir_fd=self.descriptor)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        own = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.descriptor)
        try:
            with suppress(OSError):  # without locks the budget holds less exactly
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
                    is_pending = entry.name.startswith(_PENDING_PREFIX) and now - facts.st_mtime < ABANDONED_SECONDS
                    files.append((is_pending, facts.st_atime, entry.name, facts.st_size))
        total = sum(size for *_, size in files)
        for is_pending, _, name, size in sorted(files):
            if total + length <= self.budget:
                return
            if is_pending:
                raise CacheFullError
            self.remove(name)
            total -= size
        if total + length > self.budget:
            raise NoSpaceError


def _get_default_directory() -> Path:
    return Path(tempfile.gettempdir()) / f"static-host-store-{os.geteuid()}"
