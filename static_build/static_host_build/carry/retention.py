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

from static_host.origin.index import Index, Release, Resource
from static_host_build.carry.release_source import Place, PlaceUnusable


@dataclass(frozen=True, slots=True)
class Ancestor:
    """An earlier release as it was found: its fingerprinted resources, each with the place that has it."""

    release: Release
    files: dict[str, tuple[Resource, Place]]

    @property
    def without_deltas(self) -> Ancestor:
        """The release without what needs a dictionary."""
        return Ancestor(self.release, {name: (has.without_deltas, place) for name, (has, place) in self.files.items()})


@dataclass(frozen=True, slots=True)
class Dropped:
    """An earlier release that is not carried any further, and why."""

    ancestor: Ancestor
    reason: str


@dataclass(frozen=True, slots=True)
class Policy:
    """`releases` is how many are kept; `age` how long (seconds) after their replacement; `now` when that is asked.

    `deltas` is whether files keep theirs.
    """

    releases: int
    age: int
    now: int
    deltas: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """What is carried, the newest release first, and what is not."""

    kept: tuple[Ancestor, ...] = ()
    dropped: tuple[Dropped, ...] = ()

    @property
    def offered(self) -> dict[str, str]:
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


def ancestors_at(place: Place, index: Index, written: int | None) -> list[Ancestor]:
    """Return the releases of one tree, its own first. Raises PlaceUnusable for an index that is not understood.

    `written` is when the index was written, where that is known (seconds since 1970).
    """
    own, *earlier = index.releases
    time = written if own.time is None else own.time
    releases = [Release(own.digest, time, place.name), *earlier]
    files: list[dict[str, tuple[Resource, Place]]] = [{} for _ in releases]
    try:
        for name, resource in index.items():
            for number in resource.releases if resource.immutable else ():
                files[number][name] = (resource, place)
    except (ValueError, TypeError, LookupError):
        raise PlaceUnusable(f"the index of {place.name} has a line that this version does not understand.") from None
    return [Ancestor(*pair) for pair in zip(releases, files, strict=True)]


def merged(chains: Iterable[Sequence[Ancestor]]) -> list[Ancestor]:
    """Return all releases, the newest first, each once. One without a time counts as new: it is not lost first."""
    known: dict[str, Ancestor] = {}
    for ancestor in heapq.merge(*chains, key=_newest_first):
        first = known.setdefault(ancestor.release.digest, ancestor)
        for name, has in ancestor.files.items() if first is not ancestor else ():
            first.files.setdefault(name, has)
    return list(known.values())


def planned(ancestors: Iterable[Ancestor], own: str, policy: Policy) -> Plan:
    """Return what becomes of the releases when the one with the digest `own` is built after them."""
    kept: list[Ancestor] = []
    dropped: list[Dropped] = []
    replaced: int | None = policy.now
    is_over = False
    for ancestor in ancestors:
        if ancestor.release.digest != own:
            age = None if replaced is None else policy.now - replaced
            is_over = is_over or (age is not None and age > policy.age)
            if is_over:
                dropped.append(Dropped(ancestor, _too_old(age, policy)))
            elif len(kept) == policy.releases:
                dropped.append(Dropped(ancestor, f"DJANGO_STATIC_KEEP_RELEASES is {policy.releases}"))
            else:
                kept.append(ancestor if policy.deltas else ancestor.without_deltas)
        replaced = ancestor.release.time
    return Plan(tuple(kept), tuple(dropped))


def _newest_first(ancestor: Ancestor) -> float:
    return -math.inf if ancestor.release.time is None else -ancestor.release.time


def _too_old(age: int | None, policy: Policy) -> str:
    since = "before one that is too old" if age is None else f"replaced {spoken(age)} ago"
    return f"{since}, DJANGO_STATIC_KEEP_AGE is {spoken(policy.age)}"


def spoken(seconds: int) -> str:
    """Return a length of time in the unit that DJANGO_STATIC_KEEP_AGE would have it: ``30d``, ``12h``."""
    return f"{seconds // 86400}d" if seconds >= 2 * 86400 or seconds == 86400 else f"{seconds // 3600}h"
