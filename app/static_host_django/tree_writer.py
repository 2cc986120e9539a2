"""Writes the files of a new tree.

Strategy: a file that the previous release has under the same name with the same bytes is linked, not written. Most of a
tree stays the same between two builds, and a build without changes spends most of its time on creating files. A linked
file belongs to both releases, so nothing may ever write into it: other content for a name becomes a new file. The modes
of written files are set when the tree is complete (`static_host_build.permissions`).
"""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path
from stat import S_IMODE
from typing import IO

_MAX_IN_MEMORY_BYTES = 4 << 20
"""Shorter sources are compared in memory, longer ones piece by piece."""


class TreeWriter:
    """Writes into a directory; links files of `previous`, the tree of the release before, where that is not None.

    `mode` has the permission bits of the files of the tree: only a file with these is linked.
    """

    def __init__(self, directory: Path, previous: Path | None, mode: int) -> None:
        self.mode = mode
        self._directory = directory
        self._previous = previous
        self._folders: set[str] = set()

    def write(self, name: str, body: bytes) -> None:
        """Make the file `name` with these bytes; replaces an existing one. Raises OSError."""
        path = self._prepare_path(name)
        before = self._find_previous(name, len(body))
        if before and before.read_bytes() == body:
            path.unlink(missing_ok=True)
            if _try_link(before, path):
                return
        try:
            with path.open("xb") as file:
                file.write(body)
        except FileExistsError:
            path.unlink()
            path.write_bytes(body)

    def copy(self, name: str, source: IO[bytes]) -> None:
        """Make the file `name` with the rest of `source`; replaces an existing one. Raises OSError."""
        body = source.read(_MAX_IN_MEMORY_BYTES)
        if len(body) < _MAX_IN_MEMORY_BYTES:
            self.write(name, body)
            return
        path = self._prepare_path(name)
        path.unlink(missing_ok=True)
        with path.open("xb") as file:
            file.write(body)
            shutil.copyfileobj(source, file, _MAX_IN_MEMORY_BYTES)
        before = self._find_previous(name, path.stat().st_size)
        if before and filecmp.cmp(before, path, shallow=False):
            link = path.with_name(f"{path.name}.linked")
            if _try_link(before, link):
                link.replace(path)

    def link(self, name: str, existing: str) -> None:
        """Give a file of the directory a second name; copies it where hard links are impossible. Raises OSError."""
        path = self._prepare_path(name)
        path.unlink(missing_ok=True)
        if not _try_link(self._directory / existing, path):
            shutil.copyfile(self._directory / existing, path)

    def _prepare_path(self, name: str) -> Path:
        folder = name.rpartition("/")[0]
        if folder not in self._folders:
            (self._directory / folder).mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)
        return self._directory / name

    def _find_previous(self, name: str, length: int) -> Path | None:
        """Return the previous release's file of that name, if it has that length and our mode."""
        path = self._previous and self._previous / name
        try:
            facts = path.stat(follow_symlinks=False) if path else None
        except OSError:
            return None
        is_alike = facts and facts.st_size == length and S_IMODE(facts.st_mode) == self.mode
        return path if is_alike else None


def _try_link(existing: Path, path: Path) -> bool:
    try:
        os.link(existing, path, follow_symlinks=False)
    except OSError:  # the file system has no hard links, or the file has too many
        return False
    return True
