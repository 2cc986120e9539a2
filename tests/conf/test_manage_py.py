"""The settings module that manage.py names."""

from __future__ import annotations

import re
from pathlib import Path

import django.conf
import pytest

from static_host.conf.manage_py import find_settings_module
from static_host.conf.settings import InvalidSettingsError, Settings

PREFIX = "import os, sys\nfrom os import environ\n"


def find(directory: Path, source: str | bytes) -> str | None:
    path = directory / "manage.py"
    path.write_bytes(source if isinstance(source, bytes) else (PREFIX + source).encode())
    return find_settings_module(path)


def test_there_is_none_without_the_file(tmp_path: Path) -> None:
    assert find_settings_module(tmp_path / "manage.py") is None
    assert find_settings_module(tmp_path) is None


def test_django_s_own_template_is_read(tmp_path: Path) -> None:
    template = Path(django.conf.__file__).parent / "project_template/manage.py-tpl"
    assert find(tmp_path, template.read_text().replace("{{ project_name }}", "shop")) == "shop.settings"


@pytest.mark.parametrize(
    "source",
    [
        'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "x.y")',
        "environ.setdefault('DJANGO_SETTINGS_MODULE', 'x.y')",
        'os.environ["DJANGO_SETTINGS_MODULE"] = "x.y"',
        'def main():\n    if sys.argv:\n        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "x.y")',
        'os.environ.setdefault("DEBUG", "no")\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "x." "y")',
        'os.environ["DJANGO_SETTINGS_MODULE"] = "x.y"\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "x.y")',
        'raise SystemExit("never executed")\nos.environ["DJANGO_SETTINGS_MODULE"] = "x.y"',
    ],
)
def test_a_literal_is_found(source: str, tmp_path: Path) -> None:
    assert find(tmp_path, source) == "x.y"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "names no settings module by a literal"),
        ("from shop.cli import main\nmain()", "names no settings module by a literal"),
        ('os.environ.setdefault("DJANGO_SETTINGS_MODULE", f"x.{sys.argv[1]}")', "names no settings module by a"),
        ('os.environ["DJANGO_SETTINGS_MODULE"] = "x"\nos.environ["DJANGO_SETTINGS_MODULE"] = sys.argv[1]', "names no"),
        ('os.environ["DJANGO_SETTINGS_MODULE"] = ""', "names no settings module by a literal"),
        ('x = "DJANGO_SETTINGS_MODULE"\nos.environ[x] = "a"', "names no settings module by a literal"),
        (
            'os.environ["DJANGO_SETTINGS_MODULE"] = "x.dev" if sys.argv else "x.test"',
            "names no settings module by a literal",
        ),
        (
            """
if sys.argv:
    os.environ["DJANGO_SETTINGS_MODULE"] = "x.test"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "x.dev")""",
            "names several: x.dev, x.test",
        ),
        ("print 'python 2'", "cannot be read: Missing parentheses"),
        (b"\0", "cannot be read: "),
        (b"# coding: nothing\n", "cannot be read: "),
        ("(" * 5000, "cannot be read: "),
    ],
)
def test_anything_else_is_refused(source: str | bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        find(tmp_path, source)


def test_the_variable_takes_precedence_also_in_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    find(tmp_path, 'os.environ["DJANGO_SETTINGS_MODULE"] = "x.y"')
    assert Settings.read().settings_module == "x.y"
    (tmp_path / ".env").write_text("DJANGO_SETTINGS_MODULE=of.env\n")
    assert Settings.read().settings_module == "of.env"
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", " ")
    assert Settings.read().settings_module == "x.y"
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "named")
    (tmp_path / "manage.py").write_text("no Python")
    assert Settings.read().settings_module == "named"


def test_a_module_that_cannot_be_found_is_reported_with_the_other_wrong_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "x")
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    (tmp_path / "manage.py").touch()
    with pytest.raises(InvalidSettingsError, match=r"these 2 variables are wrong:\n  DJANGO_SETTINGS_MODULE='': it is"):
        Settings.read()
