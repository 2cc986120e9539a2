"""Earlier releases in a directory: a built tree, or a copy from another image.

Strategy: like a server, this opens the tree once, as a directory descriptor with a shared lock. A build that swaps in
another tree meanwhile neither changes nor removes it. The time of the index is the modification time of its file.
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
"""The year 2000: an older modification time is not real."""


class DirectorySource:
    """The tree in a directory. Raises ReleaseSourceError if the directory cannot be opened."""

    def __init__(self, path: str) -> None:
        self.name = path
        try:
            self._descriptor = os.open(_expand_home(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            remedy = "Is the path right, and has the tree been copied there?"
            raise ReleaseSourceError(f"the directory {path} cannot be read: {error.strerror}. {remedy}") from None
        with suppress(OSError):  # some file systems have no locks
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def read_snapshots(self, max_count: int) -> list[Snapshot]:  # noqa: ARG002 - there is only one
        """Return the one tree. Raises ReleaseSourceError."""
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
        """Yield the bytes of the representation's file. Raises BodyUnusableError."""
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
        """Close the directory, which releases the lock."""
        os.close(self._descriptor)


def _expand_home(path: str) -> str:
    """Replace a leading "~" with the home directory, if that is known."""
    return os.path.expanduser(path)  # noqa: PTH111 - Path.expanduser raises if it is not
