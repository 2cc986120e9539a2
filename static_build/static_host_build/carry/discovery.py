"""The places that DJANGO_STATIC_PREVIOUS names, opened; and what is found there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from static_host.conf.settings import Settings
from static_host.origin.index import Index
from static_host_build.carry.deployment_source import DeploymentSource
from static_host_build.carry.directory_source import DirectorySource
from static_host_build.carry.object_store_source import ObjectStoreSource
from static_host_build.carry.problems import Problems
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
    """The earlier releases that were found, the newest first, what is done with them, and what stood in the way."""

    releases: tuple[EarlierRelease, ...]
    policy: RetentionPolicy
    warnings: tuple[str, ...]
    recorded_times: dict[str, int | None]
    """The releases that the places were built for, with the times that their indexes record."""
    trees: tuple[tuple[Index, ReleaseSource], ...] = ()

    def plan(self, own: str) -> RetentionPlan:
        """Return what is carried into the release with the digest `own`."""
        return plan_retention(self.releases, own, self.policy)


@contextmanager
def open_earlier_releases(settings: Settings, prefix: str) -> Iterator[EarlierReleases]:
    """Give what all places have, and let go of them afterwards. Raises EarlierReleasesError, InvalidSettingsError."""
    now = settings.source_date_epoch if settings.source_date_epoch is not None else int(time.time())
    policy = RetentionPolicy(
        settings.static_keep_releases, settings.static_keep_age, now, has_deltas=settings.static_dictionary_bytes > 0
    )
    problems = Problems(settings.static_previous_problems)
    with ExitStack() as stack:
        chains: list[Sequence[EarlierRelease]] = []
        current: dict[str, int | None] = {}
        trees: list[tuple[Index, ReleaseSource]] = []
        for source in settings.static_previous:
            try:
                place = _make_opener(source, settings, prefix)()
                stack.callback(place.close)
                snapshots = place.read_snapshots(policy.max_releases + 1)
            except ReleaseSourceError as error:
                problems.note(str(error))
                continue
            understood = list(_read_trees(place, snapshots, prefix, problems))
            current.update({index.releases[0].digest: index.releases[0].time for index, _ in understood[:1]} | current)
            chains += [chain for _, chain in understood]
            trees += [(index, place) for index, _ in understood]
        problems.raise_or_warn()
        yield EarlierReleases(tuple(merge_releases(chains)), policy, tuple(problems.warnings), current, tuple(trees))


def _make_opener(source: str, settings: Settings, prefix: str) -> Callable[[], ReleaseSource]:
    scheme, separator, _ = source.partition("://")
    if not separator:
        return lambda: DirectorySource(source)
    if scheme in ("http", "https"):
        return lambda: DeploymentSource(source, prefix, settings)
    return lambda: ObjectStoreSource(source)


def _read_trees(
    place: ReleaseSource, snapshots: Iterable[Snapshot], prefix: str, problems: Problems
) -> Iterator[tuple[Index, list[EarlierRelease]]]:
    """Give the index and the releases of each tree that is of use; each other one is a problem of its own."""
    for snapshot in snapshots:
        try:
            index = _load_servable_index(snapshot, prefix)
            yield index, read_releases(place, index, snapshot.time)
        except ReleaseSourceError as error:
            problems.note(str(error))


def _load_servable_index(snapshot: Snapshot, prefix: str) -> Index:
    """Return the index of a tree. Raises ReleaseSourceError, also where its pages ask below another prefix."""
    index = load_index(snapshot)
    if index.prefix != prefix:
        raise ReleaseSourceError(
            f"the releases of {snapshot.location} are served below {index.prefix}, "
            f"this one below {prefix}: their pages "
            "would not find their files here."
        )
    return index
