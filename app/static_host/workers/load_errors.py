"""The errors of a process of the project's interpreter, from what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from static_host.errors import StaticHostError
from static_host.project.errors import ProjectLoadError, SystemChecksFailedError, describe_missing_module
from static_host.workers.interpreter import InterpreterError

ASGI_REMEDY = "Correct it, or install what it needs; or set DJANGO_INTERFACE=wsgi if the project works without ASGI."


class WorkerProjectError(ProjectLoadError):
    """The project raised an exception in its process, which sent the traceback."""

    def __init__(self, text: str, failure: Mapping[str, Any], remedy: str = "") -> None:
        super().__init__(text, remedy=remedy)
        self.notes = tuple(str(note) for note in failure.get("notes") or ())
        self.remote_traceback, self.exception_line = (str(failure.get(key, "")) for key in ("traceback", "line"))


def make_load_error(failure: Mapping[str, Any], settings_module: str, interpreter: str) -> StaticHostError:
    """Return the error for what `static_host_django.project_loading.describe_failure` has described."""
    kind, what = (str(failure.get(key, "")) for key in ("kind", "what"))
    if kind == "interpreter":
        return InterpreterError(f"{interpreter}: {what}.")
    if kind == "not_found":
        return describe_missing_module(settings_module, what)
    if kind == "asgi":
        return WorkerProjectError(f"ASGI_APPLICATION = {what!r} cannot be used:", failure, ASGI_REMEDY)
    if kind == "fork":
        return ProjectLoadError(f"no worker can be forked: {what}.")
    if kind == "checks":
        return SystemChecksFailedError(f"Django's system checks find errors in {settings_module}:\n{what}")
    if kind == "lifespan":
        text = f"the ASGI application of {settings_module} could not start: {what}".rstrip(": ")
        return WorkerProjectError(text, failure)
    text = f"the Django project {settings_module} raised an exception while it was loaded:"
    return WorkerProjectError(text, failure)
