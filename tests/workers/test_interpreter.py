"""DJANGO_PYTHON that names no interpreter that fits: one message and exit code 2, whatever the command."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from static_host.conf.settings import Settings
from static_host.workers import interpreter
from static_host.workers.interpreter import InterpreterError, find_interpreter
from tests.support.interpreters import find_python, require_python
from tests.support.processes import run
from tests.support.projects import SETTINGS, copy_project
from tests.support.waiting import wait_until

REMEDY = "Set DJANGO_PYTHON to the Python of the environment that has the project."
COMMANDS = [
    ("serve",),
    ("dev",),
    ("build",),
    ("manage", "migrate", "--help"),
    ("run", "python", "-c", "print('never')"),
    ("run", "sh", "-c", "echo never"),
    ("releases",),
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copy_project("plain", tmp_path)


def make_program(path: Path, *lines: str) -> str:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return str(path)


def make_environment_without_packages(directory: Path) -> str:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    return str(directory / "bin/python")


def list_processes(argument: str) -> list[str]:
    """Return the command lines that have this argument."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(path.read_text())
    return [line for line in lines if argument in line.split("\0")]


def assert_refused(project: Path, python: str, message: str, *notes: str) -> None:
    """Every command prints the message, and nothing else but the notes."""
    variables = {**SETTINGS, "DJANGO_PYTHON": python, "PORT": "0"}
    expected = "\n".join([f"static-host: {message} {REMEDY}", *notes, ""])
    for command in COMMANDS:
        done = run("static-host", *command, cwd=project, **variables)
        assert (command, done.returncode, done.stdout, done.stderr) == (command, 2, "", expected)
    checked = run("static-host", "check", cwd=project, **variables)
    assert (checked.returncode, checked.stderr) == (2, "")
    found = " ".join([message, *notes])
    assert re.sub(r"\s+", " ", checked.stdout).startswith(f"error project {found} -> {REMEDY} ")


def test_a_path_that_is_no_program_is_said_to_be_what_it_is(project: Path) -> None:
    (project / "notes.txt").write_text("#!/bin/sh\n")
    assert_refused(project, "/nowhere/python", "DJANGO_PYTHON='/nowhere/python': there is no such program.")
    assert_refused(project, "no-such-python", "DJANGO_PYTHON='no-such-python': there is no such program.")
    assert_refused(project, "./mysite", "DJANGO_PYTHON='./mysite': it is a directory.")
    assert_refused(project, "./notes.txt", "DJANGO_PYTHON='./notes.txt': it is not executable.")


def test_a_program_that_cannot_be_executed(project: Path) -> None:
    (project / "broken").write_text("no program")
    (project / "broken").chmod(0o755)
    assert_refused(project, "./broken", f"{project}/broken cannot be run: Exec format error.")


def test_a_program_that_is_no_python_is_named_with_what_it_says(project: Path) -> None:
    garbage = make_program(project / "garbage", "echo 'static-host: garbage'", "echo 'sh: not found' >&2", "exit 127")
    assert_refused(project, garbage, f"{garbage} does not run Python (exit code 127).", "sh: not found")
    silent = make_program(project / "silent")
    assert_refused(project, silent, f"{silent} does not run Python (exit code 0).")
    killed = make_program(project / "killed", "kill -KILL $$")
    assert_refused(project, killed, f"{killed} does not run Python (signal SIGKILL).")


def test_an_interpreter_without_django(project: Path, tmp_path: Path) -> None:
    python = make_environment_without_packages(tmp_path / "empty")
    assert_refused(project, python, f"{python}: it has no Django.")
    (project / "django").mkdir()  # a folder of the project, perhaps, and no package
    assert_refused(project, python, f"{python}: it has no Django.")


def test_an_interpreter_with_a_django_that_is_too_old(project: Path) -> None:
    (project / "django").mkdir()
    (project / "django/__init__.py").write_text("VERSION = (3, 2, 25, 'final', 0)\n")
    python = make_program(project / "python", f'exec {sys.executable} -S "$@"')
    assert_refused(project, python, f"{python}: its Django is 3.2; 4.2 or newer is needed.")


def test_a_virtual_environment_whose_python_is_gone(project: Path) -> None:
    (project / ".venv/bin").mkdir(parents=True)
    (project / ".venv/bin/python").symlink_to("/usr/local/bin/python3.99")
    message = ".venv/bin/python leads to no program: /usr/local/bin/python3.99."
    done = run("static-host", "run", "true", cwd=project, **SETTINGS)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"static-host: {message} {REMEDY}\n")


@pytest.mark.parametrize("version", ["2.7", "3.9"])
def test_a_python_that_is_too_old(project: Path, version: str) -> None:
    if version == "2.7" and not find_python(version):
        pytest.skip("there is no Python 2.7, which systems do not have any more")  # so CI does not require it
    python = require_python(version)
    command = [python, "-c", "import platform; print(platform.python_version())"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert_refused(project, python, f"{python}: it is Python {found}; 3.10 or newer is needed.")


@pytest.mark.build
def test_a_program_that_hangs_is_ended_with_what_it_has_started(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = make_program(project / "hanging", "mkfifo gate", f"cat {project}/gate &", f"cat {project}/gate")
    monkeypatch.chdir(project)
    monkeypatch.setenv("DJANGO_PYTHON", hanging)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "mysite.settings")
    monkeypatch.setattr(interpreter, "TRIAL_TIMEOUT_SECONDS", 0.5)
    with pytest.raises(InterpreterError) as raised:
        find_interpreter(Settings.read())
    assert str(raised.value) == f"{hanging} does not run Python: it did not end within 0.5 s. {REMEDY}"
    for argument in (hanging, f"{project}/gate"):
        wait_until(lambda argument=argument: not list_processes(argument), f"{argument} runs on")  # type: ignore[misc]


@pytest.mark.build
def test_an_interpreter_is_tried_out_once_whatever_it_prints_at_its_start(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy = f"echo run >>runs; echo 'static-host: noise'; echo noise >&2; exec {sys.executable} \"$@\""
    program = make_program(project / "noisy", noisy)
    monkeypatch.chdir(project)
    monkeypatch.setenv("DJANGO_PYTHON", program)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "mysite.settings")
    settings = Settings.read()
    assert [find_interpreter(settings) for _ in range(3)] == [program] * 3
    assert (project / "runs").read_text() == "run\n"
    monkeypatch.setenv("DJANGO_PYTHON", sys.executable)
    assert find_interpreter(Settings.read()) == sys.executable
