"""Programs of the project that this process becomes: `static-host manage` and `static-host run`.

Rule: the program gets the environment of a worker, and the overlay by `static_host_django.startup` on PYTHONPATH. What
it cannot find out itself comes in one variable, as JSON. Signals, standard streams and exit code are its own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from static_host.conf.django import BUNDLED_SETTINGS_MODULE
from static_host.conf.settings import Settings
from static_host.errors import StaticHostError
from static_host.origin.index import INDEX_FILE_NAME
from static_host.workers.interpreter import build_environment, find_interpreter, find_project_side
from static_host_django.startup.sitecustomize import VARIABLE


class ProgramError(StaticHostError):
    """The program does not exist, or cannot be run."""

    exit_code = 2


def become_management_command(settings: Settings, arguments: Sequence[str]) -> NoReturn:
    """Become a management command of the project, as its `manage.py` would. Raises StaticHostError."""
    interpreter = find_interpreter(settings)
    environment = {**_build_environment(settings, interpreter), "DJANGO_SETTINGS_MODULE": settings.settings_module}
    _become([interpreter, str(Path(find_project_side(), "manage.py")), *arguments], environment)


def become_program(settings: Settings, command: Sequence[str]) -> NoReturn:
    """Become any program; "python" is the project's interpreter. Raises StaticHostError."""
    name, *arguments = command
    interpreter = find_interpreter(settings)
    environment = _build_environment(settings, interpreter)
    if settings.settings_module != BUNDLED_SETTINGS_MODULE:
        environment["DJANGO_SETTINGS_MODULE"] = settings.settings_module
        name = interpreter if name in ("python", "python3") else name
    path = shutil.which(name, path=environment["PATH"])
    if path is None:
        raise ProgramError(f"there is no program {name!r} that can be run.", remedy="Correct its name, or PATH.")
    _become([path, *arguments], environment)


def _become(command: list[str], environment: dict[str, str]) -> NoReturn:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and the program would
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(command[0], command, environment)  # noqa: S606 - the operator names it
    except OSError as error:
        raise ProgramError(f"{command[0]} cannot be run: {error.strerror}.") from None


def _build_environment(settings: Settings, interpreter: str) -> dict[str, str]:
    environment = build_environment(interpreter)
    own, path = str(Path(interpreter).parent), environment.get("PATH", os.defpath).split(os.pathsep)
    environment["PATH"] = os.pathsep.join(path if own in path else [own, *path])
    startup = str(Path(find_project_side(), "startup"))
    paths = [startup, *environment.get("PYTHONPATH", "").split(os.pathsep)]
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, paths)))
    environment[VARIABLE] = json.dumps(
        {
            "directory": str(Path.cwd()),
            "root": settings.static_root and str(settings.static_root),
            "index": INDEX_FILE_NAME,
            "host": settings.static_host,
            "prefix": settings.static_prefix,
        }
    )
    return environment
