"""What a test needs, by what it and its fixtures call; and what keeps the tests that need nothing from needing more.

Rule: a test that reaches nothing of `NEEDS` gets no mark, so it is one of ``make unit``, where it can start no process.
"""

from __future__ import annotations

import pty
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from inspect import isfunction, unwrap
from types import CodeType

import pytest

from tests.support import browsers, containers, processes

NEEDS: dict[object, str] = {
    subprocess: "build",
    pty: "build",
    processes.run: "build",
    processes.run_server: "server",
    browsers.run_chromium: "browser",
    containers.run_command: "docker",
    containers.run_for_exit_code: "docker",
}
MARKS = {*NEEDS.values(), "slow"}

_STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system"}
_unit_test = ""


def mark(item: pytest.Function) -> None:
    """Give a test a mark for each kind of thing that it needs."""
    functions = [item.function, *(each.func for group in _fixtures(item) for each in group)]
    for need in sorted(frozenset().union(*map(_find_needs, functions))):
        item.add_marker(need)


@cache
def _find_needs(function: object) -> frozenset[str]:
    """Return what a function needs: once for all cases of a test, and all tests of a fixture."""
    return frozenset(needs(function))


def forbid_processes(item: pytest.Item | None) -> None:
    """From now on let no process start, if the test is one of ``make unit``."""
    global _unit_test
    _unit_test = item.nodeid if item and not any(item.get_closest_marker(name) for name in MARKS) else ""


def _fixtures(item: pytest.Function) -> Iterator[tuple[pytest.FixtureDef[object], ...]]:
    yield from item._fixtureinfo.name2fixturedefs.values()  # type: ignore[misc]


def needs(value: object, seen: set[int] | None = None) -> Iterator[str]:
    """Yield what is needed by something that a name stands for: of functions and classes of tests, all they name."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    try:
        if value in NEEDS:
            yield NEEDS[value]
            return
    except TypeError:  # not hashable
        return
    if isinstance(value, type) and value.__module__.startswith("tests."):
        for each in vars(value).values():
            yield from needs(each, seen)
    function = unwrap(value) if callable(value) else value
    if isfunction(function) and function.__module__.startswith("tests."):
        for name in _names(function.__code__):
            yield from needs(function.__globals__.get(name), seen)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _audit(event: str, _: tuple[object, ...]) -> None:
    if _unit_test and event in _STARTS:
        raise AssertionError(f"{_unit_test} starts a process: mark it with one of {sorted(MARKS)}")


sys.addaudithook(_audit)
