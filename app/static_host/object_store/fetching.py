"""One body: from the store, or from the shelf, into the server's hands, once its digest was compared.

Rule: nothing is believed: neither the store's bytes nor those that another process has put on the shelf. A body that is
to be in memory is held there; a longer one is written to the shelf as it comes.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import time
from collections.abc import AsyncIterator
from hashlib import file_digest, sha256
from typing import Any

from static_host.object_store.client import FILES
from static_host.object_store.disk_cache import Crowded, Draft, NoRoom, Shelf
from static_host.object_store.fetched_tree import Found
from static_host.object_store.min_rate import Waited, arriving
from static_host.origin.index import Representation, digest, short_digest

log = logging.getLogger("static_host.store")

ROOM = 2.0
"""Seconds for which a body waits for room on the shelf."""
_MOMENT = 0.02


class Absent(Exception):
    """The store has no such object, or one that there is no room for here."""


class Wrong(Exception):
    """The store's object is not what the index says; the message says how, as the end of a sentence."""


async def taken_from_shelf(found: Found, representation: Representation) -> bool:
    """Whether the body was on the shelf, as another process left it; it is then at hand."""
    if found.shelf is None:
        return False
    taken = await asyncio.to_thread(_take, found, found.shelf, representation)
    if isinstance(taken, bytes):
        found.hold(representation, taken)
    return taken is not None


async def fetched(found: Found, store: Any, representation: Representation, waited: Waited) -> None:
    """Have the body at hand. Raises Absent, Wrong, OSError of the disk's in `Absent`, and what obstore raises."""
    try:
        answer = await waited(store.get_async(FILES + representation.file))
    except FileNotFoundError:
        raise Absent from None
    if answer.meta["size"] != representation.length:
        raise Wrong(f"has {answer.meta['size']} bytes, its index says {representation.length}")
    chunks = _chunks(answer, representation, waited)
    if found.fits_in_memory(representation):
        await _into_memory(found, representation, chunks)
    elif found.shelf:
        await _onto_shelf(found, found.shelf, representation, chunks)


async def _chunks(answer: Any, representation: Representation, waited: Waited) -> AsyncIterator[bytes]:
    """Give the bytes as they come, never more than there should be. Raises Wrong, TimeoutError."""
    length = 0
    async for chunk in arriving(answer, representation.length, waited):
        length += len(chunk)
        if length <= representation.length:
            yield chunk
    if length != representation.length:
        raise Wrong("has not as many bytes as its index says")


async def _into_memory(found: Found, representation: Representation, chunks: AsyncIterator[bytes]) -> None:
    data = b"".join([chunk async for chunk in chunks])
    if digest(data) != representation.digest:
        raise Wrong("has other bytes than its index says")
    if found.shelf:
        await asyncio.to_thread(_put, found.shelf, representation, data)
    found.hold(representation, data)


def _put(shelf: Shelf, representation: Representation, data: bytes) -> None:
    """Put a body on the shelf, too, if that can be done."""
    draft = None
    try:
        draft = shelf.draft(len(data))
        draft.write(data)
        draft.finish(representation.digest)
    except NoRoom:
        pass
    except OSError as error:
        log.warning("%s: a file of the store cannot be kept there: %s", shelf.directory, error)
    finally:
        if draft:
            draft.abandon()


async def _onto_shelf(found: Found, shelf: Shelf, representation: Representation, chunks: AsyncIterator[bytes]) -> None:
    draft: Draft | None = None
    whole = sha256()
    try:
        draft = await _drafted(shelf, representation.length)
        async for chunk in chunks:
            whole.update(chunk)
            await asyncio.to_thread(draft.write, chunk)
        if short_digest(whole.digest()) != representation.digest:
            raise Wrong("has other bytes than its index says")
        found.know(representation, draft.finish(representation.digest))
    except NoRoom:
        raise Absent from None
    except OSError as error:
        if error.errno is None:  # obstore's own, of the network
            raise
        log.warning("%s: a file of the store cannot be kept there: %s", shelf.directory, error)
        raise Absent from None
    finally:
        if draft:
            draft.abandon()


async def _drafted(shelf: Shelf, length: int) -> Draft:
    """Return a file for so many bytes, once others that are on their way have made room. Raises NoRoom, OSError."""
    latest = time.monotonic() + ROOM
    while True:
        try:
            return await asyncio.to_thread(shelf.draft, length)
        except Crowded:
            if time.monotonic() > latest:
                raise
        await asyncio.sleep(_MOMENT)


def _take(found: Found, shelf: Shelf, representation: Representation) -> bytes | os.stat_result | None:
    """Return the body, or what is now known of its file where that is too long for memory, or None."""
    descriptor = shelf.opened(representation.digest)
    if descriptor is None:
        return None
    with io.FileIO(descriptor) as file:
        facts = os.fstat(descriptor)
        if facts.st_size == representation.length:
            if found.fits_in_memory(representation):
                data = file.readall()
                if digest(data) == representation.digest:
                    return data
            elif short_digest(file_digest(file, sha256).digest()) == representation.digest:
                found.know(representation, facts)
                return facts
    shelf.remove(representation.digest)
    return None
