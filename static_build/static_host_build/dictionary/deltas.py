"""Earlier versions of files → deltas: selects the pairs to encode, and keeps the deltas that pay (RFC 9842).

Rule: for each earlier release in the tree, a file is encoded against the dictionary that a browser with that release
would name for it (`patterns`), since a browser has no other. Usually that is the file's earlier version, under any
name. A delta is kept only if it is smaller by a quarter, and by 500 bytes, than the smallest coding without a
dictionary. A quick trial at a low level first rejects files that have little in common.

The work is limited by the bytes of the files, not by time, so that two builds give the same bytes. The newest release
comes first, since it has the most visitors; in it files that kept their name, and of these the largest. Carried files
get no new deltas: they keep those of their own build, which do not count towards the limit.
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
from static_host.origin.representation import (
    DICTIONARY_CODING,
    Representation,
    Resource,
    compute_digest,
    format_file_name,
    shorten_digest,
)
from static_host_build.bundler_manifests import find_entry_points
from static_host_build.carry.earlier_trees import EarlierTrees
from static_host_build.dictionary.patterns import (
    MIN_DICTIONARY_BYTES,
    BrowserDictionaries,
    assign_patterns,
    find_patterns,
    is_renamed,
    is_widest,
    select_eligible,
)
from static_host_build.encode.dcz import HEADER_BYTES, MAGIC, compress_frame, encode_delta, format_recipe, is_delta_of
from static_host_build.encode.encoding_cache import EncodingCache
from static_host_build.encode.tree_encoding import parse_logical_names
from static_host_django.tree_writer import TreeWriter

_MAX_DELTA_RATIO = 0.75
_MIN_SAVED_BYTES = 500
_TRIAL_LEVEL = 3
_MAX_TRIAL_RATIO = 1.2
"""If a quick trial leaves more than this of the smallest other coding, no delta is made; level 22 takes off a third."""


@dataclass(frozen=True, slots=True)
class Saving:
    """The figures of a tree's deltas; `instead` are the bytes that clients would get without them.

    `renamed` counts deltas against a file with another stem, `carried` the deltas of carried files. The others count
    those of the tree's own release.
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
class DeltaPair:
    """One content, and the dictionary that a browser names for it.

    `age` is the number of the dictionary's release. The pair `is_guess` if the dictionary has another stem.
    """

    names: tuple[str, ...]
    identity: Representation
    smallest_bytes: int
    dictionary: Representation
    age: int
    is_guess: bool


def find_pairs(resources: Mapping[str, Resource]) -> list[DeltaPair]:
    """Return the pairs to encode, the most useful first.

    For each earlier release there is a pair for each file and the dictionary that a browser with that release names.
    """
    kept = {
        release: BrowserDictionaries(each for each in resources.values() if each.match and release in each.releases)
        for release in sorted({release for each in resources.values() for release in each.releases} - {0})
    }
    found: dict[tuple[str, str], DeltaPair] = {}
    for name in sorted(select_eligible({name: each for name, each in resources.items() if not each.carried})):
        identity, smallest = resources[name].identity, _find_smallest_bytes(resources[name])
        for release in sorted(kept.keys() - set(resources[name].releases)):
            before = kept[release].select_dictionary(name)
            if before and smallest >= MIN_DICTIONARY_BYTES:
                dictionary = before.identity
                first = found.get((identity.digest, dictionary.digest))
                names = sorted({*(first.names if first else ()), name})
                age = min(release, first.age) if first else release
                is_guess = is_widest(before.match) and is_renamed(dictionary.file, name)
                found[identity.digest, dictionary.digest] = DeltaPair(
                    tuple(names), identity, smallest, dictionary, age, is_guess
                )
    return sorted(found.values(), key=lambda pair: (pair.age, pair.is_guess, -pair.smallest_bytes, pair.names))


def select_within_budget(budget: int, candidates: Iterable[DeltaPair]) -> Iterator[DeltaPair]:
    """Yield pairs while their files fit into `budget` (bytes); a file counts once for each pair."""
    for pair in candidates:
        if pair.identity.length <= budget:
            budget -= pair.identity.length
            yield pair


class DeltaEncoder:
    """Makes the deltas of the tree at `root`; `cache` is the directory of the build's cache."""

    def __init__(self, root: Path, writer: TreeWriter, cache: Path, settings: Settings) -> None:
        self._root = root
        self._writer = writer
        self._cache = cache
        self._effort = settings.static_effort
        self.budget_bytes = int(settings.static_dictionary_bytes) if settings.static_previous else 0
        """Bytes of files that may be encoded against earlier versions; 0 for no deltas and no dictionaries."""
        self.warnings: list[str] = []
        self.seconds = 0.0
        """Seconds that encoding took, all threads added up."""

    def offer_dictionaries(
        self,
        resources: Mapping[str, Resource],
        manifest: bytes,
        bundler_manifests: Mapping[str, bytes],
        earlier: Mapping[str, str],
    ) -> dict[str, Resource]:
        """Return the resources; those of the own release that can be dictionaries get their patterns.

        `manifest` is Django's, `bundler_manifests` are the bundlers' by name. `earlier` are the patterns of earlier
        releases, each with a file's name. Without a budget, no file is a dictionary, not even a carried one.
        """
        if not self.budget_bytes:
            return {name: replace(resource, match="") for name, resource in resources.items()}
        own = {name: resource for name, resource in resources.items() if not resource.carried}
        names = parse_logical_names(manifest)
        unnamed = own.keys() - names.keys() - find_entry_points(bundler_manifests, set(own))
        return {**resources, **assign_patterns(own, find_patterns(own, names), unnamed, earlier)}

    def add_deltas(self, resources: Mapping[str, Resource], reuse: EarlierTrees) -> Mapping[str, Resource]:
        """Write the deltas that pay, and return the resources of the tree with them. Raises OSError."""
        if not self.budget_bytes:
            return resources
        candidates = find_pairs(resources)
        chosen = list(select_within_budget(self.budget_bytes, candidates))
        if len(chosen) < len(candidates):
            self.warnings.append(
                f"{len(candidates) - len(chosen)} of {len(candidates)} deltas against earlier versions were not tried: "
                f"DJANGO_STATIC_DICTIONARY_BYTES is {self.budget_bytes:,}"
            )
        added = dict(resources)
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            for pair, delta, sha_256, seconds in threads.map(partial(self._make_delta, reuse), chosen):
                self.seconds += seconds
                if delta is None:
                    continue
                for name in pair.names:
                    file = format_file_name(name, DICTIONARY_CODING, sha_256)
                    if file not in resources:  # else a source has that name
                        self._writer.write(file, delta)
                        made = Representation(DICTIONARY_CODING, file, len(delta), compute_digest(delta), sha_256)
                        added[name] = _add_delta(added[name], made)
        return added

    def _make_delta(self, reuse: EarlierTrees, pair: DeltaPair) -> tuple[DeltaPair, bytes | None, str, float]:
        """Return the pair, its delta if it pays, the dictionary's SHA-256 (base64), and the seconds of encoding."""
        began = time.monotonic()
        data = (self._root / pair.identity.file).read_bytes()
        dictionary = (self._root / pair.dictionary.file).read_bytes()
        sha_256 = sha256(dictionary)
        basis = f"{sha_256.hexdigest()}:{pair.smallest_bytes}"  # the trial compares with the last
        cache = EncodingCache(self._cache, f"{format_recipe(self._effort)}:{basis}")
        encoded = cache.get(data)
        took = 0.0
        known = reuse.find_delta(data, dictionary, b64encode(sha_256.digest()).decode()) if encoded is None else None
        if known:
            encoded = {DICTIONARY_CODING: known}
            cache.put(data, encoded, None)
        if encoded is None:
            is_similar = (
                HEADER_BYTES + len(compress_frame(data, dictionary, _TRIAL_LEVEL))
                < _MAX_TRIAL_RATIO * pair.smallest_bytes
            )
            encoded = {DICTIONARY_CODING: encode_delta(data, dictionary, self._effort)} if is_similar else {}
            took = time.monotonic() - began
            cache.put(data, encoded, took)
        delta = encoded.get(DICTIONARY_CODING)
        pays = delta is not None and len(delta) <= min(
            _MAX_DELTA_RATIO * pair.smallest_bytes, pair.smallest_bytes - _MIN_SAVED_BYTES
        )
        return pair, delta if pays else None, b64encode(sha_256.digest()).decode(), took


def recognise_deltas(root: Path, resources: Mapping[str, Resource]) -> dict[str, Resource]:
    """Return the resources of a tree of other tools, with ``x.js.….dcz`` as deltas of ``x.js``.

    A ``.dcz`` file that does not decode with a file of the tree is an ordinary file. Raises OSError.
    """
    by_digest = {resource.identity.digest: resource.identity.file for resource in resources.values()}
    adopted = dict(resources)
    for file in sorted(name for name in resources if name.endswith(f".{DICTIONARY_CODING}")):
        stem = file.removesuffix(f".{DICTIONARY_CODING}")
        name = next((name for name in (stem, stem.rpartition(".")[0]) if name in resources), None)
        with (root / file).open("rb") as delta:
            sha_256 = delta.read(HEADER_BYTES)[len(MAGIC) :]
            dictionary = by_digest.get(shorten_digest(sha_256))
            if name and dictionary and is_delta_of(delta, (root / dictionary).read_bytes(), resources[name].identity):
                length, encoded = resources[file].identity.length, b64encode(sha_256).decode()
                made = Representation(DICTIONARY_CODING, file, length, resources[file].identity.digest, encoded)
                adopted[name] = _add_delta(adopted[name], made)
                del adopted[file]
    return adopted


def measure_savings(resources: Iterable[Resource], seconds: float = 0.0) -> Saving:
    """Return the figures of the deltas of these resources."""
    known = list(resources)
    having = [each for each in known if _list_deltas(each)]
    own = [(each, delta) for each in having if not each.carried for delta in _list_deltas(each)]
    carried = [delta.length for each in having if each.carried for delta in _list_deltas(each)]
    widest = {each.identity.digest: each.identity.file for each in known if is_widest(each.match)}
    against = [(each.identity.file, widest.get(shorten_digest(b64decode(delta.dictionary)))) for each, delta in own]
    return Saving(
        resources=sum(not each.carried for each in having),
        deltas=len(own),
        bytes=sum(delta.length for _, delta in own),
        instead=sum(_find_smallest_bytes(each) for each, _ in own),
        renamed=sum(is_renamed(before, name) for name, before in against if before),
        carried=len(carried),
        carried_bytes=sum(carried),
        seconds=seconds,
    )


def _list_deltas(resource: Resource) -> list[Representation]:
    return [r for r in resource.representations if r.dictionary]


def _find_smallest_bytes(resource: Resource) -> int:
    """Return the length of the smallest representation without a dictionary."""
    return min(r.length for r in resource.representations if not r.dictionary)


def _add_delta(resource: Resource, delta: Representation) -> Resource:
    deltas = sorted([*_list_deltas(resource), delta], key=lambda each: (each.length, each.file))
    return replace(resource, representations=(*deltas, *resource.without_deltas.representations))
