"""Which files are dictionaries for their later versions, and their patterns (RFC 9842 §2.1.1).

Rule: a file's pattern is its name in URLs with ``*`` for the fingerprint: ``css/site.e8e374d844cc.css`` has the pattern
``../css/site.*.css``. The pattern is relative to the file's URL, so it holds below every prefix, on every host, and
behind every path that a CDN adds; it has no groups. It begins with the file's folders, because Chromium keeps one
dictionary of a host for each pattern text, and would forget one of two ``main.*.css`` in two folders. Django's manifest
shows where the fingerprint is. In names of bundlers, and in those that the operator's pattern matches, it is the part
at the end of the stem that looks like a hash. If that is wrong, no later version has such a name, and nothing is lost.

For each request a browser names one dictionary: that with the longest pattern that matches the new name (§2.2.3). The
browser has the patterns of earlier releases, which did not know this name. So a bundler's new name finds a dictionary

- by its own pattern, if its stem is unchanged: ``index-AAAAAAAA.js`` → ``index-BBBBBBBB.js``. If several contents share
  a pattern (``chunk-*.js``, or ``*.js`` for names that are only a hash), only the largest of them is offered, because
  the browser would keep only the last one that it receives;
- else by the folder's widest pattern, ``*.js``. One of the bundler's files in the folder has this instead of its own:
  the largest whose stem the bundler chose, not the project (entry points keep their own). So a chunk under a new stem
  (``vendor-…`` → ``lib-…``, webpack's ``33.….js`` → ``773.….js``) is encoded against that file if they are similar.

Limits: all renamed files of a folder share this one dictionary, and those that differ too much from it are sent whole.
Of ``chunk-*.js`` only the largest gets its own earlier version. A file that moved into another folder is a new file. No
field of RFC 9842 lets a server choose another dictionary than the browser did.

The widest pattern never replaces a better one. A file does not get it if a longer pattern could match its later version
instead: if it had its own pattern in an earlier release, shares it, or its name begins like another's pattern. A file
keeps the widest pattern as long as it keeps its stem: another file with that pattern would replace, in browsers, the
dictionary that the later version needs.

Only immutable files of text or WebAssembly are dictionaries: images and fonts share no bytes with their earlier
versions.
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
from static_host.origin.page_dictionary import is_page_dictionary
from static_host.origin.representation import Resource
from static_host_build.bundler_manifests import HASH_PATTERN, is_hash

MIN_DICTIONARY_BYTES = 1_000
"""The smallest dictionary: for a smaller file, a delta saves less than its header fields cost."""
MAX_DICTIONARY_BYTES = 16 << 20
"""The largest dictionary: for a larger file, a delta takes minutes, and over half a gigabyte of memory."""

_DICTIONARY_TYPES = re.compile(r"text/|application/(?:(?:.+\+)?json|(?:.+\+)?xml|javascript|wasm)\b")
URL_SAFE_CHARACTERS = "/~!*()'"
"""Characters that Django and authors leave unquoted in a path (RFC 3986 §2.3, django.utils.encoding)."""
_PATTERN_SYNTAX = re.compile(r"[*()]")
_STAR = re.compile(r"(?<!\\)\*")


def assign_patterns(
    resources: Mapping[str, Resource],
    patterns: Mapping[str, str],
    unnamed: AbstractSet[str] = frozenset(),
    earlier: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Resource]:
    """Return the resources, with patterns for those that become dictionaries.

    `unnamed` are the names whose stem a bundler chose. `earlier` are the patterns of earlier releases, each with the
    name of its newest file.
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

    `logical` has the logical names of Django's manifest, by fingerprinted name.
    """
    found = {}
    for name in select_eligible(resources):
        own = logical.get(name, "")
        pattern = _make_pattern(name, own, is_bundled=own in resources and resources[own].immutable)
        if pattern and is_valid_match(pattern):
            found[name] = pattern
    return found


def select_eligible(resources: Mapping[str, Resource]) -> Iterable[str]:
    """Yield the names of resources whose type and length suit a dictionary or a delta.

    Source maps do not count, because developers load them once, nor does the dictionary of pages.
    """
    for name, resource in resources.items():
        is_left_out = name.endswith(".map") or is_page_dictionary(name)
        is_fit = resource.immutable and _DICTIONARY_TYPES.match(resource.media_type) and not is_left_out
        if is_fit and MIN_DICTIONARY_BYTES <= resource.identity.length <= MAX_DICTIONARY_BYTES:
            yield name


class BrowserDictionaries:
    """The dictionaries of a browser that has loaded all files of one release."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._by_ends: dict[tuple[str, str], Resource] = {}
        self._lengths: dict[str, set[int]] = {}
        """The lengths of the parts before the star, by the folder that they begin with."""
        for resource in resources:
            start, *ends = _STAR.split(resource.match)
            if len(ends) == 1:
                self._by_ends[start, ends[0]] = resource
                self._lengths.setdefault(_get_folder(start), set()).add(len(start))

    def select_dictionary(self, name: str) -> Resource | None:
        """Return the dictionary with the longest pattern that matches the name (RFC 9842 §2.2.3), if any."""
        written = _make_relative(name, _quote_part(PurePosixPath(name).name))
        for length in sorted(self._lengths.get(_get_folder(written), ()), reverse=True):
            for ends in (_quote_part(PurePosixPath(name).suffix), ""):
                found = self._by_ends.get((written[:length], ends))
                if found and len(written) >= length + len(ends):
                    return found
        return None


def is_widest(pattern: str) -> bool:
    """Whether a pattern has only the suffix of a file's own name."""
    return pattern.rpartition("/")[2].startswith("*")


def is_renamed(before: str, name: str) -> bool:
    """Whether a bundler's file has another stem than its dictionary `before`, or only a hash as its stem."""
    own = _make_pattern(name, "", is_bundled=False)
    return is_widest(own) or own != _make_pattern(before, "", is_bundled=False)


def _broaden(
    largest: Mapping[str, tuple[int, str]], taken: AbstractSet[str], earlier: Mapping[str, str]
) -> dict[str, str]:
    """Return which patterns are replaced by their folder's widest one; `largest` has each candidate's content.

    None is replaced if names that are only a hash have `taken` the widest pattern.
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
    """Whether a pattern other than the widest matches everything that this one does."""
    start, _, ends = pattern.rpartition("*")
    return any(f"{start[:length]}*{ends}" in known for length in range(len(_get_folder(start)) + 1, len(start)))


def _get_folder(start: str) -> str:
    return start[: start.rfind("/") + 1]


def _make_pattern(name: str, logical: str, *, is_bundled: bool) -> str:
    """Return the pattern of a name; empty if no fingerprint is found in it."""
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
    """Return the relative URL from a name's folder that goes up to the top folder, and down again to `base`."""
    folder, _, _ = name.rpartition("/")
    return f"{'../' * (folder.count('/') + 1)}{_quote_part(folder)}/{base}" if folder else base


def _quote_part(part: str) -> str:
    """Return a part of a name, quoted for URLs, with escapes for the special characters of patterns."""
    return _PATTERN_SYNTAX.sub(r"\\\g<0>", quote(part, safe=URL_SAFE_CHARACTERS))
