"""Answers requests for fingerprinted names that the server's own tree lacks, from the object store.

Rule: a request waits for the store for `timeout` seconds at most. Requests for the same file share one look-up, which
goes on after that time so that the next request finds its result. The answer is what the server would send if the file
were in its own tree, or the 404 that it sends without a store. A body's digest is compared before its first byte is
sent, so a response never breaks off over a damaged object.

Strategy: there are two steps. The catalog finds the resource of a name; the origin's core selects the representation,
and its body is fetched. The circuit breaker must allow each step.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from static_host.conf.settings import Settings
from static_host.object_store.body_fetch import (
    ObjectCorruptError,
    ObjectNotFoundError,
    fetch_into_cache,
    load_from_disk_cache,
)
from static_host.object_store.candidate_names import FingerprintMatcher
from static_host.object_store.circuit_breaker import CircuitBreaker
from static_host.object_store.client import StoreOpenError, StoreTimeouts, format_reason, open_store
from static_host.object_store.disk_cache import DiskCache
from static_host.object_store.fetched_tree import BodyNotFetchedError, FetchedTree
from static_host.object_store.release_catalog import Catalog
from static_host.origin.representation import Representation, Resource
from static_host.origin.responder import Responder, ServedResource
from static_host.origin.response import Response

log = logging.getLogger("static_host.store")

NOT_FOUND_CACHE_SECONDS = 3.0
"""Seconds before a missing object is requested again."""
CORRUPT_CACHE_SECONDS = 30.0
"""Seconds before an object is requested again that is corrupt, or too long to be cached."""
MAX_CACHED_ABSENT = 1_024
"""Digests of missing and corrupt objects that are remembered."""
MAX_CONCURRENT_FETCHES = 8
"""Bodies that are fetched at the same time."""
LOOKUP_TIMEOUT_SECONDS = 60.0
"""Seconds after which a look-up is cancelled, whether or not a request still waits for it."""
CLOSE_GRACE_SECONDS = 0.1
"""Seconds that obstore gets to notice a cancelled look-up."""
MAX_SERVED_RESOURCES = 16_384
"""Resources whose prepared headers are kept."""
_MAX_RETRIES = 1


FieldLines = tuple[tuple[bytes, bytes], ...]


class CircuitOpenError(Exception):
    """The circuit is open after repeated failures: the store is not called."""


class StoreFailedError(Exception):
    """A call to the store failed or timed out."""


class ObjectStoreFallback:
    """The store at `url`, as a fallback for a server's own tree. Counts the outcomes of look-ups in `outcomes`."""

    @classmethod
    def from_settings(
        cls, settings: Settings, responder: Responder, outcomes: Counter[str] | None = None
    ) -> ObjectStoreFallback:
        """Return the fallback for DJANGO_STATIC_STORE, and have the responder use it. Raises InvalidSettingsError.

        A server starts without its store: if the store cannot be opened yet, the first look-up opens it.
        """
        url = settings.static_store
        names = FingerprintMatcher(settings.static_immutable_pattern)
        tree = FetchedTree(DiskCache.from_settings(settings), responder.tree.bodies)
        if not tree.disk_cache and not tree.bodies.budget:
            log.warning("DJANGO_STATIC_MEMORY is 0 and nothing is kept on the disk: no file of %s can be served", url)
        timeouts = StoreTimeouts(settings.static_store_timeout, LOOKUP_TIMEOUT_SECONDS, _MAX_RETRIES)
        opener = partial(open_store, url, timeouts)
        fallback = cls(url, opener, responder, tree, names, settings.static_store_timeout, outcomes)
        try:
            fallback.open()
        except StoreOpenError as error:
            log.warning("%s %s", url, error)
        responder.is_fallback_candidate = names
        responder.recall = fallback.recall
        return fallback

    def __init__(
        self,
        url: str,
        opener: Callable[[], Any],
        responder: Responder,
        fetched_tree: FetchedTree,
        names: FingerprintMatcher,
        timeout: float,
        outcomes: Counter[str] | None = None,
    ) -> None:
        self.breaker = CircuitBreaker(url)
        self.is_candidate = names
        self._url = url
        self._opener = opener
        self._store: Any = None
        self._responder = responder
        self._fetched_tree = fetched_tree
        self._timeout = timeout
        self._outcomes = outcomes
        self._catalog = Catalog(url, responder.tree.index)
        responder.on_replaced.append(self._forget_tree)
        self._served: dict[str, list[ServedResource]] = {}
        self._known_changes = 0
        self._pending_lookups: dict[str, asyncio.Task[None]] = {}
        self._absent: dict[str, float] = {}
        self._turns = asyncio.Semaphore(MAX_CONCURRENT_FETCHES)

    def open(self) -> None:
        """Open the store, which imports obstore. Raises StoreOpenError, InvalidSettingsError."""
        self._store = self._opener()

    def _forget_tree(self) -> None:
        """Begin anew with the index of the responder's next tree."""
        self._catalog = Catalog(self._url, self._responder.tree.index)
        self._served.clear()
        self._absent.clear()

    async def close(self) -> None:
        """Cancel all look-ups, and wait until obstore's own threads have noticed: they need the interpreter."""
        lookups = list(self._pending_lookups.values())
        for lookup in lookups:
            lookup.cancel()
        if lookups:
            await asyncio.wait(lookups)
            await asyncio.sleep(CLOSE_GRACE_SECONDS)

    async def respond(self, method: str, path: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Response | None:
        """Return the response for a name that the tree lacks; None if the store lacks it too, or fails to answer."""
        name = self._responder.resolve_name(path)
        if not name or not self.is_candidate(name):
            return None
        lines = tuple(headers)
        response, outcome = self._answer_at_once(method, name, lines), "absent"
        try:
            if response is None:
                async with asyncio.timeout(self._timeout):
                    response = await self._answer(method, name, lines)
        except TimeoutError:
            outcome = "late"
        except CircuitOpenError:
            outcome = "circuit_open"
        except StoreFailedError:
            outcome = "failed"
        except Exception:
            log.exception("a look-up in the store failed")
            outcome = "failed"
        if self._outcomes is not None:
            self._outcomes["found" if response else outcome] += 1
        return response

    def recall(self, method: str, name: str, headers: Iterable[tuple[bytes, bytes]]) -> tuple[Response | None, bool]:
        """Return the response if its body is cached, and whether it is known that there is none, without a look-up."""
        response = self._answer_at_once(method, name, tuple(headers))
        is_absent = response is None and self._catalog.is_fresh and not self._find_candidates(name)
        if self._outcomes is not None and (response or is_absent):
            self._outcomes["found" if response else "absent"] += 1
        return response, is_absent

    def _answer_at_once(self, method: str, name: str, headers: FieldLines) -> Response | None:
        """Return the response if its body is cached, as it usually is after the first request."""
        candidates = self._find_candidates(name)
        with suppress(BodyNotFetchedError):
            return self._responder.answer(method, candidates[0], headers) if candidates else None
        return None

    async def _answer(self, method: str, name: str, headers: FieldLines) -> Response | None:
        for _ in range(2):
            for served in self._find_candidates(name):
                response = await self._answer_resource(served, method, headers)
                if response:
                    return response
            if self._catalog.is_fresh:
                break
            await self._join_lookup("", self._read_catalog)
        return None

    def _find_candidates(self, name: str) -> list[ServedResource]:
        if self._known_changes != self._catalog.changes or len(self._served) >= MAX_SERVED_RESOURCES:
            self._known_changes = self._catalog.changes
            self._served.clear()
        candidates = self._served.get(name)
        if candidates is None:
            release = self._catalog.name_only_release(name)
            candidates = [self._serve(resource, release) for resource in self._catalog.find_resources(name)]
            if candidates:  # names that do not exist are unbounded
                self._served[name] = candidates
        return candidates

    def _serve(self, resource: Resource, release: str = "") -> ServedResource:
        max_age, security = self._responder.max_age, self._responder.security
        return ServedResource(resource, max_age, self._fetched_tree, security, release=release)

    async def _answer_resource(self, served: ServedResource, method: str, headers: FieldLines) -> Response | None:
        """Fetch the body that the response needs, and return the response; None if the body cannot be fetched."""
        for _ in range(2):  # another file may already have evicted a long one from the disk
            try:
                return self._responder.answer(method, served, headers)
            except BodyNotFetchedError as need:
                wanted = need.representation
            if self._absent.get(wanted.digest, 0.0) > time.monotonic():
                return None
            with self._fetched_tree.pin(wanted.digest), suppress(BodyNotFetchedError):
                try:
                    await self._join_lookup(wanted.digest, lambda wanted=wanted: self._fetch(wanted))  # type: ignore[misc]
                except (ObjectNotFoundError, ObjectCorruptError):
                    return None
                return self._responder.answer(method, served, headers)
        return None

    async def _join_lookup(self, key: str, start: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Wait for the pending look-up with this key, or start one. Raises what the look-up raises."""
        lookup = self._pending_lookups.get(key)
        if lookup is None:
            lookup = self._pending_lookups[key] = asyncio.create_task(self._run_bounded(start))
            lookup.add_done_callback(lambda done: self._finish_lookup(key, done))
        await asyncio.shield(lookup)

    def _finish_lookup(self, key: str, lookup: asyncio.Task[None]) -> None:
        del self._pending_lookups[key]
        if not lookup.cancelled():
            lookup.exception()  # marks it as retrieved: no request may be waiting any more

    async def _run_bounded(self, start: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_SECONDS):
                await start()
        except TimeoutError:
            raise StoreFailedError from None

    async def _read_catalog(self) -> None:
        await self._ask_store(lambda store: self._catalog.read(store, self._wait))

    async def _fetch(self, wanted: Representation) -> None:
        if not self._fetched_tree.has_room_for(wanted):
            message = "%s/files/%s is not served: its %s bytes do not fit into DJANGO_STATIC_STORE_DISK"
            log.error(message, self._url, wanted.file, f"{wanted.length:,}")
            self._remember_absent(wanted.digest, CORRUPT_CACHE_SECONDS)
            raise ObjectNotFoundError
        async with self._turns:
            if await load_from_disk_cache(self._fetched_tree, wanted):
                return
            try:
                await self._ask_store(lambda store: fetch_into_cache(self._fetched_tree, store, wanted, self._wait))
            except (ObjectNotFoundError, ObjectCorruptError) as error:
                if isinstance(error, ObjectCorruptError):
                    log.error("%s/files/%s %s: it is not served", self._url, wanted.file, error)  # noqa: TRY400
                self._remember_absent(
                    wanted.digest,
                    CORRUPT_CACHE_SECONDS if isinstance(error, ObjectCorruptError) else NOT_FOUND_CACHE_SECONDS,
                )
                raise

    def _remember_absent(self, digest: str, seconds: float) -> None:
        if len(self._absent) >= MAX_CACHED_ABSENT:
            self._absent.clear()
        self._absent[digest] = time.monotonic() + seconds

    async def _ask_store(self, call: Callable[[Any], Awaitable[None]]) -> None:
        """Call the store, and record the outcome in the circuit breaker.

        Raises CircuitOpenError, StoreFailedError, ObjectNotFoundError, ObjectCorruptError.
        """
        if not self.breaker.allow_request():
            raise CircuitOpenError
        try:
            if self._store is None:
                await self._wait(asyncio.to_thread(self.open))
            await call(self._store)
        except (ObjectNotFoundError, ObjectCorruptError):  # the store did answer
            self.breaker.record_success()
            raise
        except Exception as error:
            self.breaker.record_failure(format_reason(error))
            raise StoreFailedError from error
        except BaseException:
            self.breaker.record_failure("no answer in time")
            raise
        self.breaker.record_success()

    async def _wait(self, awaitable: Awaitable[Any]) -> Any:
        async with asyncio.timeout(self._timeout):
            return await awaitable
