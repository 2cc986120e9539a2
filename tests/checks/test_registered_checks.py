"""Findings of `static-host check` as Django's system checks: `manage.py check`, and `static-host manage check`."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.builds import append_settings
from tests.support.processes import run
from tests.support.projects import SETTINGS

INSTALLED = "INSTALLED_APPS = [*INSTALLED_APPS, 'static_host_django']"
MEDIA = "MEDIA_URL = '/static/media/'"
MEDIA_MESSAGE = (
    "?: (static_host.W004) MEDIA_URL = '/static/media/' lies in /static/, where everything comes from the static tree: "
    "uploads are a 404\n\tHINT: Set MEDIA_URL to a path of its own, for example '/media/'.\n"
)


def check(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the project's own `check`, which static-host has no part in."""
    return run("django-admin", "check", *options, cwd=project, PYTHONPATH=".", **SETTINGS)


def find_own(text: str) -> list[str]:
    return re.findall(r"\((static_host\.\w+)\)", text)


def test_a_project_in_order_has_no_finding(project: Path) -> None:
    append_settings(project, INSTALLED)
    done = check(project)
    assert (done.returncode, done.stdout) == (0, "System check identified no issues (0 silenced).\n")


def test_the_sentences_are_those_of_static_host_check(project: Path) -> None:
    append_settings(project, INSTALLED, MEDIA, "SECURE_PROXY_SSL_HEADER = 'x'")
    done = check(project)
    assert done.returncode == 1
    assert MEDIA_MESSAGE in done.stderr
    assert find_own(done.stderr) == ["static_host.E002", "static_host.W004"]
    findings = json.loads(run("static-host", "check", "--json", cwd=project, **SETTINGS).stdout)["findings"]
    for each in (each for each in findings if each["check"] in ("media-url", "proxy-ssl-header")):
        assert f") {each['found']}\n\tHINT: {each['remedy']}\n" in done.stderr
    assert len([each for each in findings if each["check"] == "media-url"]) == 1  # not once more, as Django's


def test_information_and_hosts_are_left_to_deployment(project: Path) -> None:
    middleware = (
        "MIDDLEWARE[:0] = ['whitenoise.middleware.WhiteNoiseMiddleware', 'django.middleware.gzip.GZipMiddleware']"
    )
    append_settings(project, INSTALLED, middleware, "ALLOWED_HOSTS = ['*']")
    assert check(project).stdout == "System check identified no issues (0 silenced).\n"
    done = check(project, "--deploy")
    expected = ["static_host.I005", "static_host.I006", "static_host.I007", "static_host.W001"]
    assert sorted(find_own(done.stderr)) == expected


def test_what_django_s_own_checks_say_is_left_to_them(project: Path) -> None:
    append_settings(project, INSTALLED, "STATIC_ROOT = 'x'", "STATICFILES_DIRS = ['x']", "ALLOWED_HOSTS = []")
    (project / "x").mkdir()
    done = check(project, "--deploy")
    assert "(staticfiles.E002)" in done.stderr
    assert "(security.W020)" in done.stderr
    assert find_own(done.stderr) == ["static_host.I006"]


def test_a_message_can_be_silenced(project: Path) -> None:
    append_settings(project, INSTALLED, MEDIA, "SILENCED_SYSTEM_CHECKS = ['static_host.W004']")
    assert check(project).stdout == "System check identified no issues (1 silenced).\n"


def test_a_value_that_cannot_be_checked_is_a_finding(project: Path) -> None:
    append_settings(project, INSTALLED, "MEDIA_ROOT = 1")
    done = check(project, "--tag", "staticfiles")
    assert "(static_host.W003) a setting has a value that cannot be checked: TypeError: " in done.stderr


@pytest.mark.parametrize("command", [("manage",), ("run", "--", "python", "manage.py")])
def test_static_host_s_own_command_needs_no_change_of_the_project(project: Path, command: tuple[str, ...]) -> None:
    (project / "manage.py").write_text(
        "import os, sys\n"
        "from django.core.management import execute_from_command_line\n"
        "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n"
        "execute_from_command_line(sys.argv)\n"
    )
    append_settings(project, MEDIA)
    assert check(project).stderr == ""
    done = run("static-host", *command, "check", cwd=project)
    assert (done.returncode, done.stderr.count(MEDIA_MESSAGE)) == (0, 1)
    append_settings(project, INSTALLED)
    assert run("static-host", *command, "check", cwd=project).stderr.count(MEDIA_MESSAGE) == 1


def test_the_application_is_served_as_any_other(project: Path) -> None:
    append_settings(project, INSTALLED)
    done = run("static-host", "check", cwd=project, **SETTINGS)
    assert (done.returncode, "there is no static tree" in done.stdout) == (3, True)
    assert "Django's system checks find no error" in done.stdout
