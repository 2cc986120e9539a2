"""What stands in the way of carrying, told all at once: an error or, by choice, warnings.

Rule: no release and no file is left behind without a word.
"""

from __future__ import annotations

from typing import Literal

from static_host_build.errors import BuildError

CARRY_REMEDY = (
    "DJANGO_STATIC_PREVIOUS_PROBLEMS=warn builds without what cannot be carried, as the very first build must."
)
_MAX_PROBLEMS_SHOWN = 20


class EarlierReleasesError(BuildError):
    """Earlier releases cannot be carried as they were; the previous tree, if any, still stands."""

    exit_code = 6


class Problems:
    """What was found so far."""

    def __init__(self, choice: Literal["error", "warn"]) -> None:
        self._is_fatal = choice == "error"
        self._found: list[str] = []
        self.warnings: list[str] = []
        """What the build has to say in the end."""

    def note(self, problem: str) -> None:
        """Take down something that stands in the way."""
        self._found.append(problem)

    def raise_or_warn(self) -> None:
        """Raise EarlierReleasesError for what was noted, or make warnings of it."""
        found, self._found = sorted(self._found), []
        if found and self._is_fatal:
            more = [f"and {len(found) - _MAX_PROBLEMS_SHOWN} more"] if len(found) > _MAX_PROBLEMS_SHOWN else []
            lines = "\n  ".join(
                ["earlier releases cannot be carried as they were:", *found[:_MAX_PROBLEMS_SHOWN], *more]
            )
            raise EarlierReleasesError(lines, remedy=f"{CARRY_REMEDY} Nothing was changed.")
        self.warnings += found
