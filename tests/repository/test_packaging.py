"""The installed packages: their names do not clash with a project's, and the wheel has all files."""

from __future__ import annotations

import subprocess
import sysconfig
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.support.containers import ROOT
from tests.support.processes import SCRIPTS, run, run_server
from tests.support.projects import copy_project

NAMES = ("app", "build", "site", "static_build", "tests")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose applications have names of this repository's folders; "app" has a static file."""
    project = copy_project("plain", tmp_path_factory.mktemp("namesakes"))
    for name in NAMES:
        (project / name).mkdir()
        (project / name / "__init__.py").touch()
        (project / name / "models.py").touch()
    (project / "app/static").mkdir()
    (project / "app/static/of-app.css").write_text("a{}")
    with (project / "mysite/settings.py").open("a") as file:
        file.write(f"INSTALLED_APPS = [*INSTALLED_APPS, {', '.join(map(repr, NAMES))}]\n")
    return project


def test_a_project_may_have_packages_of_any_name(project: Path, cache: Path) -> None:
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
    built = run("static-host", "build", cwd=project, **variables)
    assert built.returncode == 0, built.stderr
    assert list((project / "staticfiles").glob("of-app.*.css"))
    checked = run("static-host", "check", cwd=project, **variables)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with run_server(cwd=project, **variables) as running:
        assert httpx.get(f"{running.url}/static/of-app.css").text == "a{}"
        assert httpx.get(f"{running.url}/").status_code == 200


def test_startproject_takes_any_name_beside_this_program(tmp_path: Path) -> None:
    for name in ("app", "static_build"):
        started = run("django-admin", "startproject", name, cwd=tmp_path)
        assert (started.returncode, started.stderr) == (0, "")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the repository's index, without what a clone has beside them."""
    directory = tmp_path_factory.mktemp("wheel") / "source"
    subprocess.run(["git", "-C", ROOT, "checkout-index", "-a", f"--prefix={directory}/"], check=True)
    return directory


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    made = run("pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", "wheel", ".", cwd=source)
    assert made.returncode == 0, made.stdout + made.stderr
    (wheel,) = source.glob("wheel/*.whl")
    return wheel


@pytest.mark.slow
def test_the_wheel_holds_four_packages_and_their_files(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "static_host",
        "static_host_build",
        "static_host_django",
        "static_host_site",
    }
    assert names >= {
        "static_host/py.typed",
        "static_host_build/py.typed",
        "static_host_build/report/report.html",
        "static_host_django/py.typed",
        "static_host_site/py.typed",
        "static_host_site/static/inspector/inspector.css",
        "static_host_site/templates/site/base.html",
    }


@pytest.mark.slow
def test_the_source_archive_makes_the_same_wheel(source: Path, wheel: Path) -> None:
    made = run("python", "-c", "from setuptools.build_meta import build_sdist; build_sdist('.')", cwd=source)
    assert made.returncode == 0, made.stderr
    (archive,) = source.glob("*.tar.gz")
    again = run(
        "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", "again", f"./{archive.name}", cwd=source
    )
    assert again.returncode == 0, again.stdout + again.stderr
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(next(source.glob("again/*.whl"))) as second:
        assert set(second.namelist()) == set(first.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs in an environment with the wheel; PYTHONPATH gives it the dependencies."""
    directory = tmp_path_factory.mktemp("environment")
    subprocess.run([SCRIPTS / "python", "-m", "venv", directory], check=True)
    subprocess.run([directory / "bin/pip", "install", "-q", "--no-deps", "--no-index", wheel], check=True)
    return directory / "bin"


@pytest.mark.slow
def test_the_wheel_in_an_empty_environment_builds_and_serves_the_bundled_site(installed: Path, tmp_path: Path) -> None:
    variables = {
        "PYTHONPATH": sysconfig.get_path("purelib"),  # no .pth file is read there: an editable install is not seen
        "DJANGO_SITE_DATA": str(tmp_path / "data"),
    }
    code = "import static_host, static_host_build, static_host_site; print(static_host.__file__)"
    found = run(str(installed / "python"), "-c", code, cwd=tmp_path, **variables)
    assert found.returncode == 0, found.stderr
    assert Path(found.stdout.strip()).is_relative_to(installed.parent)
    for command in (("static-host", "build"), ("python", "-m", "static_host", "check")):
        ended = run(str(installed / command[0]), *command[1:], cwd=tmp_path, **variables)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    with run_server(str(installed / "static-host"), "serve", cwd=tmp_path, **variables) as running:
        assert "<h1>Delivery inspector</h1>" in httpx.get(f"{running.url}/").text


TAGS = """
import sys
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.staticfiles", "static_host_django"],
    STATIC_URL="/static/",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
)
import django
django.setup()
from django.template import engines
page = "{% load static_host %}{% importmap 'three=vendor/three.js' %}{% modulepreload 'x.js' %}"
print(engines["django"].from_string(page).render(), "static_host" in sys.modules)
"""


@pytest.mark.slow
def test_the_wheel_without_its_dependencies_gives_a_project_the_tags(installed: Path, tmp_path: Path) -> None:
    """As README has it for a project whose requirements contradict the server's."""
    for name in ("django", "asgiref", "sqlparse"):
        (tmp_path / name).symlink_to(Path(sysconfig.get_path("purelib")) / name)
    shown = run(str(installed / "python"), "-c", TAGS, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert (shown.returncode, shown.stderr) == (0, "")
    importmap = '{"imports":{"three":"/static/vendor/three.js"}}'
    link = '<link rel="modulepreload" href="/static/x.js">'
    assert shown.stdout == f'<script type="importmap">{importmap}</script>{link} False\n'
