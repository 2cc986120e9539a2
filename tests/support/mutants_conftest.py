"""Fixtures in place of tests/conftest.py, where `make mutants` runs the tests: a tree is there, nothing is started."""

from __future__ import annotations

import functools
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from mutmut.state import state

from tests.support.marks import MARKS, mark

ROOT = next(path for path in Path(__file__).parents if (path / "plain").is_dir())

HAVE_PROCESSES = {"browser", "build", "cache", "engine", "image", "project", "rollout", "server"}
"""Fixtures of tests/conftest.py that start a process, or are for those that do."""
_CHANGES = {
    **{f"os.{name}": (0,) for name in ("chmod", "mkdir", "remove", "rmdir", "truncate", "utime")},
    "os.link": (1,),
    "os.rename": (0, 1),
    "os.symlink": (1,),
    "shutil.rmtree": (0,),
}
"""Audit events of changes to the file system, and which of their arguments are the changed paths."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_own_directory = ""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give each process a directory of its own, for temporary files as well; from now on it changes no other."""
    global _own_directory
    (ROOT / "temporary").mkdir(exist_ok=True)
    own = Path(tempfile.mkdtemp(dir=ROOT / "temporary"))
    (own / "tmp").mkdir()
    config.option.basetemp = str(own / "basetemp")  # pytest makes it
    _own_directory, tempfile.tempdir = str(own), str(own / "tmp")


def pytest_unconfigure() -> None:
    global _own_directory
    shutil.rmtree(_own_directory, ignore_errors=True)
    _own_directory, tempfile.tempdir = "", None


def _refuse_foreign_paths(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise PermissionError where a changed function removes, renames or writes what is not its test's own.

    A name that is relative to a descriptor passes: only a directory that passed itself has one.
    """
    if _own_directory and event == "open":
        path, _, flags = arguments
        if flags & _WRITES and isinstance(path, str | bytes) and os.fsdecode(path)[:1] == "/":
            _require_own(path)
    elif _own_directory and event in _CHANGES:
        descriptor = arguments[-1] if event not in ("os.truncate", "shutil.rmtree") else -1
        if descriptor == -1:
            for place in _CHANGES[event]:
                _require_own(arguments[place])


def _require_own(path: Any) -> None:
    if isinstance(path, str | bytes | os.PathLike):
        full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - a link itself is changed, not what it leads to
        is_harmless = full == os.devnull or "/__pycache__/" in full
        if not is_harmless and not f"{full}/".startswith(f"{_own_directory}/"):
            raise PermissionError(1, "Operation not permitted", full)


sys.addaudithook(_refuse_foreign_paths)


def pytest_sessionstart() -> None:
    """Forget what the process before this one has remembered of the unchanged functions' answers."""
    for name, module in list(sys.modules.items()):
        if name.startswith("static_host"):
            for value in vars(module).values():
                if type(value) is functools._lru_cache_wrapper:  # isinstance would wake Django's settings
                    value.cache_clear()


def needs_more(item: pytest.Item) -> bool:
    """Whether a test needs more than `make unit` gives, but for the tree of "plain", which is there.

    Or whether mutmut cannot ask for it by its name: pytest escapes the names of a list `ids` each time that a process
    collects the test, and what it has escaped before as well.
    """
    if not isinstance(item, pytest.Function) or HAVE_PROCESSES & set(item.fixturenames):
        return True
    if "\\" in item.name and any(each.kwargs.get("ids") for each in item.iter_markers("parametrize")):
        return True
    mark(item)
    return any(item.get_closest_marker(name) for name in MARKS)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if needs_more(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: state().duration_by_test.get(item.nodeid, 0.0))  # the quickest first


@pytest.fixture(scope="session")
def plain() -> Path:
    """The project "plain" with its tree, as `make mutants` has built it. Tests do not change it."""
    return ROOT / "plain"


@pytest.fixture
def tree(tmp_path: Path, plain: Path) -> Path:
    """A copy of its tree, to be damaged."""
    shutil.copytree(plain / "staticfiles", tmp_path / "tree")
    return tmp_path / "tree"
