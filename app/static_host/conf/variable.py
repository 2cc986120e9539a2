"""One environment variable as a field of a settings class."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from pydantic.config import JsonDict


def define_variable(
    name: str, default: Any, description: str, expected: str, shown: str | None = None, **rules: Any
) -> Any:
    """Return the field of the environment variable `name`.

    `expected` is what an error message says is right. `shown` is the default in the documentation, if it differs from
    `str(default)`. `rules` are pydantic's constraints (ge, le, pattern).
    """
    extra: JsonDict = {"expected": expected, "shown": shown if shown is not None else str(default)}
    return Field(default, validation_alias=name, description=description, json_schema_extra=extra, **rules)
