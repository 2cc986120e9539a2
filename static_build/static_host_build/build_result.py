"""The result of a build, with its figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from static_host_build.carry.release_sizes import DroppedRelease, ReleaseSize
from static_host_build.dictionary.deltas import Saving
from static_host_build.encode import resources
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
    resource_set: resources.ResourceSet
    release_sizes: tuple[ReleaseSize, ...]
    dropped: tuple[DroppedRelease, ...]
    saving: Saving
    seconds: float
    integrity: IntegrityReport | None = None

    @property
    def identity_bytes(self) -> int:
        """Bytes of all contents without content coding, each counted once."""
        return sum(content.lengths["identity"] for content in self.resource_set.contents)

    @property
    def smallest_bytes(self) -> int:
        """Bytes of all contents, each counted once and in its smallest representation."""
        return sum(min(content.lengths.values()) for content in self.resource_set.contents)

    @property
    def encoding_seconds(self) -> float:
        """Seconds that this build spent on encoding, all threads added up."""
        return sum(each.seconds for each in self.resource_set.contents if not each.from_cache) + self.saving.seconds

    @property
    def compressible_count(self) -> int:
        """The number of contents whose format is worth encoding."""
        return sum(content.is_compressible for content in self.resource_set.contents)

    @property
    def from_cache_count(self) -> int:
        """The number of compressible contents that an earlier build encoded."""
        return sum(content.from_cache for content in self.resource_set.contents)

    @property
    def reused_count(self) -> int:
        """The number of these that come from an earlier tree, not from the cache."""
        return sum(content.reused for content in self.resource_set.contents)
