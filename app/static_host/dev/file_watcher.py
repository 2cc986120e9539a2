"""What has changed among a project's sources, for `static-host dev`.

Strategy: times are compared, a few times a second; that needs no library, and works on every file system, mounted ones
included. A folder is walked for its Python files and ``.env``. Where no source of a project lies is not entered: hidden
directories, those of `SKIPPED_DIRECTORIES`, virtual environments and static trees (the files of `SKIP_MARKER_FILES`
tell). Places become more, never fewer: what was loaded yesterday may be what stops today's start. A look never takes
more than a tenth of the time.
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
"""Seconds between two looks, at least."""
_ANY_DEPTH_PREFIX = "**/"


@dataclass(frozen=True, slots=True)
class WatchedPaths:
    """Where sources are looked for, as absolute paths.

    `files` are single ones, `folders` are walked for code, `patterns` are folders with the names that count in them, as
    Path.glob has them.
    """

    files: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    patterns: frozenset[tuple[str, str]] = frozenset()

    def __or__(self, others: WatchedPaths) -> WatchedPaths:
        return WatchedPaths(self.files | others.files, self.folders | others.folders, self.patterns | others.patterns)

    def read_mtimes(self) -> dict[str, int]:
        """Return when each file there was written, in nanoseconds."""
        times: dict[str, int] = {}
        for path in self._iter_paths():
            if path in times:
                continue
            try:
                facts = os.stat(path)  # noqa: PTH116 - three times as fast, for every file
            except (OSError, ValueError):
                continue  # it is not there, or went away meanwhile
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
    """The changes below a directory, and in the places that are told, since they were last looked at."""

    def __init__(self, directory: Path) -> None:
        self.poll_seconds = MIN_POLL_SECONDS
        self._directory = os.path.realpath(directory)
        self._watched = WatchedPaths(folders=frozenset({self._directory}))
        self._times = self._watched.read_mtimes()

    def watch(self, paths: WatchedPaths, since: int) -> None:
        """Look at these places, too, from now on. What was written there after `since` has changed.

        `since` is in nanoseconds since the epoch: when the process began that loaded what lies there.
        """
        found = paths.read_mtimes()
        self._watched |= paths
        self._times = {path: written for path, written in found.items() if written <= since} | self._times

    def find_changes(self) -> list[str]:
        """Return the files that are new, gone or written again since the last look, as absolute paths."""
        began = time.monotonic()
        before, self._times = self._times, self._watched.read_mtimes()
        self.poll_seconds = max(MIN_POLL_SECONDS, 9 * (time.monotonic() - began))
        return sorted({path for path, _ in before.items() ^ self._times.items()})

    def format_paths(self, paths: list[str]) -> str:
        """Return one text for the files, relative to the directory where they lie in it."""
        first = paths[0].removeprefix(f"{self._directory}/")
        return first if len(paths) == 1 else f"{first} and {len(paths) - 1} more"


def _walk(top: str, entered: set[str]) -> Iterator[str]:
    """Give the files below a folder, without the folders that were `entered` before."""
    for folder, folders, files in os.walk(top):
        if folder in entered or (folder != top and not SKIP_MARKER_FILES.isdisjoint(files)):
            folders.clear()
            continue
        entered.add(folder)
        folders[:] = [name for name in folders if name not in SKIPPED_DIRECTORIES and not name.startswith(".")]
        yield from (f"{folder}/{name}" for name in files)


def _iter_matching_files(folder: str, pattern: str) -> Iterator[str]:
    """Give the files of a folder whose names match; those at any depth without what `_walk` passes over."""
    name = pattern.removeprefix(_ANY_DEPTH_PREFIX)
    if name != pattern and "/" not in name and "**" not in name:
        yield from (path for path in _walk(folder, set()) if fnmatchcase(path.rpartition("/")[2], name))
        return
    try:
        yield from map(str, Path(folder).glob(pattern))
    except (OSError, ValueError, NotImplementedError):
        return  # a folder went away meanwhile, or it is no pattern
