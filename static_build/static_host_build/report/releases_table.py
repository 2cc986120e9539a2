"""What a tree has of earlier releases, in words: the lines of a build, the table of ``static-host releases``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from static_host_build.carry.release_sizes import Gone, Holding
from static_host_build.dictionary.deltas import Saving
from static_host_build.report.build_report import size

HEADS = ("release", "time", "files", "bytes", "alone", "bytes alone", "origin")
_TEXTS = {0, 1, len(HEADS) - 1}
"""Columns that are no figures."""


def lines(held: Sequence[Holding], dropped: Iterable[Gone]) -> Iterator[str]:
    """Give what a build says of the releases that it carries, the new one aside, and of those that it does not."""
    if held:
        alone = sum(holding.files_alone for holding in held)
        length = sum(holding.bytes_alone for holding in held)
        names = ", ".join(f"{holding.release.digest} ({told(holding.release.time)})" for holding in held)
        what = f"{_counted(len(held), 'earlier release')}, {_counted(alone, 'file')} that the new one has not"
        yield f"carried {what}, {size(length)}: {names}"
    for gone in dropped:
        what = f"{gone.release.digest}, {_counted(gone.files, 'file')}, {size(gone.bytes)}"
        yield f"dropped release {what}: {gone.reason}"


def saved(saving: Saving) -> Iterator[str]:
    """Give what a build says of its deltas, if there are any."""
    yield from (f"{line}; {saving.seconds:.1f} s" for line in _made(saving))
    yield from _carried(saving)


def deltas(saving: Saving) -> Iterator[str]:
    """Give what a tree has of deltas, if it has any."""
    yield from _made(saving)
    yield from _carried(saving)


def _made(saving: Saving) -> Iterator[str]:
    if saving.deltas:
        what = f"{_counted(saving.resources, 'file')} against {_counted(saving.deltas, 'earlier version')}"
        what += f" ({saving.renamed:,} under another name)" if saving.renamed else ""
        share = 100 * saving.bytes / saving.instead
        yield f"deltas: {what}: {saving.bytes:,} bytes in place of {saving.instead:,}, {share:.1f} %"


def _carried(saving: Saving) -> Iterator[str]:
    if saving.carried:
        what = _counted(saving.carried, "delta")
        yield f"carried with earlier releases: {what}, {saving.carried_bytes:,} bytes, not encoded again"


def table(held: Iterable[Holding]) -> str:
    """Return the aligned table, a row for each release; no line feed at the end."""
    rows = [HEADS, *map(_row, held)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_aligned(row, widths) for row in rows)


def told(time: int | None) -> str:
    """Return a time for a reader: ``2026-11-24 12:10Z``."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%MZ") if time is not None else "time unknown"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _row(holding: Holding) -> tuple[str, ...]:
    return (
        holding.release.digest,
        told(holding.release.time),
        f"{holding.files:,}",
        size(holding.bytes),
        f"{holding.files_alone:,}",
        size(holding.bytes_alone),
        holding.release.origin or "this tree",
    )


def _aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    padded = (
        f"{cell:<{width}}" if column in _TEXTS else f"{cell:>{width}}"
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(padded).rstrip()
