"""A request waits for a channel, as long as its client does."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from starlette.types import Receive, Scope

from static_host.telemetry.scope_keys import HALF_CLOSED_KEY, ON_DISCONNECT_KEY
from static_host.workers.channel import Channel
from static_host.workers.pool import QueueFullError, WorkerPool
from static_host.workers.request_body import ClientGoneError


async def acquire_channel(pool: WorkerPool, scope: Scope, receive: Receive, *, is_streamed: bool) -> Channel | None:
    """Return a channel; None if the client may have gone while its request waited. Raises QueueFullError."""
    if pool.has_free_channel:
        return await pool.acquire()
    acquiring = asyncio.ensure_future(pool.acquire())
    # a body that is streamed is left for the worker
    left = asyncio.Event().wait() if is_streamed else wait_for_disconnect(receive)
    gone: asyncio.Future[Any] = asyncio.ensure_future(left)
    scope[ON_DISCONNECT_KEY] = gone.cancel
    try:
        await asyncio.wait((acquiring, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        is_gone = gone.done()
        gone.cancel()
    if is_gone or not acquiring.done():
        acquiring.cancel()
        with suppress(asyncio.CancelledError, QueueFullError):
            pool.give_back(await acquiring)
        raise ClientGoneError
    channel = acquiring.result()
    if HALF_CLOSED_KEY in scope:
        pool.give_back(channel)
        return None
    return channel


async def wait_for_disconnect(receive: Receive) -> None:
    """Receive until the client has gone; drop its body."""
    while (await receive())["type"] != "http.disconnect":
        pass
