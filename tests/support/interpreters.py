"""Pythons of other versions, for projects and for what is refused: those on PATH, and those that pyenv has."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from tests.support.required import required

_TELL_VERSION = "import sys; sys.stdout.write('%d.%d' % sys.version_info[:2])"


def require_python(version: str) -> str:
    """Return the path of a Python of this version, as 3.13: without one, the test is skipped, and fails in CI."""
    python = find_python(version)
    required("" if python else f"there is no Python {version}, neither on PATH nor in pyenv")
    return str(python)


@cache
def find_python(version: str) -> str | None:
    """Return the path of a Python of this version, or None."""
    return next((path for path in _list_candidates(version) if _read_version(path) == version), None)


def _list_candidates(version: str) -> Iterator[str]:
    found = shutil.which(f"python{version}")  # one of pyenv's shims is there even if it finds none to run
    if found:
        yield found
    roots = [os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", *([Path(found).parent.parent] if found else [])]
    for root in roots:
        yield from map(str, sorted(Path(root, "versions").glob(f"{version}.*/bin/python{version}")))


def _read_version(path: str) -> str:
    with suppress(OSError):
        return subprocess.run([path, "-c", _TELL_VERSION], capture_output=True, text=True, check=False).stdout
    return ""
