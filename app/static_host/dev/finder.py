"""Finds the project's static files: in its worker, or without one in the directories that the last one reported."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from stat import S_ISREG

from static_host.dev.pool import DevPool
from static_host.dev.project_process import FinderError
from static_host.workers.exchange import WorkerLostError


class StaticDirectories:
    """The directories of Django's own finders: pairs of a prefix and a path, and the patterns of ignored names."""

    def __init__(self, directories: Iterable[Sequence[str]], ignored: Iterable[str]) -> None:
        self._directories = [(prefix, path) for prefix, path in directories]
        self._ignored = tuple(ignored)

    def find(self, name: str, *, is_at_root: bool = False) -> str:
        """Return the absolute path of a file, or ""."""
        parts = (*name.split("/"), name)
        is_ignored = any(fnmatchcase(part, pattern) for part in parts for pattern in self._ignored)
        if not is_normalized(name) or name.startswith(("/", "..")) or (is_ignored and not is_at_root):
            return ""
        for prefix, directory in self._directories:
            rest = name.removeprefix(f"{prefix}/") if prefix else name
            path = f"{directory}/{rest}"
            if (not prefix or rest != name) and read_facts(path) is not None:
                return path
        return ""

    def contain(self, path: str) -> bool:
        """Whether a file lies below one of the directories."""
        return any(path.startswith(f"{directory}/") for _, directory in self._directories)


class ProjectFinder:
    """The project's finders. `directories` are those that the last worker reported."""

    directories: StaticDirectories | None = None

    def __init__(self, pool: DevPool) -> None:
        self._pool = pool

    async def find(self, name: str, *, is_at_root: bool = False) -> str:
        """Return the absolute path of a file, or ""; at ``/`` there may be one that collectstatic ignores.

        Raises ProjectUnavailableError if the project was never loaded far enough, and FinderError.
        """
        if self._pool.worker is None and self.directories is None:
            await self._pool.wait_for_worker()
        if self._pool.worker is not None:
            with suppress(WorkerLostError, TimeoutError):
                return str(await self._pool.worker.link.ask("find", name=name, is_at_root=is_at_root))
        return self.directories.find(name, is_at_root=is_at_root) if self.directories is not None else ""

    async def find_nearest(self, name: str) -> str:
        """Return the name of the file that is most like one that does not exist, or ""."""
        if self._pool.worker is not None:
            with suppress(WorkerLostError, TimeoutError, FinderError):
                return str(await self._pool.worker.link.ask("nearest", name=name))
        return ""


def read_facts(path: str) -> os.stat_result | None:
    """Return what the file system says of a file, or None if there is no file."""
    try:
        facts = os.stat(path) if path else None  # noqa: PTH116 - Starlette's own kind of path
    except (OSError, ValueError):
        return None
    return facts if facts is not None and S_ISREG(facts.st_mode) else None


def is_normalized(name: str) -> bool:
    """Whether the name is one that a tree can have: no ``//``, no dot segment."""
    return name == posixpath.normpath(name)
