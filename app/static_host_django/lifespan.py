"""Runs the lifespan of an ASGI project (ASGI specification, "Lifespan Protocol").

Rule: the project starts before the first request and ends after the last one. An application that raises or returns
before it receives an event does not support the protocol, and is served without it. One that fails to start stops the
server.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from static_host_django.asgi_types import ASGIApp, Message

log = logging.getLogger("static_host")


class LifespanStartupError(Exception):
    """The project's ASGI application could not start."""


class _Lifespan:
    """One run of an application's lifespan."""

    def __init__(self, application: ASGIApp, state: dict[str, Any]) -> None:
        self.error: Exception | None = None
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._replies: asyncio.Queue[Message | None] = asyncio.Queue()
        self._has_received = False
        self._task = asyncio.ensure_future(self._run(application, state))

    async def send_event(self, event: str) -> Message | None:
        """Send ``lifespan.startup`` or ``lifespan.shutdown``. Returns the application's reply, or None without one."""
        if self._task.done():
            return None
        self._events.put_nowait({"type": event})
        return await self._replies.get()

    async def _run(self, application: ASGIApp, state: dict[str, Any]) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        try:
            await application(scope, self._receive, self._replies.put)
        except Exception as error:
            if self._has_received:
                self.error = error
        finally:
            self._replies.put_nowait(None)

    async def _receive(self) -> Message:
        self._has_received = True
        return await self._events.get()


@asynccontextmanager
async def run_lifespan(application: ASGIApp) -> AsyncIterator[Any]:
    """Start the application, yield the state that its requests share, and shut it down. Raises LifespanStartupError."""
    state: dict[str, Any] = {}
    lifespan = _Lifespan(application, state)
    answer = await lifespan.send_event("lifespan.startup")
    if lifespan.error or (answer and answer["type"] == "lifespan.startup.failed"):
        raise LifespanStartupError(answer.get("message", "") if answer else "") from lifespan.error
    yield state or None  # not every server supports state
    answer = await lifespan.send_event("lifespan.shutdown")
    if lifespan.error or (answer and answer["type"] == "lifespan.shutdown.failed"):
        message = answer.get("message") if answer else None
        log.error("the project's ASGI application failed to shut down: %s", message, exc_info=lifespan.error)
