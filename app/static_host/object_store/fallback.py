"""What a server does with a fingerprinted name that its own tree has not: it looks for it in the store.

Rule: a request waits for the store for `timeout` seconds at most, and for one look-up with all others that ask for the
same; a look-up that takes longer goes on, so that the next request finds what it brought. What comes of it is the
answer that the server would give if the file had been built in, or the 404 that it gives without a store: never
anything in between, because a body is compared with its digest before the first byte is sent.

Strategy: two steps, each taken once at a time. The catalog tells what a name's resource is; the core picks the
representation, and asks for its body. Both steps are the breaker's to allow.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

from static_host.object_store.body_fetch import (
    ObjectCorruptError,
    ObjectNotFoundError,
    fetch_into_cache,
    load_from_disk_cache,
)
from static_host.object_store.candidate_names import FingerprintMatcher
from static_host.object_store.catalog import Catalog
from static_host.object_store.circuit_breaker import CircuitBreaker
from static_host.object_store.client import format_reason
from static_host.object_store.fetched_tree import BodyNotFetchedError, FetchedTree
from static_host.origin.representation import Representation, Resource
from static_host.origin.responder import Responder, ServedResource
from static_host.origin.response import Response

log = logging.getLogger("static_host.store")

NOT_FOUND_CACHE_SECONDS = 3.0
"""Seconds for which an object that is not there is not asked for again."""
CORRUPT_CACHE_SECONDS = 30.0
"""The same of an object that is not what it should be, or longer than what can be kept."""
MAX_CACHED_ABSENT = 1_024
MAX_CONCURRENT_FETCHES = 8
"""Bodies that are fetched at a time."""
LOOKUP_TIMEOUT_SECONDS = 60.0
"""Seconds after which a look-up that nobody waits for any more is given up."""
CLOSE_GRACE_SECONDS = 0.1
"""Seconds for obstore to notice that a look-up was given up."""
MAX_SERVED_RESOURCES = 16_384
"""Resources whose header blocks are kept."""


FieldLines = tuple[tuple[bytes, bytes], ...]


class CircuitOpenError(Exception):
    """The store is not asked, because it failed again and again."""


class StoreFailedError(Exception):
    """The store was asked, and gave no answer that is one."""


class ObjectStoreFallback:
    """The store at `url`, behind a server's own tree. `counts` is where outcomes are counted, if they are."""

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
        self._served: dict[str, list[ServedResource]] = {}
        self._known_changes = 0
        self._pending_lookups: dict[str, asyncio.Task[None]] = {}
        self._absent: dict[str, float] = {}
        self._turns = asyncio.Semaphore(MAX_CONCURRENT_FETCHES)

    def open(self) -> None:
        """Open the store, which loads what speaks to it. Raises StoreOpenError, InvalidSettingsError."""
        self._store = self._opener()

    async def close(self) -> None:
        """Give up what is under way. What obstore then does in threads of its own must find an interpreter."""
        flights = list(self._pending_lookups.values())
        for flight in flights:
            flight.cancel()
        if flights:
            await asyncio.wait(flights)
            await asyncio.sleep(CLOSE_GRACE_SECONDS)

    async def respond(self, method: str, path: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Response | None:
        """Return the answer to a request for a name that the tree has not, or None when the store has not either."""
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
            log.exception("a look-up in the store went wrong")
            outcome = "failed"
        if self._outcomes is not None:
            self._outcomes["found" if response else outcome] += 1
        return response

    def _answer_at_once(self, method: str, name: str, headers: FieldLines) -> Response | None:
        """Return the answer if the body that it takes is at hand: nearly always, from the second time on."""
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
            candidates = [self._serve(resource) for resource in self._catalog.find_resources(name)]
            if candidates:  # of names that do not exist there is no end
                self._served[name] = candidates
        return candidates

    def _serve(self, resource: Resource) -> ServedResource:
        return ServedResource(resource, self._responder.max_age, self._fetched_tree)

    async def _answer_resource(self, served: ServedResource, method: str, headers: FieldLines) -> Response | None:
        """Return the answer, once the body that it takes is at hand; None when that cannot be had."""
        for _ in range(2):  # a long file that came to the disk may have had to make room at once
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
        """Take part in the one look-up of that name. Raises what it raises."""
        flight = self._pending_lookups.get(key)
        if flight is None:
            flight = self._pending_lookups[key] = asyncio.create_task(self._run_bounded(start))
            flight.add_done_callback(lambda done: self._finish_lookup(key, done))
        await asyncio.shield(flight)

    def _finish_lookup(self, key: str, flight: asyncio.Task[None]) -> None:
        del self._pending_lookups[key]
        if not flight.cancelled():
            flight.exception()  # whoever waits has it; if nobody does, it is no news

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
            message = "%s/files/%s is not served: no %s bytes can be kept here (DJANGO_STATIC_STORE_DISK)"
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

    async def _ask_store(self, question: Callable[[Any], Awaitable[None]]) -> None:
        """Ask the store, and tell the breaker what came of it.

        Raises CircuitOpenError, StoreFailedError, ObjectNotFoundError, ObjectCorruptError.
        """
        if not self.breaker.allow_request():
            raise CircuitOpenError
        try:
            if self._store is None:
                await self._wait(asyncio.to_thread(self.open))
            await question(self._store)
        except (ObjectNotFoundError, ObjectCorruptError):  # it did answer
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
