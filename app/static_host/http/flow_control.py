"""The pace of a connection: when to read, when to write, and when a client takes nothing any more."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import struct
from asyncio import AbstractEventLoop, TimerHandle, Transport
from contextlib import suppress

WRITE_TIMEOUT_SECONDS = 60.0
"""Time without progress after which the connection of a client that takes no data is aborted."""
MAX_PENDING_BYTES = 64 << 10
"""Bytes behind a request that are read before its response is sent."""


def reset_connection(transport: Transport) -> None:
    """End a connection by a reset: `transport.abort` drops what it holds, but ends as if all had been sent."""
    with suppress(OSError):  # the client was faster
        duplicate = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        with duplicate:
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class WriteWatch:
    """Aborts the connection of a client that takes no data for `WRITE_TIMEOUT_SECONDS`."""

    def __init__(self, loop: AbstractEventLoop, transport: Transport) -> None:
        self._loop = loop
        self._transport = transport
        self._timer: TimerHandle | None = None

    def start(self) -> None:
        """Watch until nothing is left to send; nothing may be written meanwhile."""
        self.stop()
        self._look(math.inf)

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, left: float) -> None:
        """Abort the connection if the client has taken nothing since `left` bytes were left; else look again later."""
        self._timer = None
        unsent = self._transport.get_write_buffer_size()
        if unsent >= left:
            self._transport.abort()
        elif unsent:
            self._timer = self._loop.call_later(WRITE_TIMEOUT_SECONDS, self._look, unsent)


class FlowControl:
    """Pauses and resumes a transport, and waits until it has room."""

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        self._transport = transport
        self.watch = WriteWatch(loop, transport)
        self._has_room: asyncio.Event | None = None
        self._is_read_paused = False
        self.is_write_paused = False
        """Whether the transport holds more than it should."""
        self.pending = b""
        """What follows the request under way."""

    def keep(self, data: bytes) -> None:
        """Keep what follows the request under way."""
        self.pending += data
        if len(self.pending) > MAX_PENDING_BYTES:
            self.pause_reading()

    def take_pending(self) -> bytes:
        """Return what was kept, and read on."""
        data, self.pending = self.pending, b""
        self.resume_reading()
        return data

    def read_on(self) -> None:
        """Read the request's body, or whether the client leaves, unless too much is kept already."""
        if len(self.pending) <= MAX_PENDING_BYTES:
            self.resume_reading()

    def pause_reading(self) -> None:
        """Read no more for now."""
        if not self._is_read_paused and not self._transport.is_closing():
            self._is_read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._is_read_paused and not self._transport.is_closing():
            self._is_read_paused = False
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """Let `drain` wait, and watch the client's progress."""
        self.is_write_paused = True
        self.watch.start()

    def resume_writing(self) -> None:
        """Let `drain` wait no more."""
        self.is_write_paused = False
        if not self._transport.is_closing():
            self.watch.stop()
        if self._has_room is not None:
            self._has_room.set()
            self._has_room = None

    def end_writing(self) -> None:
        """Close our side of the connection, behind what is written."""
        with suppress(OSError):  # the client has reset the connection
            self._transport.write_eof()

    async def drain(self) -> None:
        """Wait until the transport has room."""
        if self.is_write_paused:
            if self._has_room is None:
                self._has_room = asyncio.Event()
            await self._has_room.wait()

    def end(self) -> None:
        """End all waits, because the connection is lost or another protocol has it."""
        self.watch.stop()
        self.pending = b""
        self.resume_writing()
