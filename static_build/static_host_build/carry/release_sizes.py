"""The files and bytes of each release in a tree: the new release and the carried ones.

Rule: a file counts for every release that has it. `…_alone` counts the files that no newer release has: the tree would
lack them without this release. Bytes are those on disk, of all codings.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from static_host.origin.representation import Release, Resource
from static_host_build.carry.retention import DropDecision


@dataclass(frozen=True, slots=True)
class ReleaseSize:
    """One release in a tree: its fingerprinted files and their bytes, and those that no newer release has.

    The tree's own release counts all of its files, also those without a fingerprint.
    """

    release: Release
    files: int
    bytes: int
    files_alone: int
    bytes_alone: int


@dataclass(frozen=True, slots=True)
class DroppedRelease:
    """An earlier release that is no longer carried: the reason, and the files and bytes that left the tree."""

    release: Release
    reason: str
    files: int
    bytes: int


def describe_release(size: ReleaseSize | DroppedRelease) -> dict[str, Any]:
    """Return the JSON object of a release."""
    release = {"release": size.release.digest, "time": size.release.time, "origin": size.release.origin}
    return {**release, **{field.name: getattr(size, field.name) for field in fields(size)[1:]}}


def measure_releases(releases: Sequence[Release], resources: Iterable[Resource]) -> tuple[ReleaseSize, ...]:
    """Return the sizes of the releases of a tree, in the order of `releases` (newest first)."""
    figures = [[0, 0, 0, 0] for _ in releases]
    for resource in resources:
        length = total_bytes(resource)
        newest = min(resource.releases)
        for number in resource.releases:
            row = figures[number]
            row[0] += 1
            row[1] += length
            row[2] += number == newest
            row[3] += length if number == newest else 0
    return tuple(ReleaseSize(release, *row) for release, row in zip(releases, figures, strict=True))


def total_bytes(resource: Resource) -> int:
    """Return the bytes of all representations of a resource."""
    return sum(representation.length for representation in resource.representations)


def measure_dropped(dropped: Iterable[DropDecision], remaining: Container[str]) -> tuple[DroppedRelease, ...]:
    """Return the size of each dropped release; `remaining` are the names in the new tree."""
    seen: set[str] = set()
    found = []
    for each in dropped:
        files = {
            name: has
            for name, (has, _) in each.earlier_release.files.items()
            if name not in remaining and name not in seen
        }
        seen |= files.keys()
        found.append(
            DroppedRelease(each.earlier_release.release, each.reason, len(files), sum(map(total_bytes, files.values())))
        )
    return tuple(found)
