"""Fixtures in place of tests/conftest.py, where `make mutants` runs the tests: a tree is there, nothing is started."""

from __future__ import annotations

import functools
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = next(path for path in Path(__file__).parents if (path / "plain").is_dir())
HAVE_PROCESSES = {"browser", "build", "cache", "engine", "image", "project", "rollout", "server"}
"""Fixtures of tests/conftest.py that start a process, or are for those that do."""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give each process a directory of its own: pytest's are numbered, and many at a time take each other's."""
    config.option.basetemp = tempfile.mkdtemp(prefix="mutants-")


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.option.basetemp, ignore_errors=True)


def pytest_sessionstart() -> None:
    """Forget what the process before this one has remembered of the unchanged functions' answers."""
    for name, module in list(sys.modules.items()):
        if name.startswith("static_host"):
            for value in vars(module).values():
                if type(value) is functools._lru_cache_wrapper:  # isinstance would wake Django's settings
                    value.cache_clear()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if HAVE_PROCESSES & set(getattr(item, "fixturenames", ()))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def plain() -> Path:
    """The project "plain" with its tree, as `make mutants` has built it. Tests do not change it."""
    return ROOT / "plain"


@pytest.fixture
def tree(tmp_path: Path, plain: Path) -> Path:
    """A copy of its tree, to be damaged."""
    shutil.copytree(plain / "staticfiles", tmp_path / "tree")
    return tmp_path / "tree"
