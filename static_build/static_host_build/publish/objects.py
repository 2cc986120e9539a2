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

from static_host.object_store.client import FILES, indexes_in
from static_host.origin.index import Index, IndexDamaged, Representation, Resource, loads, short_digest

DIGEST = "statichostdigest"
"""The object's metadata that holds its digest, where the store has room for such. In one word: Azure's names are those
of C#, without hyphens, and proxies drop headers with underscores."""
AT_ONCE = 16
MOST = 20
"""Published releases that are looked at, the newest ones: as many as a server looks at."""


@dataclass(frozen=True, slots=True)
class Published:
    """A release in the store: when its index was written, and its fingerprinted representations by file."""

    release: str
    time: datetime
    files: dict[str, Representation]


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store has: the size and the time of each object below ``files/``, by file, and the newest releases."""

    objects: dict[str, tuple[int, datetime]]
    published: tuple[Published, ...]


def fingerprinted(index: Index) -> dict[str, tuple[Resource, Representation]]:
    """Return the representations that are to be published, by file."""
    resources = (resource for resource in index.values() if resource.immutable)
    pairs = ((resource, representation) for resource in resources for representation in resource.representations)
    return {representation.file: (resource, representation) for resource, representation in pairs}


def stored(store: Any) -> Stored:
    """Ask the store what it has. Raises NoStore, what obstore raises."""
    published = []
    for facts in indexes_in(store)[:MOST]:
        with suppress(IndexDamaged, ValueError, TypeError, LookupError):  # it vouches for nothing
            index = loads(bytes(store.get(facts["path"]).bytes()))
            files = {file: representation for file, (_, representation) in fingerprinted(index).items()}
            published.append(Published(index.releases[0].digest, facts["last_modified"], files))
    objects = {
        facts["path"].removeprefix(FILES): (facts["size"], facts["last_modified"])
        for batch in store.list(FILES)
        for facts in batch
    }
    return Stored(objects, tuple(published))


def clashes(wanted: Iterable[Representation], has: Stored) -> list[str]:
    """Return the files that another release has under the same name with other bytes, each with that release."""
    found = []
    for representation in wanted:
        if representation.coding == "identity":
            others = (each for each in has.published if representation.file in each.files)
            newest = next(others, None)
            if newest and newest.files[representation.file].digest != representation.digest:
                found.append(f"{representation.file} has other bytes in release {newest.release}")
    return sorted(found)


def missing(
    store: Any, wanted: Iterable[Representation], has: Stored, since: datetime | None = None
) -> list[Representation]:
    """Return those that have to be sent: what was written before `since`, too. Raises what obstore raises."""
    absent, unsure = [], []
    for representation in wanted:
        size, time = has.objects.get(representation.file, (None, None))
        if size != representation.length or time is None or (since and time < since):
            absent.append(representation)
        elif not _is_vouched_for(representation, time, has):
            unsure.append(representation)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        is_there = list(threads.map(lambda each: _is_there(store, each), unsure))
    return absent + [each for each, there in zip(unsure, is_there, strict=True) if not there]


def _is_vouched_for(representation: Representation, written: datetime, has: Stored) -> bool:
    newest = next((each for each in has.published if representation.file in each.files), None)
    return (
        newest is not None
        and newest.files[representation.file].digest == representation.digest
        and written <= newest.time
    )


def _is_there(store: Any, representation: Representation) -> bool:
    answer = store.get(FILES + representation.file, options={"head": True})
    recorded = answer.attributes.get(DIGEST)
    if recorded is not None:
        return bool(recorded == representation.digest)
    digest = sha256()
    for chunk in store.get(FILES + representation.file).stream():
        digest.update(bytes(chunk))
    return short_digest(digest.digest()) == representation.digest
