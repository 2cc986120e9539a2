"""The tree on disk: the only file I/O of the origin.

Strategy: a tree is opened once, as a directory descriptor, and every file is opened relative to that. A newer tree
that is swapped in beside a running server therefore changes nothing for it: it serves the release that it loaded,
whole, until it is restarted. A shared lock on the directory tells the build not to remove a release in use.

A boot compares the files' lengths with the index, for as long as it may; a file's bytes are compared with its digest
when it is first asked for. A disk may vanish, and what is in memory is served on. When another directory lies at the
tree's path, with the same index, the disk is back, as after a restart: it was mounted again, or was copied anew.
"""

from __future__ import annotations

import fcntl
import io
import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from zlib import crc32

from static_host.errors import Stop
from static_host.origin.body_cache import Bodies, Body
from static_host.origin.index import NAME, Index, IndexDamaged, Representation, Resource, digest, loads

log = logging.getLogger("static_host")

IN_MEMORY = 1 << 20
"""Bodies up to this many bytes are kept in memory; larger ones are served as spans of their file."""
INDEX_TYPE = "application/octet-stream"
"""The media type of the index, where it is shown."""
REMEDY = "Build it with `static-host build`, or point DJANGO_STATIC_ROOT at a tree that was built."
ADOPTED = "If it is as it should be, run `static-host index` on it again."
MEMORY = 64_000_000
"""Bytes of bodies that are kept in memory, unless told otherwise."""
LOOK = 1.0
"""Seconds between two looks for a tree whose files could not be opened."""


class TreeUnusable(Stop):
    """The tree is missing, damaged or unreadable; the message names it and the remedy."""

    exit_code = 3


class TreeDamaged(TreeUnusable):
    """Files of the tree at `root` are not what its index says; `bad` has a line for each that was found."""

    def __init__(self, message: str, root: Path, bad: list[str]) -> None:
        super().__init__(message)
        self.root = root
        self.bad = bad


class FileChanged(OSError):
    """A file of the tree is not the one that the index describes."""


class Tree:
    """One loaded release: its index and access to its bodies."""

    def __init__(self, root: Path, descriptor: int, index: Index, head: bytes, memory: int = MEMORY) -> None:
        self.root = root
        self.index = index
        self._head = head
        self.bodies = Bodies(memory)
        self._in_memory = min(memory, IN_MEMORY)
        self._descriptor = descriptor
        self._seen: dict[str, tuple[int, int]] = {}
        self._looked = -LOOK

    def body(self, representation: Representation) -> Body | None:
        """Return the whole body, or None when it is too large for memory. Raises OSError, FileChanged included.

        The first call for a content reads its file and compares it with its digest; that takes about a millisecond
        for the largest.
        """
        if representation.length > self._in_memory:
            return None
        body = self.bodies.find(representation.digest)
        if body is None:
            with self.open(representation) as file:
                data = file.readall()
            if digest(data) != representation.digest:
                raise FileChanged(f"{self.root / representation.file} is not what was built")
            body = self.bodies.keep(representation.digest, data)
        return body

    def open(self, representation: Representation) -> io.FileIO:
        """Return the representation's open file, positioned at 0. Raises OSError, FileChanged included.

        Only a regular file of the recorded length will do. One that is too large for its digest to be compared must,
        from the second time on, be the one that was there the first time, unchanged.
        """
        try:
            return self._file(representation)
        except OSError:
            if not self._is_back():
                raise
            return self._file(representation)

    def _file(self, representation: Representation) -> io.FileIO:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
        descriptor = os.open(representation.file, flags, dir_fd=self._descriptor)
        try:
            self._check(representation, os.fstat(descriptor))
            return io.FileIO(descriptor, closefd=True)
        except BaseException:
            os.close(descriptor)
            raise

    def _is_back(self) -> bool:
        """Whether another directory lies at the root than was opened, with the same index; it is then used from now on.

        That is looked for once in `LOOK` seconds, however many files cannot be opened.
        """
        if time.monotonic() - self._looked < LOOK:
            return False
        self._looked = time.monotonic()
        with suppress(OSError, TreeUnusable):
            descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                if not self._is_open(descriptor) and _index(self.root, descriptor)[1] == self._head:
                    self._use(descriptor)
                    return True
            finally:
                os.close(descriptor)
        return False

    def _is_open(self, descriptor: int) -> bool:
        try:
            return os.path.sameopenfile(descriptor, self._descriptor)
        except OSError:  # its disk has gone
            return False

    def _use(self, descriptor: int) -> None:
        """Take the directory for the tree's, in place of the one before."""
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        os.dup2(descriptor, self._descriptor, inheritable=False)
        self._seen.clear()
        log.warning("the static tree at %s is back", self.root)

    @property
    def remedy(self) -> str:
        """What the operator can do about a damaged tree."""
        return ADOPTED if self.index.adopted else REMEDY

    def itself(self) -> Resource:
        """Return the index's own file as a resource, for a server that shows it. Raises TreeUnusable."""
        try:
            data = _read(NAME, self._descriptor)
        except OSError as error:
            raise TreeUnusable(f"the index {self.root / NAME} cannot be read: {error.strerror}. {REMEDY}") from None
        return Resource(INDEX_TYPE, False, (Representation("identity", NAME, len(data), digest(data)),))

    def check_lengths(self, seconds: float) -> int:
        """Compare the lengths of the files with the index, in its order, and return for how many resources.

        It ends when the seconds are over: a large tree, or one on a slow disk, must not hold up the boot. Raises
        TreeDamaged where files are missing or differ.
        """
        end = time.monotonic() + seconds
        bad: list[str] = []
        compared = 0
        for resource in self.index.resources():
            if time.monotonic() >= end:
                break
            bad += (f"{r.file} {why}" for r in resource.representations if (why := self.difference(r)))
            compared += 1
        if bad:
            others = len(bad) - 1
            more = f"; and {others} more file{'s' if others > 1 else ''}" if others else ""
            message = f"the static tree at {self.root} is damaged: {bad[0]}{more}. {self.remedy}"
            raise TreeDamaged(message, self.root, bad)
        return compared

    def difference(self, representation: Representation) -> str | None:
        """Return how the file differs from the index in kind or length, as the end of a sentence, or None."""
        try:
            facts = os.stat(representation.file, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return "is missing"
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        if not S_ISREG(facts.st_mode):
            return "is not a regular file"
        if facts.st_size != representation.length:
            return f"has {facts.st_size} bytes, the index says {representation.length}"
        return None

    def _check(self, representation: Representation, facts: os.stat_result) -> None:
        same = S_ISREG(facts.st_mode) and facts.st_size == representation.length
        if same and representation.length > self._in_memory:
            identity = (facts.st_ino, facts.st_mtime_ns)
            same = self._seen.setdefault(representation.file, identity) == identity
        if not same:
            raise FileChanged(f"{self.root / representation.file} is not what was built, or was changed since")

    def close(self) -> None:
        """Let go of the directory, and with it of the lock that keeps the release from being removed."""
        os.close(self._descriptor)


def load(root: Path, memory: int = MEMORY) -> Tree:
    """Open the tree at `root`, to keep `memory` bytes of its bodies in memory.

    Raises TreeUnusable: missing, not a directory, damaged, no permission.
    """
    descriptor = _opened(root)
    try:
        with suppress(OSError):  # a file system without locks serves all the same
            fcntl.flock(descriptor, fcntl.LOCK_SH)  # before the first look: a build may be removing it
        index, head = _index(root, descriptor)
        _check_manifest(root, descriptor, index)
    except TreeUnusable:
        os.close(descriptor)
        raise
    return Tree(root, descriptor, index, head, memory)


def _opened(root: Path) -> int:
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise TreeUnusable(f"there is no static tree at {root}. {REMEDY}") from None
    except NotADirectoryError:
        raise TreeUnusable(f"the static root {root} is a file, not a directory. {REMEDY}") from None
    except OSError as error:
        raise TreeUnusable(f"the static tree at {root} cannot be opened: {error.strerror}. {REMEDY}") from None


def _index(root: Path, descriptor: int) -> tuple[Index, bytes]:
    """Return the index, and its first line, which has the checksum of the others."""
    try:
        data = _read(NAME, descriptor)
        return loads(data), data.partition(b"\n")[0]
    except FileNotFoundError:
        raise TreeUnusable(f"{root} holds no index ({NAME}), so it is not a built static tree. {REMEDY}") from None
    except (OSError, IndexDamaged) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TreeUnusable(f"the index {root / NAME} cannot be used: {reason}. {REMEDY}") from None


def _check_manifest(root: Path, descriptor: int, index: Index) -> None:
    """Refuse a tree whose pages would name other files than the build made: Django reads the manifest later."""
    if index.manifest is None:
        return
    name, checksum = index.manifest
    try:
        whole = f"{crc32(_read(name, descriptor)):08x}" == checksum
    except OSError as error:
        raise TreeUnusable(f"the manifest {root / name} cannot be read: {error.strerror}. {REMEDY}") from None
    if not whole:
        raise TreeUnusable(f"the manifest {root / name} is not the one that was built with its index. {REMEDY}")


def _read(name: str, descriptor: int) -> bytes:
    with io.FileIO(os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=descriptor), closefd=True) as file:
        return file.readall()
