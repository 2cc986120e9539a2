"""A project's ASGI application on an event loop: each channel carries one request or WebSocket at a time.

Rule: the frames carry ASGI's own messages. The application's `send` waits while the front takes nothing, and the
front waits while the application does not receive: the sockets hold the rest. When the front closes a channel, the
request on it is disconnected.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any

from static_host_django import stacks
from static_host_django.answers import ANSWERS
from static_host_django.asgi_adapter import adapt_asgi_application
from static_host_django.asgi_scope import build_scope
from static_host_django.asgi_types import ASGIApp, Message, Scope
from static_host_django.control_channel import Control
from static_host_django.frames import (
    MAX_MESSAGE_BYTES,
    Frame,
    FrameError,
    FrameReader,
    Kind,
    MessageJoiner,
    encode,
    encode_fields,
    encode_pieces,
    encode_response,
)
from static_host_django.lifespan import LifespanStartupError, run_lifespan
from static_host_django.overrides import format_overrides
from static_host_django.project_loading import describe_exception

log = logging.getLogger("static_host.worker")

_MAX_UNREAD_BYTES = 1 << 20
"""Bytes of a request's body that wait for the application, before the front is not read any more."""
_MAX_UNWRITTEN_BYTES = 64 << 10
_OF_CLIENT = (Kind.BODY, Kind.TEXT, Kind.BYTES, Kind.DISCONNECT)
_DISCONNECT = {"http": "http.disconnect", "websocket": "websocket.disconnect"}


def serve(application: Any, control: Control, _options: dict[str, Any]) -> None:
    """Serve the channels that the front opens, until it says stop or is gone."""
    asyncio.run(_serve(adapt_asgi_application(application), control))


async def _serve(application: ASGIApp, control: Control) -> None:
    loop = asyncio.get_running_loop()
    stacks.track_tasks(loop)
    for number in (signal.SIGINT, signal.SIGTERM):  # asyncio.run has put its own handler for SIGINT in place
        loop.add_signal_handler(number, lambda: None)
    try:
        async with run_lifespan(application) as state:
            control.send(type="ready")
            messages: asyncio.Queue[Any] = asyncio.Queue()
            protocols: dict[int, _ChannelProtocol] = {}
            put: Callable[..., Any] = partial(loop.call_soon_threadsafe, messages.put_nowait)  # type: ignore[arg-type]
            Thread(target=_read_control, args=(control, protocols, put), daemon=True).start()
            while (received := await messages.get()) is not None:
                message, descriptor = received
                if message["type"] == "channel" and descriptor is not None:
                    on_lost = partial(protocols.pop, message["number"], None)
                    protocol = protocols[message["number"]] = _ChannelProtocol(application, state, on_lost)
                    await _connect(protocol, descriptor)
                elif message["type"] in ANSWERS:
                    Thread(target=ANSWERS[message["type"]], args=(control, message), daemon=True).start()
                elif message["type"] == "ping":  # answered by the event loop, unless something blocks it
                    control.send(type="ping", id=message["id"])
                elif message["type"] == "stop":
                    break
    except LifespanStartupError as error:
        shown = describe_exception(error.__cause__) if error.__cause__ else {"notes": list(format_overrides())}
        control.send(type="failed", kind="lifespan", what=str(error), **shown)


async def _connect(protocol: _ChannelProtocol, descriptor: int) -> None:
    connection = socket.socket(fileno=descriptor)
    connection.setblocking(False)
    await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, connection)


def _read_control(control: Control, protocols: Mapping[int, _ChannelProtocol], put: Callable[[Any], object]) -> None:
    """Pass the front's messages on to the event loop. Stacks are told here: the event loop may be what hangs."""
    with suppress(RuntimeError):  # the event loop is closed
        while (received := control.receive()) is not None:
            if (message := received[0])["type"] != "stack":
                put(received)
                continue
            request = getattr(protocols.get(message["number"]), "request", None)
            text = request and stacks.format_tasks(request.describe(), request.tasks)
            control.send(type="stack", id=message["id"], text=text or "")
        put(None)


class _ChannelProtocol(asyncio.Protocol):
    """The worker's end of a channel."""

    def __init__(self, application: ASGIApp, state: Any, on_lost: Callable[[], object]) -> None:
        self._application = application
        self._state = state
        self._reader = FrameReader()
        self.request: _Request | None = None
        self._on_lost = on_lost
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except FrameError as error:
            log.error("a channel to the front is closed: %s", error)  # noqa: TRY400 - no fault of the project
            self.transport.abort()

    def _take(self, frame: Frame) -> None:
        if self.request is not None:
            self.request.take(frame)
        elif frame.kind in (Kind.HTTP_REQUEST, Kind.WEBSOCKET):
            scope = build_scope(frame, self._state)
            self.request = _Request(scope, self.transport, has_body=frame.more)
            self.request.task = asyncio.get_running_loop().create_task(self._run(self.request))
        elif frame.kind not in _OF_CLIENT:  # that of a request which is over
            raise FrameError(f"a frame of kind {frame.kind} before a request")

    async def _run(self, request: _Request) -> None:
        request.tasks = stacks.begin_request()
        try:
            await self._application(request.scope, request.receive, request.send)
        except asyncio.CancelledError as error:  # by itself, or because the worker ends
            request.end("was cancelled", error)
            raise
        except BaseException:
            log.exception("%r: the ASGI application raised an exception", request.describe())
            request.fail()
        else:
            request.end("returned without a complete response")
        finally:
            self.request = None
            if not self.transport.is_closing():
                self.transport.resume_reading()
                request.flush(encode(Kind.IDLE))

    def pause_writing(self) -> None:
        if self.request is not None:
            self.request.is_writable.clear()

    def resume_writing(self) -> None:
        if self.request is not None:
            self.request.is_writable.set()

    def connection_lost(self, _: Exception | None) -> None:
        self._on_lost()
        if self.request is not None:
            self.request.take(Frame(Kind.DISCONNECT, b""))
            self.request.is_writable.set()


class _Request:
    """One request or WebSocket: its `receive` and `send`."""

    def __init__(self, scope: Scope, transport: Any, *, has_body: bool) -> None:
        self.scope = scope
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
        self._has_begun = self._is_over = False
        if scope["type"] == "websocket":
            self._put({"type": "websocket.connect"})
        elif not has_body:
            self._put({"type": "http.request", "body": b"", "more_body": False})

    def describe(self) -> str:
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
            return [encode(Kind.RESPONSE, encode_response(message["status"], headers), more=True)]
        if kind == "http.response.body":
            self._is_over = not message.get("more_body", False)
            body = bytes(message.get("body", b""))
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
