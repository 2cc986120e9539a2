"""Sends slices of files through a transport that has to change their bytes: TLS.

Strategy: a piece at a time, the next one when the transport has written all that it holds, which watches the client's
progress. A piece in the page cache is read at once, as far as the file system can tell (preadv2(2), RWF_NOWAIT); any
other by a thread, so that a slow disk does not block the event loop.
"""

from __future__ import annotations

import asyncio
import os
from asyncio import Transport
from collections import deque
from collections.abc import Callable, Sequence

from static_host.http.sendfile import FileTruncatedError
from static_host.origin.body_cache import Body
from static_host.origin.response import Slice

MAX_PIECE_BYTES = 256 << 10

_NOWAIT = getattr(os, "RWF_NOWAIT", 0)


class CopyTransfer:
    """Sends the parts of one body to one client, as `SendfileTransfer` does."""

    def __init__(
        self, transport: Transport, parts: Sequence[Body | Slice], on_end: Callable[[OSError | None], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._parts = deque(part for part in parts if isinstance(part, Slice) or part)
        self._at = 0
        self.sent_bytes = 0
        """Bytes that the transport has taken."""
        self._on_end: Callable[[OSError | None], None] | None = on_end
        self._is_reading = False
        self._can_probe = bool(_NOWAIT)

    def start(self) -> None:
        """Send the first piece soon."""
        self._loop.call_soon(self.go_on)

    def go_on(self) -> None:
        """Send the next piece, if the transport has written the last one."""
        if self._on_end is None or self._is_reading or self._transport.get_write_buffer_size():
            return
        if not self._parts:
            self._end(None)
            return
        part = self._parts[0]
        if not isinstance(part, Slice):
            self._write(memoryview(part), len(part))
            return
        count, offset = min(MAX_PIECE_BYTES, part.length - self._at), part.offset + self._at
        piece = self._read_at_once(part, count, offset)
        if piece:
            self._write(piece, part.length)
        else:
            self._is_reading = True
            reading = self._loop.run_in_executor(None, os.pread, part.file.fileno(), count, offset)
            reading.add_done_callback(self._take)

    def abandon(self) -> None:
        """Stop sending. A thread may still read, for nothing."""
        self._on_end = None

    def _read_at_once(self, part: Slice, count: int, offset: int) -> memoryview | None:
        """Return what the page cache has of the next bytes, or None if it has nothing, or that cannot be known."""
        if self._can_probe:
            piece = bytearray(count)
            try:
                return memoryview(piece)[: os.preadv(part.file.fileno(), [piece], offset, _NOWAIT)]
            except BlockingIOError:
                pass
            except OSError:
                self._can_probe = False
        return None

    def _take(self, read: asyncio.Future[bytes]) -> None:
        """Write what a thread has read."""
        self._is_reading = False
        error = read.exception()
        part = self._parts[0]
        if self._on_end is None:
            return
        if error is not None or not isinstance(part, Slice) or not read.result():
            left = part.length - self._at if isinstance(part, Slice) else 0
            self._end(error if isinstance(error, OSError) else FileTruncatedError(f"the file ended {left} bytes early"))
        else:
            self._write(memoryview(read.result()), part.length)

    def _write(self, piece: memoryview, length: int) -> None:
        """Write a piece of the first part, whose length is that; go on when others have had their turn."""
        self._at += len(piece)
        self.sent_bytes += len(piece)
        if self._at == length:
            self._parts.popleft()
            self._at = 0
        self._transport.write(piece)
        if not self._transport.get_write_buffer_size():
            self._loop.call_soon(self.go_on)

    def _end(self, error: OSError | None) -> None:
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(error)
