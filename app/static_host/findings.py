"""Findings of `check` and `verify`, and their output as a table or a document.

Rule: errors come first, then warnings, information and passed checks; within a level, findings keep their order. On a
terminal, text is wrapped to its width. In a file or a pipe each text is one line, so that it can be searched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from textwrap import wrap
from typing import Any

from static_host.text_table import COLUMN_GAP, format_row
from static_host_django.findings import LEVELS, Finding, Level, format_exception_line, format_names

__all__ = [
    "Finding",
    "Level",
    "build_document",
    "format_exception_line",
    "format_findings",
    "format_names",
    "is_ok",
    "sort_findings",
]

_MIN_TEXT_CHARACTERS = 30


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings, errors first."""
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))


def is_ok(findings: Iterable[Finding]) -> bool:
    """Whether there is no error."""
    return all(finding.level != "error" for finding in findings)


def build_document(findings: list[Finding]) -> dict[str, Any]:
    """Return what `check --json` prints."""
    return {"ok": is_ok(findings), "findings": [asdict(finding) for finding in sort_findings(findings)]}


def format_findings(findings: list[Finding], width: int | None = None) -> str:
    """Return the table, wrapped for a terminal of `width` characters; None: not wrapped."""
    widths = [max(map(len, LEVELS)), max((len(finding.check) for finding in findings), default=0), 0]
    room = max(width - sum(widths) - 2 * len(COLUMN_GAP), _MIN_TEXT_CHARACTERS) if width else None
    lines = []
    for finding in sort_findings(findings):
        text = [*_wrap_text(finding.found, room), *_wrap_text(finding.remedy, room, "-> ")]
        heads = [(finding.level, finding.check), *[("", "")] * len(text)]
        lines += [format_row((*head, line), widths) for head, line in zip(heads, text, strict=False)]
    return "\n".join(lines)


def _wrap_text(text: str, room: int | None, mark: str = "") -> Iterator[str]:
    """Yield the lines of a text. `mark` precedes the first one; the others are indented by its length."""
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
