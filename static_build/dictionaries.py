"""Which files are dictionaries for their later versions, and the patterns of those (RFC 9842 §2.1.1).

Rule: the pattern of a file is its own name, as it is written in URLs, with ``*`` where its fingerprint stands: that of
``css/site.e8e374d844cc.css`` is ``site.*.css``. It is relative to the URL of the file, so that it holds below every
prefix, on every host and whatever path a CDN has put before it; it has no groups. Django's manifest tells where the
fingerprint stands; in a name that a bundler gave, or the operator's pattern finds, it is what looks like a hash at the
end of the stem. That may be wrong: then no later version has that name, and nothing is lost.

Only what is immutable, and is text or WebAssembly, is a dictionary: pictures and fonts have no bytes in common with
their earlier versions. A browser keeps one dictionary for each pattern, so that of several contents with the same one
(``chunk-*.js``) only the largest is offered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from urllib.parse import quote

from app.origin.index import Resource, is_plain
from static_build.bundles import HASH

LEAST = 1_000
"""Bytes of a file, at least; of a smaller one a delta saves less than the fields cost that it needs."""
MOST = 16 << 20
"""Bytes of a file, at most: a delta of more takes minutes, and over half a gigabyte of memory."""

_TYPES = re.compile(r"text/|application/(?:(?:.+\+)?json|(?:.+\+)?xml|javascript|wasm)\b")
_UNWRITTEN = "/~!*()'"
"""What Django, and who writes URLs by hand, leave as it is in a path (RFC 3986 §2.3, and django.utils.encoding)."""
_MEANT = re.compile(r"[*()]")


def offered(resources: Mapping[str, Resource], patterns: Mapping[str, str]) -> dict[str, Resource]:
    """Return the resources, those that are to be dictionaries with their patterns."""
    largest: dict[tuple[str, str], tuple[int, str]] = {}
    for name, pattern in patterns.items():
        identity = resources[name].identity
        key, rank = place_of(name, pattern), (identity.length, identity.digest)
        largest[key] = max(rank, largest.get(key, rank))
    return {
        name: replace(resource, match=patterns[name])
        if name in patterns and largest[place_of(name, patterns[name])][1] == resource.identity.digest
        else resource
        for name, resource in resources.items()
    }


def patterns_of(resources: Mapping[str, Resource], logical: Mapping[str, str]) -> dict[str, str]:
    """Return the patterns of the resources that can be dictionaries, or can be encoded with one, by name.

    `logical` has the names that Django's manifest fingerprints, by the fingerprinted ones.
    """
    found = {}
    for name, resource in resources.items():
        if resource.immutable and _is_fit(name, resource):
            own = logical.get(name, "")
            pattern = _pattern(name, own, is_bundled=own in resources and resources[own].immutable)
            if pattern and is_plain(pattern):
                found[name] = pattern
    return found


def place_of(name: str, pattern: str) -> tuple[str, str]:
    """Return what a dictionary and the later versions of it have in common: the folder and the pattern."""
    return name.rpartition("/")[0], pattern


def _is_fit(name: str, resource: Resource) -> bool:
    """Whether a file has a type and a length to be kept for; source maps are for developers, who ask once."""
    is_fit = _TYPES.match(resource.media_type) and not name.endswith(".map")
    return bool(is_fit) and LEAST <= resource.identity.length <= MOST


def _pattern(name: str, logical: str, *, is_bundled: bool) -> str:
    """Return the pattern of a name, or nothing where no fingerprint is found in it."""
    base = PurePosixPath(name).name
    own = PurePosixPath(logical).name
    stem, ends = PurePosixPath(own or base).stem, PurePosixPath(own or base).suffix
    begins = f"{stem}."
    if own and base.startswith(begins) and base.endswith(ends) and len(base) > len(begins + ends):
        hashed = HASH.search(stem) if is_bundled else None
        start = stem[: hashed.start() + 1] if hashed else begins
    else:
        hashed = HASH.search(stem)
        start = stem[: hashed.start() + 1] if hashed else ""
    return f"{_written(start)}*{_written(ends)}" if start.strip("-._") else ""


def _written(part: str) -> str:
    """Return a part of a name as URLs have it, what is special in patterns marked as not meant so."""
    return _MEANT.sub(r"\\\g<0>", quote(part, safe=_UNWRITTEN))
