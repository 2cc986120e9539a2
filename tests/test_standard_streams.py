"""What commands do where nobody reads what they say, in a locale without UTF-8, and without a home."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest

from static_host.origin.index import parse_index
from tests.support.builds import Build
from tests.support.processes import SCRIPTS, make_environment, run, run_server
from tests.support.projects import build_plain_with

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
COMMANDS = {
    "build": 0,
    "build --json": 0,
    "check --json": 0,
    "releases": 0,
    "publish": 2,
    "--help": 0,
    "nonsense": 2,
}
"""Each command with the exit code that it has where somebody reads what it says."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The project "plain", with its tree. Tests do not change it."""
    return build_plain_with({}, tmp_path_factory.mktemp("built"), cache)


def in_a_shell(project: Path, command: str, redirections: str, **variables: str) -> tuple[int, str]:
    """Run a command of ours with a shell's redirections; return its exit code and what came of standard error."""
    line = f"{SCRIPTS}/static-host {command} {redirections}; exit ${{PIPESTATUS[0]}}"
    fixed = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONUNBUFFERED": "", **variables}
    result = subprocess.run(
        ["bash", "-c", line], cwd=project, env=make_environment(fixed), capture_output=True, text=True, timeout=60
    )
    return result.returncode, result.stderr


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("redirections", [">&-", "<&- >&- 2>&-", "| true", "2>/dev/full"])
def test_a_stream_that_nobody_reads_changes_no_exit_code(
    built: Path, command: str, redirections: str, cache: Path
) -> None:
    code, errors = in_a_shell(built, command, redirections, DJANGO_STATIC_CACHE=str(cache))
    assert code == COMMANDS[command]
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors


@pytest.mark.parametrize("command", ["build", "check --json"])
def test_a_full_disk_behind_standard_output_is_an_error_without_a_traceback(
    built: Path, command: str, cache: Path
) -> None:
    code, errors = in_a_shell(built, command, ">/dev/full", DJANGO_STATIC_CACHE=str(cache))
    assert code == 1
    assert errors == (
        "static-host: standard output cannot be written: No space left on device. The command did its work; only its "
        "output is lost.\n"
    )


def test_a_build_that_nobody_reads_is_a_build(project: Path, cache: Path) -> None:
    assert in_a_shell(project, "build", ">&- 2>&-", DJANGO_STATIC_CACHE=str(cache)) == (0, "")
    assert "site.css" in parse_index((project / "staticfiles/static-host.index").read_bytes())


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_without_streams_gives_its_connections_no_number_of_theirs(built: Path, workers: str) -> None:
    shell = f"exec {SCRIPTS}/static-host serve <&- >&-"
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "WEB_CONCURRENCY": workers}
    with run_server("/bin/bash", "-c", shell, cwd=built, **variables) as running:
        assert httpx.get(f"{running.url}/static/digits.txt").text == "0123456789"
        for pid in (running.process.pid, *running.workers):
            assert [str(Path(f"/proc/{pid}/fd/{number}").readlink()) for number in (0, 1)] == ["/dev/null"] * 2


@pytest.mark.parametrize("encoding", ["", "ascii"])
def test_a_locale_without_utf_8_changes_no_name_and_no_byte(
    project: Path, build: Build, cache: Path, encoding: str
) -> None:
    (project / "mysite/static/caf\u00e9-\u65e5\u672c.css").write_text("@import './gone-\u00e9.css';")
    variables = {
        "DJANGO_SETTINGS_MODULE": "mysite.settings",
        "DJANGO_STATIC_CACHE": str(cache),
        "DJANGO_STATIC_MISSING_REFERENCES": "warn",
    }
    expected = build(**variables).stdout.splitlines()[0]
    assert expected.startswith("static-host: 18 static resources in ")
    foreign = {**ASCII, **({"PYTHONIOENCODING": encoding} if encoding else {})}
    result = run("static-host", "build", cwd=project, **variables, **foreign)
    assert result.returncode == 0, result.stderr
    assert "gone-" in result.stderr
    assert result.stdout.splitlines()[0] == expected
    for command in (["check", "--json"], ["build", "--json"]):
        result = run("static-host", *command, cwd=project, **variables, **foreign)
        assert result.returncode == 0, result.stderr
        json.loads(result.stdout)
    with run_server(cwd=project, **variables, **foreign) as running:
        assert httpx.get(f"{running.url}/static/caf%C3%A9-%E6%97%A5%E6%9C%AC.css").status_code == 200


@pytest.mark.parametrize("locale", [{}, ASCII])
def test_a_name_that_is_no_unicode_is_named_with_its_remedy(
    build: Build, project: Path, locale: dict[str, str]
) -> None:
    (Path(os.fsdecode(os.fsencode(project) + b"/mysite/static/caf\xe9.txt"))).write_text("")
    result = build(**locale)
    assert result.returncode == 5
    assert "'caf\\udce9." in result.stderr
    assert result.stderr.endswith("has a tab or a line feed, or is not Unicode. Rename it.\n")


def nobody(folder: Path) -> dict[str, str]:
    """Return the variables of a user with no HOME and no entry in the system's list of users."""
    (folder / "sitecustomize.py").write_text(
        "import os, pwd\ndef missing(_):\n    raise KeyError('uid not found: 12345')\n"
        "pwd.getpwuid = missing\nos.environ.pop('HOME', None)\n"
    )
    return {"PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "mysite.settings"}


def test_who_has_no_home_can_build_check_and_serve(project: Path, tmp_path: Path) -> None:
    (tmp_path / "nobody").mkdir()
    variables = nobody(tmp_path / "nobody")
    result = run("static-host", "build", cwd=project, **variables)
    assert result.returncode == 0, result.stderr
    assert result.stderr == (
        "static-host: encoded files are not kept for the next build: ~/.cache/static-host cannot be written. Set "
        "DJANGO_STATIC_CACHE to a directory that can be written.\n"
    )
    assert not (project / "~").exists()
    assert run("static-host", "check", cwd=project, **variables).returncode == 0
    assert run("static-host", "releases", cwd=project, **variables).returncode == 0
    assert run("static-host", "verify", "http://127.0.0.1:9/", cwd=project, **variables).returncode == 1
    assert run("static-host", "build", "--previous", "~/x", cwd=project, **variables).returncode == 6
    with run_server(cwd=project, **variables) as running:
        assert httpx.get(f"{running.url}/static/digits.txt").status_code == 200
    with run_server("static-host", "dev", cwd=project, ready=r"ready on (http://[^\s,]+)", **variables) as running:
        assert httpx.get(f"{running.url}/static/digits.txt").status_code == 200


@pytest.mark.parametrize("command", ["build", "check", "serve", "dev"])
def test_a_working_directory_that_was_removed_is_named(tmp_path: Path, command: str) -> None:
    (tmp_path / "gone").mkdir()
    shell = f"cd gone && rmdir ../gone && exec {SCRIPTS}/static-host {command}"
    result = subprocess.run(
        ["bash", "-c", shell], cwd=tmp_path, env=make_environment({}), capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 2
    assert result.stderr == (
        "static-host: the working directory cannot be used: No such file or directory. Change to another one.\n"
    )
