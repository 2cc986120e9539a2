"""One environment variable as a field of a settings class."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from pydantic.config import JsonDict


def variable(name: str, default: Any, description: str, expected: str, shown: str | None = None, **rules: Any) -> Any:
    """Return the field of the environment variable `name`.

    `expected` says in an error message what would be right; `shown` is the default as the documentation has it, where
    that is not `default` itself; `rules` are pydantic's (ge, le, pattern).
    """
    extra: JsonDict = {"expected": expected, "shown": shown if shown is not None else str(default)}
    return Field(default, validation_alias=name, description=description, json_schema_extra=extra, **rules)
