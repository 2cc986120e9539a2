"""Liveness and readiness checks, for load balancers and container platforms.

Rule: a check accepts any Host (load balancers use an IP address, which ALLOWED_HOSTS would refuse), and its response is
never cached. A process that responds is alive. It is ready once it has its tree and its project, until it is told to
stop, while workers can serve requests, and while the databases that DJANGO_READY_DATABASE names respond. With
DJANGO_READY_MIGRATIONS it is not ready before all migrations are applied. A worker queries the databases, one query at
a time, with `DATABASE_TIMEOUT_SECONDS` for a result. So neither a busy project nor a hanging database delays a check
further.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from static_host.origin.headers import UNCACHEABLE
from static_host.telemetry.scope_keys import HANDLER_KEY
from static_host.workers.pool import MigrationQueryError, WorkerPool
from static_host.workers.worker import WorkerGoneError

log = logging.getLogger("static_host.health")

DATABASE_TIMEOUT_SECONDS = 2.0
"""Time within which all databases together have to respond."""
_QUERY_TIMEOUT_SECONDS = 10.0
"""Time after which a database that has not responded is queried again."""
_MAX_FINDING_AGE_SECONDS = 5.0
"""Age of what a query has found at which a scrape of the metrics has the databases queried again."""
_MAX_LISTED_MIGRATIONS = 10
_UNCACHEABLE = {"Cache-Control": UNCACHEABLE.decode()}


class Readiness:
    """Whether load balancers should send requests here.

    `drain_seconds` is how long the server still accepts requests after it has become not ready. `pool` has the workers,
    which query the databases of these names. `is_migrated` is whether unapplied migrations do not matter.
    """

    def __init__(
        self,
        pool: WorkerPool | None = None,
        databases: Sequence[str] = (),
        drain_seconds: float = 0.0,
        *,
        is_migrated: bool = True,
    ) -> None:
        self.drain_seconds = drain_seconds
        self.is_ending = False
        """Whether the server was told to stop."""
        self._databases = tuple(databases)
        self._pool = pool
        self._is_migrated = is_migrated
        self._pending_query: asyncio.Task[str] | None = None
        self._finding = "no query yet" if self._needs_query else ""
        self._queried_at = -_MAX_FINDING_AGE_SECONDS
        self._logged_obstacle = ""

    async def find_obstacle(self) -> str:
        """Return why the server is not ready, in a few words without secrets, or an empty string when it is."""
        if self.is_ending:
            return "stopping"
        if self._pool is None:
            return ""
        obstacle = self._pool.find_obstacle()
        if not obstacle and self._needs_query:
            self._queried_at = time.monotonic()
            obstacle = self._finding = await self._await_query(self._pool)
        self._log_change(obstacle)
        return obstacle

    def measure(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Return whether a check passes, without waiting; from any thread but that of the loop.

        Of the databases it knows what the last query has found, for a check or for a scrape. If that is old, the loop
        runs a check: the next scrape has its result. So scrapes cost one query in 5 s, however many there are.
        """
        if self.is_ending:
            return False
        if self._needs_query and time.monotonic() - self._queried_at >= _MAX_FINDING_AGE_SECONDS:
            self._queried_at = time.monotonic()
            asyncio.run_coroutine_threadsafe(self.find_obstacle(), loop)
        return not (self._finding or (self._pool and self._pool.find_obstacle()))

    @property
    def _needs_query(self) -> bool:
        """Whether a check depends on the databases."""
        return bool(self._databases) or not self._is_migrated

    async def _await_query(self, pool: WorkerPool) -> str:
        """Return what the pending query finds; begin one if there is none."""
        if self._pending_query is None or self._pending_query.done():
            self._pending_query = asyncio.create_task(self._query(pool))
        try:
            return await asyncio.wait_for(asyncio.shield(self._pending_query), DATABASE_TIMEOUT_SECONDS)
        except TimeoutError:
            return f"no answer from the database within {DATABASE_TIMEOUT_SECONDS:g} s"

    async def _query(self, pool: WorkerPool) -> str:
        for alias in self._databases:
            async with asyncio.timeout(_QUERY_TIMEOUT_SECONDS):
                kind, _, message = (await pool.query_databases((alias,))).partition("\0")
            if kind:
                self._log_change(f"the database {alias!r}: {kind}: {message}".removesuffix(": "))
                return f"the database {alias!r}: {kind}"
        return "" if self._is_migrated else await self._find_unapplied_migrations(pool)

    async def _find_unapplied_migrations(self, pool: WorkerPool) -> str:
        try:
            async with asyncio.timeout(_QUERY_TIMEOUT_SECONDS):
                names = await pool.list_unapplied_migrations()
        except (MigrationQueryError, WorkerGoneError) as error:
            self._log_change(f"migrations: {error or 'no worker could be asked'}")
            return "migrations cannot be read"
        if not names:
            self._is_migrated = True
            return ""
        shown = [*names[:_MAX_LISTED_MIGRATIONS], *(["…"] if len(names) > _MAX_LISTED_MIGRATIONS else [])]
        self._log_change(f"migrations are not applied: {', '.join(shown)}")
        return "migrations are not applied"

    def _log_change(self, obstacle: str) -> None:
        """Log only when readiness changes: checks come every few seconds."""
        if bool(obstacle) != bool(self._logged_obstacle):
            log.warning("not ready: %s" if obstacle else "ready again%s", obstacle)
        self._logged_obstacle = obstacle


class _Check:
    """Responds to GET and HEAD with 200, or with 503 and the obstacle that `find_obstacle` returns."""

    def __init__(self, find_obstacle: Callable[[], Awaitable[str]] | None = None) -> None:
        self._find_obstacle = find_obstacle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one check."""
        scope[HANDLER_KEY] = "health"
        if scope["method"] not in ("GET", "HEAD"):
            headers = {**_UNCACHEABLE, "Allow": "GET, HEAD"}  # RFC 9110 §15.5.6
            response = PlainTextResponse("Method Not Allowed\n", 405, headers)
        else:
            obstacle = await self._find_obstacle() if self._find_obstacle else ""
            response = PlainTextResponse(f"{obstacle or 'ok'}\n", 503 if obstacle else 200, _UNCACHEABLE)
        await response(scope, receive, send)


def build_routes(health_path: str, ready_path: str, readiness: Readiness) -> list[Any]:
    """Return the routes of the liveness and the readiness check."""
    return [
        Route(health_path, _Check(), methods=None),
        Route(ready_path, _Check(readiness.find_obstacle), methods=None),
    ]
