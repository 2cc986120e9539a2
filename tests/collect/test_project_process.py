"""The build and the project's process: what each of them loads, and how they end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import django
import pytest

from tests.support.builds import Build, append_settings, read_files
from tests.support.processes import SCRIPTS, make_environment, minding_signals, run
from tests.support.projects import SETTINGS
from tests.support.waiting import wait_until

BLOCKED = (
    "import os, time, pathlib\n"
    "from django.apps import AppConfig\n"
    "class Blocked(AppConfig):\n"
    "    name = 'mysite'\n"
    "    def ready(self):\n"
    "        pathlib.Path('pid').write_text(str(os.getpid()))\n"
    "        {}\n"
)


def add_blocked_app(project: Path, statement: str) -> None:
    """Have the project's process write its identifier to a file, then execute a statement, while it is set up."""
    (project / "mysite/apps.py").write_text(BLOCKED.format(statement))
    append_settings(project, "INSTALLED_APPS += ['mysite.apps.Blocked']")


def is_running(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def make_interpreter(directory: Path, *packages: str) -> str:
    """Make a virtual environment with some of our packages; return its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    (target,) = directory.glob("lib/python*/site-packages")
    for name in packages:
        (target / name).symlink_to(Path(django.__file__).parents[1] / name)
    return str(directory / "bin/python")


def test_a_project_in_an_environment_with_django_alone_is_built(build: Build, project: Path, tmp_path: Path) -> None:
    python = make_interpreter(tmp_path / "own", "django", "asgiref", "sqlparse")
    append_settings(
        project,
        "import atexit, json, sys",
        "def note():",
        "    with open(BASE_DIR / 'modules.json', 'w') as file:",
        "        json.dump(sorted({name.partition('.')[0] for name in sys.modules}), file)",
        "atexit.register(note)",
    )
    result = build(DJANGO_PYTHON=python)
    assert result.returncode == 0, result.stderr
    theirs = read_files(project / "staticfiles")
    loaded = set(json.loads((project / "modules.json").read_text()))
    assert {"django", "mysite", "static_host_django"} <= loaded
    ours = {"static_host", "static_host_build", "brotli", "whitenoise", "click", "pydantic", "starlette"}
    assert not ours & loaded
    assert build(DJANGO_STATIC_ROOT="again").returncode == 0
    assert read_files(project / "again") == theirs


def test_the_build_imports_neither_django_nor_the_project(project: Path, cache: Path) -> None:
    variables = {**SETTINGS, "DJANGO_STATIC_CACHE": str(cache)}
    result = run("python", "-X", "importtime", "-m", "static_host_build", cwd=project, **variables)
    assert result.returncode == 0, result.stderr
    imported = {match[1] for match in re.finditer(r"import time:.*\|\s+(\w+)", result.stderr)}
    assert {"static_host_build", "brotli"} <= imported
    assert not {"django", "asgiref", "mysite"} & imported


@pytest.mark.parametrize("command", [("build",), ("releases",), ("index", ".")])
def test_an_interpreter_without_django_is_an_error_with_exit_code_2(
    project: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    python = make_interpreter(tmp_path / "empty")
    result = run("static-host", *command, cwd=project, DJANGO_PYTHON=python, **SETTINGS)
    assert result.returncode == 2
    assert result.stderr.startswith(f"static-host: {python}: it has no Django. Set DJANGO_PYTHON")


def test_a_signal_that_ends_the_project_is_named_and_the_old_tree_stays(build: Build, project: Path) -> None:
    assert build().returncode == 0
    before = read_files(project / "staticfiles")
    add_blocked_app(project, "os.kill(os.getpid(), 9)")
    result = build()
    assert result.returncode == 1
    assert result.stderr == (
        "static-host: the process of mysite.settings ended (signal SIGKILL); its own output is above.\n"
    )
    assert read_files(project / "staticfiles") == before


@pytest.mark.parametrize(
    ("number", "send"),
    [
        (signal.SIGKILL, os.kill),
        (signal.SIGTERM, os.kill),
        (signal.SIGINT, os.kill),
        (signal.SIGINT, os.killpg),  # as a terminal does
    ],
)
def test_the_project_ends_with_the_build(
    project: Path, cache: Path, number: signal.Signals, send: Callable[[int, int], None]
) -> None:
    add_blocked_app(project, "time.sleep(600)")
    variables = make_environment({**SETTINGS, "DJANGO_STATIC_CACHE": str(cache)})
    with subprocess.Popen(
        [SCRIPTS / "static-host", "build"],
        cwd=project,
        env=variables,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=minding_signals,
    ) as process:
        wait_until((project / "pid").exists, "the project is not set up")
        send(process.pid, number)
        _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    pid = int((project / "pid").read_text())
    wait_until(lambda: not is_running(pid), "the project's process runs on")
    assert not (project / "staticfiles").exists()


def test_what_the_project_prints_comes_before_what_the_build_prints(build: Build, project: Path) -> None:
    append_settings(project, "print('hello from the settings')")
    result = build()
    assert result.stdout.startswith("hello from the settings\nstatic-host: ")
    assert result.stderr == ""
