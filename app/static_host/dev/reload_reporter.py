"""Reports to the supervisor of `static-host dev` where the loaded code is.

Rule: it reports imported modules outside the standard library and site-packages, with their whole packages; the files
of an exception's traceback; and the paths that applications add to Django's autoreloader. Django's signals are sent as
by `manage.py runserver`: `autoreload_started` after the project is loaded, `file_changed` for each change. If a
receiver of the latter returns true, the change needs no reload.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

from static_host.dev.file_watcher import WatchedPaths

MODULE_POLL_SECONDS = 0.5
"""Seconds between two checks for newly imported modules."""
_SITE_DIRECTORIES = frozenset({"site-packages", "dist-packages"})
_STDLIB_PREFIXES = tuple(
    {
        f"{form(sysconfig.get_path(name))}{os.sep}"
        for name in ("stdlib", "platstdlib")
        for form in (str, os.path.realpath)
    }
)


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """The paths to watch, since when (in nanoseconds since the epoch), and whether the project is loaded."""

    paths: WatchedPaths
    since_ns: int
    is_loaded: bool


class ReloadReporter:
    """The worker's end of the pipe: sends reports, and receives lists of changed paths.

    The reply to a list is whether receivers have handled all its changes, so that no reload is needed.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._since_ns = time.time_ns()
        self._error_files: frozenset[str] = frozenset()
        self._reloader: Any = None
        self._module_count = 0
        self._send_lock = threading.Lock()
        threading.Thread(target=self._run, name="watched", daemon=True).start()

    def report_loaded(self) -> None:
        """Report that the project is loaded, after its applications have added further paths to watch."""
        from django.utils.autoreload import BaseReloader, autoreload_started

        reloader = BaseReloader()
        autoreload_started.send(sender=reloader)
        self._reloader = reloader
        self._send_report()

    def report_failure(self, error: BaseException) -> None:
        """Report the files of an exception that the project raised, so that they are watched, too."""
        self._error_files = frozenset(_iter_error_files(error))
        self._send_report()

    def _run(self) -> None:
        with suppress(EOFError, OSError):  # the supervisor has ended
            while True:
                if self._pipe.poll(MODULE_POLL_SECONDS):
                    self._send(self._notify_receivers(self._pipe.recv()))
                elif self._module_count != len(sys.modules):
                    self._send_report()

    def _send_report(self) -> None:
        self._module_count = len(sys.modules)
        places = _find_code_paths([*_iter_module_files(), *self._error_files])
        if self._reloader is not None:
            places |= _read_reloader_paths(self._reloader)
        self._send(ReloadReport(places, self._since_ns, is_loaded=self._reloader is not None))

    def _send(self, message: ReloadReport | bool) -> None:
        with self._send_lock, suppress(OSError):
            self._pipe.send(message)

    def _notify_receivers(self, paths: list[str]) -> bool:
        try:
            answers = [self._reloader is not None and self._is_handled(path) for path in paths]
        except SystemExit:
            return False  # Django's trigger_reload() requests a reload in this way
        return all(answers)

    def _is_handled(self, path: str) -> bool:
        from django.utils.autoreload import file_changed

        answers = file_changed.send_robust(sender=self._reloader, file_path=Path(path))
        return any(answer and not isinstance(answer, Exception) for _, answer in answers)


def _iter_module_files() -> Iterator[str]:
    """Yield the file of each imported module that has one."""
    for module in list(sys.modules.values()):
        spec = getattr(module, "__spec__", None) if isinstance(module, ModuleType) else None
        if spec is not None and getattr(spec, "has_location", False) and isinstance(spec.origin, str):
            yield spec.origin


def _iter_error_files(error: BaseException | None) -> Iterator[str]:
    """Yield the files of an exception's traceback, of its causes, and the file with a syntax error."""
    while error is not None:
        yield from (frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__))
        if isinstance(error, SyntaxError) and error.filename:
            yield error.filename
        error = error.__cause__ or error.__context__


def _find_code_paths(files: Iterable[str]) -> WatchedPaths:
    own = {os.path.realpath(path) for path in files if not _is_installed(path)}
    own = {path for path in own if not _is_installed(path)}  # after links are resolved
    packages = {_find_package_root(os.path.dirname(path)) for path in own}  # noqa: PTH120 - for hundreds of files
    return WatchedPaths(frozenset(own), frozenset(filter(None, packages)))


def _is_installed(path: str) -> bool:
    return path.startswith(("<", *_STDLIB_PREFIXES)) or not _SITE_DIRECTORIES.isdisjoint(path.split("/"))


@cache
def _find_package_root(folder: str) -> str | None:
    """Return the folder of the outermost package that contains this one, or None if it is not in a package."""
    parent = os.path.dirname(folder)  # noqa: PTH120 - as above
    if parent == folder or not os.path.exists(f"{folder}/__init__.py"):  # noqa: PTH110
        return None
    return _find_package_root(parent) or folder


def _read_reloader_paths(reloader: Any) -> WatchedPaths:
    """Return the paths that were added to Django's autoreloader: ``extra_files`` and ``watch_dir``."""
    files = frozenset(str(Path(path).absolute()) for path in list(reloader.extra_files))
    folders = list(reloader.directory_globs.items())
    return WatchedPaths(
        files, patterns=frozenset((str(folder), pattern) for folder, names in folders for pattern in list(names))
    )
