"""The errors of a project that cannot be found or loaded.

Rule: a wrong name is the operator's mistake, and one message. Whatever else the project raises is its own, and is shown
with its whole traceback.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from static_host.errors import StaticHostError
from static_host.project.overrides import format_overrides


class ProjectNotFoundError(StaticHostError):
    """Something that a setting names does not exist: the settings module, a database."""

    exit_code = 2


class ProjectLoadError(StaticHostError):
    """The project raised an exception, which is the cause. The notes list the settings that static-host overrides."""

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy, notes=format_overrides())


class SystemChecksFailedError(StaticHostError):
    """Django's system checks find errors, or one of them raised an exception."""

    exit_code = 1


@contextmanager
def wrap_project_errors(name: str) -> Iterator[None]:
    """Turn what the project `name` raises into ProjectNotFoundError or ProjectLoadError."""
    try:
        yield
    except StaticHostError:
        raise
    except (Exception, SystemExit) as error:  # a settings module may call sys.exit
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and (name == missing or name.startswith(f"{missing}.")):
            message = f"DJANGO_SETTINGS_MODULE={name!r}: there is no module {missing!r} in {Path.cwd()} or on sys.path."
            raise ProjectNotFoundError(message, remedy=_list_settings_modules()) from None
        raise ProjectLoadError(f"the Django project {name} raised an exception while it was loaded:") from error


def _list_settings_modules() -> str:
    here = Path.cwd()
    found = [*here.glob("*/settings.py"), *here.glob("*/settings/__init__.py"), *here.glob("settings.py")]
    modules = sorted({_format_module_name(path.relative_to(here)) for path in found})
    return f"Settings modules found here: {', '.join(modules)}." if modules else "Run it where manage.py is."


def _format_module_name(path: Path) -> str:
    return ".".join(part for part in path.with_suffix("").parts if part != "__init__")
