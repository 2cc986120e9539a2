"""Compares the files of a release with the objects in the store.

Rule: an object's name proves nothing. A file counts as sent if its object has the length and the digest in the new
index. The digest comes from a published index that is newer than the object, else from the object's metadata, else from
its bytes. A sent file is not sent again, so an interrupted publication can be continued.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from static_host.object_store.client import FILES_PREFIX, list_indexes
from static_host.origin.index import Index, InvalidIndexError, parse_index
from static_host.origin.representation import Representation, Resource, shorten_digest

DIGEST_ATTRIBUTE = "statichostdigest"
"""The object's metadata key for its digest, in stores with metadata. It is one word: Azure allows only C# identifiers,
without hyphens, and proxies drop header fields with underscores."""
MAX_THREADS = 16
MAX_RELEASES_READ = 20
"""The newest published releases that are read: as many as a server reads."""


@dataclass(frozen=True, slots=True)
class PublishedRelease:
    """A release in the store: when its index was written, and its fingerprinted representations, by file."""

    release: str
    time: datetime
    files: dict[str, Representation]


@dataclass(frozen=True, slots=True)
class StoreContents:
    """The size and the time of each object below ``files/``, by file; and the newest releases."""

    objects: dict[str, tuple[int, datetime]]
    published: tuple[PublishedRelease, ...]


def select_fingerprinted(index: Index) -> dict[str, tuple[Resource, Representation]]:
    """Return the representations to publish, by file."""
    resources = (resource for resource in index.values() if resource.immutable)
    pairs = ((resource, representation) for resource in resources for representation in resource.representations)
    return {representation.file: (resource, representation) for resource, representation in pairs}


def read_store(store: Any) -> StoreContents:
    """Read the contents of the store. Raises NotAStoreError, obstore's errors."""
    published = []
    for facts in list_indexes(store)[:MAX_RELEASES_READ]:
        with suppress(InvalidIndexError, ValueError, TypeError, LookupError):  # an unreadable index proves nothing
            index = parse_index(bytes(store.get(facts["path"]).bytes()))
            files = {file: representation for file, (_, representation) in select_fingerprinted(index).items()}
            published.append(PublishedRelease(index.releases[0].digest, facts["last_modified"], files))
    objects = {
        facts["path"].removeprefix(FILES_PREFIX): (facts["size"], facts["last_modified"])
        for batch in store.list(FILES_PREFIX)
        for facts in batch
    }
    return StoreContents(objects, tuple(published))


def find_clashes(wanted: Iterable[Representation], contents: StoreContents) -> list[str]:
    """Return a message for each file that another release has under the same name with other bytes."""
    found = []
    for representation in wanted:
        if representation.coding == "identity":
            others = (each for each in contents.published if representation.file in each.files)
            newest = next(others, None)
            if newest and newest.files[representation.file].digest != representation.digest:
                found.append(f"{representation.file} has other bytes in release {newest.release}")
    return sorted(found)


def find_unsent(
    store: Any, wanted: Iterable[Representation], contents: StoreContents, since: datetime | None = None
) -> list[Representation]:
    """Return the representations to send, including those last sent before `since`. Raises obstore's errors."""
    absent, unsure = [], []
    for representation in wanted:
        size, time = contents.objects.get(representation.file, (None, None))
        if size != representation.length or time is None or (since and time < since):
            absent.append(representation)
        elif not _is_vouched_for(representation, time, contents):
            unsure.append(representation)
    with ThreadPoolExecutor(MAX_THREADS) as threads:
        is_there = list(threads.map(lambda each: _is_there(store, each), unsure))
    return absent + [each for each, there in zip(unsure, is_there, strict=True) if not there]


def _is_vouched_for(representation: Representation, written: datetime, has: StoreContents) -> bool:
    newest = next((each for each in has.published if representation.file in each.files), None)
    return (
        newest is not None
        and newest.files[representation.file].digest == representation.digest
        and written <= newest.time
    )


def _is_there(store: Any, representation: Representation) -> bool:
    answer = store.get(FILES_PREFIX + representation.file, options={"head": True})
    recorded = answer.attributes.get(DIGEST_ATTRIBUTE)
    if recorded is not None:
        return bool(recorded == representation.digest)
    digest = sha256()
    for chunk in store.get(FILES_PREFIX + representation.file).stream():
        digest.update(bytes(chunk))
    return shorten_digest(digest.digest()) == representation.digest
