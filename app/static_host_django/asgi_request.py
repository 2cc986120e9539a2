"""One request or WebSocket of an ASGI application: its `receive` and `send`, over a channel."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from contextlib import suppress
from typing import Any

from static_host_django import stacks
from static_host_django.asgi_types import Message, Scope
from static_host_django.frames import (
    MAX_MESSAGE_BYTES,
    Frame,
    FrameError,
    Kind,
    MessageJoiner,
    encode,
    encode_fields,
    encode_pieces,
    encode_response,
)
from static_host_django.open_file import encode_file_response
from static_host_django.unknown_paths import mark_unknown

log = logging.getLogger("static_host.worker")

FILE_KEY = "static_host.file"
"""The key of the OfferedFile that may be the body, in the message that starts a response."""
_MAX_UNREAD_BYTES = 1 << 20
"""Bytes of a request's body that wait for the application, before the front is not read any more."""
_MAX_UNWRITTEN_BYTES = 64 << 10
_DISCONNECT = {"http": "http.disconnect", "websocket": "websocket.disconnect"}


class Request:
    """One request or WebSocket: its `receive` and `send`."""

    def __init__(self, scope: Scope, transport: Any, files: socket.socket, *, has_body: bool) -> None:
        self.scope = scope
        self._is_head = scope.get("method") == "HEAD"
        self._files = files
        self.is_writable = asyncio.Event()
        self.is_writable.set()
        self.task: asyncio.Task[None] | None = None
        self.tasks = stacks.Tasks()
        self._transport = transport
        self._unwritten: list[bytes] = []
        self._unwritten_bytes = 0
        self._messages: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._unread_bytes = 0
        self._joiner = MessageJoiner(MAX_MESSAGE_BYTES)
        self._is_disconnected = False
        self._has_begun = self._is_over = self._has_sent_file = False
        if scope["type"] == "websocket":
            self._put({"type": "websocket.connect"})
        elif not has_body:
            self._put({"type": "http.request", "body": b"", "more_body": False})

    def describe(self) -> str:
        """Return method and path, for the log."""
        return f"{self.scope.get('method', 'WebSocket')} {self.scope['path'][:1024]}"

    def take(self, frame: Frame) -> None:
        """Take a frame that the front sent for this request. Raises FrameError."""
        kind = self.scope["type"]
        if frame.kind == Kind.DISCONNECT:
            self._is_disconnected = True
            message: Message = {"type": _DISCONNECT[kind]}
            if kind == "websocket":
                message["code"] = int(frame.payload or b"1006")
            self._put(message)
        elif frame.kind == Kind.BODY and kind == "http":
            self._put({"type": "http.request", "body": frame.payload, "more_body": frame.more})
        elif frame.kind in (Kind.TEXT, Kind.BYTES) and kind == "websocket":
            whole = self._joiner.join(frame)
            if whole is not None:
                content = {"text": whole.decode()} if frame.kind == Kind.TEXT else {"bytes": whole}
                self._put({"type": "websocket.receive", **content})
        else:
            raise FrameError(f"a frame of kind {frame.kind} for a request")
        self._unread_bytes += len(frame.payload)
        if self._unread_bytes > _MAX_UNREAD_BYTES:
            self._transport.pause_reading()

    async def receive(self) -> Message:
        """Return the next message of the client (ASGI); a disconnect once the response is complete."""
        if self._is_over and self.scope["type"] == "http":
            return {"type": "http.disconnect"}
        while not self._messages:
            self._arrived.clear()
            await self._arrived.wait()
        if self._messages[0]["type"] in _DISCONNECT.values():
            return self._messages[0]  # for every further call, too
        message = self._messages.popleft()
        content = message.get("body") or message.get("bytes") or message.get("text") or b""
        self._unread_bytes = self._unread_bytes - len(content) if self._messages else 0
        if self._unread_bytes <= _MAX_UNREAD_BYTES and not self._transport.is_closing():
            self._transport.resume_reading()
        return message

    async def send(self, message: Message) -> None:
        """Send a message of the application to the front (ASGI)."""
        await self.is_writable.wait()
        if self._is_disconnected or self._is_over or self._transport.is_closing():
            return
        for data in self._encode(message):
            self._write(data)

    def flush(self, last: bytes = b"") -> None:
        """Write what was sent since the last time, and `last` behind it."""
        data = b"".join([*self._unwritten, last])
        self._unwritten.clear()
        self._unwritten_bytes = 0
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def _write(self, data: bytes) -> None:
        """Write data, together with what else is sent in this turn of the event loop, up to a bound."""
        self._unwritten.append(data)
        self._unwritten_bytes += len(data)
        if self._unwritten_bytes > _MAX_UNWRITTEN_BYTES:
            self.flush()
        elif len(self._unwritten) == 1:
            asyncio.get_running_loop().call_soon(self.flush)

    def _encode(self, message: Message) -> list[bytes]:
        kind = message["type"]
        if kind == "http.response.start":
            self._has_begun = True
            headers = [(bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())]
            found = message[FILE_KEY].take(headers) if FILE_KEY in message else None
            method, path = self.scope["method"], self.scope["path"]
            headers = mark_unknown(message["status"], headers, method, path, has_script_name=True)
            if found is not None:
                self._has_sent_file = True
                send, is_head = self._send_descriptor, self._is_head
                return [encode_file_response(found, message["status"], headers, send, is_head=is_head)]
            return [encode(Kind.RESPONSE, encode_response(message["status"], headers), more=True)]
        if kind == "http.response.body":
            self._is_over = not message.get("more_body", False)
            body = bytes(message.get("body", b""))
            if self._has_sent_file:
                return []
            return encode_pieces(Kind.BODY, body, more=not self._is_over)
        if kind == "websocket.accept":
            self._has_begun = True
            headers = [(bytes(name), bytes(value)) for name, value in message.get("headers") or ()]
            return [encode(Kind.ACCEPT, encode_fields((message.get("subprotocol") or "").encode(), headers))]
        if kind == "websocket.send":
            if message.get("text") is not None:
                return encode_pieces(Kind.TEXT, message["text"].encode(), more=False)
            return encode_pieces(Kind.BYTES, bytes(message["bytes"]), more=False)
        if kind == "websocket.close":
            self._is_over = True
            code, reason = message.get("code") or 1000, message.get("reason") or ""
            return [encode(Kind.CLOSE, b"%d\0%s\0" % (code, reason.replace("\0", " ").encode()))]
        raise ValueError(f"a message of type {kind!r} cannot be sent")

    def _send_descriptor(self, descriptor: int) -> None:
        with suppress(ConnectionError):  # the front is gone
            socket.send_fds(self._files, [b"F"], [descriptor])

    def fail(self) -> None:
        """Tell the front that the application raised an exception."""
        if not self._transport.is_closing():
            self._write(encode(Kind.FAILED))

    def end(self, how: str, error: BaseException | None = None) -> None:
        """Tell the front if the application ended without a complete response."""
        if not self._is_over and not self._is_disconnected:
            if error or self.scope["type"] == "http":
                log.error("%r: the ASGI application %s", self.describe(), how, exc_info=error)
            self.fail()

    def _put(self, message: Message) -> None:
        self._messages.append(message)
        self._arrived.set()
