"""Which files are dictionaries for their later versions, and the patterns of those (RFC 9842 §2.1.1).

Rule: the pattern of a file is its own name, as it is written in URLs, with ``*`` where its fingerprint stands: that of
``css/site.e8e374d844cc.css`` is ``../css/site.*.css``. It is relative to the URL of the file, so that it holds below
every prefix, on every host and whatever path a CDN has put before it; it has no groups. It begins with the file's
folders, because Chromium keeps one dictionary of a host for each pattern as it is written: of two files with
``main.*.css`` in two folders it would forget one. Django's manifest tells where the fingerprint stands; in a name that
a bundler gave, or the operator's pattern finds, it is what looks like a hash at the end of the stem. That may be wrong:
then no later version has that name, and nothing is lost.

A browser names one dictionary for a request, the one with the longest pattern that matches the new name (§2.2.3), and
it has the patterns of earlier releases, which knew nothing of that name. So a bundler's new name finds a dictionary

- under its own pattern, where its stem stayed: ``index-AAAAAAAA.js`` → ``index-BBBBBBBB.js``. Where several contents
  have one (``chunk-*.js``, or ``*.js`` of names that are nothing but a hash), only the largest of them is offered: the
  browser would have but the last that it came across;
- else under the folder's widest pattern, ``*.js``. One of the bundler's files there has this in place of its own: the
  largest of those whose stem the bundler chose, not the project (an entry point's stays). So a chunk under a new stem
  (``vendor-…`` → ``lib-…``, webpack's ``33.….js`` → ``773.….js``) is encoded against it if they are alike.

What cannot be: all that is renamed in a folder has that one dictionary together, so that what does not look like it is
sent whole; of ``chunk-*.js`` only the largest has its own earlier version. A file that moved into another folder is a
new one. No field of RFC 9842 lets a server name another dictionary than the browser did.

The widest pattern makes nothing worse. A file does not get it whose later version would have to stand back behind a
longer one: that is one that had its own in an earlier release, shares it, or begins as another's does. And it stays
with a file as long as that has its stem: another one's would take the place, in a browser, of what that still needs.

Only what is immutable, and is text or WebAssembly, is a dictionary: pictures and fonts have no bytes in common with
their earlier versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import PurePosixPath
from types import MappingProxyType
from urllib.parse import quote

from static_host.origin.index_validation import is_valid_match
from static_host.origin.representation import Resource
from static_host_build.bundler_manifests import HASH_PATTERN, is_hash

MIN_DICTIONARY_BYTES = 1_000
"""Bytes of a file, at least; of a smaller one a delta saves less than the fields cost that it needs."""
MAX_DICTIONARY_BYTES = 16 << 20
"""Bytes of a file, at most: a delta of more takes minutes, and over half a gigabyte of memory."""

_DICTIONARY_TYPES = re.compile(r"text/|application/(?:(?:.+\+)?json|(?:.+\+)?xml|javascript|wasm)\b")
_SAFE_CHARACTERS = "/~!*()'"
"""What Django, and who writes URLs by hand, leave as it is in a path (RFC 3986 §2.3, and django.utils.encoding)."""
_PATTERN_SYNTAX = re.compile(r"[*()]")
_STAR = re.compile(r"(?<!\\)\*")


def assign_patterns(
    resources: Mapping[str, Resource],
    patterns: Mapping[str, str],
    unnamed: AbstractSet[str] = frozenset(),
    earlier: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Resource]:
    """Return the resources, those that are to be dictionaries with their patterns.

    `unnamed` are the names that a bundler chose; `earlier` are the patterns that earlier releases offered, each with
    the name of the newest file that has it.
    """
    largest: dict[str, tuple[int, str]] = {}
    contents: dict[str, set[str]] = {}
    for name, pattern in patterns.items():
        identity = resources[name].identity
        largest[pattern] = max((identity.length, identity.digest), largest.get(pattern, (0, "")))
        contents.setdefault(pattern, set()).add(identity.digest)
    own = {patterns[name] for name in patterns if name in unnamed and len(contents[patterns[name]]) == 1}
    widened = _broaden({pattern: largest[pattern] for pattern in own}, set(largest), earlier)
    return {
        name: replace(resource, match=widened.get(patterns[name], patterns[name]))
        if name in patterns and largest[patterns[name]][1] == resource.identity.digest
        else resource
        for name, resource in resources.items()
    }


def find_patterns(resources: Mapping[str, Resource], logical: Mapping[str, str]) -> dict[str, str]:
    """Return the patterns of the resources that can be dictionaries for their later versions, by name.

    `logical` has the names that Django's manifest fingerprints, by the fingerprinted ones.
    """
    found = {}
    for name in select_eligible(resources):
        own = logical.get(name, "")
        pattern = _make_pattern(name, own, is_bundled=own in resources and resources[own].immutable)
        if pattern and is_valid_match(pattern):
            found[name] = pattern
    return found


def select_eligible(resources: Mapping[str, Resource]) -> Iterable[str]:
    """Give the names of those that have a type and a length to be kept for, or to be encoded with what is kept.

    Source maps are for developers, who ask once.
    """
    for name, resource in resources.items():
        is_fit = resource.immutable and _DICTIONARY_TYPES.match(resource.media_type) and not name.endswith(".map")
        if is_fit and MIN_DICTIONARY_BYTES <= resource.identity.length <= MAX_DICTIONARY_BYTES:
            yield name


class BrowserDictionaries:
    """What a browser keeps of one release that it has seen all of, and what of that it names for a new file."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._by_ends: dict[tuple[str, str], Resource] = {}
        self._lengths: dict[str, set[int]] = {}
        """How long what stands before the star is, by the folder that it begins with."""
        for resource in resources:
            start, *ends = _STAR.split(resource.match)
            if len(ends) == 1:
                self._by_ends[start, ends[0]] = resource
                self._lengths.setdefault(_get_folder(start), set()).add(len(start))

    def select_dictionary(self, name: str) -> Resource | None:
        """Return the dictionary whose pattern is the longest that matches the name (RFC 9842 §2.2.3), if any does."""
        written = _make_relative(name, _quote_part(PurePosixPath(name).name))
        for length in sorted(self._lengths.get(_get_folder(written), ()), reverse=True):
            for ends in (_quote_part(PurePosixPath(name).suffix), ""):
                found = self._by_ends.get((written[:length], ends))
                if found and len(written) >= length + len(ends):
                    return found
        return None


def is_widest(pattern: str) -> bool:
    """Whether a pattern has nothing of a file's own name but its suffix."""
    return pattern.rpartition("/")[2].startswith("*")


def is_renamed(before: str, name: str) -> bool:
    """Whether a bundler's file has another stem than the one that it is encoded against, or none but its hash."""
    own = _make_pattern(name, "", is_bundled=False)
    return is_widest(own) or own != _make_pattern(before, "", is_bundled=False)


def _broaden(
    largest: Mapping[str, tuple[int, str]], taken: AbstractSet[str], earlier: Mapping[str, str]
) -> dict[str, str]:
    """Return which patterns become their folder's widest one, given the content of each that could.

    None does where names that are nothing but a hash have `taken` that.
    """
    known = taken | earlier.keys()
    by_widest: dict[str, list[str]] = {}
    for pattern in largest:
        start, _, ends = pattern.rpartition("*")
        by_widest.setdefault(f"{_get_folder(start)}*{ends}", []).append(pattern)
    chosen = {}
    for widest, patterns in by_widest.items():
        free = [each for each in patterns if each not in earlier and not _is_covered(each, known)]
        if free and widest not in taken:
            held = _make_pattern(earlier.get(widest, ""), "", is_bundled=False)
            chosen[held if held in free else max(free, key=lambda each: largest[each])] = widest
    return chosen


def _is_covered(pattern: str, known: AbstractSet[str]) -> bool:
    """Whether another pattern than the widest matches all that this one does."""
    start, _, ends = pattern.rpartition("*")
    return any(f"{start[:length]}*{ends}" in known for length in range(len(_get_folder(start)) + 1, len(start)))


def _get_folder(start: str) -> str:
    return start[: start.rfind("/") + 1]


def _make_pattern(name: str, logical: str, *, is_bundled: bool) -> str:
    """Return the pattern of a name, or nothing where no fingerprint is found in it."""
    base = PurePosixPath(name).name
    own = PurePosixPath(logical).name
    stem, ends = PurePosixPath(own or base).stem, PurePosixPath(own or base).suffix
    begins = f"{stem}."
    if own and not is_bundled and base.startswith(begins) and base.endswith(ends) and len(base) > len(begins + ends):
        return _make_relative(name, f"{_quote_part(begins)}*{_quote_part(ends)}")
    if ends and is_hash(stem):
        return _make_relative(name, f"*{_quote_part(ends)}")
    hashed = HASH_PATTERN.search(stem)
    start = stem[: hashed.start() + 1] if hashed else begins if is_bundled else ""
    return _make_relative(name, f"{_quote_part(start)}*{_quote_part(ends)}") if start.strip("-._") else ""


def _make_relative(name: str, base: str) -> str:
    """Return what is relative to a name's folder as what is relative to the top one, in terms of the former."""
    folder, _, _ = name.rpartition("/")
    return f"{'../' * (folder.count('/') + 1)}{_quote_part(folder)}/{base}" if folder else base


def _quote_part(part: str) -> str:
    """Return a part of a name as URLs have it, what is special in patterns marked as not meant so."""
    return _PATTERN_SYNTAX.sub(r"\\\g<0>", quote(part, safe=_SAFE_CHARACTERS))
