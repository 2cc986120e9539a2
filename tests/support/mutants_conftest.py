"""Fixtures in place of tests/conftest.py, where `make mutants` runs the tests: a tree is there, nothing is started."""

from __future__ import annotations

import functools
import gc
import shutil
from pathlib import Path

import pytest

ROOT = next(path for path in Path(__file__).parents if (path / "plain").is_dir())
HAVE_PROCESSES = {"browser", "build", "cache", "engine", "image", "project", "rollout", "server"}
"""Fixtures of tests/conftest.py that start a process, or are for those that do."""


def pytest_sessionstart() -> None:
    """Forget what the process before this one has remembered of the unchanged functions' answers."""
    for each in gc.get_objects():
        if type(each) is functools._lru_cache_wrapper and each.__module__.startswith("static_host"):
            each.cache_clear()


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
