"""Fixtures: a project as a user has it, its tree made by the real pipeline, its server on a real port; the image."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser

from tests.browsers import CHROMIUM, chromium
from tests.builds import Build
from tests.containers import ROOT, lacking, make_image, named
from tests.processes import Running, run, serving

if TYPE_CHECKING:
    from tests.rollouts import Rollout

PROJECTS = Path(__file__).parent / "projects"
LARGE = random.Random(1).randbytes(3_000_000)


def copied(name: str, directory: Path) -> Path:
    """Return a copy of one of the projects, with a file that is too large to be kept in memory."""
    project = directory / name
    shutil.copytree(PROJECTS / name, project, ignore=shutil.ignore_patterns("__pycache__"))
    return project


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build's cache, shared by the tests of one process."""
    return tmp_path_factory.mktemp("cache")


def plain_with(files: Mapping[str, bytes], directory: Path, cache: Path, **variables: str) -> Path:
    """Build the project "plain" with these static files more, by name, in a new directory below `directory`."""
    project = copied("plain", directory)
    for name, body in files.items():
        (project / "mysite/static" / name).write_bytes(body)
    settings = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
    result = run("static-host", "build", cwd=project, **settings, **variables)
    assert result.returncode == 0, result.stderr
    return project


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The project "plain", with its tree built at ``staticfiles``. Tests do not change it."""
    directory = tmp_path_factory.mktemp("projects")
    return plain_with({"large.bin": LARGE}, directory, cache, DJANGO_STATIC_ROOT_FILES="robots.txt,.well-known/")


@pytest.fixture
def tree(tmp_path: Path, plain: Path) -> Path:
    """A copy of the tree of "plain", to be damaged. None of its files is a link."""
    shutil.copytree(plain / "staticfiles", tmp_path / "tree")
    return tmp_path / "tree"


@pytest.fixture(scope="session")
def server(plain: Path) -> Iterator[Running]:
    """``static-host serve`` on the project "plain"."""
    with serving(
        cwd=plain, DJANGO_SETTINGS_MODULE="mysite.settings", DJANGO_STATIC_ROOT_FILES="robots.txt,.well-known/"
    ) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of "plain", not built."""
    return copied("plain", tmp_path)


@pytest.fixture
def build(project: Path, cache: Path) -> Build:
    """Builds the project with the given variables."""

    def call(**variables: str) -> subprocess.CompletedProcess[str]:
        fixed = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
        return run("static-host", "build", cwd=project, **{**fixed, **variables})

    return call


@pytest.fixture(scope="session")
def rollout(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Rollout:
    """Three releases of one project. Tests do not change them."""
    from tests.rollouts import rolled_out  # it needs this module

    return rolled_out(tmp_path_factory.mktemp("rollout"), cache)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. What a test opens in it is in a context of its own, with a cache of its own."""
    _required("" if CHROMIUM else "there is no chromium")
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def engine() -> None:
    """Docker with a compose tool."""
    _required(lacking() or "")


@pytest.fixture(scope="session")
def image(engine: None) -> Iterator[str]:
    """The image, made by ``make image`` under a name of this run."""
    with named() as name:
        make_image(ROOT, name)
        yield name


def _required(reason: str) -> None:
    """Without a reason do nothing; with one fail in CI, and skip elsewhere."""
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
