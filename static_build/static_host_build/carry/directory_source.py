"""Earlier releases in a directory: a tree that was built, or another image's, copied.

Strategy: as a server does, it opens the tree once, as a directory descriptor with a shared lock, so that a build which
swaps another tree in meanwhile changes and removes nothing. When its index was written is the time of the file.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from stat import S_ISREG

from static_host.origin.index import INDEX_FILE_NAME
from static_host.origin.representation import Representation
from static_host_build.carry.release_source import SOURCE_CHUNK_BYTES, BodyUnusableError, ReleaseSourceError, Snapshot

_MIN_TIME_SECONDS = 946_684_800
"""The year 2000: a file that claims to be older has a time that somebody made up."""


class DirectorySource:
    """The tree in one directory. Raises ReleaseSourceError where there is none."""

    def __init__(self, path: str) -> None:
        self.name = path
        try:
            self._descriptor = os.open(_expand_home(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            remedy = "Is it written right, and has it been copied there?"
            raise ReleaseSourceError(f"{path} is no directory that can be read: {error.strerror}. {remedy}") from None
        with suppress(OSError):  # a file system without locks will do
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def read_snapshots(self, most: int) -> list[Snapshot]:  # noqa: ARG002 - it has no more than one
        """Return the one tree."""
        try:
            with os.fdopen(os.open(INDEX_FILE_NAME, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._descriptor), "rb") as file:
                written = int(os.fstat(file.fileno()).st_mtime)
                data = file.read()
        except FileNotFoundError:
            remedy = f"For a tree that other tools made, run `static-host index {self.name}`."
            raise ReleaseSourceError(f"{self.name} holds no index ({INDEX_FILE_NAME}). {remedy}") from None
        except OSError as error:
            raise ReleaseSourceError(
                f"the index {self.name}/{INDEX_FILE_NAME} cannot be read: {error.strerror}."
            ) from None
        return [Snapshot(data, f"{self.name}/{INDEX_FILE_NAME}", written if written > _MIN_TIME_SECONDS else None)]

    def read_body(self, name: str, representation: Representation) -> Iterator[bytes]:  # noqa: ARG002 - the file is enough
        """Give the bytes of the representation's file."""
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
        try:
            with os.fdopen(os.open(representation.file, flags, dir_fd=self._descriptor), "rb") as file:
                if not S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise BodyUnusableError("is not a regular file")
                while chunk := file.read(SOURCE_CHUNK_BYTES):
                    yield chunk
        except FileNotFoundError:
            raise BodyUnusableError("is missing") from None
        except OSError as error:
            raise BodyUnusableError(f"cannot be read: {error.strerror}") from None

    def close(self) -> None:
        """Let go of the lock."""
        os.close(self._descriptor)


def _expand_home(path: str) -> str:
    """Return the path with the home in place of a "~", where that is known."""
    return os.path.expanduser(path)  # noqa: PTH111 - Path's raises where it is not
