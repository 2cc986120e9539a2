"""Writes the files of a new tree.

Strategy: what the previous release has under the same name, byte for byte, is linked, not written: most of a tree
does not change between two builds, and creating a file is most of what a build without changes would cost. A linked
file is the same file in both releases, so nothing may ever write into it; whoever has another content for a name
writes a new file.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path
from stat import S_IMODE
from typing import IO

from django.conf import settings

_WHOLE = 4 << 20
"""Sources up to this many bytes are compared in memory, larger ones piece by piece."""


class Files:
    """A directory being filled, and the release before it, if any of it may be linked."""

    def __init__(self, directory: Path, previous: Path | None, mode: int) -> None:
        self.mode = mode
        """Permissions of every file."""
        self._directory = directory
        self._previous = previous
        self._folders: set[str] = set()

    def write(self, name: str, body: bytes) -> None:
        """Make the file `name` with these bytes; it replaces one that is there. Raises OSError."""
        path = self._path(name)
        path.unlink(missing_ok=True)
        before = self._before(name, len(body))
        if before and before.read_bytes() == body and _linked(before, path):
            return
        path.write_bytes(body)
        path.chmod(self.mode)

    def copy(self, name: str, source: IO[bytes]) -> None:
        """Make the file `name` with the rest of `source`. Raises OSError."""
        body = source.read(_WHOLE)
        if len(body) < _WHOLE:
            self.write(name, body)
            return
        path = self._path(name)
        path.unlink(missing_ok=True)
        with path.open("xb") as file:
            file.write(body)
            shutil.copyfileobj(source, file, _WHOLE)
        path.chmod(self.mode)
        before = self._before(name, path.stat().st_size)
        if before and filecmp.cmp(before, path, shallow=False):
            link = path.with_name(f"{path.name}.linked")
            if _linked(before, link):
                link.replace(path)

    def link(self, name: str, existing: str) -> None:
        """Give a file of the directory a second name; a copy where there are no hard links. Raises OSError."""
        path = self._path(name)
        path.unlink(missing_ok=True)
        if not _linked(self._directory / existing, path):
            shutil.copyfile(self._directory / existing, path)

    def _path(self, name: str) -> Path:
        folder = name.rpartition("/")[0]
        if folder not in self._folders:
            (self._directory / folder).mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)
        return self._directory / name

    def _before(self, name: str, length: int) -> Path | None:
        """Return the previous release's file of that name, if it has that length and our permissions."""
        path = self._previous and self._previous / name
        try:
            facts = path.stat(follow_symlinks=False) if path else None
        except OSError:
            return None
        is_alike = facts and facts.st_size == length and S_IMODE(facts.st_mode) == self.mode
        return path if is_alike else None


def file_mode() -> int:
    """Return the permissions of collected files: Django's FILE_UPLOAD_PERMISSIONS, else what the umask leaves."""
    return settings.FILE_UPLOAD_PERMISSIONS or 0o666 & ~umask()


def umask() -> int:
    """Return the process's file mode creation mask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _linked(existing: Path, path: Path) -> bool:
    try:
        os.link(existing, path, follow_symlinks=False)
    except OSError:  # no hard links here, or too many of this file
        return False
    return True
