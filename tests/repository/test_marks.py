"""What keeps ``make unit`` quick: a test is marked by what it calls, and one without a mark starts no process."""

from __future__ import annotations

import os
import sys

import pytest

from tests.support.marks import needs
from tests.support.processes import run, run_server
from tests.support.projects import build_plain_with


def calls_a_helper() -> None:
    build_plain_with()  # type: ignore[call-arg]


def calls_in_a_nested_function() -> None:
    def inner() -> None:
        with run_server():  # type: ignore[call-arg]
            pass

    inner()


class Calls:
    def it(self) -> None:
        run()  # type: ignore[call-arg]


def calls_a_method() -> None:
    Calls().it()


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (calls_a_helper, {"build"}),
        (calls_in_a_nested_function, {"server"}),
        (calls_a_method, {"build"}),
        (os.getpid, set[str]()),
    ],
)
def test_what_a_test_needs_is_found_through_all_that_it_calls(function: object, expected: set[str]) -> None:
    assert set(needs(function)) == expected


def test_a_test_without_a_mark_can_start_no_process(request: pytest.FixtureRequest) -> None:
    with pytest.raises(AssertionError, match=f"{request.node.name} starts a process: mark it with one of"):
        sys.modules["subprocess"].call(["true"])
    with pytest.raises(AssertionError, match="starts a process"):
        os.fork()
