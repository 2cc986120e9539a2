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


def measure_limits(
    comparison: Comparison,
    most_growth: int | None = None,
    most_download: int | None = None,
    no_vanishing: bool = False,
    no_changed_immutables: bool = False,
) -> list[Limit]:
    """Return the limits that are set, sizes in bytes, with what was measured."""
    vanished, changed = len(comparison.vanished), len(comparison.changed_immutables)
    return [
        *_limit_size("--most-growth", "growth of all files, br", most_growth, comparison.growth.br),
        *_limit_size("--most-download", "download by old visitors, br", most_download, comparison.download["br"]),
        *_forbid("--no-vanishing", "URLs that vanish", no_vanishing, vanished),
        *_forbid("--no-changed-immutables", "immutable URLs with other bytes", no_changed_immutables, changed),
    ]


def require_limits(limits: list[Limit]) -> None:
    """Raise ReleaseRefusedError if a limit is exceeded."""
    exceeded = [
        f"{each.option} allows {each.format_number(each.allowed)} ({each.subject}: {each.format_number(each.measured)})"
        for each in limits
        if not each.is_kept
    ]
    if exceeded:
        raise ReleaseRefusedError(f"the new release is refused: {'; '.join(exceeded)}.")


def _limit_size(option: str, subject: str, allowed: int | None, measured: int) -> list[Limit]:
    return [] if allowed is None else [Limit(option, subject, allowed, measured, is_size=True)]


def _forbid(option: str, subject: str, is_set: bool, measured: int) -> list[Limit]:
    return [Limit(option, subject, 0, measured, is_size=False)] if is_set else []
