"""A body on its way from a thread to the event loop, piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Condition
from typing import Any

IN_FLIGHT = 512 << 10
"""Bytes of a streamed body that are made before the client has taken what came before."""


class RequestAbandonedError(Exception):
    """The client closed the connection."""


class Stream:
    """A body on its way: the thread puts pieces in, the event loop takes out what is there."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._arrived = asyncio.Event()
        self._changed = Condition()
        self._pieces: list[bytes] = []
        self._held = 0
        self._is_told = self._is_at_end = self._is_closed = False
        self._error: BaseException | None = None

    def put(self, piece: bytes) -> None:
        """Give a piece, in the thread; wait while the client takes none. Raises RequestAbandonedError."""
        with self._changed:
            while self._held >= IN_FLIGHT and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                raise RequestAbandonedError
            self._pieces.append(piece)
            self._held += len(piece)
            self._tell()

    def end(self, error: BaseException | None = None) -> None:
        """Say, in the thread, that the body is whole, or why it never will be."""
        with self._changed:
            self._is_at_end, self._error = True, error
            self._tell()

    def close(self) -> None:
        """Stop the stream: the client takes no more data. Call it in the event loop."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
            self._arrived.set()

    async def pieces(self) -> Any:
        """Yield what has arrived, in the event loop; asking for more says that it was sent. Raises what `end` got."""
        is_at_end = False
        while not is_at_end:
            await self._arrived.wait()
            with self._changed:
                self._arrived.clear()
                self._is_told = False
                data = b"".join(self._pieces)
                self._pieces.clear()
                is_at_end = self._is_at_end or self._is_closed
            if data:
                yield data
            with self._changed:
                self._held -= len(data)
                self._changed.notify()
        if self._error:
            raise self._error

    def _tell(self) -> None:
        if not self._is_told:
            self._is_told = True
            call_in_loop(self._loop, self._arrived.set)


def call_in_loop(loop: asyncio.AbstractEventLoop, callback: Callable[..., None], *arguments: Any) -> None:
    """Call something in the event loop, from a thread, unless the loop is closed."""
    with suppress(RuntimeError):  # the loop is closed: the process is about to end
        loop.call_soon_threadsafe(callback, *arguments)
