"""Sends slices of files from the page cache to the socket, without copying them through this process.

Strategy: sendfile(2) at once, which is all for a body that the socket has room for; then on a duplicate of the socket's
descriptor whenever the socket is writable. Nothing is read into memory, and a slow client costs two descriptors. A
thread first reads what is not in the page cache, as far as the file system can tell (preadv2(2), RWF_NOWAIT), so that a
slow disk does not block the event loop. A client that takes nothing for `WRITE_TIMEOUT_SECONDS` gets no more.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from static_host.http.flow_control import WRITE_TIMEOUT_SECONDS
from static_host.origin.body_cache import Body
from static_host.origin.response import Slice

MAX_TURN_BYTES = 2 << 20
"""Bytes sent to one client before others have their turn."""

_NOWAIT = getattr(os, "RWF_NOWAIT", 0)


class SendfileTransfer:
    """Sends the parts of one body to one client.

    The connection's transport must hold no unsent data, and must not read meanwhile. `on_end` is called once, with None
    or the error that interrupted the body; never after `abandon`.
    """

    def __init__(
        self, connection: socket.socket, parts: Sequence[Body | Slice], on_end: Callable[[OSError | None], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._parts = deque(part for part in parts if (part.length if isinstance(part, Slice) else part))
        self._at = 0
        self.sent_bytes = 0
        """Bytes that the socket has taken."""
        self._on_end: Callable[[OSError | None], None] | None = on_end
        self._out = connection.fileno()
        self._watch: asyncio.TimerHandle | None = None
        """The timer of a client that takes its time, for which the descriptor is a duplicate."""
        self._has_progressed = True
        self._can_probe = bool(_NOWAIT)
        self._probe = [bytearray(1)]

    def start(self) -> None:
        """Send what the socket has room for, and the rest when it has more."""
        self._send()

    def abandon(self) -> None:
        """Stop sending."""
        self._on_end = None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
            self._loop.remove_writer(self._out)
            os.close(self._out)

    def _wait(self) -> None:
        """Go on when the socket has room. Raises OSError when no descriptor is left."""
        if self._watch is None:
            self._out = os.dup(self._out)
            self._watch = self._loop.call_later(WRITE_TIMEOUT_SECONDS, self._check_progress)
            self._has_progressed = False
        self._loop.add_writer(self._out, self._send)

    def _check_progress(self) -> None:
        if not self._has_progressed:
            self._end(TimeoutError(f"the client took nothing for {WRITE_TIMEOUT_SECONDS:.0f} s"))
            return
        self._has_progressed = False
        self._watch = self._loop.call_later(WRITE_TIMEOUT_SECONDS, self._check_progress)

    def _send(self) -> None:
        try:
            with suppress(BlockingIOError):
                while self._parts and not self._send_part():
                    pass
            if self._parts and self._watch is None:
                self._wait()
            elif not self._parts:
                self._end_soon(None)
        except OSError as error:
            self._end_soon(error)

    def _end_soon(self, error: OSError | None) -> None:
        """End, but not within `start`: what follows may begin with another one."""
        if self._watch is None:
            self._loop.call_soon(self._end, error)
        else:
            self._end(error)

    def _send_part(self) -> bool:
        """Send more of the first part; return whether other clients should have their turn next. Raises OSError."""
        part = self._parts[0]
        if not isinstance(part, Slice):
            length, sent = len(part), os.write(self._out, memoryview(part)[self._at :])
        else:
            length, count = part.length, min(MAX_TURN_BYTES, part.length - self._at)
            if not self._is_cached(part, count):
                self._read_ahead(part, count)
                return True
            sent = os.sendfile(self._out, part.file.fileno(), part.offset + self._at, count)
            if not sent:
                raise FileTruncatedError(f"the file ended {length - self._at} bytes early")
        self._has_progressed = True
        self._at += sent
        self.sent_bytes += sent
        if self._at == length:
            self._parts.popleft()
            self._at = 0
        return isinstance(part, Slice)

    def _is_cached(self, part: Slice, count: int) -> bool:
        """Whether the first and the last of the next bytes are in the page cache; True if that cannot be known."""
        if not self._can_probe:
            return True
        first = part.offset + self._at
        try:
            for place in (first, first + count - 1):
                os.preadv(part.file.fileno(), self._probe, place, _NOWAIT)
        except BlockingIOError:
            return False
        except OSError:
            self._can_probe = False
        return True

    def _read_ahead(self, part: Slice, count: int) -> None:
        if self._watch is None:
            self._wait()
        self._loop.remove_writer(self._out)
        arguments = (os.dup(part.file.fileno()), count, part.offset + self._at)
        self._loop.run_in_executor(None, _fill_page_cache, *arguments).add_done_callback(self._resume_after_read)

    def _resume_after_read(self, read: asyncio.Future[None]) -> None:
        error = read.exception()
        if self._on_end is None:
            return
        if isinstance(error, OSError):
            self._end(error)
            return
        self._has_progressed = True
        self._can_probe = False if error else self._can_probe
        self._loop.add_writer(self._out, self._send)

    def _end(self, error: OSError | None) -> None:
        on_end = self._on_end
        self.abandon()
        if on_end is not None:
            on_end(error)


class FileTruncatedError(OSError):
    """The file is shorter than the slice."""


def _fill_page_cache(descriptor: int, count: int, offset: int) -> None:
    """Read `count` bytes, so that they are in the page cache; closes the descriptor. Raises OSError."""
    try:
        if sys.platform == "linux":
            os.posix_fadvise(descriptor, offset, 2 * MAX_TURN_BYTES, os.POSIX_FADV_WILLNEED)
        end = offset + count
        while offset < end:
            got = len(os.pread(descriptor, min(1 << 18, end - offset), offset))
            if not got:
                return  # the file is shorter; sendfile reports it
            offset += got
    finally:
        os.close(descriptor)
