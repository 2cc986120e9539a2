"""Packages that contradict what this program requires: told by `check`, and by a start that fails."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.support.processes import run, run_server
from tests.support.projects import copy_project

SETTINGS = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "PORT": "0"}


@pytest.fixture
def project(tmp_path: Path, plain: Path) -> Path:
    """A copy of "plain", with its tree."""
    project = copy_project("plain", tmp_path)
    shutil.copytree(plain / "staticfiles", project / "staticfiles")
    return project


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory of packages that come before those that are installed."""
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


def install(site: Path, name: str, version: str, *requirements: str, module: str = "") -> None:
    """Install a package there in this version; without a module, what is installed elsewhere stays importable."""
    facts = site / f"{name.replace('-', '_')}-{version}.dist-info"
    facts.mkdir()
    lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {each}" for each in requirements)]
    (facts / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines, ""]))
    if module:
        (site / module).mkdir()
        (site / module / "__init__.py").touch()


def examined(project: Path, site: Path, **variables: str) -> tuple[int, list[tuple[str, str, str]]]:
    """Return the exit code, and level, text and remedy of each finding of packages."""
    result = run("static-host", "check", "--json", cwd=project, PYTHONPATH=str(site), **SETTINGS, **variables)
    findings = json.loads(result.stdout)["findings"]
    return result.returncode, [(f["level"], f["found"], f["remedy"]) for f in findings if f["check"] == "packages"]


def contradictions(site: Path, *extras: str) -> list[str]:
    code = f"from static_host.installed_packages import find_conflicts; print(*find_conflicts(*{extras!r}), sep='\\n')"
    result = run("python", "-c", code, cwd=site, PYTHONPATH=str(site))
    assert result.returncode == 0, result.stderr
    return result.stdout.split("\n")[:-1] if result.stdout.strip() else []


def test_an_environment_in_order(project: Path, site: Path) -> None:
    assert examined(project, site) == (0, [])


def test_a_version_with_which_the_program_runs_is_a_warning(project: Path, site: Path) -> None:
    install(site, "whitenoise", "6.9.0")
    install(site, "uvicorn", "0.39.0")
    assert examined(project, site) == (
        0,
        [
            (
                "warning",
                "uvicorn 0.39.0 is installed: django-static-host requires uvicorn>=0.40",
                "Install what fits (pip install 'uvicorn>=0.40'), and correct what pins other versions.",
            ),
            (
                "warning",
                "whitenoise 6.9.0 is installed: django-static-host requires whitenoise>=6.12",
                "Install what fits (pip install 'whitenoise>=6.12'), and correct what pins other versions.",
            ),
        ],
    )
    with run_server(cwd=project, PYTHONPATH=str(site), **SETTINGS) as running:
        assert running.stop() == 0


@pytest.mark.parametrize(
    ("name", "version", "module", "requirement", "raised"),
    [
        ("uvicorn", "0.30.6", "uvicorn", "uvicorn>=0.40", "No module named 'uvicorn."),
        ("websockets", "10.4", "websockets", "websockets>=16", "No module named 'websockets."),
    ],
)
def test_a_version_that_stops_the_server_is_an_error(
    project: Path, site: Path, name: str, version: str, module: str, requirement: str, raised: str
) -> None:
    install(site, name, version, module=module)
    contradiction = f"{name} {version} is installed: django-static-host requires {requirement}"
    remedy = f"Install what fits (pip install '{requirement}'), and correct what pins other versions."
    code, ((level, found, told),) = examined(project, site)
    assert (code, level, told) == (2, "error", remedy)
    first, second = found.splitlines()
    assert first.startswith("installed packages do not meet the requirements of static-host (")
    assert second == f"  {contradiction}"
    for command in ("serve", "dev"):
        result = run("static-host", command, cwd=project, PYTHONPATH=str(site), **SETTINGS)
        assert result.returncode == 2, result.stderr
        assert result.stderr.splitlines()[1:] == [f"  {contradiction}", remedy]


@pytest.mark.parametrize(
    "command", ["build", "serve", "dev", "check", "index staticfiles", "publish", "verify https://example.com"]
)
def test_each_command_ends_without_a_traceback(project: Path, site: Path, command: str) -> None:
    install(site, "pydantic", "1.10.24", module="pydantic")
    install(site, "httpx", "0.1", module="httpx")
    result = run("static-host", *command.split(), cwd=project, PYTHONPATH=str(site), **SETTINGS)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert " requires pydantic>=2" in result.stdout + result.stderr


def test_a_command_line_that_cannot_be_loaded_says_why(project: Path, site: Path) -> None:
    install(site, "click", "7.1.2", module="click")
    for arguments in (["serve"], ["check", "--json"], ["--help"]):
        result = run("static-host", *arguments, cwd=project, PYTHONPATH=str(site), **SETTINGS)
        assert (result.returncode, result.stdout) == (2, "")
        assert "\n  click 7.1.2 is installed: django-static-host requires click>=8.2\n" in result.stderr
        assert "Traceback" not in result.stderr


def test_an_exception_of_another_kind_is_shown_whole_beside_the_packages(project: Path, site: Path) -> None:
    install(site, "uvicorn", "0.30.6", module="uvicorn")
    (site / "uvicorn/__init__.py").write_text("1 / 0\n")
    result = run("static-host", "serve", cwd=project, PYTHONPATH=str(site), **SETTINGS)
    assert result.returncode == 2
    assert "  uvicorn 0.30.6 is installed: " in result.stderr
    assert result.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"


def test_without_a_contradiction_an_exception_is_what_it_was(project: Path, site: Path) -> None:
    install(site, "websockets", "17.0", module="websockets")
    result = run("static-host", "serve", cwd=project, PYTHONPATH=str(site), **SETTINGS)
    assert result.returncode == 1
    assert result.stderr.startswith("Traceback (most recent call last):")


@pytest.mark.parametrize(
    ("name", "code", "raised"),
    [
        ("websockets", "", "No module named 'websockets.datastructures'"),
        ("uvicorn", "1 / 0\n", "ZeroDivisionError: division by zero"),
        ("uvicorn", "import a b\n", "invalid syntax"),
        ("uvicorn", "__version__ = '0.54.0'\n", "uvicorn"),
        ("starlette", "raise ImportError('libz.so.9: cannot open shared object file')\n", "libz.so.9: cannot open"),
    ],
)
def test_check_names_a_package_that_fits_and_cannot_be_imported(
    project: Path, site: Path, name: str, code: str, raised: str
) -> None:
    version = {"websockets": "17.0", "uvicorn": "0.54.9", "starlette": "1.99"}[name]
    install(site, name, version, module=name)
    (site / name / "__init__.py").write_text(code)
    result = run("static-host", "check", "--json", cwd=project, PYTHONPATH=str(site), **SETTINGS)
    (finding,) = json.loads(result.stdout)["findings"]
    assert (result.returncode, finding["level"], finding["check"]) == (1, "error", "packages")
    assert finding["found"].startswith(f"{name} {version} is installed, but cannot be imported (")
    assert raised in finding["found"]
    assert finding["remedy"] == f"Install it anew: pip install --force-reinstall '{name}=={version}'."
    assert result.stderr.startswith(f"static-host: {finding['found']}")
    assert "Traceback (most recent call last):" in result.stderr


def test_a_project_s_exception_is_not_laid_to_a_package(project: Path, site: Path) -> None:
    install(site, "whitenoise", "6.9.0")
    (project / "mysite/urls.py").write_text("import not_installed\n")
    result = run("static-host", "serve", cwd=project, PYTHONPATH=str(site), **SETTINGS)
    assert result.returncode == 1
    assert "whitenoise" not in result.stderr.partition("Traceback")[0].replace("whitenoise.", "")
    assert result.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'not_installed'"


def test_what_the_packages_require_in_turn_is_compared_too(site: Path) -> None:
    install(
        site, "anyio", "3.7.1", "a-package-that-is-nowhere>=1.1", "another; python_version < '3'", "third; extra == 'x'"
    )
    first, second = contradictions(site)
    assert re.fullmatch(r"anyio 3\.7\.1 is installed: starlette [0-9.]+ requires anyio<5,>=4\S*", first)
    assert second == "a-package-that-is-nowhere is not installed: anyio 3.7.1 requires a-package-that-is-nowhere>=1.1"


def test_other_packages_of_the_project_are_its_own_affair(site: Path) -> None:
    install(site, "shop", "1.0", "uvicorn==0.1", "not-there>=2")
    assert contradictions(site) == []


def test_a_version_before_a_release_fits_and_one_that_is_none_does_no_harm(site: Path) -> None:
    install(site, "django", "6.2.dev20260101")
    install(site, "click", "unknown", "not a requirement ((")
    assert contradictions(site) == []


def test_an_extra_counts_where_a_setting_uses_it(project: Path, site: Path) -> None:
    install(site, "prometheus-client", "0.10.0")
    install(site, "obstore", "0.1.0")
    install(site, "httpx", "0.20.0")
    assert examined(project, site) == (0, [])
    store = f"file://{project}/store"
    told = [found for _, found, _ in examined(project, site, METRICS_PORT="9100", DJANGO_STATIC_PREVIOUS=store)[1]]
    assert told == [
        "prometheus-client 0.10.0 is installed: django-static-host requires prometheus-client>=0.23",
        "obstore 0.1.0 is installed: django-static-host requires obstore>=0.8",
    ]


def test_nothing_is_loaded_for_a_start_that_succeeds(project: Path) -> None:
    modules = "static_host.server.serve, static_host.cli.main"
    code = f"import sys, {modules}; print('packaging' in sys.modules, 'static_host.installed_packages' in sys.modules)"
    result = run("python", "-c", code, cwd=project)
    assert result.stdout == "False False\n"
