"""An exception of the project is printed with the settings of it that are overridden, and what they were."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.builds import Build, append_settings
from tests.support.processes import run, run_server
from tests.support.projects import SETTINGS, copy_project

WHITENOISE = "whitenoise.storage.CompressedManifestStaticFilesStorage"
OWN = (
    "STATIC_URL = '/s/'",
    "STATIC_ROOT = BASE_DIR / 'own'",
    "MIDDLEWARE = ['whitenoise.middleware.WhiteNoiseMiddleware', *MIDDLEWARE]",
    f"STORAGES = {{'staticfiles': {{'BACKEND': {WHITENOISE!r}, 'OPTIONS': {{'manifest_strict': 'a secret'}}}}}}",
)
HEADING = "static-host overrides these settings of the project:"
RAISED = "static-host: the Django project mysite.settings raised an exception while it was loaded:"


@pytest.fixture
def project(tmp_path: Path, plain: Path) -> Path:
    """A copy of "plain", with a tree."""
    project = copy_project("plain", tmp_path)
    shutil.copytree(plain / "staticfiles", project / "staticfiles")
    return project


def breaks(project: Path) -> None:
    """Let the project raise when Django's applications are ready, after its settings have been loaded."""
    (project / "mysite/apps.py").write_text(
        "from django.apps import AppConfig\n"
        "class Broken(AppConfig):\n"
        "    name = 'mysite'\n"
        "    def ready(self):\n"
        "        raise RuntimeError('no weather today')\n"
    )
    append_settings(project, "INSTALLED_APPS += ['mysite.apps.Broken']")


def head(output: str) -> list[str]:
    """Return the lines before the traceback."""
    return output.partition("\n\nTraceback (most recent call last):\n")[0].splitlines()


@pytest.mark.parametrize("command", ["serve", "check"])
def test_the_settings_are_listed_with_both_values_and_no_secret(project: Path, command: str) -> None:
    append_settings(project, *OWN)
    breaks(project)
    variables = {"DJANGO_STATIC_HOST": "https://cdn.example.com", "DJANGO_STATIC_ROOT": "staticfiles", "PORT": "0"}
    result = run("static-host", command, cwd=project, **SETTINGS, **variables)
    assert result.returncode == 1
    assert head(result.stderr) == [
        RAISED,
        HEADING,
        "  MIDDLEWARE: without 'whitenoise.middleware.WhiteNoiseMiddleware'",
        f"  STATIC_ROOT: PosixPath('{project}/own') -> PosixPath('{project}/staticfiles')",
        "  STATIC_URL: '/s/' -> 'https://cdn.example.com/static/'",
        f"  STORAGES['staticfiles']['BACKEND']: '{WHITENOISE}' -> 'static_host_django.storage.StaticHostStorage'",
    ]
    assert result.stderr.splitlines()[-1] == "RuntimeError: no weather today"
    assert "a secret" not in result.stderr


def test_a_build_lists_them(project: Path, build: Build) -> None:
    shutil.rmtree(project / "staticfiles")
    append_settings(project, *OWN)
    breaks(project)
    result = build(DJANGO_STATIC_PREFIX="/assets/")
    assert result.returncode == 1
    first, second, *lines = head(result.stderr)
    assert (first, second) == (RAISED, HEADING)
    root, url, backend = lines[1:]
    assert lines[0] == "  MIDDLEWARE: without 'whitenoise.middleware.WhiteNoiseMiddleware'"
    assert root.startswith(f"  STATIC_ROOT: PosixPath('{project}/own') -> PosixPath('{project}/.own.releases/")
    assert url == "  STATIC_URL: '/s/' -> '/assets/'"
    assert backend.endswith(
        "CompressedManifestStaticFilesStorage' -> 'static_host_django.collect.build_storage.BuildStorage'"
    )


def test_dev_lists_them(project: Path) -> None:
    append_settings(project, "STATIC_ROOT = str(BASE_DIR / 'staticfiles')")
    breaks(project)
    told = "the project is loaded again when a file changes"
    with run_server(
        "static-host", "dev", cwd=project, ready=told, DJANGO_STATIC_PREFIX="/assets/", **SETTINGS
    ) as running:
        assert head(running.output) == [RAISED, HEADING, "  STATIC_URL: '/static/' -> '/assets/'"]


def test_a_setting_that_keeps_its_value_is_not_listed(project: Path) -> None:
    append_settings(project, "STATIC_ROOT = str(BASE_DIR / 'staticfiles')", "STATIC_URL = '/static/'")
    append_settings(project, "STORAGES = {'staticfiles': {'BACKEND': 'static_host_django.storage.StaticHostStorage'}}")
    breaks(project)
    result = run("static-host", "serve", cwd=project, PORT="0", **SETTINGS)
    assert head(result.stderr) == [RAISED]


def test_settings_that_raise_have_not_been_overridden(project: Path) -> None:
    append_settings(project, "raise RuntimeError('no weather today')")
    result = run("static-host", "serve", cwd=project, PORT="0", **SETTINGS)
    assert head(result.stderr) == [RAISED]


def test_a_storage_that_cannot_be_imported_is_the_project_s(project: Path, build: Build) -> None:
    append_settings(project, "STORAGES = {'staticfiles': {'BACKEND': 'mysite.nowhere.Storage'}}")
    for result in (run("static-host", "serve", cwd=project, PORT="0", **SETTINGS), build()):
        assert result.returncode == 1
        assert head(result.stderr) == [RAISED]
        assert result.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'mysite.nowhere'"


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_lifespan_and_a_system_check_that_raise(project: Path, command: str) -> None:
    (project / "mysite/asgi.py").write_text(
        "async def application(scope, receive, send):\n"
        "    await receive()\n"
        "    raise RuntimeError('no weather today')\n"
    )
    append_settings(
        project, "STATIC_ROOT = str(BASE_DIR / 'staticfiles')", "ASGI_APPLICATION = 'mysite.asgi.application'"
    )
    append_settings(project, "from django.core.checks import register", "@register", "def looks(**_): 1 / 0")
    result = run("static-host", command, cwd=project, PORT="0", DJANGO_STATIC_HOST="cdn.example.com", **SETTINGS)
    assert result.returncode == 1
    assert f"{HEADING}\n  STATIC_URL: '/static/' -> '//cdn.example.com/static/'\n" in result.stderr
    named = {
        "serve": "the ASGI application of mysite.settings could not start",
        "check": "the check mysite.settings.looks",
    }
    assert f"static-host: {named[command]}" in result.stderr
