"""The projects of tests/projects, copied and built for a test."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.support.processes import run

PROJECTS = Path(__file__).parents[1] / "projects"
SETTINGS = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}
"""The variables of the project "plain"."""
LARGE_BODY = random.Random(1).randbytes(3_000_000)


def copy_project(name: str, directory: Path) -> Path:
    """Copy one of the projects of tests/projects into the directory."""
    project = directory / name
    shutil.copytree(PROJECTS / name, project, ignore=shutil.ignore_patterns("__pycache__"))
    return project


def build_plain_with(files: Mapping[str, bytes], directory: Path, cache: Path, **variables: str) -> Path:
    """Build the project "plain" with additional static files, by name, in a new directory below `directory`."""
    project = copy_project("plain", directory)
    for name, body in files.items():
        (project / "mysite/static" / name).write_bytes(body)
    settings = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
    result = run("static-host", "build", cwd=project, **settings, **variables)
    assert result.returncode == 0, result.stderr
    return project
