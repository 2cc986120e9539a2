"""Liveness and readiness checks, for load balancers and container platforms.

Rule: a check accepts any Host (load balancers use an IP address, which ALLOWED_HOSTS would refuse), and its response is
never cached. A process that responds is alive. It is ready once it has its tree and its project, until it is told to
stop, and while the databases that DJANGO_READY_DATABASE names respond. One thread queries them, one query at a time,
with `DATABASE_TIMEOUT_SECONDS` for a result. So neither a busy project nor a hanging database delays a check further.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from static_host.origin.headers import UNCACHEABLE
from static_host.telemetry.scope_keys import HANDLER_KEY

log = logging.getLogger("static_host.health")

DATABASE_TIMEOUT_SECONDS = 2.0
"""Time within which all databases together have to respond."""
_UNCACHEABLE = {"Cache-Control": UNCACHEABLE.decode()}


class Readiness:
    """Whether load balancers should send requests here.

    `drain_seconds` is how long the server still accepts requests after it has become not ready.
    """

    def __init__(
        self,
        databases: Sequence[str] = (),
        drain_seconds: float = 0.0,
        query_database: Callable[[str], None] | None = None,
    ) -> None:
        self.drain_seconds = drain_seconds
        self.is_ending = False
        """Whether the server was told to stop."""
        self._databases = tuple(databases)
        self._query_database = query_database or _query_database
        self._thread = ThreadPoolExecutor(1, "ready")
        self._pending_query: asyncio.Future[str] | None = None
        self._logged_obstacle = ""

    async def find_obstacle(self) -> str:
        """Return why the server is not ready, in a few words without secrets, or an empty string when it is."""
        if self.is_ending:
            return "stopping"
        if not self._databases:
            return ""
        if self._pending_query is None or self._pending_query.done():
            self._pending_query = asyncio.get_running_loop().run_in_executor(self._thread, self._query_databases)
        try:
            obstacle = await asyncio.wait_for(asyncio.shield(self._pending_query), DATABASE_TIMEOUT_SECONDS)
        except TimeoutError:
            obstacle = f"no answer from the database within {DATABASE_TIMEOUT_SECONDS:g} s"
        self._log_change(obstacle)
        return obstacle

    def _query_databases(self) -> str:
        for alias in self._databases:
            try:
                self._query_database(alias)
            except Exception as error:
                self._log_change(f"the database {alias!r}: {type(error).__name__}: {error}")
                return f"the database {alias!r}: {type(error).__name__}"
        return ""

    def _log_change(self, obstacle: str) -> None:
        """Log only when readiness changes: checks come every few seconds."""
        if bool(obstacle) != bool(self._logged_obstacle):
            log.warning("not ready: %s" if obstacle else "ready again%s", obstacle)
        self._logged_obstacle = obstacle


def _query_database(alias: str) -> None:
    """Query a database of the project's over this thread's own connection. Raises what Django raises."""
    from django.db import connections

    connection = connections[alias]
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1" if connection.vendor != "oracle" else "SELECT 1 FROM DUAL")
    finally:
        connection.close()


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
