"""Where the code lies that has been loaded, told to the process that looks for changes; for `static-host dev`.

Rule: what counts is loaded code outside the standard library and site-packages, whole packages of it; where an
exception came from; and what the project's applications add to Django's autoreloader. Its signals are sent as
`manage.py runserver` sends them: `autoreload_started` when the project has been loaded, `file_changed` for each change;
if a receiver of that returns true, the change needs no reload.
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
"""Seconds between two looks for modules that were loaded meanwhile."""
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
    """What is to be watched, since when (in nanoseconds), and whether the project has been loaded."""

    paths: WatchedPaths
    since_ns: int
    is_loaded: bool


class ReloadReporter:
    """The serving process's part of the conversation over `pipe`: reports go out, lists of changed paths come in.

    Each list is answered with whether all of it was dealt with, so that no reload is needed.
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
        """Tell that the project has been loaded, after its applications have said what else is to be watched."""
        from django.utils.autoreload import BaseReloader, autoreload_started

        reloader = BaseReloader()
        autoreload_started.send(sender=reloader)
        self._reloader = reloader
        self._send_report()

    def report_failure(self, error: BaseException) -> None:
        """Tell that the project raised this: where it did so is watched, too."""
        self._error_files = frozenset(_iter_error_files(error))
        self._send_report()

    def _run(self) -> None:
        with suppress(EOFError, OSError):  # the other process has ended
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
            return False  # how Django's trigger_reload() asks for a reload
        return all(answers)

    def _is_handled(self, path: str) -> bool:
        from django.utils.autoreload import file_changed

        answers = file_changed.send_robust(sender=self._reloader, file_path=Path(path))
        return any(answer and not isinstance(answer, Exception) for _, answer in answers)


def _iter_module_files() -> Iterator[str]:
    """Give the file of each loaded module that has one."""
    for module in list(sys.modules.values()):
        spec = getattr(module, "__spec__", None) if isinstance(module, ModuleType) else None
        if spec is not None and getattr(spec, "has_location", False) and isinstance(spec.origin, str):
            yield spec.origin


def _iter_error_files(error: BaseException | None) -> Iterator[str]:
    """Give the files that an exception came through, those of what caused it, and the one that is no Python."""
    while error is not None:
        yield from (frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__))
        if isinstance(error, SyntaxError) and error.filename:
            yield error.filename
        error = error.__cause__ or error.__context__


def _find_code_paths(files: Iterable[str]) -> WatchedPaths:
    own = {os.path.realpath(path) for path in files if not _is_installed(path)}
    own = {path for path in own if not _is_installed(path)}  # a link may lead there
    packages = {_find_package_root(os.path.dirname(path)) for path in own}  # noqa: PTH120 - for hundreds of files
    return WatchedPaths(frozenset(own), frozenset(filter(None, packages)))


def _is_installed(path: str) -> bool:
    return path.startswith(("<", *_STDLIB_PREFIXES)) or not _SITE_DIRECTORIES.isdisjoint(path.split("/"))


@cache
def _find_package_root(folder: str) -> str | None:
    """Return the folder of the outermost package that this one belongs to, or None if it is no package's."""
    parent = os.path.dirname(folder)  # noqa: PTH120 - as above
    if parent == folder or not os.path.exists(f"{folder}/__init__.py"):  # noqa: PTH110
        return None
    return _find_package_root(parent) or folder


def _read_reloader_paths(reloader: Any) -> WatchedPaths:
    """Return what Django's autoreloader was told to watch: ``extra_files`` and ``watch_dir``."""
    files = frozenset(str(Path(path).absolute()) for path in list(reloader.extra_files))
    folders = list(reloader.directory_globs.items())
    return WatchedPaths(
        files, patterns=frozenset((str(folder), pattern) for folder, names in folders for pattern in list(names))
    )
