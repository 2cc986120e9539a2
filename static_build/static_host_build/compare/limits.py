"""The limits that make a comparison a gate."""

from __future__ import annotations

from dataclasses import dataclass

from static_host.errors import StaticHostError
from static_host_build.compare.comparison import Comparison
from static_host_build.report.build_report import format_size


class ReleaseRefusedError(StaticHostError):
    """The new release exceeds a limit; the message names each, its value and what was measured."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class ChosenLimits:
    """The limits of the command line, in bytes; None: no limit."""

    most_growth: int | None = None
    most_download: int | None = None
    no_vanishing: bool = False
    no_changed_immutables: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit, and what was measured, in bytes or URL paths. `subject` says of what."""

    option: str
    subject: str
    allowed: int
    measured: int
    is_size: bool

    @property
    def is_kept(self) -> bool:
        """Whether the new release keeps the limit."""
        return self.measured <= self.allowed

    def format_number(self, number: int) -> str:
        """Return a number of the limit's kind as text."""
        sign = "-" if number < 0 else ""
        return f"{sign}{format_size(abs(number))}" if self.is_size else f"{number:,}"


def measure_limits(comparison: Comparison, chosen: ChosenLimits) -> list[Limit]:
    """Return the chosen limits with what was measured."""
    most_changed = 0 if chosen.no_changed_immutables else None
    vanished, changed = len(comparison.vanished), len(comparison.changed_immutables)
    limits = {
        "--most-growth": ("growth of all files (br)", chosen.most_growth, comparison.growth.br),
        "--most-download": ("download by old visitors (br)", chosen.most_download, comparison.download["br"]),
        "--no-vanishing": ("URLs that vanish", 0 if chosen.no_vanishing else None, vanished),
        "--no-changed-immutables": ("immutable URLs with other bytes", most_changed, changed),
    }
    return [
        Limit(option, subject, allowed, measured, is_size=option.startswith("--most"))
        for option, (subject, allowed, measured) in limits.items()
        if allowed is not None
    ]


def require_limits(limits: list[Limit]) -> None:
    """Raise ReleaseRefusedError if a limit is exceeded."""
    exceeded = [
        f"{each.subject}: {each.format_number(each.measured)}, {each.option} allows {each.format_number(each.allowed)}"
        for each in limits
        if not each.is_kept
    ]
    if exceeded:
        raise ReleaseRefusedError(f"the new release is refused. {'; '.join(exceeded)}.")
