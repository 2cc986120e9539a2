"""Tells the front of `static-host dev` which files the loaded code comes from, and answers its questions.

Rule: it reports imported modules outside the standard library and site-packages, with their whole packages; the files
of an exception's traceback; and the paths that applications add to Django's autoreloader. Django's signals are sent as
by `manage.py runserver`: `autoreload_started` after the project is loaded, `file_changed` for each change. If a
receiver of the latter returns true, the change needs no reload. All this has a channel and threads of its own, so that
neither a view that hangs nor a debugger holds it up. When the front is gone, the process ends.
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
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from static_host_django import finder_lookup
from static_host_django.control_channel import Control, Message
from static_host_django.frames import FrameError

MODULE_POLL_SECONDS = 0.5
"""Seconds between two checks for newly imported modules."""
_MAX_PATHS = 1000
"""Paths in one message, which has to fit into a frame."""
_SITE_DIRECTORIES = frozenset({"site-packages", "dist-packages"})
_STDLIB_PREFIXES = tuple(
    {
        f"{form(sysconfig.get_path(name))}{os.sep}"
        for name in ("stdlib", "platstdlib")
        for form in (str, os.path.realpath)
    }
)


class ReloadChannel:
    """The worker's end of the reload channel (docs/frames.md)."""

    def __init__(self, descriptor: int) -> None:
        self._control = Control(descriptor)
        self._reloader: Any = None
        self._reported: set[tuple[str, ...]] = set()
        self._module_count = 0
        threading.Thread(target=self._answer_questions, name="reload", daemon=True).start()

    def begin(self) -> None:
        """Report modules as they are imported."""
        threading.Thread(target=self._report_new_modules, name="reload-modules", daemon=True).start()

    def report_loaded(self) -> None:
        """Report the code, after the project's applications have added further paths to watch."""
        from django.utils.autoreload import BaseReloader, autoreload_started

        reloader = BaseReloader()
        autoreload_started.send(sender=reloader)
        self._reloader = reloader
        self._report_code()

    def report_failure(self, error: BaseException) -> None:
        """Report the code, and the files of an exception that the project raised."""
        self._report_code(frozenset(_iter_error_files(error)))

    def report_static_files(self) -> None:
        """Report where the finders look, for the time in which this process does not answer. Raises nothing."""
        with suppress(Exception):  # what is wrong with a finder is reported when it is used
            self._control.send(type="static", **finder_lookup.describe())

    def _report_new_modules(self) -> None:
        with suppress(OSError):  # the front is gone
            while True:
                time.sleep(MODULE_POLL_SECONDS)
                if self._module_count != len(sys.modules):
                    self._report_code()

    def _report_code(self, more: Iterable[str] = ()) -> None:
        """Send the paths that were not reported before."""
        self._module_count = len(sys.modules)
        paths: set[tuple[str, ...]] = {("file", path) for path in _find_own_files([*_iter_module_files(), *more])}
        folders = (os.path.dirname(path) for _, path in list(paths))  # noqa: PTH120 - for hundreds of files
        paths |= {("folder", root) for root in map(_find_package_root, folders) if root}
        if self._reloader is not None:
            paths.update(_iter_reloader_paths(self._reloader))
        new = sorted(paths - self._reported)
        self._reported.update(new)
        for start in range(0, len(new), _MAX_PATHS):
            self._control.send(type="watch", paths=new[start : start + _MAX_PATHS])

    def _answer_questions(self) -> None:
        with suppress(OSError, FrameError):
            while (received := self._control.receive()) is not None:
                message, _ = received
                if message["type"] == "changed":  # the project's receivers may take their time
                    threading.Thread(target=self._answer, args=(message,), daemon=True).start()
                else:
                    self._answer(message)
        os._exit(0)

    def _answer(self, message: Message) -> None:
        try:
            if message["type"] == "changed":
                value: Any = self._is_handled(message["paths"])
            elif message["type"] == "find":
                value = finder_lookup.find(message["name"], is_at_root=message["is_at_root"])
            else:
                value = finder_lookup.find_nearest(message["name"])
        except Exception as error:  # a finder of the project raised it
            self._control.send(type="answer", id=message["id"], value=None, error="".join(_format(error)))
        else:
            self._control.send(type="answer", id=message["id"], value=value)

    def _is_handled(self, paths: list[str]) -> bool:
        """Whether receivers of `file_changed` have handled all these changes."""
        try:
            answers = [self._reloader is not None and self._notify(path) for path in paths]
        except SystemExit:
            return False  # Django's trigger_reload() requests a reload in this way
        return all(answers)

    def _notify(self, path: str) -> bool:
        from django.utils.autoreload import file_changed

        answers = file_changed.send_robust(sender=self._reloader, file_path=Path(path))
        return any(answer and not isinstance(answer, Exception) for _, answer in answers)


def _format(error: BaseException) -> list[str]:
    return traceback.format_exception(type(error), error, error.__traceback__)


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


def _find_own_files(files: Iterable[str]) -> set[str]:
    own = {os.path.realpath(path) for path in files if not is_installed(path)}
    return {path for path in own if not is_installed(path)}  # after links are resolved


def is_installed(path: str) -> bool:
    """Whether a file belongs to Python or to an installed package: it is not watched."""
    return path.startswith(("<", *_STDLIB_PREFIXES)) or not _SITE_DIRECTORIES.isdisjoint(path.split("/"))


@cache
def _find_package_root(folder: str) -> str | None:
    """Return the folder of the outermost package that contains this one, or None if it is not in a package."""
    parent = os.path.dirname(folder)  # noqa: PTH120 - as above
    if parent == folder or not os.path.exists(f"{folder}/__init__.py"):  # noqa: PTH110
        return None
    return _find_package_root(parent) or folder


def _iter_reloader_paths(reloader: Any) -> Iterator[tuple[str, ...]]:
    """Yield the paths that were added to Django's autoreloader: ``extra_files`` and ``watch_dir``."""
    for path in list(reloader.extra_files):
        yield "file", str(Path(path).absolute())
    for folder, patterns in list(reloader.directory_globs.items()):
        for pattern in list(patterns):
            yield "pattern", str(folder), pattern
