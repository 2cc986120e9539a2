"""One request on a channel, and its response as it arrives.

Rule: up to `MAX_BUFFERED_BYTES` of a response wait for the client; `Exchange.is_crowded` says that there are more.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from static_host.origin.response import Slice
from static_host_django.frames import Frame, FrameError, Kind, decode_response

MAX_BUFFERED_BYTES = 1 << 20
"""Bytes of a response that wait for the client, before the worker has to wait as well."""
MAX_TOTAL_BYTES = 64 << 20
"""Bytes of all responses that wait; beyond that, `MIN_BUFFERED_BYTES` count for each."""
MIN_BUFFERED_BYTES = 64 << 10


class WorkerLostError(Exception):
    """The worker ended, or sent garbage, before the response was complete."""


class ApplicationFailedError(Exception):
    """The application raised an exception, which the worker has logged."""


class NoDescriptorError(Exception):
    """The file of a response cannot be received: the front has no descriptor left."""


class Buffered:
    """The bytes of all responses that wait for their clients."""

    total_bytes = 0


class Exchange:
    """One request on a channel, and what has arrived for it. `buffered` counts what waits, for all requests."""

    def __init__(self, loop: asyncio.AbstractEventLoop, buffered: Buffered) -> None:
        self._buffered = buffered
        self.started_at = time.perf_counter()
        """When a worker got the request."""
        self.head: asyncio.Future[tuple[int, bytes]] = loop.create_future()
        """Status and field lines; or WorkerLostError, ApplicationFailedError."""
        self.on_change: Callable[[], None] | None = None
        """Called when something has arrived, or the exchange has failed."""
        self.is_complete = False
        """Whether the worker has sent all of the response."""
        self.error: Exception | None = None
        """Why the rest of the response will not come, or is not wanted."""
        self.file_length: int | None = None
        """The length of the body if that is a file of the project's: all of it, or what its Content-Length leaves."""
        self.file: Slice | None = None
        """That file, if its content has not come along; `discard` closes it."""
        self.messages: deque[Frame] = deque()
        """Frames of a WebSocket."""
        self._pieces: list[bytes] = []
        self._held_bytes = 0
        self._arrived: asyncio.Future[None] | None = None
        self._loop = loop

    @property
    def has_begun(self) -> bool:
        """Whether the head of the response has arrived."""
        return self.head.done() and self.head.exception() is None

    @property
    def is_crowded(self) -> bool:
        """Whether more has arrived than may wait."""
        most = MAX_BUFFERED_BYTES if self._buffered.total_bytes <= MAX_TOTAL_BYTES else MIN_BUFFERED_BYTES
        return self._held_bytes > most

    @property
    def held_bytes(self) -> int:
        """How much has arrived that was not taken."""
        return self._held_bytes

    def add(self, frame: Frame) -> None:
        """Add what has arrived. Raises FrameError."""
        if frame.kind == Kind.RESPONSE:
            head = decode_response(frame.payload)
            if self.error is None and self.head.done():
                raise FrameError("a second head for one request")
            if self.error is None:  # else it comes too late
                if not frame.more and self.file_length is None:
                    raise FrameError("a response without its body")
                self.head.set_result(head)
            self.is_complete = not frame.more
        elif frame.kind == Kind.BODY:
            if not self.head.done():
                raise FrameError("a body before its head")
            self._pieces.append(frame.payload)
            self._hold(len(frame.payload))
            self.is_complete = not frame.more
        elif frame.kind == Kind.FAILED:
            self.is_complete = True
            self.fail(ApplicationFailedError())
        else:
            self.messages.append(frame)
            self._hold(len(frame.payload))
            self.is_complete = frame.kind == Kind.CLOSE
        self._wake()

    def add_file(self, length: int, content: bytes, file: Slice | None) -> None:
        """Add a file that is the body, before the response's head. Raises FrameError."""
        if self.file_length is not None or self.head.done():
            if file is not None:
                file.file.close()
            raise FrameError("a file that is not the only one, or after the response's head")
        self.file_length, self.file = length, file
        self._pieces.append(content)
        self._hold(len(content))

    def fail(self, error: Exception) -> None:
        """End the exchange with an error, for the coroutine that waits for the response."""
        self.error = self.error or error
        if not self.head.done():
            self.head.set_exception(error)
            self.head.exception()  # marks it as retrieved: the request may be gone
        self._wake()
        self.notify()

    async def wait(self) -> None:
        """Wait until something arrives, or nothing more will."""
        if not (self._pieces or self.messages or self.is_complete or self.error):
            self._arrived = self._loop.create_future()
            await self._arrived

    def take(self) -> bytes:
        """Return what has arrived of the body since the last call."""
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._hold(-len(data))
        return data

    def take_message(self) -> Frame:
        """Return the next frame of a WebSocket."""
        frame = self.messages.popleft()
        self._hold(-len(frame.payload))
        return frame

    def discard(self) -> None:
        """Drop what was not taken."""
        if self.file is not None:
            self.file.file.close()
            self.file = None
        self._pieces.clear()
        self.messages.clear()
        self._hold(-self._held_bytes)

    def _hold(self, length: int) -> None:
        self._held_bytes += length
        self._buffered.total_bytes += length

    def notify(self) -> None:
        """Call `on_change`, after all that arrived together was added."""
        if self.on_change is not None:
            self.on_change()

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)
