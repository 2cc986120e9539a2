"""The errors of a project that cannot be found or loaded.

Rule: a wrong name is the operator's mistake, and one message. Whatever else the project raises is its own, and is shown
with its whole traceback.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from static_host.errors import StaticHostError


class ProjectNotFoundError(StaticHostError):
    """Something that a setting names does not exist: the settings module, a database."""

    exit_code = 2


class ProjectLoadError(StaticHostError):
    """The project raised an exception, or its process ended."""

    exit_code = 1


class SystemChecksFailedError(StaticHostError):
    """Django's system checks find errors, or one of them raised an exception."""

    exit_code = 1


def describe_missing_module(name: str, missing: str) -> ProjectNotFoundError:
    """Return the error of a settings module that cannot be found, or of the package that should have it."""
    message = f"DJANGO_SETTINGS_MODULE={name!r}: there is no module {missing!r} in {Path.cwd()} or on sys.path."
    return ProjectNotFoundError(message, remedy=_list_settings_modules())


def refuse_unknown_databases(project: str, known: Collection[str], aliases: Iterable[str]) -> None:
    """Raise ProjectNotFoundError if the project's databases lack one of these names."""
    for alias in aliases:
        if alias not in known:
            names = ", ".join(sorted(known)) or "none"
            message = f"DJANGO_READY_DATABASE={alias!r}: {project} has no database of this name. It has: {names}."
            raise ProjectNotFoundError(message)


def _list_settings_modules() -> str:
    here = Path.cwd()
    found = [*here.glob("*/settings.py"), *here.glob("*/settings/__init__.py"), *here.glob("settings.py")]
    modules = sorted({_format_module_name(path.relative_to(here)) for path in found})
    return f"Settings modules found here: {', '.join(modules)}." if modules else "Run it where manage.py is."


def _format_module_name(path: Path) -> str:
    return ".".join(part for part in path.with_suffix("").parts if part != "__init__")
