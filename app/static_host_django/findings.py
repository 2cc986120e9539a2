"""A finding of `check` or `verify`, in the form that both sides share, and what its text is made of."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from traceback import format_exception_only
from typing import Literal

Level = Literal["error", "warning", "info", "ok"]
LEVELS: tuple[Level, ...] = ("error", "warning", "info", "ok")
Report = Callable[[str, BaseException], None]
"""Takes an exception of the project, and what raised it; both are logged beside the finding."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. `check` is its stable name, `found` what is the case, `remedy` what to do or ""."""

    level: Level
    check: str
    found: str
    remedy: str = ""


def format_exception_line(error: BaseException) -> str:
    """Return the last line of an exception's traceback."""
    return format_exception_only(error)[-1].strip()


def format_names(names: Collection[str], max_shown: int = 3) -> str:
    """Return the first names, and the number of the others."""
    first = ", ".join(list(names)[:max_shown])
    return first if len(names) <= max_shown else f"{first} and {len(names) - max_shown} more"
