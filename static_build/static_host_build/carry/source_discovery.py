"""Opens the sources in DJANGO_STATIC_PREVIOUS, and reads their releases."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from static_host.conf.settings import Settings
from static_host.origin.index import Index
from static_host_build.carry.carry_problems import CarryProblems
from static_host_build.carry.deployment_source import DeploymentSource
from static_host_build.carry.directory_source import DirectorySource
from static_host_build.carry.object_store_source import ObjectStoreSource
from static_host_build.carry.release_source import ReleaseSource, ReleaseSourceError, Snapshot, load_index
from static_host_build.carry.retention import (
    EarlierRelease,
    RetentionPlan,
    RetentionPolicy,
    merge_releases,
    plan_retention,
    read_releases,
)


@dataclass(frozen=True, slots=True)
class EarlierReleases:
    """The earlier releases in all sources, newest first, the policy for them, and warnings about unusable sources."""

    releases: tuple[EarlierRelease, ...]
    policy: RetentionPolicy
    warnings: tuple[str, ...]
    recorded_times: dict[str, int | None]
    """The own releases of the sources' trees, with the times that their indexes record (Unix time)."""
    trees: tuple[tuple[Index, ReleaseSource], ...] = ()

    def plan(self, own: str) -> RetentionPlan:
        """Return the plan for the release with the digest `own`."""
        return plan_retention(self.releases, own, self.policy)


@contextmanager
def open_earlier_releases(settings: Settings, prefix: str) -> Iterator[EarlierReleases]:
    """Read all sources; close them when the block ends. Raises EarlierReleasesError, InvalidSettingsError."""
    now = settings.source_date_epoch if settings.source_date_epoch is not None else int(time.time())
    policy = RetentionPolicy(
        settings.static_keep_releases, settings.static_keep_age, now, has_deltas=settings.static_dictionary_bytes > 0
    )
    problems = CarryProblems(settings.static_previous_problems)
    with ExitStack() as stack:
        chains: list[Sequence[EarlierRelease]] = []
        current: dict[str, int | None] = {}
        trees: list[tuple[Index, ReleaseSource]] = []
        for address in settings.static_previous:
            try:
                source = open_source(address, settings, prefix)
                stack.callback(source.close)
                snapshots = source.read_snapshots(policy.max_releases + 1)
            except ReleaseSourceError as error:
                problems.note(str(error))
                continue
            found = list(_read_trees(source, snapshots, prefix, problems))
            current.update({index.releases[0].digest: index.releases[0].time for index, _ in found[:1]} | current)
            chains += [chain for _, chain in found]
            trees += [(index, source) for index, _ in found]
        problems.raise_or_warn()
        yield EarlierReleases(tuple(merge_releases(chains)), policy, tuple(problems.warnings), current, tuple(trees))


def open_source(address: str, settings: Settings, prefix: str) -> ReleaseSource:
    """Return the source at an address. Raises ReleaseSourceError, InvalidSettingsError."""
    scheme, separator, _ = address.partition("://")
    if not separator:
        return DirectorySource(address)
    if scheme in ("http", "https"):
        return DeploymentSource(address, prefix, settings)
    return ObjectStoreSource(address)


def _read_trees(
    source: ReleaseSource, snapshots: Iterable[Snapshot], prefix: str, problems: CarryProblems
) -> Iterator[tuple[Index, list[EarlierRelease]]]:
    """Yield the index and the releases of each usable tree; add each other one to `problems`."""
    for snapshot in snapshots:
        try:
            index = _load_servable_index(snapshot, prefix)
            yield index, read_releases(source, index, snapshot.time)
        except ReleaseSourceError as error:
            problems.note(str(error))


def _load_servable_index(snapshot: Snapshot, prefix: str) -> Index:
    """Return the index of a tree. Raises ReleaseSourceError, also if it has another prefix."""
    index = load_index(snapshot)
    if index.prefix != prefix:
        raise ReleaseSourceError(
            f"the releases of {snapshot.location} are served below {index.prefix}, this one below {prefix}: "
            "their pages would not find their files here."
        )
    return index
