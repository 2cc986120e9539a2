"""Compares measured figures of the server's speed with their goals.

Rule: a goal is a limit of a ratio or of a figure, written down before anything was measured. Missed goals are shown
like the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.measure import format_megabytes, format_table


@dataclass(frozen=True, slots=True)
class Goal:
    """A line: the work, this project's figure and another one with units, their relation, and the limit."""

    work: str
    ours: str
    other: str
    measured: str
    limit: str
    is_reached: bool


@dataclass(slots=True)
class Result:
    """The result of one part: heading, Markdown, goals, figures for a program, and a chart.

    `block` names the part's block in the documents: README.md gets the summary, benchmarks/README.md the rest.
    """

    heading: str
    text: str
    goals: list[Goal]
    figures: dict[str, Any] = field(default_factory=dict)
    chart: str = ""
    block: str = ""
    summary: str = ""


def make_ratio_goal(
    work: str, ours: tuple[float, str], other: tuple[float, str], limit: float, *, least: bool = False
) -> Goal:
    """Return a goal for the ratio of two figures, each with its text. `least` makes the limit a lower one."""
    measured = ours[0] / other[0]
    reached = measured >= limit if least else measured <= limit
    return Goal(work, ours[1], other[1], f"{measured:.2f} of it", f"{'≥' if least else '≤'} {limit:g}", reached)


def make_factor_goal(work: str, ours: tuple[float, str], other: tuple[float, str], limit: float) -> Goal:
    """Return a goal for a figure that is so many times less than another."""
    measured = other[0] / ours[0]
    return Goal(work, ours[1], other[1], f"{measured:.1f} times less", f"≥ {limit:g} times less", measured >= limit)


def format_goals(goals: Iterable[Goal]) -> str:
    """Return the table of the goals."""
    head = ("work", "this project", "compared with", "measured", "goal", "reached")
    return format_table(
        head,
        [
            (goal.work, goal.ours, goal.other, goal.measured, goal.limit, "yes" if goal.is_reached else "**no**")
            for goal in goals
        ],
    )


def label_microseconds(seconds: float) -> tuple[float, str]:
    """Return a CPU time in seconds, with its text."""
    return seconds, f"{seconds * 1e6:,.1f} µs"


def label_milliseconds(seconds: float) -> tuple[float, str]:
    """Return a latency in seconds, with its text."""
    return seconds, f"{seconds * 1e3:,.2f} ms"


def label_throughput(rate: float) -> tuple[float, str]:
    """Return bytes per second, with their text."""
    return rate, f"{format_megabytes(rate)}/s"


def label_gigabyte(seconds: float) -> tuple[float, str]:
    """Return the CPU seconds of 10⁹ bytes, with their text."""
    return seconds, f"{seconds * 1e3:,.0f} ms"
