"""The places that DJANGO_STATIC_PREVIOUS names, opened; and what is found there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from static_host.conf.settings import Settings
from static_host.origin.index import Index
from static_host_build.carry.deployment import Deployment
from static_host_build.carry.directory import Directory
from static_host_build.carry.object_store import Store
from static_host_build.carry.problems import Problems
from static_host_build.carry.release_source import Place, PlaceUnusable, Snapshot, index_of
from static_host_build.carry.retention import Ancestor, Plan, Policy, ancestors_at, merged, planned


@dataclass(frozen=True, slots=True)
class Found:
    """The earlier releases that were found, the newest first, what is done with them, and what stood in the way."""

    ancestors: tuple[Ancestor, ...]
    policy: Policy
    warnings: tuple[str, ...]
    current: dict[str, int | None]
    """The releases that the places were built for, with the times that their indexes record."""
    trees: tuple[tuple[Index, Place], ...] = ()

    def plan(self, own: str) -> Plan:
        """Return what is carried into the release with the digest `own`."""
        return planned(self.ancestors, own, self.policy)


@contextmanager
def found(settings: Settings, prefix: str) -> Iterator[Found]:
    """Give what all places have, and let go of them afterwards. Raises PreviousUnusable, SettingsWrong."""
    now = settings.source_date_epoch if settings.source_date_epoch is not None else int(time.time())
    policy = Policy(
        settings.static_keep_releases, settings.static_keep_age, now, deltas=settings.static_dictionary_bytes > 0
    )
    problems = Problems(settings.static_previous_problems)
    with ExitStack() as stack:
        chains: list[Sequence[Ancestor]] = []
        current: dict[str, int | None] = {}
        trees: list[tuple[Index, Place]] = []
        for source in settings.static_previous:
            try:
                place = _opener(source, settings, prefix)()
                stack.callback(place.close)
                snapshots = place.snapshots(policy.releases + 1)
            except PlaceUnusable as error:
                problems.note(str(error))
                continue
            understood = list(_understood(place, snapshots, prefix, problems))
            current.update({index.releases[0].digest: index.releases[0].time for index, _ in understood[:1]} | current)
            chains += [chain for _, chain in understood]
            trees += [(index, place) for index, _ in understood]
        problems.settle()
        yield Found(tuple(merged(chains)), policy, tuple(problems.warnings), current, tuple(trees))


def _opener(source: str, settings: Settings, prefix: str) -> Callable[[], Place]:
    scheme, separator, _ = source.partition("://")
    if not separator:
        return lambda: Directory(source)
    if scheme in ("http", "https"):
        return lambda: Deployment(source, prefix, settings)
    return lambda: Store(source)


def _understood(
    place: Place, snapshots: Iterable[Snapshot], prefix: str, problems: Problems
) -> Iterator[tuple[Index, list[Ancestor]]]:
    """Give the index and the releases of each tree that is of use; each other one is a problem of its own."""
    for snapshot in snapshots:
        try:
            index = _served_below(snapshot, prefix)
            yield index, ancestors_at(place, index, snapshot.time)
        except PlaceUnusable as error:
            problems.note(str(error))


def _served_below(snapshot: Snapshot, prefix: str) -> Index:
    """Return the index of a tree. Raises PlaceUnusable, also where its pages ask below another prefix."""
    index = index_of(snapshot)
    if index.prefix != prefix:
        raise PlaceUnusable(
            f"the releases of {snapshot.where} are served below {index.prefix}, this one below {prefix}: their pages "
            "would not find their files here."
        )
    return index
