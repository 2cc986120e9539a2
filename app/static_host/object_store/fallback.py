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

from static_host.object_store.candidate_names import Fingerprinted
from static_host.object_store.catalog import Catalog
from static_host.object_store.circuit_breaker import Breaker
from static_host.object_store.client import reason
from static_host.object_store.fetched_tree import Found, Unfetched
from static_host.object_store.fetching import Absent, Wrong, fetched, taken_from_shelf
from static_host.origin.index import Representation, Resource
from static_host.origin.responder import Responder, Response, Served

log = logging.getLogger("static_host.store")

ABSENT = 3.0
"""Seconds for which an object that is not there is not asked for again."""
WRONG = 30.0
"""The same of an object that is not what it should be, or longer than what can be kept."""
MOST_ABSENT = 1_024
AT_ONCE = 8
"""Bodies that are fetched at a time."""
LONGEST = 60.0
"""Seconds after which a look-up that nobody waits for any more is given up."""
ENDING = 0.1
"""Seconds for obstore to notice that a look-up was given up."""
MOST_SERVED = 16_384
"""Resources whose header blocks are kept."""


Fields = tuple[tuple[bytes, bytes], ...]


class Spared(Exception):
    """The store is not asked, because it failed again and again."""


class StoreFailed(Exception):
    """The store was asked, and gave no answer that is one."""


class Elsewhere:
    """The store at `url`, behind a server's own tree. `counts` is where outcomes are counted, if they are."""

    def __init__(
        self,
        url: str,
        opener: Callable[[], Any],
        responder: Responder,
        found: Found,
        names: Fingerprinted,
        timeout: float,
        counts: Counter[str] | None = None,
    ) -> None:
        self.breaker = Breaker(url)
        self.may_have = names
        self._url = url
        self._opener = opener
        self._store: Any = None
        self._responder = responder
        self._found = found
        self._timeout = timeout
        self._counts = counts
        self._catalog = Catalog(url, responder.tree.index)
        self._served: dict[str, list[Served]] = {}
        self._seen_changes = 0
        self._flights: dict[str, asyncio.Task[None]] = {}
        self._absent: dict[str, float] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    def open(self) -> None:
        """Open the store, which loads what speaks to it. Raises StoreUnopened, SettingsWrong."""
        self._store = self._opener()

    async def close(self) -> None:
        """Give up what is under way. What obstore then does in threads of its own must find an interpreter."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        if flights:
            await asyncio.wait(flights)
            await asyncio.sleep(ENDING)

    async def respond(self, method: str, path: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Response | None:
        """Return the answer to a request for a name that the tree has not, or None when the store has not either."""
        name = self._responder.name_of(path)
        if not name or not self.may_have(name):
            return None
        lines = tuple(headers)
        response, outcome = self._answer_at_once(method, name, lines), "absent"
        try:
            if response is None:
                async with asyncio.timeout(self._timeout):
                    response = await self._answer(method, name, lines)
        except TimeoutError:
            outcome = "late"
        except Spared:
            outcome = "spared"
        except StoreFailed:
            outcome = "failed"
        except Exception:
            log.exception("a look-up in the store went wrong")
            outcome = "failed"
        if self._counts is not None:
            self._counts["found" if response else outcome] += 1
        return response

    def _answer_at_once(self, method: str, name: str, headers: Fields) -> Response | None:
        """Return the answer if the body that it takes is at hand: nearly always, from the second time on."""
        candidates = self._candidates(name)
        with suppress(Unfetched):
            return self._responder.answer(method, candidates[0], headers) if candidates else None
        return None

    async def _answer(self, method: str, name: str, headers: Fields) -> Response | None:
        for _ in range(2):
            for served in self._candidates(name):
                response = await self._answer_of(served, method, headers)
                if response:
                    return response
            if self._catalog.is_fresh:
                break
            await self._flight("", self._read_catalog)
        return None

    def _candidates(self, name: str) -> list[Served]:
        if self._seen_changes != self._catalog.changes or len(self._served) >= MOST_SERVED:
            self._seen_changes = self._catalog.changes
            self._served.clear()
        candidates = self._served.get(name)
        if candidates is None:
            candidates = [self._serve(resource) for resource in self._catalog.of(name)]
            if candidates:  # of names that do not exist there is no end
                self._served[name] = candidates
        return candidates

    def _serve(self, resource: Resource) -> Served:
        return Served(resource, self._responder.max_age, self._found)

    async def _answer_of(self, served: Served, method: str, headers: Fields) -> Response | None:
        """Return the answer, once the body that it takes is at hand; None when that cannot be had."""
        for _ in range(2):  # a long file that came to the disk may have had to make room at once
            try:
                return self._responder.answer(method, served, headers)
            except Unfetched as need:
                wanted = need.representation
            if self._absent.get(wanted.digest, 0.0) > time.monotonic():
                return None
            with self._found.awaited(wanted.digest), suppress(Unfetched):
                try:
                    await self._flight(wanted.digest, lambda wanted=wanted: self._fetch(wanted))  # type: ignore[misc]
                except (Absent, Wrong):
                    return None
                return self._responder.answer(method, served, headers)
        return None

    async def _flight(self, key: str, start: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Take part in the one look-up of that name. Raises what it raises."""
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.create_task(self._bounded(start))
            flight.add_done_callback(lambda done: self._landed(key, done))
        await asyncio.shield(flight)

    def _landed(self, key: str, flight: asyncio.Task[None]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # whoever waits has it; if nobody does, it is no news

    async def _bounded(self, start: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            async with asyncio.timeout(LONGEST):
                await start()
        except TimeoutError:
            raise StoreFailed from None

    async def _read_catalog(self) -> None:
        await self._asked(lambda store: self._catalog.read(store, self._waited))

    async def _fetch(self, wanted: Representation) -> None:
        if not self._found.has_room_for(wanted):
            message = "%s/files/%s is not served: no %s bytes can be kept here (DJANGO_STATIC_STORE_DISK)"
            log.error(message, self._url, wanted.file, f"{wanted.length:,}")
            self._note(wanted.digest, WRONG)
            raise Absent
        async with self._turns:
            if await taken_from_shelf(self._found, wanted):
                return
            try:
                await self._asked(lambda store: fetched(self._found, store, wanted, self._waited))
            except (Absent, Wrong) as error:
                if isinstance(error, Wrong):
                    log.error("%s/files/%s %s: it is not served", self._url, wanted.file, error)  # noqa: TRY400
                self._note(wanted.digest, WRONG if isinstance(error, Wrong) else ABSENT)
                raise

    def _note(self, digest: str, seconds: float) -> None:
        if len(self._absent) >= MOST_ABSENT:
            self._absent.clear()
        self._absent[digest] = time.monotonic() + seconds

    async def _asked(self, question: Callable[[Any], Awaitable[None]]) -> None:
        """Ask the store, and tell the breaker what came of it. Raises Spared, StoreFailed, Absent, Wrong."""
        if not self.breaker.allows():
            raise Spared
        try:
            if self._store is None:
                await self._waited(asyncio.to_thread(self.open))
            await question(self._store)
        except (Absent, Wrong):  # it did answer
            self.breaker.succeed()
            raise
        except Exception as error:
            self.breaker.fail(reason(error))
            raise StoreFailed from error
        except BaseException:
            self.breaker.fail("no answer in time")
            raise
        self.breaker.succeed()

    async def _waited(self, awaitable: Awaitable[Any]) -> Any:
        async with asyncio.timeout(self._timeout):
            return await awaitable
