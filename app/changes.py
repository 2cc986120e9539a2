"""What has changed below the working directory: its Python files and ``.env``, for `static-host dev`.

Strategy: times are compared, a few times a second; that needs no library, and works on every file system, mounted ones
included. Where no source of a project lies is not entered: hidden directories, those of `PASSED_OVER`, virtual
environments and static trees (the files of `MARKS` tell). A walk never takes more than a tenth of the time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from app.origin.index import NAME

PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages"})
MARKS = frozenset({NAME, "pyvenv.cfg", "staticfiles.json"})
PAUSE = 0.3
"""Seconds between two looks, at least."""


class Changes:
    """The changes below a directory since it was last looked at."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)
        self._times = self._look()

    def new(self) -> list[str]:
        """Return the files, relative to the directory, that are new, gone or written again since the last look."""
        before, self._times = self._times, self._look()
        return sorted({os.path.relpath(path, self._directory) for path, _ in before.items() ^ self._times.items()})

    def _look(self) -> dict[str, int]:
        began = time.monotonic()
        times = {}
        for path in self._sources():
            try:
                times[path] = os.stat(path).st_mtime_ns  # noqa: PTH116 - three times as fast, for every file
            except OSError:
                continue  # it went away meanwhile
        self.pause = max(PAUSE, 9 * (time.monotonic() - began))
        return times

    def _sources(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self._directory):
            if folder != self._directory and not MARKS.isdisjoint(files):
                folders.clear()
                continue
            folders[:] = [name for name in folders if name not in PASSED_OVER and not name.startswith(".")]
            yield from (f"{folder}/{name}" for name in files if name.endswith(".py") or name == ".env")
