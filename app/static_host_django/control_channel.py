"""The control channel of a worker: JSON objects in frames, and the descriptors of new channels.

Rule: the front speaks first only to answer what the worker has said, until the worker is ready; `docs/frames.md` lists
the messages. When the front closes the control channel, or is gone, the worker ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from static_host_django.frames import FrameError, Kind, encode_pieces
from static_host_django.worker_channel import Channel

Message = dict[str, Any]

_DESCRIPTORS = {"channel": 2, "fork": 1}
"""How many descriptors come with a message of the front, by its type."""
_END_SECONDS = 0.7
"""Time that is left to a process whose front is gone: threads of the project may hold it up."""


class Control:
    """The worker's end of the control channel. Any thread may send; one receives."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)  # a program of the project's would keep it open
        self._channel = Channel(socket.socket(fileno=descriptor))
        self._lock = threading.Lock()

    def send(self, descriptor: int | None = None, **message: Any) -> None:
        """Send an object, with a descriptor. Raises OSError."""
        data = b"".join(encode_pieces(Kind.CONTROL, json.dumps(message).encode()))
        with self._lock:
            if descriptor is not None:
                data = data[socket.send_fds(self._channel.connection, [data], [descriptor]) :]
            self._channel.write(data)

    @property
    def has_message(self) -> bool:
        """Whether `receive` need not wait."""
        return self._channel.has_frame

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._channel.connection.fileno()

    @contextmanager
    def end_with_front(self) -> Iterator[None]:
        """While this lasts, the end of the front ends this process (SIGIO); a message of the front would do so, too."""
        flags = fcntl.fcntl(self.fileno(), fcntl.F_GETFL)
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(self.fileno(), fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(self.fileno(), fcntl.F_SETFL, flags | os.O_ASYNC)
        try:
            yield
        finally:
            fcntl.fcntl(self.fileno(), fcntl.F_SETFL, flags)

    def close(self) -> None:
        """Close the socket."""
        self._channel.close()

    def receive(self) -> tuple[Message, list[int]] | None:
        """Wait for an object, and the descriptors that came with it; None at the end. Raises FrameError, OSError."""
        frame = self._channel.read()
        if frame is None:
            _end_soon()
            return None
        if frame.kind != Kind.CONTROL:
            raise FrameError(f"a frame of kind {frame.kind} on the control channel")
        message = json.loads(frame.payload)
        descriptors = self._channel.descriptors
        count = min(len(descriptors), _DESCRIPTORS.get(message.get("type"), 0))
        return message, [descriptors.popleft() for _ in range(count)]


def _end_soon() -> None:
    timer = threading.Timer(_END_SECONDS, os._exit, (0,))
    timer.daemon = True
    timer.start()
