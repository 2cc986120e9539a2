"""One end of a conversation between two processes: JSON objects, each in a line, over a connected socket."""

from __future__ import annotations

import json
import socket
from typing import Any


class Conversation:
    """Sends and receives objects of any length, and blocks meanwhile. It closes the socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")

    def send(self, **message: Any) -> None:
        """Send an object. Raises OSError."""
        self._connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> dict[str, Any] | None:
        """Wait for an object; None when the other side has closed the socket. Raises ValueError for anything else."""
        try:
            line = self._lines.readline()
        except ConnectionResetError:
            return None
        return dict(json.loads(line)) if line.endswith(b"\n") else None

    def close(self) -> None:
        """Close the socket."""
        self._lines.close()
        self._connection.close()
