"""A finding: what `check` has looked at, what it is like, and what would put it right; and how findings are told.

Rule: errors come first, then warnings, what is good to know, and what is in order; within these, in the order of the
examination. On a terminal text is wrapped to its width; elsewhere a text is one line, so that it can be searched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from textwrap import wrap
from traceback import format_exception_only
from typing import Any, Literal

from static_host.text_table import COLUMN_GAP, format_row

Level = Literal["error", "warning", "info", "ok"]
LEVELS: tuple[Level, ...] = ("error", "warning", "info", "ok")

_MIN_TEXT_CHARACTERS = 30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `check` is a name that does not change; `remedy` is empty where none is needed."""

    level: Level
    check: str
    found: str
    remedy: str = ""


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings, the gravest first."""
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))


def is_ok(findings: Iterable[Finding]) -> bool:
    """Whether none of them is an error."""
    return all(finding.level != "error" for finding in findings)


def build_document(findings: list[Finding]) -> dict[str, Any]:
    """Return what `check --json` prints."""
    return {"ok": is_ok(findings), "findings": [asdict(finding) for finding in sort_findings(findings)]}


def format_exception_line(error: BaseException) -> str:
    """Return an exception as the last line of a traceback names it."""
    return format_exception_only(error)[-1].strip()


def format_names(names: Collection[str]) -> str:
    """Return the first names, and how many more there are."""
    first = ", ".join(list(names)[:3])
    return first if len(names) <= 3 else f"{first} and {len(names) - 3} more"


def format_findings(findings: list[Finding], width: int | None = None) -> str:
    """Return the table for a terminal of that width; without one nothing is wrapped."""
    widths = [max(map(len, LEVELS)), max((len(finding.check) for finding in findings), default=0), 0]
    room = max(width - sum(widths) - 2 * len(COLUMN_GAP), _MIN_TEXT_CHARACTERS) if width else None
    lines = []
    for finding in sort_findings(findings):
        text = [*_wrap_text(finding.found, room), *_wrap_text(finding.remedy, room, "-> ")]
        heads = [(finding.level, finding.check), *[("", "")] * len(text)]
        lines += [format_row((*head, line), widths) for head, line in zip(heads, text, strict=False)]
    return "\n".join(lines)


def _wrap_text(text: str, room: int | None, mark: str = "") -> Iterator[str]:
    """Give the lines of a text; `mark` stands before the first, and the others are indented by as much."""
    for line in text.splitlines():
        if room is None:
            yield mark + line
        else:
            own = " " * (len(line) - len(line.lstrip()))
            yield from wrap(
                line.strip(),
                room,
                initial_indent=mark + own,
                subsequent_indent=" " * len(mark) + own,
                break_long_words=False,
                break_on_hyphens=False,
            )
        mark = " " * len(mark)
