"""A worker's end of a channel, for a thread: blocking reads of frames, and of descriptors that come with them."""

from __future__ import annotations

import os
import socket
from array import array
from collections import deque

from static_host_django.frames import Frame, FrameReader

_BLOCK_BYTES = 256 << 10
_MAX_DESCRIPTORS = 4
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
"""Programs that a view starts do not get the descriptors; Linux has this flag."""


class Channel:
    """Reads frames from a blocking socket, and writes bytes to it.

    `descriptors` are those that arrived and were not taken yet. The caller that takes one closes it. `files` is the
    socket over which descriptors go to the front.
    """

    def __init__(self, connection: socket.socket, files: socket.socket | None = None) -> None:
        self.connection = connection
        self._files = files
        self.descriptors: deque[int] = deque()
        self._reader = FrameReader()
        self._frames: deque[Frame] = deque()

    @property
    def has_frame(self) -> bool:
        """Whether `read` need not wait."""
        return bool(self._frames)

    def read(self) -> Frame | None:
        """Wait for the next frame; None when the other side has closed the socket. Raises FrameError, OSError."""
        while not self._frames:
            if not self._receive(0):
                return None
        return self._frames.popleft()

    def poll(self) -> Frame | None:
        """Return a frame that has arrived already, if any; waits for none. Raises FrameError, OSError."""
        if not self._frames:
            try:
                if not self._receive(socket.MSG_DONTWAIT):
                    raise ConnectionResetError("the front is gone")
            except BlockingIOError:
                return None
        return self._frames.popleft() if self._frames else None

    def write(self, data: bytes) -> None:
        """Send all of it; waits while the other side takes nothing. Raises OSError."""
        self.connection.sendall(data)

    def send_descriptor(self, descriptor: int) -> None:
        """Send a descriptor to the front, before the FILE frame that it belongs to. Raises OSError."""
        if self._files is None:
            raise OSError("this channel takes no files")
        socket.send_fds(self._files, [b"F"], [descriptor])

    def close(self) -> None:
        """Close the sockets, and the descriptors that were not taken."""
        self.connection.close()
        if self._files is not None:
            self._files.close()
        while self.descriptors:
            os.close(self.descriptors.popleft())

    def _receive(self, flags: int) -> bool:
        space = socket.CMSG_SPACE(_MAX_DESCRIPTORS * array("i").itemsize)
        data, ancillary, _, _ = self.connection.recvmsg(_BLOCK_BYTES, space, flags | _CLOSE_ON_EXEC)
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers = array("i")
                numbers.frombytes(value[: len(value) - len(value) % numbers.itemsize])
                self.descriptors += numbers
        self._frames += self._reader.feed(data)
        return bool(data)
