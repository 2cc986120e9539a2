"""Two releases → what the new one changes.

Rule: the old release's own files are compared with all that the new tree serves, by URL path. So a file that the new
tree carries has not vanished. A digest decides whether bytes differ.

Bytes count each distinct content once, whatever its names. Source maps do not count: developers load them once. A
file without a coding counts uncoded, as a client without that coding gets it.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from static_host.origin.representation import Representation, Resource, shorten_digest
from static_host_build.compare.compared_release import ComparedRelease, ServedFile
from static_host_build.dictionary.patterns import MIN_DICTIONARY_BYTES, BrowserDictionaries, select_eligible

CODINGS = ("identity", "gzip", "zstd", "br")
WITH_DICTIONARIES = "dictionaries"
"""The figure of a browser that reads br, zstd and dcz, and has the old release's files as dictionaries."""


class Growth(NamedTuple):
    """Bytes of some files in the old release and in the new one, uncoded and for a client that reads br."""

    old_identity: int
    new_identity: int
    old_br: int
    new_br: int

    @property
    def br(self) -> int:
        """The bytes that a client with br downloads more."""
        return self.new_br - self.old_br


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the new release changes; lists of URL paths are sorted.

    `changed` are names without a fingerprint. `purge` is all that a CDN must forget: files with other bytes or header
    fields, and names without a fingerprint that vanish. `download` has the files and bytes that a browser
    with all of the old release requests at most. `growth` is that of all files. `without_delta` are new and changed
    files that suit a dictionary but have no delta, with their bytes (br).
    """

    old: ComparedRelease
    new: ComparedRelease
    vanished: tuple[str, ...]
    changed_immutables: tuple[str, ...]
    changed: tuple[str, ...]
    purge: tuple[str, ...]
    download: Mapping[str, int]
    growth: Growth
    media_types: Mapping[str, Growth]
    entry_points: Mapping[str, Growth]
    without_delta: Mapping[str, int]
    has_dictionaries: bool
    """Whether browsers keep any file of the old release as a dictionary."""


def compare_releases(old: ComparedRelease, new: ComparedRelease) -> Comparison:
    """Return what the new release changes."""
    before, after = old.own, new.own
    changed = [path for path in before if path in new.served and not _is_same(before[path], new.served[path])]
    missing = {
        path: file
        for path, file in after.items()
        if not file.name.endswith(".map") and (path not in before or not _is_same(before[path], file))
    }
    offered = [file.resource for file in before.values() if file.resource.match and old.prefix == new.prefix]
    dictionaries = BrowserDictionaries(offered)
    return Comparison(
        old,
        new,
        tuple(sorted(before.keys() - new.served.keys())),
        tuple(sorted(path for path in changed if before[path].resource.immutable)),
        tuple(sorted(path for path in changed if not before[path].resource.immutable)),
        tuple(sorted(path for path, file in before.items() if _is_stale(file, new.served.get(path)))),
        _measure_download(missing.values(), dictionaries),
        _measure_growth(_list_counted(before), _list_counted(after)),
        _measure_media_types(_list_counted(before), _list_counted(after)),
        _measure_entry_points(old, new),
        _find_uncovered(missing, dictionaries),
        bool(offered),
    )


def _is_same(old: ServedFile, new: ServedFile) -> bool:
    return old.resource.identity.digest == new.resource.identity.digest


def _is_stale(old: ServedFile, new: ServedFile | None) -> bool:
    """Whether a cache with the old file gives a wrong answer. Old pages may still get a fingerprinted one."""
    if new is None:
        return not old.resource.immutable
    described = [(each.resource.media_type, each.resource.fields) for each in (old, new)]
    return not _is_same(old, new) or described[0] != described[1]


def _find_bytes(resource: Resource, coding: str) -> int:
    """Return what a client downloads that reads this coding alone."""
    return next((r.length for r in resource.representations if r.coding == coding), resource.identity.length)


def _find_delta(file: ServedFile, dictionaries: BrowserDictionaries) -> Representation | None:
    """Return the delta against the dictionary that a browser names for a file, if there is one."""
    known = dictionaries.select_dictionary(file.name)
    deltas = (each for each in file.resource.representations if known and each.dictionary)
    digest = known.identity.digest if known else ""
    return next((each for each in deltas if shorten_digest(b64decode(each.dictionary)) == digest), None)


def _measure_download(missing: Iterable[ServedFile], dictionaries: BrowserDictionaries) -> dict[str, int]:
    """Return the number of distinct contents, and their bytes by coding."""
    contents: dict[str, dict[str, int]] = {}
    for file in missing:
        lengths = {coding: _find_bytes(file.resource, coding) for coding in CODINGS}
        delta = _find_delta(file, dictionaries)
        lengths[WITH_DICTIONARIES] = min(lengths["br"], lengths["zstd"], *([delta.length] if delta else []))
        known = contents.setdefault(file.resource.identity.digest, lengths)
        known.update({coding: min(length, known[coding]) for coding, length in lengths.items()})
    totals = {coding: sum(each[coding] for each in contents.values()) for coding in (*CODINGS, WITH_DICTIONARIES)}
    return {"files": len(contents), **totals}


def _list_counted(files: Mapping[str, ServedFile]) -> list[Resource]:
    return [file.resource for file in files.values() if not file.name.endswith(".map")]


def _sum_bytes(resources: Iterable[Resource]) -> tuple[int, int]:
    """Return the bytes of distinct contents: uncoded, and as br."""
    contents: dict[str, tuple[int, int]] = {}
    for each in resources:
        lengths = (each.identity.length, _find_bytes(each, "br"))
        contents[each.identity.digest] = min(lengths, contents.get(each.identity.digest, lengths))
    return sum(identity for identity, _ in contents.values()), sum(br for _, br in contents.values())


def _measure_growth(before: Iterable[Resource], after: Iterable[Resource]) -> Growth:
    (old_identity, old_br), (new_identity, new_br) = _sum_bytes(before), _sum_bytes(after)
    return Growth(old_identity, new_identity, old_br, new_br)


def _measure_media_types(before: list[Resource], after: list[Resource]) -> dict[str, Growth]:
    """Return the growth of each media type, the largest first."""
    groups: dict[str, tuple[list[Resource], list[Resource]]] = {}
    for release, resources in enumerate((before, after)):
        for each in resources:
            groups.setdefault(each.media_type, ([], []))[release].append(each)
    return _sort_by_growth({media_type: _measure_growth(*group) for media_type, group in groups.items()})


def _measure_entry_points(old: ComparedRelease, new: ComparedRelease) -> dict[str, Growth]:
    """Return the growth of each entry point, the largest first; nothing unless both releases have a manifest."""
    if not old.entry_points or not new.entry_points:
        return {}
    return _sort_by_growth(
        {
            entry: _measure_growth(old.entry_points.get(entry, ()), new.entry_points.get(entry, ()))
            for entry in old.entry_points.keys() | new.entry_points.keys()
        }
    )


def _sort_by_growth(growths: Mapping[str, Growth]) -> dict[str, Growth]:
    return dict(sorted(growths.items(), key=lambda item: (-item[1].br, item[0])))


def _find_uncovered(missing: Mapping[str, ServedFile], dictionaries: BrowserDictionaries) -> dict[str, int]:
    """Return the files that a dictionary would suit and that come whole, the largest first, with their bytes as br."""
    candidates = {
        file.name: file.resource
        for file in missing.values()
        if min(_find_bytes(file.resource, coding) for coding in CODINGS) >= MIN_DICTIONARY_BYTES
    }
    names = set(select_eligible(candidates))
    found = {
        path: _find_bytes(file.resource, "br")
        for path, file in missing.items()
        if file.name in names and _find_delta(file, dictionaries) is None
    }
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
