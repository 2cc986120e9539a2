"""Finds changes of the files that a project consists of, for `static-host dev`.

Strategy: modification times are compared a few times a second. That needs no library and works on every file system,
also on mounted ones. Watched paths are added, but never removed: a file that an earlier start loaded may be what stops
the next one. Only while the project cannot be loaded, its folders are walked for Python files, too: what it lacks may
be a new one. Hidden directories, `SKIPPED_DIRECTORIES`, virtual environments and static trees, which
`SKIP_MARKER_FILES` give away, are left out. Polling takes at most a tenth of the time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from stat import S_ISREG

from static_host.origin.index import INDEX_FILE_NAME

SKIPPED_DIRECTORIES = frozenset({"__pycache__", "node_modules", "site-packages"})
SKIP_MARKER_FILES = frozenset({INDEX_FILE_NAME, "pyvenv.cfg", "staticfiles.json"})
MIN_POLL_SECONDS = 0.2
"""The shortest time between two polls, in seconds."""
_ANY_DEPTH_PREFIX = "**/"
_ENV_FILE_NAME = ".env"


@dataclass(frozen=True, slots=True)
class WatchedPaths:
    """The paths that are watched, all absolute.

    `files` are single files, `patterns` are pairs of a folder and a pattern of Path.glob. `folders` are walked for
    Python files while the project cannot be loaded.
    """

    files: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    patterns: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def from_report(cls, paths: Iterable[Iterable[str]]) -> WatchedPaths:
        """Return what a worker reports: lists of a kind and one or two paths. Raises ValueError."""
        files: set[str] = set()
        folders: set[str] = set()
        patterns: set[tuple[str, str]] = set()
        for kind, *rest in paths:
            if kind == "pattern":
                folder, pattern = rest
                patterns.add((folder, pattern))
            else:
                (folders if kind == "folder" else files).update(rest)
        return cls(frozenset(files), frozenset(folders), frozenset(patterns))

    def __or__(self, others: WatchedPaths) -> WatchedPaths:
        return WatchedPaths(self.files | others.files, self.folders | others.folders, self.patterns | others.patterns)

    def read_mtimes(self, *, with_folders: bool = True) -> dict[str, int]:
        """Return the modification time of each file, in nanoseconds since the epoch."""
        times: dict[str, int] = {}
        for path in self._iter_paths(with_folders):
            if path in times:
                continue
            try:
                facts = os.stat(path)  # noqa: PTH116 - three times as fast, for every file
            except (OSError, ValueError):
                continue  # it does not exist, or was removed meanwhile
            if S_ISREG(facts.st_mode):
                times[path] = facts.st_mtime_ns
        return times

    def _iter_paths(self, with_folders: bool) -> Iterator[str]:
        entered: set[str] = set()
        for folder in sorted(self.folders) if with_folders else ():
            yield from (path for path in _walk(folder, entered) if path.endswith(".py"))
        for folder, pattern in self.patterns:
            yield from _iter_matching_files(folder, pattern)
        yield from self.files


class FileWatcher:
    """Finds changes of ``.env`` in a directory, and of further watched paths, since the last poll.

    `ignored` are names and patterns of DJANGO_DEV_IGNORE.
    """

    def __init__(self, directory: Path, ignored: Iterable[str] = ()) -> None:
        self.poll_seconds = MIN_POLL_SECONDS
        self.ignored = tuple(ignored)
        self._directory = os.path.realpath(directory)
        self._env_file = f"{self._directory}/{_ENV_FILE_NAME}"
        self._watched = WatchedPaths(frozenset({self._env_file}), frozenset({self._directory}))
        self._is_searching = False
        self._times = self._read_mtimes()

    def watch(self, paths: WatchedPaths, since: int) -> None:
        """Watch these paths, too. Files that were written after `since` count as changed.

        `since` is the time at which the worker started that loaded them, in nanoseconds since the epoch.
        """
        found = paths.read_mtimes(with_folders=self._is_searching)
        self._watched |= paths
        self._times = {path: written for path, written in found.items() if written <= since} | self._times

    def search_folders(self, since: int) -> None:
        """Watch all Python files below the directory, and below the packages that were loaded from elsewhere."""
        if not self._is_searching:
            self._is_searching = True
            self.watch(WatchedPaths(folders=self._watched.folders), since)

    def stop_searching(self) -> None:
        """Watch only what is loaded."""
        self._is_searching = False
        loaded = self._read_mtimes().keys()
        self._times = {path: written for path, written in self._times.items() if path in loaded}

    def find_changes(self) -> list[str]:
        """Return the files that were created, removed or written since the last poll, as absolute paths."""
        began = time.monotonic()
        before, self._times = self._times, self._read_mtimes()
        self.poll_seconds = max(MIN_POLL_SECONDS, 9 * (time.monotonic() - began))
        changed = {path for path, _ in before.items() ^ self._times.items()}
        return sorted(path for path in changed if not self._is_ignored(path))

    def is_code(self, path: str) -> bool:
        """Whether the project has loaded this file, so that a change of it calls for a reload."""
        return path in self._watched.files

    def is_env_file(self, path: str) -> bool:
        """Whether this is the file that has variables."""
        return path == self._env_file

    def format_paths(self, paths: list[str]) -> str:
        """Return a text for log lines: the first path, relative to the directory, and the number of the others."""
        first = self._relative(paths[0])
        return first if len(paths) == 1 else f"{first} and {len(paths) - 1} more"

    def _read_mtimes(self) -> dict[str, int]:
        return self._watched.read_mtimes(with_folders=self._is_searching)

    def _relative(self, path: str) -> str:
        return path.removeprefix(f"{self._directory}/")

    def _is_ignored(self, path: str) -> bool:
        relative = self._relative(path)
        parts = relative.split("/")
        names = {*parts, *("/".join(parts[: number + 1]) for number in range(len(parts)))}
        return any(fnmatchcase(name, pattern.rstrip("/")) for pattern in self.ignored for name in names)


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
