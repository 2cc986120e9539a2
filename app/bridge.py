"""A synchronous Django in threads, behind ASGI.

Rule: one request takes one thread from start to end, and threads are kept, so that Django's database connections
persist in them (CONN_MAX_AGE). The bridge itself is a2wsgi's.
"""

from __future__ import annotations

from typing import Any

from a2wsgi import WSGIMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def threaded(application: Any, threads: int) -> ASGIApp:
    """Return a WSGI application as an ASGI one that runs in at most `threads` threads."""
    bridge: Any = WSGIMiddleware(application, workers=threads)

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        async def received() -> Message:  # the bridge needs a coroutine; some servers give another awaitable
            return await receive()

        await bridge(scope, received, send)

    return call
