"""The interpreter of the project: which one it is, whether it fits, its environment, and how it loads our side.

Rule: it gets the path of `static_host_django`, and nothing else of this environment. One that is not this program's own
is tried out first, so that every command has the same message for one that does not fit.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from static_host.conf.django import BUNDLED_SETTINGS_MODULE
from static_host.conf.settings import Settings
from static_host.errors import StaticHostError
from static_host.workers.process_handle import describe_status

_LOADER = (
    "import sys;from importlib import *;from importlib.util import *;"
    "s=spec_from_file_location('static_host_django',sys.argv[1]+'/__init__.py',submodule_search_locations=[sys.argv[1]]);"
    "m=sys.modules[s.name]=module_from_spec(s);s.loader.exec_module(m);"
    "_,_,n,a=sys.argv;del sys.argv[1:];import_module('static_host_django.'+n).main(a)"
)
"""Loads the project's side from its path, which does not become a part of sys.path, and calls `main` of a module."""

MIN_PYTHON = (3, 10)
TRIAL_TIMEOUT_SECONDS = 30.0
MIN_DJANGO = (4, 2)
_TRIAL = """
import re, sys
sys.path.append("")
django = ""
if sys.version_info >= (3, 10):
    from importlib.util import find_spec
    origin = getattr(find_spec("django"), "origin", None)
    if origin:
        with open(origin, encoding="utf-8") as file:
            django = re.search(r"^VERSION = .([0-9]+), ([0-9]+)", file.read(), re.M)
        django = ".".join(django.groups()) if django else "unknown"
sys.stdout.write("\\nstatic-host: Python %d.%d.%d %s\\n" % (sys.version_info[:3] + (django or "none",)))
"""
"""Prints the versions of Python and Django. Its syntax is that of any Python."""
_TRIAL_RESULT = re.compile(rb"^static-host: Python ([\d.]+) ([\d.]+|unknown|none)$", re.MULTILINE)
_MAX_ERROR_LINES = 20


class InterpreterError(StaticHostError):
    """The project's interpreter cannot be run, is too old, or has no suitable Django."""

    exit_code = 2

    def __init__(self, message: str, notes: Iterable[str] = ()) -> None:
        remedy = "Set DJANGO_PYTHON to the Python of the environment that has the project."
        super().__init__(message, remedy=remedy, notes=notes)


def find_interpreter(settings: Settings) -> str:
    """Return the path of the project's interpreter.

    It is DJANGO_PYTHON, a path or a program's name on PATH; else that of the virtual environment VIRTUAL_ENV, or of
    .venv in the working directory, if there is one; else this one. The bundled site is in this one. Raises
    InterpreterError.
    """
    if settings.settings_module == BUNDLED_SETTINGS_MODULE:
        return sys.executable
    interpreter = _find_program(settings.python) if settings.python else _find_virtual_environment()
    if interpreter is None:
        return sys.executable
    interpreter = os.path.abspath(interpreter)  # noqa: PTH100 - a virtual environment's interpreter is a link
    if interpreter != sys.executable:
        _try_out(interpreter)
    return interpreter


def _find_program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        fault = "there is no such program"
        if Path(name).exists():
            fault = "it is a directory" if Path(name).is_dir() else "it is not executable"
        raise InterpreterError(f"DJANGO_PYTHON={name!r}: {fault}.")
    return found


def _find_virtual_environment() -> str | None:
    for path in (Path(each, "bin/python") for each in (os.environ.get("VIRTUAL_ENV"), ".venv") if each):
        if found := shutil.which(path):
            return found
        if path.is_symlink():  # the Python that made the environment is gone
            raise InterpreterError(f"{path} leads to no program: {path.readlink()}.")
    return None


@lru_cache
def _try_out(interpreter: str) -> None:
    """Run the interpreter, once. Raises InterpreterError if it does not work, is too old, or has no Django."""
    code, output, errors = _run_trial(interpreter)
    result = _TRIAL_RESULT.search(output)
    if result is None:
        lines = errors.decode(errors="replace").splitlines()[-_MAX_ERROR_LINES:]
        raise InterpreterError(f"{interpreter} does not run Python ({describe_status(code)}).", lines)
    version = tuple(map(int, result[1].split(b".")))
    if version < MIN_PYTHON:
        needed = ".".join(map(str, MIN_PYTHON))
        raise InterpreterError(f"{interpreter}: it is Python {result[1].decode()}; {needed} or newer is needed.")
    if result[2] == b"none":
        raise InterpreterError(f"{interpreter}: it has no Django.")
    if result[2] != b"unknown" and tuple(map(int, result[2].split(b"."))) < MIN_DJANGO:
        needed = ".".join(map(str, MIN_DJANGO))
        raise InterpreterError(f"{interpreter}: its Django is {result[2].decode()}; {needed} or newer is needed.")


def _run_trial(interpreter: str) -> tuple[int, bytes, bytes]:
    """Return its exit code, its output and its errors. Raises InterpreterError."""
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator names it
            [interpreter, "-c", _TRIAL],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=build_environment(interpreter),
            start_new_session=True,
        )
    except OSError as error:
        raise InterpreterError(f"{interpreter} cannot be run: {error.strerror}.") from None
    with process:
        try:
            output, errors = process.communicate(timeout=TRIAL_TIMEOUT_SECONDS)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)  # it may have started programs, which would hold the pipes open
            if isinstance(error, subprocess.TimeoutExpired):
                limit = f"{TRIAL_TIMEOUT_SECONDS:g} s"
                raise InterpreterError(f"{interpreter} does not run Python: it did not end within {limit}.") from None
            raise
    return process.returncode, output, errors


def spawn(
    interpreter: str,
    module: str,
    options: Mapping[str, Any],
    *,
    pass_fds: tuple[int, ...] = (),
    variables: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process of the project's interpreter that calls ``main`` of a module of `static_host_django`.

    ``main`` gets the options as a JSON object. `variables` are added to the environment. Raises InterpreterError.
    """
    command = [interpreter, "-c", _LOADER, find_project_side(), module, json.dumps(options)]
    environment = {**build_environment(interpreter), **(variables or {})}
    try:
        return subprocess.Popen(command, pass_fds=pass_fds, env=environment)  # noqa: S603 - the operator names it
    except OSError as error:
        raise InterpreterError(f"{interpreter} cannot be run: {error.strerror}.") from None


def build_environment(interpreter: str) -> dict[str, str]:
    """Return the variables of a worker: the front's own, without what belongs to the front's virtual environment."""
    environment = dict(os.environ)
    if interpreter == sys.executable:
        return environment
    home = Path(interpreter).parent.parent
    if (home / "pyvenv.cfg").exists():
        environment["VIRTUAL_ENV"] = str(home)
    own = str(Path(sys.prefix) / "bin")
    directories = environment.get("PATH", os.defpath).split(os.pathsep)
    environment["PATH"] = os.pathsep.join(
        [str(Path(interpreter).parent), *(each for each in directories if each != own)]
    )
    return environment


def find_project_side() -> str:
    """Return the directory of the package `static_host_django`."""
    spec = find_spec("static_host_django")
    assert spec is not None and spec.origin is not None  # noqa: S101, PT018 - it is a part of this distribution
    return str(Path(spec.origin).parent)
