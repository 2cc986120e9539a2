"""A variable that looks like one of ours, and has no effect, is told with the name that may be meant."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from static_host.conf.misspelled_variables import MisspelledVariable, find_misspelled
from static_host.conf.settings import Settings
from tests.support.processes import run, run_server
from tests.support.projects import SETTINGS, copy_project

MISSPELT = {
    "DJANGO_STATIC_HOSTT": "DJANGO_STATIC_HOST",
    "DJANGO_STATIC_HSOT": "DJANGO_STATIC_HOST",
    "DJANGO_STATIC_HOS": "DJANGO_STATIC_HOST",
    "DJANGO_STATIC_HOSTNAME": "DJANGO_STATIC_HOST",
    "DJANGO_STATC_HOST": "DJANGO_STATIC_HOST",
    "DJNAGO_STATIC_HOST": "DJANGO_STATIC_HOST",
    "DJANGO_STATICHOST": "DJANGO_STATIC_HOST",
    "DJANGO-STATIC-HOST": "DJANGO_STATIC_HOST",
    "STATIC_HOST": "DJANGO_STATIC_HOST",
    "STATIC_HOSTT": "DJANGO_STATIC_HOST",
    "django_static_host": "DJANGO_STATIC_HOST",
    "DJANGO_STATIC_MAXAGE": "DJANGO_STATIC_MAX_AGE",
    "DJANGO_MAX_AGE": "DJANGO_STATIC_MAX_AGE",
    "STATIC_KEEP_RELEASES": "DJANGO_STATIC_KEEP_RELEASES",
    "DJANGO_STATIC_CACHE_DIR": "DJANGO_STATIC_CACHE",
    "DJANGO_STATIC_CODING": "DJANGO_STATIC_CODINGS",
    "DJANGO_SETTING_MODULE": "DJANGO_SETTINGS_MODULE",
    "django_settings_module": "DJANGO_SETTINGS_MODULE",
    "DJANGO_THREAD": "DJANGO_THREADS",
    "DJANGO_DRIAN_SECONDS": "DJANGO_DRAIN_SECONDS",
    "DJANGO_HEALTHPATH": "DJANGO_HEALTH_PATH",
    "DJANGO_ORIGIN_SECRETS": "DJANGO_ORIGIN_SECRET",
    "WEB_CONCURENCY": "WEB_CONCURRENCY",
    "FORWARDED_ALLOWED_IPS": "FORWARDED_ALLOW_IPS",
    "metrics_port": "METRICS_PORT",
    "DJANGO_METRICS_PORT": "METRICS_PORT",
    "DJANGO_ACCESS_LOG": "ACCESS_LOG",
    "DJANGO_WEB_CONCURRENCY": "WEB_CONCURRENCY",
    "DJANGO_FORWARDED_ALLOW_IPS": "FORWARDED_ALLOW_IPS",
}
THEIRS = [
    "DJANGO_SUPERUSER_PASSWORD",
    "DJANGO_SUPERUSER_EMAIL",
    "DJANGO_CONFIGURATION",
    "DJANGO_ENV",
    "DJANGO_COLORS",
    "DJANGO_LOG_LEVEL",
    "DJANGO_PORT",
    "DJANGO_DB_HOST",
    "DJANGO_DATABASE",
    "DJANGO_DATABASE_URL",
    "DJANGO_EMAIL_HOST",
    "DJANGO_EMAIL_PORT",
    "DJANGO_CACHE_URL",
    "DJANGO_VERSION",
    "DJANGO_MEDIA_ROOT",
    "DJANGO_MEDIA_URL",
    "DJANGO_STATICFILES_STORAGE",
    "DJANGO_STATICFILES_DIRS",
    "DJANGO_ALLOW_ASYNC_UNSAFE",
    "DJANGO_RUNSERVER_HIDE_WARNINGS",
    "DJANGO_TEST_PROCESSES",
    "DJANGO_WATCHMAN_TIMEOUT",
    "DJANGO_AUTO_COMPLETE",
    "DJANGO_ADMIN_URL",
    "DJANGO_CSRF_TRUSTED_ORIGINS",
    "DJANGO_SECURE_SSL_REDIRECT",
    "DJANGO_SETTINGS",
    "DJANGO_SECRET",
    "DJANGO_SECRET_KEY_FILE",
    "DJANGO_SITE_ID",
    "DJANGO_READ_DOT_ENV_FILE",
    "DJANGO_SERVER_EMAIL",
    "DJANGO_ALLOWED_HOST",
    "DJANGO_DEBUG_TOOLBAR",
    "django_secret_key",
    "DJANGO_HEALTH_CHECK",
    "DJANGO_WORKERS",
    "DJANGO_SITE_DOMAIN",
    "STATIC_ROOT",
    "STATIC_URL",
    "STATICFILES_DIRS",
    "STATIC_BUCKET",
    "DATABASE_URL",
    "HOSTNAME",
    "host",
    "port",
    "DB_PORT",
    "WEB_PORT",
    "LOG_LEVEL",
    "ACCESS_LOG_FORMAT",
    "METRICS_HOST",
]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.environ", {"DJANGO_SETTINGS_MODULE": "mysite.settings"})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("static_host.conf.settings.SECRETS_DIRECTORY", tmp_path / "secrets")


def found() -> list[MisspelledVariable]:
    return list(find_misspelled(Settings.read()))


@pytest.mark.parametrize(("name", "meant"), MISSPELT.items())
def test_a_name_that_is_misspelt(name: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "some value")
    (each,) = found()
    assert (each.name, each.nearest, each.is_sure) == (name, meant, True)


@pytest.mark.parametrize("name", THEIRS)
def test_a_name_of_the_project_s_or_of_django_s_is_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "some value")
    assert found() == []


@pytest.mark.parametrize("name", ["port", "threads", "debug"])
def test_a_variable_in_lower_case_is_not_ours(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "no number")
    assert (Settings.read().port, Settings.read().threads, Settings.read().debug) == (8000, 10, False)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("DJANGO_HOST", "DJANGO_STATIC_HOST"), ("DJANGO_STATIC_URL", ""), ("DJANGO_STATIC_BUCKET", "")],
)
def test_a_name_that_may_be_the_project_s_is_not_sure(name: str, nearest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "some value")
    (each,) = found()
    assert (each.name, each.nearest, each.is_sure) == (name, nearest, False)


@pytest.mark.parametrize(
    ("module", "meant"), [("static_host_site.settings", "DJANGO_ALLOWED_HOSTS"), ("mysite.settings", "")]
)
def test_the_bundled_site_s_variables_are_missed_for_the_bundled_site_alone(
    module: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", module)
    monkeypatch.setenv("DJANGO_ALLOWED_HOST", "example.com")
    assert "".join(each.nearest for each in found()) == meant


def test_a_name_that_is_right_or_blank_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_STATIC_HOST", "cdn.example.com")
    monkeypatch.setenv("DJANGO_DEBUG", "true")
    monkeypatch.setenv("DJANGO_STATIC_HOSTT", " ")
    assert found() == []


def test_each_is_told_with_its_place_and_without_its_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_STATIC_HOSTT", "the value")
    (tmp_path / ".env").write_text(
        "export DJANGO_THREAD='the value'\nSHOP='\nDJANGO_STATIC_HSOT=x'\nDJANGO_STATIC_PERFIX=\n"
    )
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/django_origin_secret").write_text("the value")
    assert [(each.found, each.remedy) for each in found()] == [
        (
            "DJANGO_STATIC_HOSTT (in the environment) is not a variable of static-host: it has no effect",
            "Set DJANGO_STATIC_HOST if that is meant. If the project reads DJANGO_STATIC_HOSTT, leave it.",
        ),
        (
            "DJANGO_THREAD (in .env) is not a variable of static-host: it has no effect",
            "Set DJANGO_THREADS if that is meant. If the project reads DJANGO_THREAD, leave it.",
        ),
        (
            f"django_origin_secret (in {tmp_path}/secrets) is not a variable of static-host: it has no effect",
            "Set DJANGO_ORIGIN_SECRET if that is meant. If the project reads django_origin_secret, leave it.",
        ),
    ]


@pytest.fixture
def project(tmp_path: Path, plain: Path) -> Path:
    """A copy of "plain", with its tree."""
    project = copy_project("plain", tmp_path)
    shutil.copytree(plain / "staticfiles", project / "staticfiles")
    return project


TOLD = (
    "DJANGO_STATIC_HOSTT (in the environment) is not a variable of static-host: it has no effect. "
    "Set DJANGO_STATIC_HOST if that is meant. If the project reads DJANGO_STATIC_HOSTT, leave it."
)
WRONG = {"DJANGO_STATIC_HOSTT": "cdn.example.com", "DJANGO_HOST": "cdn.example.com"}


@pytest.mark.parametrize(
    "command", [("build",), ("index", "staticfiles"), ("releases",), ("publish",), ("serve",), ("dev",)]
)
def test_every_command_tells_of_it_once_and_goes_on(project: Path, cache: Path, command: tuple[str, ...]) -> None:
    variables = {**SETTINGS, **WRONG, "DJANGO_STATIC_CACHE": str(cache)}
    if command[0] in ("serve", "dev"):
        with run_server("static-host", *command, cwd=project, **variables) as running:
            output, is_done = running.output, running.stop() == 0
    else:
        if command[0] == "build":
            shutil.rmtree(project / "staticfiles")
        store = {"DJANGO_STATIC_STORE": f"file://{project}/store"}
        result = run("static-host", *command, cwd=project, **variables, **store)
        output, is_done = result.stderr, result.returncode == 0
    assert is_done, output
    assert output.count(TOLD) == 1
    assert "DJANGO_HOST " not in output
    assert "cdn.example.com" not in output


def test_any_asgi_server_tells_of_it(project: Path) -> None:
    code = "import asyncio, static_host.asgi; asyncio.run(static_host.asgi.app({'type': 'lifespan'}, None, None))"
    result = run("python", "-c", code, cwd=project, **SETTINGS, **WRONG)
    assert TOLD in result.stderr


def test_check_has_a_finding_for_each(project: Path) -> None:
    result = run("static-host", "check", "--json", cwd=project, **SETTINGS, **WRONG)
    assert result.returncode == 0, result.stderr
    findings = [finding for finding in json.loads(result.stdout)["findings"] if finding["check"] == "settings"]
    assert [(finding["level"], finding["found"].split()[0]) for finding in findings] == [
        ("warning", "DJANGO_STATIC_HOSTT"),
        ("info", "DJANGO_HOST"),
    ]
    assert findings[0]["remedy"].startswith("Set DJANGO_STATIC_HOST if that is meant.")
    assert "cdn.example.com" not in result.stdout + result.stderr
