"""What a build made, in figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from static_host_build.carry.release_sizes import DroppedRelease, ReleaseSize
from static_host_build.dictionary.deltas import Saving
from static_host_build.encode import resources
from static_host_build.output.integrity import IntegrityReport


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build made. Sizes are in bytes; `smallest` is what a client that reads every coding downloads.

    `made` is the release by itself; `measure_releases` is what the tree has of it and of each earlier release that it
    carries, the newest first; `dropped` are those that it carries no longer; `measure_savings` is what its deltas come
    to.
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
        """All contents without content coding, each counted once."""
        return sum(content.lengths["identity"] for content in self.resource_set.contents)

    @property
    def smallest_bytes(self) -> int:
        """All contents, each counted once and in its smallest representation."""
        return sum(min(content.lengths.values()) for content in self.resource_set.contents)

    @property
    def encoding_seconds(self) -> float:
        """Seconds in which this very build encoded, all threads added up."""
        return sum(each.seconds for each in self.resource_set.contents if not each.from_cache) + self.saving.seconds

    @property
    def compressible_count(self) -> int:
        """Contents whose format is worth encoding."""
        return sum(content.is_compressible for content in self.resource_set.contents)

    @property
    def from_cache_count(self) -> int:
        """Those of them that an earlier build had encoded."""
        return sum(content.from_cache for content in self.resource_set.contents)

    @property
    def reused_count(self) -> int:
        """Those of these that came out of an earlier tree, not out of the cache."""
        return sum(content.reused for content in self.resource_set.contents)
