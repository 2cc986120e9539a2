"""The releases in a tree, as text: the lines of a build, and the table of ``static-host releases``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from static_host.text_table import format_rows
from static_host_build.carry.release_requests import ReleaseRequests
from static_host_build.carry.release_sizes import DroppedRelease, ReleaseSize
from static_host_build.carry.retention import format_duration
from static_host_build.dictionary.deltas import Saving
from static_host_build.report.build_report import format_size

_HEADINGS = ("release", "time", "files", "bytes", "alone", "bytes alone", "origin")
_FIGURE_COLUMNS = range(2, len(_HEADINGS) - 1)
_REQUEST_HEADINGS = ("requests", "last asked for")


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


def format_releases(
    sizes: Sequence[ReleaseSize], requests: Mapping[str, ReleaseRequests] | None = None, now: float = 0.0
) -> str:
    """Return the table, with a row for each release; without a final line feed.

    `requests` are those for each release, by digest, if they are known; `now` is in seconds since 1970.
    """
    rows = [_HEADINGS, *map(_format_row, sizes)]
    if requests is None:
        return "\n".join(format_rows(rows, right=_FIGURE_COLUMNS))
    more = [_REQUEST_HEADINGS, *(_format_requests(requests.get(size.release.digest), now) for size in sizes)]
    wide = [(*row[:-1], *columns, row[-1]) for row, columns in zip(rows, more, strict=True)]
    return "\n".join(format_rows(wide, right=range(2, len(_HEADINGS))))


def _format_requests(found: ReleaseRequests | None, now: float) -> tuple[str, str]:
    if found is None:
        return "-", "-"
    if not found.last_request:
        return f"{found.requests:,}", f"not since {format_time(found.counted_since)}"
    minutes = max(0, int(now - found.last_request) // 60)
    age = format_duration(minutes * 60) if minutes >= 60 else f"{minutes}min"
    return f"{found.requests:,}", f"{age} ago"


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
