"""Earlier versions of files → deltas: which files are encoded against which, and which results pay (RFC 9842).

Rule: a file is encoded against what a browser names for it that has seen an earlier release, for each of those that
the tree has files of (`patterns`); no other can be at hand there. Mostly that is its earlier version,
under whatever name. A delta stays only if it is smaller by a quarter, and by 500 bytes, than the smallest coding that
needs no dictionary. A quick look comes first, at a low level: it tells of two files that have little in common. How
much is tried is bounded by the bytes of the files, not by time, so that two builds give the same bytes: what comes
first is the newest release, whose visitors are the most, and there what kept its name, and of that the largest. Carried
files get none: they have those that their own build made, which are no part of these bytes.
"""

from __future__ import annotations

import os
import time
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

from static_host.conf.settings import Settings
from static_host.origin.index import DICTIONARY_CODING, Representation, Resource, digest, file_name, short_digest
from static_host_build.bundler_manifests import named
from static_host_build.carry.reuse import Reuse
from static_host_build.dictionary.patterns import LEAST, Kept, fit, is_renamed, is_widest, offered, patterns_of
from static_host_build.encode.cache import Cache
from static_host_build.encode.dcz import HEADER, MAGIC, compressed, decodes, encode, recipe
from static_host_build.encode.resources import logical
from static_host_build.files import Files

_SHARE = 0.75
_SAVES = 500
_QUICK_LEVEL = 3
_QUICK_SHARE = 1.2
"""What a quick look may leave of the smallest other coding, at most; the highest level leaves a third less."""


@dataclass(frozen=True, slots=True)
class Saving:
    """What the deltas of a tree's own release come to: `instead` are the bytes of what would be sent without them.

    `renamed` are those against a file under another stem, `carried` those that the files of earlier releases came with.
    """

    resources: int
    deltas: int
    bytes: int
    instead: int
    renamed: int
    carried: int
    carried_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Pair:
    """One content and what a browser names for it, of a release so many behind; `is_guess` if that had another name."""

    names: tuple[str, ...]
    identity: Representation
    smallest: int
    dictionary: Representation
    age: int
    is_guess: bool


def pairs(resources: Mapping[str, Resource]) -> list[Pair]:
    """Return what can be encoded against what, in the order in which it is worth most.

    That is, each file against what a browser names for it that has seen all of one earlier release.
    """
    kept = {
        release: Kept(each for each in resources.values() if each.match and release in each.releases)
        for release in sorted({release for each in resources.values() for release in each.releases} - {0})
    }
    found: dict[tuple[str, str], Pair] = {}
    for name in sorted(fit({name: each for name, each in resources.items() if not each.carried})):
        identity, smallest = resources[name].identity, _smallest(resources[name])
        for release in sorted(kept.keys() - set(resources[name].releases)):
            before = kept[release].chosen(name)
            if before and smallest >= LEAST:
                dictionary = before.identity
                first = found.get((identity.digest, dictionary.digest))
                names = sorted({*(first.names if first else ()), name})
                age = min(release, first.age) if first else release
                is_guess = is_widest(before.match) and is_renamed(dictionary.file, name)
                found[identity.digest, dictionary.digest] = Pair(
                    tuple(names), identity, smallest, dictionary, age, is_guess
                )
    return sorted(found.values(), key=lambda pair: (pair.age, pair.is_guess, -pair.smallest, pair.names))


def within(budget: int, candidates: Iterable[Pair]) -> Iterator[Pair]:
    """Give those pairs whose files, each counted for every version, are no more than `budget` bytes together."""
    for pair in candidates:
        if pair.identity.length <= budget:
            budget -= pair.identity.length
            yield pair


class Deltas:
    """Makes the deltas of the tree at `root`; `cache` is the directory of the build's cache."""

    def __init__(self, root: Path, files: Files, cache: Path, settings: Settings) -> None:
        self._root = root
        self._files = files
        self._cache = cache
        self._effort = settings.static_effort
        self.budget = int(settings.static_dictionary_bytes) if settings.static_previous else 0
        """Bytes of files that may be encoded against earlier versions; 0: none are, nor will be in later releases."""
        self.warnings: list[str] = []
        self.seconds = 0.0
        """The time that encoding took, all threads added up."""

    def offered(
        self,
        resources: Mapping[str, Resource],
        manifest: bytes,
        bundles: Mapping[str, bytes],
        earlier: Mapping[str, str],
    ) -> dict[str, Resource]:
        """Return the resources, those of the release's own that are dictionaries with their patterns.

        `manifest` is Django's, `bundles` are the bundlers' by name; `earlier` are the patterns that earlier releases
        offered, with the names that have them. With nothing to spend nothing is a dictionary, what is carried neither.
        """
        if not self.budget:
            return {name: replace(resource, match="") for name, resource in resources.items()}
        own = {name: resource for name, resource in resources.items() if not resource.carried}
        names = logical(manifest)
        unnamed = own.keys() - names.keys() - named(bundles, set(own))
        return {**resources, **offered(own, patterns_of(own, names), unnamed, earlier)}

    def added(self, resources: Mapping[str, Resource], reuse: Reuse) -> Mapping[str, Resource]:
        """Write the deltas that pay, and return the resources of the whole tree with them. Raises OSError."""
        if not self.budget:
            return resources
        candidates = pairs(resources)
        chosen = list(within(self.budget, candidates))
        if len(chosen) < len(candidates):
            self.warnings.append(
                f"{len(candidates) - len(chosen)} of {len(candidates)} deltas against earlier versions were not tried: "
                f"DJANGO_STATIC_DICTIONARY_BYTES is {self.budget:,}"
            )
        added = dict(resources)
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            for pair, delta, sha_256, seconds in threads.map(partial(self._made, reuse), chosen):
                self.seconds += seconds
                if delta is None:
                    continue
                for name in pair.names:
                    file = file_name(name, DICTIONARY_CODING, sha_256)
                    if file not in resources:  # a source of that name
                        self._files.write(file, delta)
                        made = Representation(DICTIONARY_CODING, file, len(delta), digest(delta), sha_256)
                        added[name] = _with(added[name], made)
        return added

    def _made(self, reuse: Reuse, pair: Pair) -> tuple[Pair, bytes | None, str, float]:
        """Return the pair, its delta if it pays, the dictionary's SHA-256 in base64, and the seconds that it took."""
        began = time.monotonic()
        data = (self._root / pair.identity.file).read_bytes()
        dictionary = (self._root / pair.dictionary.file).read_bytes()
        sha_256 = sha256(dictionary)
        basis = f"{sha_256.hexdigest()}:{pair.smallest}"  # by the last it is judged whether to try at all
        cache = Cache(self._cache, f"{recipe(self._effort)}:{basis}")
        encoded = cache.get(data)
        took = 0.0
        known = reuse.delta(data, dictionary, b64encode(sha_256.digest()).decode()) if encoded is None else None
        if known:
            encoded = {DICTIONARY_CODING: known}
            cache.put(data, encoded, None)
        if encoded is None:
            alike = HEADER + len(compressed(data, dictionary, _QUICK_LEVEL)) < _QUICK_SHARE * pair.smallest
            encoded = {DICTIONARY_CODING: encode(data, dictionary, self._effort)} if alike else {}
            took = time.monotonic() - began
            cache.put(data, encoded, took)
        delta = encoded.get(DICTIONARY_CODING)
        pays = delta is not None and len(delta) <= min(_SHARE * pair.smallest, pair.smallest - _SAVES)
        return pair, delta if pays else None, b64encode(sha_256.digest()).decode(), took


def recognised(root: Path, resources: Mapping[str, Resource]) -> dict[str, Resource]:
    """Return the resources of a tree that other tools made, in which ``x.js.….dcz`` are deltas to ``x.js``.

    Only one that decodes with a dictionary of the tree is; any other is a file like others. Raises OSError.
    """
    by_digest = {resource.identity.digest: resource.identity.file for resource in resources.values()}
    adopted = dict(resources)
    for file in sorted(name for name in resources if name.endswith(f".{DICTIONARY_CODING}")):
        stem = file.removesuffix(f".{DICTIONARY_CODING}")
        name = next((name for name in (stem, stem.rpartition(".")[0]) if name in resources), None)
        with (root / file).open("rb") as delta:
            sha_256 = delta.read(HEADER)[len(MAGIC) :]
            dictionary = by_digest.get(short_digest(sha_256))
            if name and dictionary and decodes(delta, (root / dictionary).read_bytes(), resources[name].identity):
                length, encoded = resources[file].identity.length, b64encode(sha_256).decode()
                made = Representation(DICTIONARY_CODING, file, length, resources[file].identity.digest, encoded)
                adopted[name] = _with(adopted[name], made)
                del adopted[file]
    return adopted


def saving(resources: Iterable[Resource], seconds: float = 0.0) -> Saving:
    """Return what the deltas of these resources come to."""
    known = list(resources)
    having = [each for each in known if _deltas(each)]
    own = [(each, delta) for each in having if not each.carried for delta in _deltas(each)]
    carried = [delta.length for each in having if each.carried for delta in _deltas(each)]
    widest = {each.identity.digest: each.identity.file for each in known if is_widest(each.match)}
    against = [(each.identity.file, widest.get(short_digest(b64decode(delta.dictionary)))) for each, delta in own]
    return Saving(
        resources=sum(not each.carried for each in having),
        deltas=len(own),
        bytes=sum(delta.length for _, delta in own),
        instead=sum(_smallest(each) for each, _ in own),
        renamed=sum(is_renamed(before, name) for name, before in against if before),
        carried=len(carried),
        carried_bytes=sum(carried),
        seconds=seconds,
    )


def _deltas(resource: Resource) -> list[Representation]:
    return [r for r in resource.representations if r.dictionary]


def _smallest(resource: Resource) -> int:
    """Return the bytes of the smallest representation that needs no dictionary."""
    return min(r.length for r in resource.representations if not r.dictionary)


def _with(resource: Resource, delta: Representation) -> Resource:
    deltas = sorted([*_deltas(resource), delta], key=lambda each: (each.length, each.file))
    return replace(resource, representations=(*deltas, *resource.without_deltas.representations))
