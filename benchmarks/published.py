"""Writes the figures of a run into the documents: ``BENCH=--publish``.

Rule: a document's text between ``<!-- measured: NAME -->`` and ``<!-- end -->`` is replaced as a whole; the rest is
never touched.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

from benchmarks.goals import Result, format_goals
from benchmarks.measure import HERE

README = HERE.parent / "README.md"
TABLES = HERE / "README.md"
CHART = HERE.parent / "docs/benchmark.svg"


def publish_result(result: Result, how: str, where: str) -> None:
    """Write a part's summary, its tables and its chart, if it has a place for them.

    `how` says how they were measured, with all versions; `where` is shorter.
    """
    if result.block:
        replace_block(README, result.block, f"{result.summary}\n\n({fill(where, 118)})")
        replace_block(TABLES, result.block, f"{fill(how, 120)}\n\n{format_goals(result.goals)}\n\n{result.text}")
    if result.chart:
        CHART.write_text(result.chart)


def replace_block(document: Path, name: str, text: str) -> None:
    """Replace the text of a document's block. Exits if the document has no such block."""
    before, start, rest = document.read_text().partition(f"<!-- measured: {name} -->\n")
    _, end, after = rest.partition("<!-- end -->")
    if not end:
        raise SystemExit(f"{document} has no block <!-- measured: {name} --> … <!-- end -->")
    document.write_text(f"{before}{start}\n{text.strip()}\n\n{end}{after}")
