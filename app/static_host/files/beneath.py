"""Opens regular files beneath a root directory, and no others.

Rule: a name leads to a regular file whose real place is beneath the root, or it does not exist. Links are followed
where they stay beneath the root; the root itself may be one. That holds while others swap links, too: the kernel
refuses to leave the root (openat2(2), RESOLVE_BENEATH), or no link is followed at all.

Strategy: the root is opened once, and files relative to its descriptor. At most once a second, and for each missing
file, its path is compared with the descriptor: it may be created, replaced or mounted later.
"""

from __future__ import annotations

import errno
import io
import os
import time
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from threading import Lock

from static_host.files.openat2 import (
    RESOLVE_BENEATH,
    RESOLVE_CACHED,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    How,
    has_openat2,
    has_resolve_cached,
    openat2,
)

CHECK_INTERVAL_SECONDS = 1.0
"""Time for which the descriptor of the root is used without a look at its path."""

_MAX_ATTEMPTS = 8  # of an open during which others rename directories
_O_PATH = getattr(os, "O_PATH", os.O_RDONLY)
_DIRECTORY_FLAGS = _O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY  # a FIFO without a writer opens at once
_HOW = How(_FILE_FLAGS, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
_HOW_CACHED = How(_FILE_FLAGS, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_CACHED)
_HOW_STAT = How(getattr(os, "O_PATH", 0) | os.O_CLOEXEC, 0, _HOW_CACHED.resolve)
_HOW_REAL = How(_FILE_FLAGS, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)
_MISSING = frozenset(
    getattr(errno, name)
    for name in ("EISDIR", "ELOOP", "ENAMETOOLONG", "ENODEV", "ENOENT", "ENOTDIR", "ENXIO", "ESTALE", "EXDEV")
)
"""Errors of a name that leads to no regular file beneath the root, and of a root that is gone."""


class RootDirectory:
    """The directory at `path`, which need not exist yet. All threads may use it.

    `is_openat2_used` is for tests: whether openat2(2) opens the files, if the kernel has it.
    """

    def __init__(self, path: Path, *, is_openat2_used: bool = True) -> None:
        self.path = path
        self._has_openat2 = is_openat2_used and has_openat2()
        self._has_resolve_cached = self._has_openat2 and has_resolve_cached()
        self._lock = Lock()
        self._descriptor = -1
        self._identity: tuple[int, int] | None = None
        """Device and inode that the descriptor is open on; None while there is no directory at the path."""
        self._check_at = 0.0

    def __del__(self) -> None:
        """Close the directory. A thread that opens a file in it has a reference, so none does now."""
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def open(self, name: bytes, *, is_cached_only: bool = False) -> io.FileIO:
        """Return the open file with this name, which is relative to the root. Errors are those of `open_descriptor`."""
        descriptor, _ = self.open_descriptor(name, is_cached_only=is_cached_only)
        try:
            return io.FileIO(descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def open_descriptor(self, name: bytes, *, is_cached_only: bool = False) -> tuple[int, os.stat_result]:
        """Return a descriptor of the file with this name, and what fstat(2) says of it. The caller closes it.

        Raises FileNotFoundError if the name is that of no regular file beneath the root, and OSError, PermissionError
        included. `is_cached_only` is for an event loop: raises BlockingIOError where a thread has to try.
        """
        if not name or name == b"." or name[:1] == b"/" or name.endswith((b"/", b"/.")) or b"\0" in name:
            raise _make_not_found()
        if b".." in name and b".." in name.split(b"/"):
            raise _make_not_found()
        if is_cached_only:
            return self._open_cached(name)
        if time.monotonic() >= self._check_at:
            self._check_root(self._identity)
        used = self._identity
        try:
            return self._open(name)
        except OSError as error:
            if error.errno not in _MISSING:
                raise
            if not self._check_root(used, is_stale=error.errno == errno.ESTALE):
                raise _make_not_found() from None
        return self._open_again(name)

    def _open_again(self, name: bytes) -> tuple[int, os.stat_result]:
        """Open a file after the root was opened anew. Raises OSError."""
        try:
            return self._open(name)
        except OSError as error:
            if error.errno in _MISSING:
                raise _make_not_found() from None
            raise

    def stat_cached(self, name: bytes) -> os.stat_result:
        """Return what fstat(2) says of a name that was that of a file before, without a wait.

        Raises OSError; BlockingIOError where a thread has to try.
        """
        if not self._has_resolve_cached or self._identity is None or time.monotonic() >= self._check_at:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        descriptor = openat2(self._descriptor, name, _HOW_STAT)
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def _open_cached(self, name: bytes) -> tuple[int, os.stat_result]:
        """Open a file without a wait. A missing one is for a thread, too, for the root may be another one by now."""
        if self._has_resolve_cached and self._identity is not None and time.monotonic() < self._check_at:
            try:
                return _check_regular(openat2(self._descriptor, name, _HOW_CACHED))
            except OSError as error:
                if error.errno not in _MISSING:
                    raise
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def _open(self, name: bytes) -> tuple[int, os.stat_result]:
        """Open a file, wherever links beneath the root lead. Raises OSError."""
        if self._identity is None:
            raise _make_not_found()
        if self._has_openat2:
            try:
                return _check_regular(_open_beneath(self._descriptor, name, _HOW))
            except OSError as error:
                if error.errno != errno.EXDEV:  # that is an absolute link, which may lead beneath the root
                    raise
        name = _find_real_name(os.fsencode(self.path), name)
        if self._has_openat2:
            return _check_regular(_open_beneath(self._descriptor, name, _HOW_REAL))
        return _check_regular(_open_each_component(self._descriptor, name))

    def _check_root(self, used: tuple[int, int] | None, *, is_stale: bool = False) -> bool:
        """Open the root anew if its path leads to another directory, or if the descriptor `is_stale`.

        Returns whether it is now another one than the one that was `used`. Raises OSError.
        """
        with self._lock:
            try:
                facts = self.path.stat()
                if is_stale or self._identity != (facts.st_dev, facts.st_ino):
                    self._open_root()
            except (FileNotFoundError, NotADirectoryError):
                self._identity = None
            self._check_at = time.monotonic() + CHECK_INTERVAL_SECONDS
            return is_stale or self._identity != used

    def _open_root(self) -> None:
        """Open the path in place of the former descriptor, whose number other threads use. Raises OSError."""
        descriptor = os.open(self.path, _DIRECTORY_FLAGS)
        if self._descriptor < 0:
            self._descriptor = descriptor
        else:
            os.dup2(descriptor, self._descriptor, inheritable=False)
            os.close(descriptor)
        facts = os.fstat(self._descriptor)
        self._identity = facts.st_dev, facts.st_ino


def _make_not_found() -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _find_real_name(root: bytes, name: bytes) -> bytes:
    """Return the name without links, relative to the root without links. Raises FileNotFoundError."""
    try:
        real_root = os.path.realpath(root)
        real = os.path.realpath(os.path.join(real_root, name))  # noqa: PTH118 - a name of bytes
    except OSError:  # a link became a directory meanwhile
        raise _make_not_found() from None
    if os.path.commonpath((real_root, real)) != real_root:
        raise _make_not_found()
    return os.path.relpath(real, real_root)


def _open_beneath(directory: int, name: bytes, how: How) -> int:
    """Open a file; try again while others rename directories, for the kernel cannot tell then. Raises OSError."""
    for _ in range(_MAX_ATTEMPTS):
        with suppress(BlockingIOError):
            return openat2(directory, name, how)
    raise _make_not_found()


def _open_each_component(directory: int, name: bytes) -> int:
    """Open a file, and each directory on the way to it, none of which may be a link. Raises OSError."""
    *folders, last = name.split(b"/")
    descriptor = os.dup(directory)
    for folder in folders:
        upper = descriptor
        try:
            descriptor = os.open(folder, _DIRECTORY_FLAGS | os.O_NOFOLLOW, dir_fd=upper)
        finally:
            os.close(upper)
    try:
        return os.open(last, _FILE_FLAGS | os.O_NOFOLLOW, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def _check_regular(descriptor: int) -> tuple[int, os.stat_result]:
    """Return the descriptor of a regular file, and its facts; close any other. Raises OSError."""
    try:
        facts = os.fstat(descriptor)
        if S_ISREG(facts.st_mode):
            return descriptor, facts
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    raise _make_not_found()
