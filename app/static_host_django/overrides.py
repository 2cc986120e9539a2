"""Lists the project's settings that static-host overrides, below an exception of the project.

Rule: a function that overrides settings is decorated with `track_overrides`. The values before and after it are
compared, so the list is what really changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

HEADING = "static-host overrides these settings of the project:"

_TRACKED_SETTINGS = re.compile(r"STATIC_URL|STATIC_ROOT|STORAGES|MIDDLEWARE|COMPRESS_\w+")
_PRINTABLE_TYPES = (str, int, float, bool, type(None), Path, list, tuple)
_overridden: dict[str, tuple[Any, Any]] = {}


def track_overrides(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function that overrides settings of the project, so that `format_overrides` lists them."""

    @wraps(function)
    def call(*args: P.args, **options: P.kwargs) -> R:
        before = dict(_read_settings())
        try:
            return function(*args, **options)
        finally:
            after = dict(_read_settings())
            for name in after:
                own, _ = _overridden.get(name, (before.get(name), None))
                _overridden[name] = own, after[name]

    return call


def format_overrides() -> tuple[str, ...]:
    """Return a heading and a line for each setting whose value is not the project's; nothing if there is none."""
    lines = [_format_override(name, *values) for name, values in _overridden.items() if values[0] != values[1]]
    return (HEADING, *lines) if lines else ()


def _read_settings() -> Iterator[tuple[str, Any]]:
    """Yield the settings that may be printed. A storage's options and a compressor's context may hold secrets."""
    from django.conf import settings

    for name in filter(_TRACKED_SETTINGS.fullmatch, dir(settings)):
        value = getattr(settings, name)
        if name == "STORAGES":
            yield "STORAGES['staticfiles']['BACKEND']", value.get("staticfiles", {}).get("BACKEND")
        elif isinstance(value, _PRINTABLE_TYPES):
            yield name, value


def _format_override(name: str, before: Any, after: Any) -> str:
    if isinstance(before, list | tuple) and set(after) < set(before):
        return f"  {name}: without {', '.join(repr(part) for part in before if part not in after)}"
    return f"  {name}: {before!r} -> {after!r}"
