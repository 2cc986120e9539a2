"""The static tree on disk: the only file I/O of the origin.

Strategy: the tree's directory is opened once, and every file is opened relative to its descriptor. So a running server
serves the release that it loaded until it restarts, also after a newer tree is swapped in. A shared lock on the
directory keeps the build from removing a release in use.

A boot compares file lengths with the index within a time limit; a file's first request compares its bytes with the
digest. If the disk vanishes, bodies in memory are still served. When a directory with the same index lies at the tree's
path again, mounted or copied anew, the tree uses that one.
"""

from __future__ import annotations

import fcntl
import io
import logging
import os
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from stat import S_ISREG
from zlib import crc32

from static_host.errors import StaticHostError
from static_host.origin.body_cache import Body, BodyCache
from static_host.origin.index import INDEX_FILE_NAME, Index, InvalidIndexError, parse_index
from static_host.origin.representation import Representation, Resource, compute_digest

log = logging.getLogger("static_host")

MAX_IN_MEMORY_BYTES = 1 << 20
"""Length up to which bodies are kept in memory; larger ones are served as slices of their file."""
INDEX_MEDIA_TYPE = "application/octet-stream"
"""The media type of the index, where it is served."""
BUILD_REMEDY = "Build it with `static-host build`, or point DJANGO_STATIC_ROOT at a tree that was built."
ADOPTED_REMEDY = "If it is as it should be, run `static-host index` on it again."
DEFAULT_MEMORY_BYTES = 64_000_000
"""Default for the bytes of bodies in memory."""
REOPEN_INTERVAL_SECONDS = 1.0
"""Time between two attempts to reopen a tree whose files cannot be opened."""


class TreeUnusableError(StaticHostError):
    """The tree is missing, damaged or unreadable; the message names it."""

    exit_code = 3

    def __init__(self, message: str, *, remedy: str = BUILD_REMEDY) -> None:
        super().__init__(message, remedy=remedy)


class TreeDamagedError(TreeUnusableError):
    """Files of the tree at `root` differ from its index; `problems` has a line for each that was found."""

    def __init__(self, message: str, root: Path, problems: list[str], *, remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.root = root
        self.problems = problems


class FileChangedError(OSError):
    """A file of the tree is not the one that the index describes."""


class Tree:
    """One loaded release: its index and access to its bodies."""

    def __init__(
        self, root: Path, descriptor: int, index: Index, head: bytes, memory: int = DEFAULT_MEMORY_BYTES
    ) -> None:
        self.root = root
        self.index = index
        self._head = head
        self.bodies = BodyCache(memory)
        self._max_in_memory_bytes = min(memory, MAX_IN_MEMORY_BYTES)
        self._descriptor = descriptor
        self._identities: dict[str, tuple[int, int]] = {}
        self._reopen_tried_at = -REOPEN_INTERVAL_SECONDS

    def read_body(self, representation: Representation) -> Body | None:
        """Return the whole body, or None if it is too large for memory. Raises OSError, FileChangedError included.

        The first call for a digest reads the file and compares the digest: about a millisecond for the largest body.
        """
        if representation.length > self._max_in_memory_bytes:
            return None
        body = self.bodies.get(representation.digest)
        if body is None:
            with self.open(representation) as file:
                data = file.readall()
            if compute_digest(data) != representation.digest:
                raise FileChangedError(f"{self.root / representation.file} is not what was built")
            body = self.bodies.keep(representation.digest, data)
        return body

    def open(self, representation: Representation) -> io.FileIO:
        """Return the representation's open file, positioned at 0. Raises OSError, FileChangedError included.

        The file must be a regular file of the recorded length. One that is too large for a comparison of its digest
        must also be the same, unchanged file on each call.
        """
        try:
            return self._open_file(representation)
        except OSError:
            if not self._reopen_root():
                raise
            return self._open_file(representation)

    def _open_file(self, representation: Representation) -> io.FileIO:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
        descriptor = os.open(representation.file, flags, dir_fd=self._descriptor)
        try:
            self._check_unchanged(representation, os.fstat(descriptor))
            return io.FileIO(descriptor, closefd=True)
        except BaseException:
            os.close(descriptor)
            raise

    def _reopen_root(self) -> bool:
        """Switch to another directory at the root with the same index; return whether there is one.

        Looks for it once in `REOPEN_INTERVAL_SECONDS`, however many files cannot be opened.
        """
        if time.monotonic() - self._reopen_tried_at < REOPEN_INTERVAL_SECONDS:
            return False
        self._reopen_tried_at = time.monotonic()
        with suppress(OSError, TreeUnusableError):
            descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                if not self._is_same_directory(descriptor) and _read_index(self.root, descriptor)[1] == self._head:
                    self._replace_descriptor(descriptor)
                    return True
            finally:
                os.close(descriptor)
        return False

    def _is_same_directory(self, descriptor: int) -> bool:
        try:
            return os.path.sameopenfile(descriptor, self._descriptor)
        except OSError:  # its disk has vanished
            return False

    def _replace_descriptor(self, descriptor: int) -> None:
        """Use this directory in place of the former one."""
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        os.dup2(descriptor, self._descriptor, inheritable=False)
        self._identities.clear()
        log.warning("the static tree at %s is back", self.root)

    @property
    def remedy(self) -> str:
        """What the operator can do about a damaged tree."""
        return ADOPTED_REMEDY if self.index.adopted else BUILD_REMEDY

    def make_index_resource(self) -> Resource:
        """Return the index file itself as a resource, for a server that serves it. Raises TreeUnusableError."""
        try:
            data = _read_file(INDEX_FILE_NAME, self._descriptor)
        except OSError as error:
            raise TreeUnusableError(
                f"the index {self.root / INDEX_FILE_NAME} cannot be read: {error.strerror}."
            ) from None
        return Resource(
            INDEX_MEDIA_TYPE, False, (Representation("identity", INDEX_FILE_NAME, len(data), compute_digest(data)),)
        )

    def check_lengths(self, seconds: float) -> int:
        """Compare the files' lengths with the index, in its order; return the number of compared resources.

        Stops after `seconds`, so that a large tree or a slow disk does not delay the boot. Raises TreeDamagedError if
        files are missing or differ.
        """
        end = time.monotonic() + seconds
        bad: list[str] = []
        compared = 0
        for resource in self.index.iter_resources():
            if time.monotonic() >= end:
                break
            bad += (f"{r.file} {why}" for r in resource.representations if (why := self.find_difference(r)))
            compared += 1
        if bad:
            others = len(bad) - 1
            more = f"; and {others} more file{'s' if others > 1 else ''}" if others else ""
            message = f"the static tree at {self.root} is damaged: {bad[0]}{more}."
            raise TreeDamagedError(message, self.root, bad, remedy=self.remedy)
        return compared

    def find_difference(self, representation: Representation) -> str | None:
        """Return how the file differs from the index in type or length, as the end of a sentence, or None."""
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

    def _check_unchanged(self, representation: Representation, facts: os.stat_result) -> None:
        same = S_ISREG(facts.st_mode) and facts.st_size == representation.length
        if same and representation.length > self._max_in_memory_bytes:
            identity = (facts.st_ino, facts.st_mtime_ns)
            same = self._identities.setdefault(representation.file, identity) == identity
        if not same:
            raise FileChangedError(f"{self.root / representation.file} is not what was built, or was changed since")

    def close(self) -> None:
        """Close the directory, and so release the lock that keeps the release from being removed."""
        os.close(self._descriptor)


def load_tree(root: Path, memory: int = DEFAULT_MEMORY_BYTES) -> Tree:
    """Return the tree at `root`, with at most `memory` bytes of its bodies in memory.

    Raises TreeUnusableError: missing, not a directory, damaged, no permission.
    """
    descriptor = _open_root(root)
    try:
        with suppress(OSError):  # a file system without locks is no obstacle
            fcntl.flock(descriptor, fcntl.LOCK_SH)  # before anything is read: a build may be removing it
        index, head = _read_index(root, descriptor)
        _check_manifest(root, descriptor, index)
    except TreeUnusableError:
        os.close(descriptor)
        raise
    return Tree(root, descriptor, index, head, memory)


def _open_root(root: Path) -> int:
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise TreeUnusableError(f"there is no static tree at {root}.") from None
    except NotADirectoryError:
        raise TreeUnusableError(f"the static root {root} is a file, not a directory.") from None
    except OSError as error:
        raise TreeUnusableError(f"the static tree at {root} cannot be opened: {error.strerror}.") from None


def _read_index(root: Path, descriptor: int) -> tuple[Index, bytes]:
    """Return the index and its first line, which has the checksum of the rest."""
    try:
        data = _read_file(INDEX_FILE_NAME, descriptor)
        return parse_index(data), data.partition(b"\n")[0]
    except FileNotFoundError:
        raise TreeUnusableError(
            f"{root} holds no index ({INDEX_FILE_NAME}), so it is not a built static tree."
        ) from None
    except (OSError, InvalidIndexError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TreeUnusableError(f"the index {root / INDEX_FILE_NAME} cannot be used: {reason}.") from None


def _check_manifest(root: Path, descriptor: int, index: Index) -> None:
    """Check that the manifest, which Django reads later, is the one of this build. Raises TreeUnusableError."""
    if index.manifest is None:
        return
    name, checksum = index.manifest
    try:
        whole = f"{crc32(_read_file(name, descriptor)):08x}" == checksum
    except OSError as error:
        raise TreeUnusableError(f"the manifest {root / name} cannot be read: {error.strerror}.") from None
    if not whole:
        raise TreeUnusableError(f"the manifest {root / name} is not the one that was built with its index.")


def _read_file(name: str, descriptor: int) -> bytes:
    with io.FileIO(name, opener=partial(os.open, dir_fd=descriptor)) as file:
        return file.readall()
