"""The result of a build, with its figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from static_host_build.carry.release_sizes import DroppedRelease, ReleaseSize
from static_host_build.dictionary.deltas import Saving
from static_host_build.encode import tree_encoding
from static_host_build.output.integrity import IntegrityReport


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The tree at `root` and its figures.

    `resource_set` has the new release's own files. `release_sizes` has the new release and the carried ones, newest
    first; `dropped` the releases that are no longer carried. `integrity` is set if the build verified the tree.
    """

    root: Path
    release: str
    changed: bool
    resource_set: tree_encoding.ResourceSet
    release_sizes: tuple[ReleaseSize, ...]
    dropped: tuple[DroppedRelease, ...]
    saving: Saving
    seconds: float
    integrity: IntegrityReport | None = None

    @property
    def encoding_seconds(self) -> float:
        """Seconds that this build spent on encoding, all threads added up."""
        return sum(each.seconds for each in self.resource_set.contents if not each.from_cache) + self.saving.seconds
