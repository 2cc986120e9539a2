"""Writes the files of a new tree.

Strategy: what the previous release has under the same name, byte for byte, is linked, not written: most of a tree
does not change between two builds, and creating a file is most of what a build without changes would cost. A linked
file is the same file in both releases, so nothing may ever write into it; whoever has another content for a name
writes a new file.

Rule: a tree is there to be served, mostly by another user. Its files have Django's FILE_UPLOAD_PERMISSIONS, by default
readable by all whatever the umask says, and its directories FILE_UPLOAD_DIRECTORY_PERMISSIONS, by default what the
umask leaves and what it takes to get to such files.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_IMODE, S_ISLNK
from typing import IO, Any

from django.conf import settings

_MAX_IN_MEMORY_BYTES = 4 << 20
"""Sources up to this many bytes are compared in memory, larger ones piece by piece."""


@dataclass(frozen=True, slots=True)
class Modes:
    """The permissions of every file and of every directory of a tree."""

    file: int
    folder: int

    @classmethod
    def from_django_settings(cls) -> Modes:
        """Return those that the project's settings choose: the options of its staticfiles storage come first."""
        file = _read_mode_option("file_permissions_mode", settings.FILE_UPLOAD_PERMISSIONS)
        file = 0o666 & ~read_umask() if file is None else file
        folder = _read_mode_option("directory_permissions_mode", settings.FILE_UPLOAD_DIRECTORY_PERMISSIONS)
        readers = file & 0o444
        return cls(file, 0o777 & ~read_umask() | readers | readers >> 2 if folder is None else folder)

    def is_set_on(self, folder: Path, file: Path) -> bool:
        """Whether a directory and a file have them. Raises OSError."""
        return (folder.stat().st_mode & 0o777, S_IMODE(file.stat().st_mode)) == (self.folder & 0o777, self.file)

    def apply_to_tree(self, tree: Path) -> None:
        """Give them to a directory and all that is in it. Raises OSError."""
        for folder, _, files in os.walk(tree):
            self.apply_to_folders([folder])
            for file in files:
                path = os.path.join(folder, file)  # noqa: PTH118 - for every file
                mode = os.lstat(path).st_mode
                if S_IMODE(mode) != self.file and not S_ISLNK(mode):
                    os.chmod(path, self.file)  # noqa: PTH101 - for every file

    def apply_to_folders(self, folders: Iterable[str | Path]) -> None:
        """Give them to directories, whose bit for the group of what is made in them stays. Raises OSError."""
        for folder in folders:
            mode = S_IMODE(os.stat(folder).st_mode)  # noqa: PTH116 - text or path
            if mode & 0o777 != self.folder & 0o777:
                os.chmod(folder, mode & 0o7000 | self.folder)  # noqa: PTH101 - text or path


def make_folder(path: Path, modes: Modes) -> None:
    """Make a directory, and those above it that are missing, with these permissions. Raises OSError."""
    missing = [folder for folder in path.parents if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    with suppress(PermissionError):  # it belongs to somebody else, who will know
        modes.apply_to_folders([*missing, path])


def _read_mode_option(option: str, setting: int | None) -> int | None:
    own: Any = settings.STORAGES.get("staticfiles", {}).get("OPTIONS", {}).get(option)
    return setting if own is None else own


class Files:
    """A directory being filled, and the release before it, if any of it may be linked."""

    def __init__(self, directory: Path, previous: Path | None, modes: Modes) -> None:
        self.modes = modes
        self.mode = modes.file
        self._directory = directory
        self._previous = previous
        self._folders: set[str] = set()

    def write(self, name: str, body: bytes) -> None:
        """Make the file `name` with these bytes; it replaces one that is there. Raises OSError."""
        path = self._prepare_path(name)
        path.unlink(missing_ok=True)
        before = self._find_previous(name, len(body))
        if before and before.read_bytes() == body and _try_link(before, path):
            return
        path.write_bytes(body)
        path.chmod(self.mode)

    def copy(self, name: str, source: IO[bytes]) -> None:
        """Make the file `name` with the rest of `source`. Raises OSError."""
        body = source.read(_MAX_IN_MEMORY_BYTES)
        if len(body) < _MAX_IN_MEMORY_BYTES:
            self.write(name, body)
            return
        path = self._prepare_path(name)
        path.unlink(missing_ok=True)
        with path.open("xb") as file:
            file.write(body)
            shutil.copyfileobj(source, file, _MAX_IN_MEMORY_BYTES)
        path.chmod(self.mode)
        before = self._find_previous(name, path.stat().st_size)
        if before and filecmp.cmp(before, path, shallow=False):
            link = path.with_name(f"{path.name}.linked")
            if _try_link(before, link):
                link.replace(path)

    def link(self, name: str, existing: str) -> None:
        """Give a file of the directory a second name; a copy where there are no hard links. Raises OSError."""
        path = self._prepare_path(name)
        path.unlink(missing_ok=True)
        if not _try_link(self._directory / existing, path):
            shutil.copyfile(self._directory / existing, path)
            path.chmod(self.mode)

    def _prepare_path(self, name: str) -> Path:
        folder = name.rpartition("/")[0]
        if folder not in self._folders:
            (self._directory / folder).mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)
        return self._directory / name

    def _find_previous(self, name: str, length: int) -> Path | None:
        """Return the previous release's file of that name, if it has that length and our permissions."""
        path = self._previous and self._previous / name
        try:
            facts = path.stat(follow_symlinks=False) if path else None
        except OSError:
            return None
        is_alike = facts and facts.st_size == length and S_IMODE(facts.st_mode) == self.mode
        return path if is_alike else None


def read_umask() -> int:
    """Return the process's file mode creation mask, which can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _try_link(existing: Path, path: Path) -> bool:
    try:
        os.link(existing, path, follow_symlinks=False)
    except OSError:  # no hard links here, or too many of this file
        return False
    return True
