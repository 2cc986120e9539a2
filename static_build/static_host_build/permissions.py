"""The permissions of a tree.

Rule: a tree is there to be served, usually by another user. Its files have Django's FILE_UPLOAD_PERMISSIONS; without
that setting everyone may read them, whatever the umask is. Its directories have FILE_UPLOAD_DIRECTORY_PERMISSIONS;
without it, what the umask leaves, and search permission for everyone who may read the files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_IMODE, S_ISLNK


@dataclass(frozen=True, slots=True)
class Modes:
    """The file mode bits of every file and of every directory of a tree."""

    file: int
    folder: int

    @classmethod
    def choose(cls, file: int | None, folder: int | None) -> Modes:
        """Return the modes that the project's settings choose; None is a mode that they do not set.

        Options of STORAGES["staticfiles"] come before FILE_UPLOAD_PERMISSIONS and FILE_UPLOAD_DIRECTORY_PERMISSIONS.
        """
        file = 0o666 & ~read_umask() if file is None else file
        readers = file & 0o444
        return cls(file, 0o777 & ~read_umask() | readers | readers >> 2 if folder is None else folder)

    def is_set_on(self, folder: Path, file: Path) -> bool:
        """Whether a directory and a file have these modes. Raises OSError."""
        return (folder.stat().st_mode & 0o777, S_IMODE(file.stat().st_mode)) == (self.folder & 0o777, self.file)

    def apply_to_tree(self, tree: Path) -> None:
        """Set the modes of a directory and of everything in it; skips symbolic links. Raises OSError."""
        for folder, _, files in os.walk(tree):
            self.apply_to_folders([folder])
            for file in files:
                path = os.path.join(folder, file)  # noqa: PTH118 - for every file
                mode = os.lstat(path).st_mode
                if S_IMODE(mode) != self.file and not S_ISLNK(mode):
                    os.chmod(path, self.file)  # noqa: PTH101 - for every file

    def apply_to_folders(self, folders: Iterable[str | Path]) -> None:
        """Set the mode of directories; keeps their setuid, setgid and sticky bits. Raises OSError."""
        for folder in folders:
            mode = S_IMODE(os.stat(folder).st_mode)  # noqa: PTH116 - text or path
            if mode & 0o777 != self.folder & 0o777:
                os.chmod(folder, mode & 0o7000 | self.folder)  # noqa: PTH101 - text or path


def make_folder(path: Path, modes: Modes) -> None:
    """Make a directory and its missing parents with these modes. Raises OSError."""
    missing = [folder for folder in path.parents if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    with suppress(PermissionError):  # it has another owner, who chose its mode
        modes.apply_to_folders([*missing, path])


def read_umask() -> int:
    """Return the process's file mode creation mask. Python can only read it by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
