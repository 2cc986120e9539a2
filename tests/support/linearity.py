"""Measures how the time of a function grows with its input: by ratio, never in seconds."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
MIN_MEASURABLE_SECONDS = 0.001
"""A run of this length can be measured well enough."""
MAX_REPETITIONS = 1 << 19
"""A function that is still too fast to measure with so many repetitions counts as linear."""
LENGTH_FACTOR = 4
"""Two doublings: a linear function takes four times as long, a quadratic one sixteen times."""
MAX_GROWTH_RATIO = 8.0
_METHODS = {"compile", "search", "match", "fullmatch", "split", "sub", "subn", "findall", "finditer"}


class Hostile(NamedTuple):
    """A function, and a maker of hostile input of any length for it."""

    function: Callable[[Any], object]
    make: Callable[[int], Any]


def repeat_texts(function: Callable[[Any], object], *texts: str) -> list[Hostile]:
    """Return a row for each text: ``before{unit}after`` repeats the unit, any other text is repeated whole."""
    return [Hostile(function, _make_repeater(text)) for text in texts]


def repeat_bytes(function: Callable[[Any], object], *texts: str) -> list[Hostile]:
    """Return the same rows for a function of bytes."""
    return repeat_texts(lambda text: function(text.encode("latin-1")), *texts)


def _make_repeater(text: str) -> Callable[[int], str]:
    before, opening, rest = text.partition("{")
    unit, _, after = rest.partition("}")
    return lambda count: before + unit * count + after if opening else text * count


def measure_growth(hostile: Hostile, min_seconds: float = MIN_MEASURABLE_SECONDS) -> float:
    """Return the ratio of the times for an input and for one `LENGTH_FACTOR` times as long."""
    count = 256
    while (took := measure_thread_seconds(hostile, count)) < min_seconds:
        count *= 2
        if count > MAX_REPETITIONS:
            return 1.0
    return measure_thread_seconds(hostile, count * LENGTH_FACTOR) / took


def is_linear(hostile: Hostile, attempts: int = 5) -> bool:
    """Whether one of several attempts is linear: a busy machine makes some look worse, but none better.

    Each attempt begins with a longer input, because at some length it no longer fits into the processor's cache.
    """
    return any(
        measure_growth(hostile, MIN_MEASURABLE_SECONDS * 2**attempt) < MAX_GROWTH_RATIO for attempt in range(attempts)
    )


def measure_thread_seconds(hostile: Hostile, count: int) -> float:
    """Return this thread's CPU time in seconds for an input of `count` repetitions: the best of three runs."""
    value = hostile.make(count)
    best = float("inf")
    for _ in range(3):
        began = time.thread_time()
        hostile.function(value)
        best = min(best, time.thread_time() - began)
    return best


def find_regex_calls() -> set[str]:
    """Return the places in app/ and static_build/ that call the module `re`: ``module.NAME`` or ``module.function``."""
    return {
        f"{'.'.join(path.relative_to(ROOT / source).with_suffix('').parts)}.{name}"
        for source in ("app", "static_build")
        for path in (ROOT / source).rglob("*.py")
        for name in _find_calls(ast.parse(path.read_text(encoding="utf-8")), ())
    }


def _find_calls(node: ast.AST, scope: tuple[str, ...]) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        own = scope
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            own = (*scope, child.name)
        elif isinstance(node, ast.Module) and isinstance(child, ast.Assign | ast.AnnAssign):
            own = (ast.unparse(child.targets[0] if isinstance(child, ast.Assign) else child.target),)
        if (
            isinstance(child, ast.Call)
            and isinstance(child.func, ast.Attribute)
            and isinstance(child.func.value, ast.Name)
            and child.func.value.id == "re"
            and child.func.attr in _METHODS
        ):
            yield ".".join(own)
        yield from _find_calls(child, own)
