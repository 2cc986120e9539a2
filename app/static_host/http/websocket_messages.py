"""What a WebSocket's client has sent and the application has not received yet.

Rule: the queue is full at `MAX_QUEUED_MESSAGES` or `MAX_QUEUED_BYTES`; parsing stops then. A message in fragments is
joined; `websockets` bounds its length. After the last message comes the disconnect, again for every further call of
`receive`.
"""

from __future__ import annotations

from asyncio import Event
from collections import deque

from starlette.types import Message
from websockets.frames import Frame, Opcode

MAX_QUEUED_MESSAGES = 32
MAX_QUEUED_BYTES = 64 << 10


class MessageQueue:
    """The messages of one connection, in their order."""

    def __init__(self) -> None:
        self._messages: deque[tuple[Message, int]] = deque([({"type": "websocket.connect"}, 0)])
        self._bytes = 0
        self._fragments = bytearray()
        self._is_text = False
        self._disconnect: Message | None = None
        self._has_arrived = Event()

    @property
    def is_full(self) -> bool:
        """Whether no more should be added for now."""
        return len(self._messages) >= MAX_QUEUED_MESSAGES or self._bytes >= MAX_QUEUED_BYTES

    def add_frame(self, frame: Frame) -> None:
        """Add a data frame, but none behind the disconnect. Raises UnicodeDecodeError for a text not in UTF-8."""
        if self._disconnect is not None:
            return
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        if not frame.fin:
            self._fragments += frame.data
            return
        payload = bytes(frame.data)
        if self._fragments:
            payload = bytes(self._fragments + payload)
            self._fragments = bytearray()
        content = {"text": payload.decode()} if self._is_text else {"bytes": payload}
        self._messages.append(({"type": "websocket.receive", **content}, len(payload)))
        self._bytes += len(payload)
        self._has_arrived.set()

    def end(self, code: int, reason: str = "") -> None:
        """Add the disconnect, of which only the first one counts."""
        if self._disconnect is None:
            self._disconnect = {"type": "websocket.disconnect", "code": code, "reason": reason}
            self._has_arrived.set()

    async def receive(self) -> Message:
        """Return the next message, or the disconnect once no message is left."""
        while not self._messages:
            if self._disconnect is not None:
                return {**self._disconnect}
            self._has_arrived.clear()
            await self._has_arrived.wait()
        message, size = self._messages.popleft()
        self._bytes -= size
        return message
