"""Fetches bodies from the store, or from the disk cache, into the fetched tree.

Rule: every body is compared with its digest, whether it comes from the store or from a file that another process put
into the disk cache. A short body goes to memory; a longer one is written to the disk cache as it arrives.
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

from static_host.object_store.client import FILES_PREFIX
from static_host.object_store.disk_cache import CacheFullError, DiskCache, NoSpaceError, PendingFile
from static_host.object_store.fetched_tree import FetchedTree
from static_host.object_store.minimum_transfer_rate import BoundedWait, read_at_min_rate
from static_host.origin.representation import Representation, compute_digest, shorten_digest

log = logging.getLogger("static_host.store")

SPACE_TIMEOUT_SECONDS = 2.0
"""Seconds for which a body waits for room in the disk cache."""
_SPACE_POLL_SECONDS = 0.02


class ObjectNotFoundError(Exception):
    """The store lacks the object, or the caches have no room for it."""


class ObjectCorruptError(Exception):
    """The object differs from the index; the message says how, as the end of a sentence."""


async def load_from_disk_cache(tree: FetchedTree, representation: Representation) -> bool:
    """Load a body from the disk cache into the tree; return whether the cache has it undamaged."""
    if tree.disk_cache is None:
        return False
    taken = await asyncio.to_thread(_read_from_disk, tree, tree.disk_cache, representation)
    if isinstance(taken, bytes):
        tree.keep_in_memory(representation, taken)
    return taken is not None


async def fetch_into_cache(tree: FetchedTree, store: Any, representation: Representation, wait: BoundedWait) -> None:
    """Fetch a body from the store into the tree.

    Raises ObjectNotFoundError (also if the disk fails), ObjectCorruptError, and obstore's errors.
    """
    try:
        answer = await wait(store.get_async(FILES_PREFIX + representation.file))
    except FileNotFoundError:
        raise ObjectNotFoundError from None
    if answer.meta["size"] != representation.length:
        raise ObjectCorruptError(f"has {answer.meta['size']} bytes, its index says {representation.length}")
    chunks = _read_chunks(answer, representation, wait)
    if tree.is_kept_in_memory(representation):
        await _fetch_into_memory(tree, representation, chunks)
    elif tree.disk_cache:
        await _fetch_to_disk(tree, tree.disk_cache, representation, chunks)


async def _read_chunks(answer: Any, representation: Representation, wait: BoundedWait) -> AsyncIterator[bytes]:
    """Yield the bytes as they arrive, at most `representation.length`. Raises ObjectCorruptError, TimeoutError."""
    length = 0
    async for chunk in read_at_min_rate(answer, representation.length, wait):
        length += len(chunk)
        if length <= representation.length:
            yield chunk
    if length != representation.length:
        raise ObjectCorruptError("has another length than its index says")


async def _fetch_into_memory(tree: FetchedTree, representation: Representation, chunks: AsyncIterator[bytes]) -> None:
    data = b"".join([chunk async for chunk in chunks])
    if compute_digest(data) != representation.digest:
        raise ObjectCorruptError("has other bytes than its index says")
    if tree.disk_cache:
        await asyncio.to_thread(_store_on_disk, tree.disk_cache, representation, data)
    tree.keep_in_memory(representation, data)


def _store_on_disk(disk_cache: DiskCache, representation: Representation, data: bytes) -> None:
    """Also put a body into the disk cache, if possible."""
    pending = None
    try:
        pending = disk_cache.open_pending(len(data))
        pending.write(data)
        pending.finish(representation.digest)
    except NoSpaceError:
        pass
    except OSError as error:
        log.warning("%s: a file of the store cannot be written there: %s", disk_cache.directory, error)
    finally:
        if pending:
            pending.abandon()


async def _fetch_to_disk(
    tree: FetchedTree, disk_cache: DiskCache, representation: Representation, chunks: AsyncIterator[bytes]
) -> None:
    pending: PendingFile | None = None
    whole = sha256()
    try:
        pending = await _open_pending_file(disk_cache, representation.length)
        async for chunk in chunks:
            whole.update(chunk)
            await asyncio.to_thread(pending.write, chunk)
        if shorten_digest(whole.digest()) != representation.digest:
            raise ObjectCorruptError("has other bytes than its index says")
        tree.remember_file(representation, pending.finish(representation.digest))
    except NoSpaceError:
        raise ObjectNotFoundError from None
    except OSError as error:
        if error.errno is None:  # obstore's own, for the network
            raise
        log.warning("%s: a file of the store cannot be written there: %s", disk_cache.directory, error)
        raise ObjectNotFoundError from None
    finally:
        if pending:
            pending.abandon()


async def _open_pending_file(disk_cache: DiskCache, length: int) -> PendingFile:
    """Return a pending file of `length` bytes; wait while other pending files take up the budget.

    Raises NoSpaceError, OSError.
    """
    latest = time.monotonic() + SPACE_TIMEOUT_SECONDS
    while True:
        try:
            return await asyncio.to_thread(disk_cache.open_pending, length)
        except CacheFullError:
            if time.monotonic() > latest:
                raise
        await asyncio.sleep(_SPACE_POLL_SECONDS)


def _read_from_disk(
    tree: FetchedTree, disk_cache: DiskCache, representation: Representation
) -> bytes | os.stat_result | None:
    """Return the body, or its file's `stat` result if it is too long for memory; None if missing or damaged."""
    descriptor = disk_cache.open_file(representation.digest)
    if descriptor is None:
        return None
    with io.FileIO(descriptor) as file:
        facts = os.fstat(descriptor)
        if facts.st_size == representation.length:
            if tree.is_kept_in_memory(representation):
                data = file.readall()
                if compute_digest(data) == representation.digest:
                    return data
            elif shorten_digest(file_digest(file, sha256).digest()) == representation.digest:
                tree.remember_file(representation, facts)
                return facts
    disk_cache.remove(representation.digest)
    return None
