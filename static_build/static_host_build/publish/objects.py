"""What a release has to have in the store, and what of it is there.

Rule: a name in the store is a fingerprint and proves nothing. A file is there if its object has the length and the
digest of the new index: as a published index says, if the object was written before it; else as the object itself
says, by the digest that was put beside it; else as its bytes say. What is there is not sent again, so a publication
that was cut short goes on where it was.
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
"""The object's metadata that holds its digest, where the store has room for such. In one word: Azure's names are those
of C#, without hyphens, and proxies drop headers with underscores."""
MAX_THREADS = 16
MAX_RELEASES_READ = 20
"""Published releases that are looked at, the newest ones: as many as a server looks at."""


@dataclass(frozen=True, slots=True)
class PublishedRelease:
    """A release in the store: when its index was written, and its fingerprinted representations by file."""

    release: str
    time: datetime
    files: dict[str, Representation]


@dataclass(frozen=True, slots=True)
class StoreContents:
    """What the store has: the size and the time of each object below ``files/``, by file, and the newest releases."""

    objects: dict[str, tuple[int, datetime]]
    published: tuple[PublishedRelease, ...]


def select_fingerprinted(index: Index) -> dict[str, tuple[Resource, Representation]]:
    """Return the representations that are to be published, by file."""
    resources = (resource for resource in index.values() if resource.immutable)
    pairs = ((resource, representation) for resource in resources for representation in resource.representations)
    return {representation.file: (resource, representation) for resource, representation in pairs}


def read_store(store: Any) -> StoreContents:
    """Ask the store what it has. Raises NotAStoreError, what obstore raises."""
    published = []
    for facts in list_indexes(store)[:MAX_RELEASES_READ]:
        with suppress(InvalidIndexError, ValueError, TypeError, LookupError):  # it vouches for nothing
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
    """Return the files that another release has under the same name with other bytes, each with that release."""
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
    """Return those that have to be sent: what was written before `since`, too. Raises what obstore raises."""
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
