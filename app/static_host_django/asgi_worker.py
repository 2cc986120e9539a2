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
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any

from static_host_django import stacks
from static_host_django.answers import ANSWERS
from static_host_django.asgi_adapter import adapt_asgi_application
from static_host_django.asgi_request import Request
from static_host_django.asgi_scope import build_scope
from static_host_django.asgi_types import ASGIApp
from static_host_django.control_channel import Control
from static_host_django.frames import Frame, FrameError, FrameReader, Kind, encode
from static_host_django.lifespan import LifespanStartupError, run_lifespan
from static_host_django.overrides import format_overrides
from static_host_django.project_loading import describe_exception

log = logging.getLogger("static_host.worker")

_OF_CLIENT = (Kind.BODY, Kind.TEXT, Kind.BYTES, Kind.DISCONNECT)


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
                message, descriptors = received
                if message["type"] == "channel" and len(descriptors) == 2:
                    on_lost = partial(protocols.pop, message["number"], None)
                    files = socket.socket(fileno=descriptors[1])
                    protocol = protocols[message["number"]] = _ChannelProtocol(application, state, files, on_lost)
                    await _connect(protocol, descriptors[0])
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

    def __init__(self, application: ASGIApp, state: Any, files: socket.socket, on_lost: Callable[[], object]) -> None:
        self._application = application
        self._state = state
        self._files = files
        self._reader = FrameReader()
        self.request: Request | None = None
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
            self.request = Request(scope, self.transport, self._files, has_body=frame.more)
            self.request.task = asyncio.get_running_loop().create_task(self._run(self.request))
        elif frame.kind not in _OF_CLIENT:  # that of a request which is over
            raise FrameError(f"a frame of kind {frame.kind} before a request")

    async def _run(self, request: Request) -> None:
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
        self._files.close()
        if self.request is not None:
            self.request.take(Frame(Kind.DISCONNECT, b""))
            self.request.is_writable.set()
