"""Fixtures: a project as a user has it, its tree made by the real pipeline, its server on a real port; the image."""

from __future__ import annotations

import functools
import gc
import shutil
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from httpx import create_ssl_context
from httpx._transports import default
from playwright.sync_api import Browser

from tests.support.browsers import CHROMIUM, run_chromium
from tests.support.builds import Build
from tests.support.containers import ROOT, explain_unavailable, make_image, reserve_image_name
from tests.support.delta_releases import Rollout, build_rollout
from tests.support.marks import forbid_processes, mark
from tests.support.processes import Running, run, run_server
from tests.support.projects import LARGE_BODY, build_plain_with, copy_project
from tests.support.required import required

# Each client of httpx reads the certificates of the machine, which takes longer than a request: now the first one does.
default.create_ssl_context = functools.cache(create_ssl_context)  # type: ignore[attr-defined]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with what it needs."""
    for item in items:
        if isinstance(item, pytest.Function):
            mark(item)


def pytest_collection_finish() -> None:
    """Look for garbage among what tests make, and no more among modules and tests."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test of ``make unit`` starts no process, and neither do its fixtures."""
    forbid_processes(item)
    try:
        return (yield)
    finally:
        forbid_processes(None)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build's cache, shared by the tests of one process."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The project "plain", with its tree built at ``staticfiles``. Tests do not change it."""
    directory = tmp_path_factory.mktemp("projects")
    return build_plain_with(
        {"large.bin": LARGE_BODY}, directory, cache, DJANGO_STATIC_ROOT_FILES="robots.txt,.well-known/"
    )


@pytest.fixture
def tree(tmp_path: Path, plain: Path) -> Path:
    """A copy of the tree of "plain", to be damaged. None of its files is a link."""
    shutil.copytree(plain / "staticfiles", tmp_path / "tree")
    return tmp_path / "tree"


@pytest.fixture(scope="session")
def server(plain: Path) -> Iterator[Running]:
    """``static-host serve`` on the project "plain"."""
    with run_server(
        cwd=plain, DJANGO_SETTINGS_MODULE="mysite.settings", DJANGO_STATIC_ROOT_FILES="robots.txt,.well-known/"
    ) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of "plain", not built."""
    return copy_project("plain", tmp_path)


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

    return build_rollout(tmp_path_factory.mktemp("rollout"), cache)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. What a test opens in it is in a context of its own, with a cache of its own."""
    required("" if CHROMIUM else "there is no chromium")
    with run_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def engine() -> None:
    """Docker with a compose tool."""
    required(explain_unavailable() or "")


@pytest.fixture(scope="session")
def image(engine: None) -> Iterator[str]:
    """The image, made by ``make image`` under a name of this run."""
    with reserve_image_name() as name:
        make_image(ROOT, name)
        yield name
