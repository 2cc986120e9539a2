"""Aligned columns of text, for every table that a command prints."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

COLUMN_GAP = "  "


def measure_columns(rows: Iterable[Sequence[str]]) -> list[int]:
    """Return the width of each column, in characters."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def format_row(cells: Sequence[str], widths: Sequence[int], right: Collection[int] = ()) -> str:
    """Return one line without trailing spaces; `right` are the numbers of the columns that are aligned to the right."""
    padded = (
        f"{cell:>{width}}" if column in right else f"{cell:<{width}}"
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return COLUMN_GAP.join(padded).rstrip()


def format_rows(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Return a line for each row, with every column as wide as its longest cell."""
    widths = measure_columns(rows)
    return [format_row(row, widths, right) for row in rows]
