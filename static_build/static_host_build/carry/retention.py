"""Decides which earlier releases are kept.

Rule: a source lists its tree's own release, then the earlier ones that the tree carries. The lists of several sources
are merged by time, and each keeps its order. The newest DJANGO_STATIC_KEEP_RELEASES are kept, unless their age is above
DJANGO_STATIC_KEEP_AGE; then they and all before them are dropped. Age counts from the time at which the next release
replaced this one: a release that was served for half a year until today has visitors today. A release whose
replacement has no known time is not dropped for its age. The release that is being built is not an earlier one.

A file keeps its deltas even if their dictionary's release is dropped: a visitor may still have the dictionary, and the
server needs only the delta. Their number is bounded: a file gets deltas when its release is built, against at most
DJANGO_STATIC_KEEP_RELEASES earlier releases, and is carried through at most as many.
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
    """An earlier release: its fingerprinted resources, each with the source that has it."""

    release: Release
    files: dict[str, tuple[Resource, ReleaseSource]]

    @property
    def without_deltas(self) -> EarlierRelease:
        """The release without representations that need a dictionary."""
        return EarlierRelease(
            self.release, {name: (has.without_deltas, place) for name, (has, place) in self.files.items()}
        )


@dataclass(frozen=True, slots=True)
class DropDecision:
    """An earlier release that is no longer carried, and why."""

    earlier_release: EarlierRelease
    reason: str


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How many releases are kept, and how long after their replacement; `now` is Unix time.

    `has_deltas` tells whether carried files keep their deltas.
    """

    max_releases: int
    max_age_seconds: int
    now: int
    has_deltas: bool = True


@dataclass(frozen=True, slots=True)
class RetentionPlan:
    """The releases that are kept, newest first, and those that are dropped."""

    kept: tuple[EarlierRelease, ...] = ()
    dropped: tuple[DropDecision, ...] = ()

    @property
    def offered_patterns(self) -> dict[str, str]:
        """The dictionary patterns of carried files (RFC 9842 §2.1.1), each with a file's name.

        Of several files the newest release counts, and in it the shortest name, because copies have longer ones.
        """
        found: dict[str, str] = {}
        for earlier in self.kept:
            for name in sorted(earlier.files, key=lambda each: (len(each), each)):
                match = earlier.files[name][0].match
                if match:
                    found.setdefault(match, name)
        return found

    @property
    def digest(self) -> str:
        """A digest of the kept releases: equal plans and equal sources make equal trees."""
        facts = [
            (
                (earlier.release.digest, earlier.release.time, earlier.release.origin),
                sorted(
                    (name, has.match, [(r.coding, r.digest) for r in has.representations])
                    for name, (has, _) in earlier.files.items()
                ),
            )
            for earlier in self.kept
        ]
        return sha256(json.dumps(facts).encode()).hexdigest()


def read_releases(source: ReleaseSource, index: Index, written: int | None) -> list[EarlierRelease]:
    """Return the releases of one tree, its own first. Raises ReleaseSourceError if the index has an unknown line.

    `written` is when the index was written (Unix time), if known.
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
        raise ReleaseSourceError(f"the index of {source.name} has a line that this version cannot read.") from None
    return [EarlierRelease(*pair) for pair in zip(releases, files, strict=True)]


def merge_releases(chains: Iterable[Sequence[EarlierRelease]]) -> list[EarlierRelease]:
    """Return all releases, newest first, each once. One without a time counts as new, so it is not dropped first."""
    known: dict[str, EarlierRelease] = {}
    for earlier in heapq.merge(*chains, key=_make_sort_key):
        first = known.setdefault(earlier.release.digest, earlier)
        for name, has in earlier.files.items() if first is not earlier else ():
            first.files.setdefault(name, has)
    return list(known.values())


def plan_retention(earlier_releases: Iterable[EarlierRelease], own: str, policy: RetentionPolicy) -> RetentionPlan:
    """Return which releases the new release, with the digest `own`, keeps."""
    kept: list[EarlierRelease] = []
    dropped: list[DropDecision] = []
    replaced: int | None = policy.now
    is_over = False
    for earlier in earlier_releases:
        if earlier.release.digest != own:
            age = None if replaced is None else policy.now - replaced
            is_over = is_over or (age is not None and age > policy.max_age_seconds)
            if is_over:
                dropped.append(DropDecision(earlier, _format_age_reason(age, policy)))
            elif len(kept) == policy.max_releases:
                dropped.append(DropDecision(earlier, f"DJANGO_STATIC_KEEP_RELEASES is {policy.max_releases}"))
            else:
                kept.append(earlier if policy.has_deltas else earlier.without_deltas)
        replaced = earlier.release.time
    return RetentionPlan(tuple(kept), tuple(dropped))


def _make_sort_key(earlier: EarlierRelease) -> float:
    return -math.inf if earlier.release.time is None else -earlier.release.time


def _format_age_reason(age: int | None, policy: RetentionPolicy) -> str:
    since = "before one that is too old" if age is None else f"replaced {format_duration(age)} ago"
    return f"{since}, DJANGO_STATIC_KEEP_AGE is {format_duration(policy.max_age_seconds)}"


def format_duration(seconds: int) -> str:
    """Return a duration in the syntax of DJANGO_STATIC_KEEP_AGE: ``30d``, ``12h``."""
    return f"{seconds // 86400}d" if seconds >= 2 * 86400 or seconds == 86400 else f"{seconds // 3600}h"
