"""Which earlier releases are kept.

Rule: a place gives its tree's own release, then the earlier ones that this carries, in their order; the sequences of
several places are merged by time, none of them reordered. The newest DJANGO_STATIC_KEEP_RELEASES are kept, and of
those none that another one replaced longer than DJANGO_STATIC_KEEP_AGE ago, nor any before such a one. Age counts from
the replacement, not from the making: a release that was served for half a year until today has visitors today. Where a
time is not known, age drops nothing. The release that is being built is no earlier one, wherever it is met.

A file's deltas are among its codings, those too whose dictionary goes with a release that is dropped: a visitor may
have it still, and the server needs nothing but the delta. There is an end to them: a file gets deltas when its release
is built, against DJANGO_STATIC_KEEP_RELEASES earlier ones at most, and is itself carried through so many.
"""

from __future__ import annotations

import heapq
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from static_host.origin.index import Index
from static_host.origin.representation import Release, Resource
from static_host_build.carry.release_source import ReleaseSource, ReleaseSourceError


@dataclass(frozen=True, slots=True)
class EarlierRelease:
    """An earlier release as it was found: its fingerprinted resources, each with the place that has it."""

    release: Release
    files: dict[str, tuple[Resource, ReleaseSource]]

    @property
    def without_deltas(self) -> EarlierRelease:
        """The release without what needs a dictionary."""
        return EarlierRelease(
            self.release, {name: (has.without_deltas, place) for name, (has, place) in self.files.items()}
        )


@dataclass(frozen=True, slots=True)
class DropDecision:
    """An earlier release that is not carried any further, and why."""

    earlier_release: EarlierRelease
    reason: str


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """`releases` is how many are kept; `age` how long (seconds) after their replacement; `now` when that is asked.

    `deltas` is whether files keep theirs.
    """

    max_releases: int
    max_age_seconds: int
    now: int
    has_deltas: bool = True


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """What is carried, the newest release first, and what is not."""

    kept: tuple[EarlierRelease, ...] = ()
    dropped: tuple[DropDecision, ...] = ()

    @property
    def offered_patterns(self) -> dict[str, str]:
        """The patterns under which browsers were told to keep what is carried (RFC 9842 §2.1.1), each with the name.

        Of several names it is that of the newest release, and there the shortest: copies are named after the file.
        """
        found: dict[str, str] = {}
        for ancestor in self.kept:
            for name in sorted(ancestor.files, key=lambda each: (len(each), each)):
                match = ancestor.files[name][0].match
                if match:
                    found.setdefault(match, name)
        return found

    @property
    def digest(self) -> str:
        """Names what is carried: plans with the same one make the same tree of the same sources."""
        facts = [
            (
                (ancestor.release.digest, ancestor.release.time, ancestor.release.origin),
                sorted(
                    (name, has.match, [(r.coding, r.digest) for r in has.representations]) for name, (has, _) in files
                ),
            )
            for ancestor, files in ((ancestor, ancestor.files.items()) for ancestor in self.kept)
        ]
        return sha256(json.dumps(facts).encode()).hexdigest()


def read_releases(source: ReleaseSource, index: Index, written: int | None) -> list[EarlierRelease]:
    """Return the releases of one tree, its own first. Raises ReleaseSourceError for an index that is not understood.

    `written` is when the index was written, where that is known (seconds since 1970).
    """
    own, *earlier = index.releases
    time = written if own.time is None else own.time
    releases = [Release(own.digest, time, source.name), *earlier]
    files: list[dict[str, tuple[Resource, ReleaseSource]]] = [{} for _ in releases]
    try:
        for name, resource in index.items():
            for number in resource.releases if resource.immutable else ():
                files[number][name] = (resource, source)
    except (ValueError, TypeError, LookupError):
        raise ReleaseSourceError(
            f"the index of {source.name} has a line that this version does not understand."
        ) from None
    return [EarlierRelease(*pair) for pair in zip(releases, files, strict=True)]


def merge_releases(chains: Iterable[Sequence[EarlierRelease]]) -> list[EarlierRelease]:
    """Return all releases, the newest first, each once. One without a time counts as new: it is not lost first."""
    known: dict[str, EarlierRelease] = {}
    for ancestor in heapq.merge(*chains, key=_make_sort_key):
        first = known.setdefault(ancestor.release.digest, ancestor)
        for name, has in ancestor.files.items() if first is not ancestor else ():
            first.files.setdefault(name, has)
    return list(known.values())


def plan_retention(earlier_releases: Iterable[EarlierRelease], own: str, policy: RetentionPolicy) -> RetentionPlan:
    """Return what becomes of the releases when the one with the digest `own` is built after them."""
    kept: list[EarlierRelease] = []
    dropped: list[DropDecision] = []
    replaced: int | None = policy.now
    is_over = False
    for ancestor in earlier_releases:
        if ancestor.release.digest != own:
            age = None if replaced is None else policy.now - replaced
            is_over = is_over or (age is not None and age > policy.max_age_seconds)
            if is_over:
                dropped.append(DropDecision(ancestor, _format_age_reason(age, policy)))
            elif len(kept) == policy.max_releases:
                dropped.append(DropDecision(ancestor, f"DJANGO_STATIC_KEEP_RELEASES is {policy.max_releases}"))
            else:
                kept.append(ancestor if policy.has_deltas else ancestor.without_deltas)
        replaced = ancestor.release.time
    return RetentionPlan(tuple(kept), tuple(dropped))


def _make_sort_key(ancestor: EarlierRelease) -> float:
    return -math.inf if ancestor.release.time is None else -ancestor.release.time


def _format_age_reason(age: int | None, policy: RetentionPolicy) -> str:
    since = "before one that is too old" if age is None else f"replaced {format_duration(age)} ago"
    return f"{since}, DJANGO_STATIC_KEEP_AGE is {format_duration(policy.max_age_seconds)}"


def format_duration(seconds: int) -> str:
    """Return a length of time in the unit that DJANGO_STATIC_KEEP_AGE would have it: ``30d``, ``12h``."""
    return f"{seconds // 86400}d" if seconds >= 2 * 86400 or seconds == 86400 else f"{seconds // 3600}h"
