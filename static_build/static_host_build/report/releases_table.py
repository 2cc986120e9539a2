"""The releases in a tree, as text: the lines of a build, and the table of ``static-host releases``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from static_host.text_table import format_rows
from static_host_build.carry.release_sizes import DroppedRelease, ReleaseSize
from static_host_build.dictionary.deltas import Saving
from static_host_build.report.build_report import format_size

_HEADINGS = ("release", "time", "files", "bytes", "alone", "bytes alone", "origin")
_FIGURE_COLUMNS = range(2, len(_HEADINGS) - 1)


def format_carried_releases(sizes: Sequence[ReleaseSize], dropped: Iterable[DroppedRelease]) -> Iterator[str]:
    """Yield the lines of a build about the releases that it carries (`sizes`, without the new one) and drops."""
    if sizes:
        alone = sum(size.files_alone for size in sizes)
        length = sum(size.bytes_alone for size in sizes)
        names = ", ".join(f"{size.release.digest} ({format_time(size.release.time)})" for size in sizes)
        what = f"{_format_count(len(sizes), 'earlier release')}, {_format_count(alone, 'file')} that the new one lacks"
        yield f"carried {what}, {format_size(length)}: {names}"
    for each in dropped:
        what = f"{each.release.digest}, {_format_count(each.files, 'file')}, {format_size(each.bytes)}"
        yield f"dropped release {what}: {each.reason}"


def format_savings(saving: Saving) -> Iterator[str]:
    """Yield the lines of a build about its deltas, if there are any."""
    yield from (f"{line}; {saving.seconds:.1f} s" for line in _format_own_deltas(saving))
    yield from _format_carried_deltas(saving)


def format_deltas(saving: Saving) -> Iterator[str]:
    """Yield the lines about a tree's deltas, if there are any."""
    yield from _format_own_deltas(saving)
    yield from _format_carried_deltas(saving)


def _format_own_deltas(saving: Saving) -> Iterator[str]:
    if saving.deltas:
        what = f"{_format_count(saving.resources, 'file')} against {_format_count(saving.deltas, 'earlier version')}"
        what += f" ({saving.renamed:,} under another name)" if saving.renamed else ""
        share = 100 * saving.bytes / saving.instead
        yield f"deltas: {what}: {saving.bytes:,} bytes instead of {saving.instead:,}, {share:.1f} %"


def _format_carried_deltas(saving: Saving) -> Iterator[str]:
    if saving.carried:
        what = _format_count(saving.carried, "delta")
        yield f"carried with earlier releases: {what}, {saving.carried_bytes:,} bytes, not encoded again"


def format_releases(sizes: Iterable[ReleaseSize]) -> str:
    """Return the table, with a row for each release; without a final line feed."""
    return "\n".join(format_rows([_HEADINGS, *map(_format_row, sizes)], right=_FIGURE_COLUMNS))


def format_time(time: int | None) -> str:
    """Return Unix time as text: ``2026-11-24 12:10Z``."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%MZ") if time is not None else "time unknown"


def _format_count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _format_row(size: ReleaseSize) -> tuple[str, ...]:
    return (
        size.release.digest,
        format_time(size.release.time),
        f"{size.files:,}",
        format_size(size.bytes),
        f"{size.files_alone:,}",
        format_size(size.bytes_alone),
        size.release.origin or "this tree",
    )
