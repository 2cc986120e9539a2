"""Finds changes of a project's source files, for `static-host dev`.

Strategy: modification times are compared a few times a second. That needs no library and works on every file system,
also on mounted ones. Folders are walked for Python files and ``.env``, except hidden directories,
`SKIPPED_DIRECTORIES`, virtual environments and static trees, which `SKIP_MARKER_FILES` give away. Watched paths are
added, but never removed: a file that an earlier start loaded may be what stops the next one. Polling takes at most a
tenth of the time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from stat import S_ISREG

from static_host.origin.index import INDEX_FILE_NAME

SKIPPED_DIRECTORIES = frozenset({"__pycache__", "node_modules", "site-packages"})
SKIP_MARKER_FILES = frozenset({INDEX_FILE_NAME, "pyvenv.cfg", "staticfiles.json"})
MIN_POLL_SECONDS = 0.3
"""The shortest time between two polls, in seconds."""
_ANY_DEPTH_PREFIX = "**/"


@dataclass(frozen=True, slots=True)
class WatchedPaths:
    """The paths that are watched, all absolute.

    `files` are single files, `folders` are walked for code, `patterns` are pairs of a folder and a pattern of
    Path.glob.
    """

    files: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    patterns: frozenset[tuple[str, str]] = frozenset()

    def __or__(self, others: WatchedPaths) -> WatchedPaths:
        return WatchedPaths(self.files | others.files, self.folders | others.folders, self.patterns | others.patterns)

    def read_mtimes(self) -> dict[str, int]:
        """Return the modification time of each file, in nanoseconds since the epoch."""
        times: dict[str, int] = {}
        for path in self._iter_paths():
            if path in times:
                continue
            try:
                facts = os.stat(path)  # noqa: PTH116 - three times as fast, for every file
            except (OSError, ValueError):
                continue  # it does not exist, or was removed meanwhile
            if S_ISREG(facts.st_mode):
                times[path] = facts.st_mtime_ns
        return times

    def _iter_paths(self) -> Iterator[str]:
        entered: set[str] = set()
        for folder in sorted(self.folders):
            for path in _walk(folder, entered):
                name = path.rpartition("/")[2]
                if name.endswith(".py") or name == ".env":
                    yield path
        for folder, pattern in self.patterns:
            yield from _iter_matching_files(folder, pattern)
        yield from self.files


class FileWatcher:
    """Finds changes below a directory and in further watched paths since the last poll."""

    def __init__(self, directory: Path) -> None:
        self.poll_seconds = MIN_POLL_SECONDS
        self._directory = os.path.realpath(directory)
        self._watched = WatchedPaths(folders=frozenset({self._directory}))
        self._times = self._watched.read_mtimes()

    def watch(self, paths: WatchedPaths, since: int) -> None:
        """Watch these paths, too. Files that were written after `since` count as changed.

        `since` is the time at which the worker started that loaded them, in nanoseconds since the epoch.
        """
        found = paths.read_mtimes()
        self._watched |= paths
        self._times = {path: written for path, written in found.items() if written <= since} | self._times

    def find_changes(self) -> list[str]:
        """Return the files that were created, removed or written since the last poll, as absolute paths."""
        began = time.monotonic()
        before, self._times = self._times, self._watched.read_mtimes()
        self.poll_seconds = max(MIN_POLL_SECONDS, 9 * (time.monotonic() - began))
        return sorted({path for path, _ in before.items() ^ self._times.items()})

    def format_paths(self, paths: list[str]) -> str:
        """Return a text for log lines: the first path, relative to the directory, and the number of the others."""
        first = paths[0].removeprefix(f"{self._directory}/")
        return first if len(paths) == 1 else f"{first} and {len(paths) - 1} more"


def _walk(top: str, entered: set[str]) -> Iterator[str]:
    """Yield the files below a folder, except in folders that were `entered` before."""
    for folder, folders, files in os.walk(top):
        if folder in entered or (folder != top and not SKIP_MARKER_FILES.isdisjoint(files)):
            folders.clear()
            continue
        entered.add(folder)
        folders[:] = [name for name in folders if name not in SKIPPED_DIRECTORIES and not name.startswith(".")]
        yield from (f"{folder}/{name}" for name in files)


def _iter_matching_files(folder: str, pattern: str) -> Iterator[str]:
    """Yield the files of a folder that match a pattern. A pattern of any depth skips what `_walk` skips."""
    name = pattern.removeprefix(_ANY_DEPTH_PREFIX)
    if name != pattern and "/" not in name and "**" not in name:
        yield from (path for path in _walk(folder, set()) if fnmatchcase(path.rpartition("/")[2], name))
        return
    try:
        yield from map(str, Path(folder).glob(pattern))
    except (OSError, ValueError, NotImplementedError):
        return  # a folder was removed meanwhile, or the pattern is invalid
