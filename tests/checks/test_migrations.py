"""Migrations that are not applied, as `check` finds them: where a database answers, and where none does."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.builds import append_settings
from tests.support.processes import run
from tests.support.projects import SETTINGS, copy_project

SQLITE = "'ENGINE': 'django.db.backends.sqlite3', 'NAME': BASE_DIR"


@pytest.fixture
def project(tmp_path: Path, plain: Path) -> Path:
    """A copy of "plain", with its tree, two migrations and a SQLite database."""
    project = copy_project("plain", tmp_path)
    shutil.copytree(plain / "staticfiles", project / "staticfiles")
    (project / "mysite/migrations").mkdir()
    (project / "mysite/migrations/__init__.py").touch()
    migration(project, "0001_initial", "")
    migration(project, "0002_prices", "('mysite', '0001_initial')")
    append_settings(project, "INSTALLED_APPS += ['mysite']", f"DATABASES = {{'default': {{{SQLITE} / 'db.sqlite3'}}}}")
    return project


def migration(project: Path, name: str, dependencies: str) -> None:
    (project / f"mysite/migrations/{name}.py").write_text(
        "from django.db import migrations\n"
        "class Migration(migrations.Migration):\n"
        f"    dependencies = [{dependencies}]\n"
    )


def migrate(project: Path, *options: str) -> None:
    result = run("python", "-m", "django", "migrate", *options, cwd=project, **SETTINGS)
    assert result.returncode == 0, result.stderr


def backend(project: Path, lines: str) -> None:
    """Give the project a database whose connections are made by these lines."""
    (project / "mysite/database").mkdir()
    (project / "mysite/database/__init__.py").touch()
    (project / "mysite/database/base.py").write_text(
        "import threading\n"
        "from django.db.backends.sqlite3 import base\n"
        "class DatabaseWrapper(base.DatabaseWrapper):\n"
        "    vendor = 'silent'\n"
        f"    def get_new_connection(self, parameters): {lines}\n"
    )
    database = "{'ENGINE': 'mysite.database', 'NAME': 'x', 'PASSWORD': 'hunter2'}"
    append_settings(project, f"DATABASES['other'] = {database}")


def told(project: Path) -> list[str]:
    """Return level, text and remedy of each finding of migrations; none of them is an error."""
    result = run("static-host", "check", "--json", cwd=project, **SETTINGS)
    assert result.returncode == 0, result.stdout + result.stderr
    findings = [finding for finding in json.loads(result.stdout)["findings"] if finding["check"] == "migrations"]
    return [f"{f['level']}: {f['found']}{f' -> {remedy}' if (remedy := f['remedy']) else ''}" for f in findings]


def test_migrations_that_are_not_applied_are_named(project: Path) -> None:
    migrate(project, "mysite", "0001")
    assert told(project) == [
        "warning: 1 migration is not applied in the database 'default': mysite.0002_prices -> Run `manage.py migrate`."
    ]
    for number in range(3, 6):
        migration(project, f"000{number}_more", f"('mysite', '000{number - 1}_{'more' if number > 3 else 'prices'}')")
    assert told(project) == [
        (
            "warning: 4 migrations are not applied in the database 'default': mysite.0002_prices, mysite.0003_more, "
            "mysite.0004_more and 1 more -> Run `manage.py migrate`."
        )
    ]


def test_migrations_that_are_applied(project: Path) -> None:
    migrate(project)
    assert told(project) == ["ok: all migrations are applied in the database 'default'"]


def test_a_new_database_has_none_of_them(project: Path) -> None:
    (project / "db.sqlite3").touch()
    assert told(project) == [
        (
            "warning: 2 migrations are not applied in the database 'default': mysite.0001_initial, mysite.0002_prices "
            "-> Run `manage.py migrate`."
        )
    ]
    assert (project / "db.sqlite3").stat().st_size == 0


def test_they_are_looked_for_without_a_tree_too(project: Path) -> None:
    migrate(project)
    shutil.rmtree(project / "staticfiles")
    result = run("static-host", "check", cwd=project, **SETTINGS)
    assert result.returncode == 3
    assert "all migrations are applied in the database 'default'\n" in result.stdout


def test_a_database_that_is_not_there_is_not_made(project: Path) -> None:
    assert told(project) == [
        (
            "info: the database 'default' could not be asked for its migrations: django.db.utils.OperationalError: "
            "unable to open database file"
        )
    ]
    assert not (project / "db.sqlite3").exists()


def test_a_database_is_not_written_to(project: Path) -> None:
    migrate(project)
    append_settings(project, "DATABASES['default']['OPTIONS'] = {'init_command': 'PRAGMA journal_mode=WAL'}")
    before = (project / "db.sqlite3").read_bytes()
    assert told(project) == ["ok: all migrations are applied in the database 'default'"]
    assert (project / "db.sqlite3").read_bytes() == before
    assert [path.name for path in project.glob("db.sqlite3*")] == ["db.sqlite3"]


def test_a_database_with_a_write_ahead_log_gets_no_files_beside_it(project: Path) -> None:
    migrate(project)
    with closing(sqlite3.connect(project / "db.sqlite3")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    assert told(project) == ["ok: all migrations are applied in the database 'default'"]
    assert [path.name for path in project.glob("db.sqlite3*")] == ["db.sqlite3"]


def test_a_write_ahead_log_is_read(project: Path) -> None:
    migrate(project, "mysite", "0001")
    with closing(sqlite3.connect(project / "db.sqlite3")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        columns = "(app, name, applied) VALUES ('mysite', '0002_prices', '2026-01-01')"
        connection.execute(f"INSERT INTO django_migrations {columns}")
        connection.commit()
        assert told(project) == ["ok: all migrations are applied in the database 'default'"]


@pytest.mark.parametrize(
    "lines",
    [
        "DATABASES = {}",
        "DATABASES['default']['NAME'] = ':memory:'",
        "MIGRATION_MODULES = {'mysite': None}",
        "INSTALLED_APPS.remove('mysite')",
    ],
)
def test_without_a_database_or_migrations_nothing_is_said(project: Path, lines: str) -> None:
    append_settings(project, lines)
    assert told(project) == []


def test_a_name_with_characters_of_its_own(project: Path) -> None:
    append_settings(project, "DATABASES['default']['NAME'] = 'a b?c#ü%20.sqlite3'")
    migrate(project)
    assert told(project) == ["ok: all migrations are applied in the database 'default'"]


def test_each_database_is_asked(project: Path) -> None:
    append_settings(project, f"DATABASES['archive'] = {{{SQLITE} / 'archive.sqlite3'}}")
    migrate(project)
    (project / "archive.sqlite3").touch()
    applied = "ok: all migrations are applied in the database 'default'"
    assert told(project) == [
        "info: the database 'archive' has no migrations applied, and may need none",
        applied,
    ]
    migrate(project, "mysite", "0001", "--database", "archive")
    assert told(project) == [
        (
            "warning: 1 migration is not applied in the database 'archive': mysite.0002_prices "
            "-> Run `manage.py migrate --database archive`."
        ),
        applied,
    ]
    (project / "mysite/routers.py").write_text(
        "class Router:\n    def allow_migrate(self, db, app_label, **hints): return db == 'default'\n"
    )
    append_settings(project, "DATABASE_ROUTERS = ['mysite.routers.Router']")
    assert told(project) == [applied, "ok: all migrations are applied in the database 'archive'"]


def test_a_database_that_does_not_answer_holds_up_nothing(project: Path) -> None:
    migrate(project)
    backend(project, "threading.Event().wait()")
    assert told(project) == [
        "info: the database 'other' did not answer within 3 s: its migrations are not known",
        "ok: all migrations are applied in the database 'default'",
    ]


def test_a_password_is_not_shown(project: Path) -> None:
    migrate(project)
    backend(project, "raise base.Database.OperationalError('no access with hunter2')")
    assert told(project)[0] == (
        "info: the database 'other' could not be asked for its migrations: django.db.utils.OperationalError: no access "
        "with …"
    )


def test_a_database_whose_driver_is_not_installed(project: Path) -> None:
    migrate(project)
    append_settings(project, "DATABASES['other'] = {'ENGINE': 'mysite.nowhere', 'NAME': 'x'}")
    assert told(project)[0].startswith(
        "info: the database 'other' could not be asked for its migrations: django.core.exceptions.ImproperlyConfigured"
    )


def test_migrations_that_cannot_be_loaded(project: Path) -> None:
    (project / "mysite/migrations/0003_broken.py").write_text("import not_installed\n")
    assert told(project) == [
        (
            "warning: the project's migrations cannot be loaded: ModuleNotFoundError: No module named 'not_installed' "
            "-> Correct them: standard error has the whole traceback."
        )
    ]
    result = run("static-host", "check", cwd=project, **SETTINGS)
    assert "0003_broken.py" in result.stderr


def test_the_bundled_site_has_a_command_of_its_own(tmp_path: Path, plain: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var/static").symlink_to(plain / "staticfiles")
    (tmp_path / "var/site.sqlite3").touch()
    result = run("static-host", "check", cwd=tmp_path)
    assert "-> Run `django-admin migrate --settings static_host_site.settings`.\n" in result.stdout
