"""What is promised of the server's speed, beside what was measured.

Rule: a goal is a limit to a ratio, or to a figure, that was written down before anything was measured; one that is
missed is shown like the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.measure import table


@dataclass(frozen=True, slots=True)
class Goal:
    """A line: the work, our figure and another one with their units, how the one is to the other, and the limit."""

    work: str
    ours: str
    other: str
    measured: str
    limit: str
    is_reached: bool


@dataclass(slots=True)
class Result:
    """What one part found: Markdown under its heading, its goals, its figures for a program, and a chart."""

    heading: str
    text: str
    goals: list[Goal]
    figures: dict[str, Any] = field(default_factory=dict)
    chart: str = ""


def make_ratio_goal(
    work: str, ours: tuple[float, str], other: tuple[float, str], limit: float, *, least: bool = False
) -> Goal:
    """Return a goal of our figure divided by another one; both come with their text. `least` for a lower limit."""
    measured = ours[0] / other[0]
    reached = measured >= limit if least else measured <= limit
    return Goal(work, ours[1], other[1], f"{measured:.2f} of it", f"{'≥' if least else '≤'} {limit:g}", reached)


def make_factor_goal(work: str, ours: tuple[float, str], other: tuple[float, str], limit: float) -> Goal:
    """Return a goal of being so many times less than another."""
    measured = other[0] / ours[0]
    return Goal(work, ours[1], other[1], f"{measured:.1f} times less", f"≥ {limit:g} times less", measured >= limit)


def summary(goals: Iterable[Goal]) -> str:
    """Return the table of the goals."""
    head = ("work", "this project", "compared with", "measured", "goal", "reached")
    return table(
        head,
        [
            (goal.work, goal.ours, goal.other, goal.measured, goal.limit, "yes" if goal.is_reached else "**no**")
            for goal in goals
        ],
    )


def microseconds(seconds: float) -> tuple[float, str]:
    """Return CPU time of a request with its text."""
    return seconds, f"{seconds * 1e6:,.1f} µs"


def milliseconds(seconds: float) -> tuple[float, str]:
    """Return a latency with its text."""
    return seconds, f"{seconds * 1e3:,.2f} ms"
