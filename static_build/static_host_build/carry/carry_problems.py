"""Collects what cannot be carried, and reports all of it: as one error, or as warnings.

Rule: no release and no file is dropped silently.
"""

from __future__ import annotations

from typing import Literal

from static_host_build.build_errors import BuildError, list_problems

CARRY_REMEDY = (
    "DJANGO_STATIC_PREVIOUS_PROBLEMS=warn builds without what cannot be carried, as the very first build must."
)


class EarlierReleasesError(BuildError):
    """Earlier releases cannot be carried unchanged; the previous tree, if any, stays in place."""

    exit_code = 6


class CarryProblems:
    """The problems so far; `choice` is DJANGO_STATIC_PREVIOUS_PROBLEMS."""

    def __init__(self, choice: Literal["error", "warn"]) -> None:
        self._is_fatal = choice == "error"
        self._found: list[str] = []
        self.warnings: list[str] = []
        """Warnings for the build to log at its end."""

    def note(self, problem: str) -> None:
        """Record a problem."""
        self._found.append(problem)

    def raise_or_warn(self) -> None:
        """Raise EarlierReleasesError for the recorded problems, or turn them into warnings."""
        found, self._found = sorted(self._found), []
        if found and self._is_fatal:
            lines = list_problems("earlier releases cannot be carried unchanged:", found)
            raise EarlierReleasesError(lines, remedy=f"{CARRY_REMEDY} Nothing was changed.")
        self.warnings += found
