"""Liveness and readiness, for load balancers and container platforms.

Rule: the answers are given for any Host (load balancers ask by IP address, which Django's ALLOWED_HOSTS would refuse),
and never cached. Alive is whoever answers. Ready is a server that has its tree and its project, which it has before it
takes a request, until it is told to stop; and that reaches the project's databases, where DJANGO_READY_DATABASE names
some. They are asked in a thread of their own, one question at a time, with `DATABASE_TIME` for an answer: neither a
busy project nor a database that hangs keeps anybody waiting longer.
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

from static_host.telemetry.request_record import LANE

log = logging.getLogger("static_host.health")

DATABASE_TIME = 2.0
"""Seconds within which the databases have to answer."""
_UNCACHEABLE = {"Cache-Control": "private, no-store, max-age=0"}


class Readiness:
    """Whether requests should be sent here. `drain` is for how many seconds they come after it no longer is so."""

    def __init__(
        self, databases: Sequence[str] = (), drain: float = 0.0, ask: Callable[[str], None] | None = None
    ) -> None:
        self.drain = drain
        self.is_ending = False
        """Whether the server has been told to stop."""
        self._databases = tuple(databases)
        self._ask = ask or _ask
        self._thread = ThreadPoolExecutor(1, "ready")
        self._asked: asyncio.Future[str] | None = None
        self._told = ""

    async def obstacle(self) -> str:
        """Return what stands in the way of requests, in a few words that anybody may read, or nothing."""
        if self.is_ending:
            return "stopping"
        if not self._databases:
            return ""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.get_running_loop().run_in_executor(self._thread, self._ask_all)
        try:
            obstacle = await asyncio.wait_for(asyncio.shield(self._asked), DATABASE_TIME)
        except TimeoutError:
            obstacle = f"no answer from the database within {DATABASE_TIME:g} s"
        self._tell(obstacle)
        return obstacle

    def _ask_all(self) -> str:
        for alias in self._databases:
            try:
                self._ask(alias)
            except Exception as error:
                self._tell(f"the database {alias!r}: {type(error).__name__}: {error}")
                return f"the database {alias!r}: {type(error).__name__}"
        return ""

    def _tell(self, obstacle: str) -> None:
        """Log what is in the way, when that begins, and when it is over: checks come every few seconds."""
        if bool(obstacle) != bool(self._told):
            log.warning("not ready: %s" if obstacle else "ready again%s", obstacle)
        self._told = obstacle


def _ask(alias: str) -> None:
    """Ask a database of the project's, over a connection of this thread's own. Raises what Django raises."""
    from django.db import connections

    connection = connections[alias]
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1" if connection.vendor != "oracle" else "SELECT 1 FROM DUAL")
    finally:
        connection.close()


class _Check:
    """Answers GET and HEAD: 200, or 503 with what `obstacle` gives."""

    def __init__(self, obstacle: Callable[[], Awaitable[str]] | None = None) -> None:
        self._obstacle = obstacle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        scope[LANE] = "health"
        if scope["method"] not in ("GET", "HEAD"):
            headers = {**_UNCACHEABLE, "Allow": "GET, HEAD"}  # RFC 9110 §15.5.6
            response = PlainTextResponse("Method Not Allowed\n", 405, headers)
        else:
            obstacle = await self._obstacle() if self._obstacle else ""
            response = PlainTextResponse(f"{obstacle or 'ok'}\n", 503 if obstacle else 200, _UNCACHEABLE)
        await response(scope, receive, send)


def routes(alive: str, ready: str, readiness: Readiness) -> list[Any]:
    """Return the routes of both checks, at these paths."""
    return [Route(alive, _Check(), methods=None), Route(ready, _Check(readiness.obstacle), methods=None)]
