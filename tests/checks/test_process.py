"""``static-host check`` and the process that checks the project: what each imports, and what goes wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import django
import pytest

from tests.support.builds import append_settings
from tests.support.processes import SCRIPTS, make_environment, run
from tests.support.projects import SETTINGS, copy_project
from tests.support.waiting import wait_until


@pytest.fixture
def project(tmp_path: Path, plain: Path) -> Path:
    """A copy of "plain", with its tree."""
    project = copy_project("plain", tmp_path)
    shutil.copytree(plain / "staticfiles", project / "staticfiles")
    return project


def check(project: Path, **variables: str) -> tuple[int, list[dict[str, str]], str]:
    """Return the exit code, the findings that are no warnings of Django's, and standard error."""
    result = run("static-host", "check", "--json", cwd=project, **{**SETTINGS, **variables})
    found: list[dict[str, Any]] = json.loads(result.stdout)["findings"]
    return result.returncode, [each for each in found if "django.security" not in each["check"]], result.stderr


def errors(findings: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(each["check"], each["found"]) for each in findings if each["level"] == "error"]


def make_environment_with_django(directory: Path) -> str:
    """Return the interpreter of a virtual environment in which our own packages do not fit."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    (packages,) = directory.glob("lib/python*/site-packages")
    ours = Path(django.__file__).parents[1]
    for name in ("django", "asgiref", "sqlparse"):
        (packages / name).symlink_to(ours / name)
    for name in ("click", "pydantic", "starlette", "uvicorn", "whitenoise"):
        (packages / f"{name}.py").write_text("raise ImportError('a version that does not fit')")
    return str(directory / "bin/python")


def test_the_tool_imports_neither_django_nor_the_project(project: Path) -> None:
    result = run("python", "-X", "importtime", "-m", "static_host", "check", cwd=project, **SETTINGS)
    assert result.returncode == 0
    imported = {match[1] for match in re.finditer(r"import time:.*\|\s+(\w+)", result.stderr)}
    assert {"starlette", "static_host", "static_host_build"} <= imported
    assert not {"django", "asgiref", "mysite"} & imported


def test_a_project_whose_environment_has_django_and_what_does_not_fit_ours(project: Path, tmp_path: Path) -> None:
    python = make_environment_with_django(tmp_path / "own")
    append_settings(project, "import sys", "from django.core.checks import Info, register")
    append_settings(project, "register(lambda **_: [Info(' '.join({name.partition('.')[0] for name in sys.modules}))])")
    code, findings, stderr = check(project, DJANGO_PYTHON=python)
    assert (code, errors(findings), stderr) == (0, [], "")
    (loaded,) = [each["found"] for each in findings if each["check"] == "project"]
    assert loaded.endswith(f", {python}")
    (modules,) = [each["found"].split() for each in findings if (each["level"], each["check"]) == ("info", "django")]
    assert {"django", "mysite", "static_host_django"} <= set(modules)
    assert not {"static_host", "starlette", "uvicorn", "click", "pydantic"} & set(modules)


def test_an_interpreter_that_does_not_exist(project: Path) -> None:
    code, findings, stderr = check(project, DJANGO_PYTHON="/nowhere/python")
    assert (code, stderr) == (2, "")
    assert errors(findings) == [("project", "DJANGO_PYTHON='/nowhere/python': there is no such program.")]
    assert findings[0]["remedy"] == "Set DJANGO_PYTHON to the Python of the environment that has the project."


def test_an_interpreter_without_django(project: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "empty"], check=True)
    python = str(tmp_path / "empty/bin/python")
    code, findings, stderr = check(project, DJANGO_PYTHON=python)
    assert (code, stderr) == (2, "")
    assert errors(findings) == [("project", f"{python}: it has no Django.")]


def test_a_process_that_dies_while_it_loads(project: Path) -> None:
    append_settings(project, "import os", "os.kill(os.getpid(), 11)")
    code, findings, stderr = check(project)
    assert (code, stderr) == (1, "")
    text = "a worker ended while it loaded mysite.settings (signal SIGSEGV); its own output is above."
    assert errors(findings) == [("project", text)]


def test_a_process_that_dies_in_a_check_takes_no_finding_before_it_along(project: Path) -> None:
    append_settings(project, "import os", "from django.core.checks import register")
    append_settings(project, "register(lambda **_: os._exit(7))")
    code, findings, stderr = check(project)
    assert (code, stderr) == (1, "")
    text = "a worker ended while it checked mysite.settings (exit code 7); its own output is above."
    assert errors(findings) == [("project", text)]
    assert {"debug", "tree", "manifest"} <= {each["check"] for each in findings if each["level"] == "ok"}


def test_what_the_project_prints_is_not_in_the_document(project: Path) -> None:
    append_settings(project, "import atexit, os", "os.write(1, b'}\\0{\\n')", "atexit.register(print, 'the end')")
    code, findings, stderr = check(project)
    assert (code, errors(findings)) == (0, [])
    assert stderr.endswith("the end\n")


def test_garbage_on_the_control_channel(project: Path) -> None:
    append_settings(project, "import os", "for number in range(3, 100):")
    append_settings(project, "    try: os.write(number, b'x' * 8)", "    except OSError: pass")
    code, findings, stderr = check(project)
    assert (code, stderr) == (1, "")
    text = "a worker ended while it loaded mysite.settings (it sent no message); its own output is above."
    assert errors(findings) == [("project", text)]


def test_a_project_that_hangs(project: Path) -> None:
    append_settings(project, "import threading", "threading.Event().wait()")
    program = (
        "import sys; from static_host.__main__ import run; from static_host.workers import worker_process; "
        "worker_process.START_TIMEOUT_SECONDS = 1; sys.argv[1:] = ['check']; run()"
    )
    result = run("python", "-c", program, cwd=project, **SETTINGS)
    assert result.returncode == 1
    assert result.stdout.startswith("error    project   mysite.settings could not be loaded within 1 s.\n")


def test_a_manifest_that_is_longer_than_a_frame(project: Path) -> None:
    stored = json.loads((project / "staticfiles/staticfiles.json").read_text())["paths"]["site.css"]
    storage = "from django.contrib.staticfiles.storage import ManifestStaticFilesStorage as Storage"
    (project / "mysite/storage.py").write_text(
        f"{storage}\n"
        "class Own(Storage):\n"
        f"    def load_manifest(self): return {{str(n): {stored!r} for n in range(50_000)}}, ''\n"
    )
    append_settings(project, "STORAGES = {'staticfiles': {'BACKEND': 'mysite.storage.Own'}}")
    _, findings, _ = check(project)
    (found,) = [each["found"] for each in findings if each["check"] == "manifest"]
    assert found == "all 50000 names of Django's manifest are in the tree"


def test_no_process_outlives_a_tool_that_is_killed(project: Path) -> None:
    append_settings(project, "import os, threading", "(BASE_DIR / 'pid.new').write_text(str(os.getpid()))")
    append_settings(project, "(BASE_DIR / 'pid.new').rename(BASE_DIR / 'pid')", "threading.Event().wait()")
    command = [f"{SCRIPTS}/static-host", "check"]
    with subprocess.Popen(command, cwd=project, env=make_environment(SETTINGS)) as tool:
        wait_until((project / "pid").exists, "the project is not loaded")
        status = Path(f"/proc/{(project / 'pid').read_text()}/cmdline")
        assert status.read_bytes()
        tool.kill()
    wait_until(lambda: not status.exists() or not status.read_bytes(), "it lives")


def test_programs_that_the_project_starts_do_not_get_the_control_channel(project: Path) -> None:
    append_settings(project, "import os", "for number in range(3, 100):")
    append_settings(project, "    try: is_passed_on = os.get_inheritable(number)", "    except OSError: continue")
    append_settings(project, "    assert not is_passed_on, number")
    code, findings, _ = check(project)
    assert (code, errors(findings)) == (0, [])
