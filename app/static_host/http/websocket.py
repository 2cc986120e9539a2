"""A WebSocket connection: `websockets` parses and makes the frames, an ASGI application gets and sends the messages.

Rule: every handshake gets a response and a line in the access log. What arrives before the application has accepted
waits, and so does what arrives while it does not receive: reading pauses. When the server stops, both sides get 1001,
"going away" (RFC 6455 §7.4.1).

Strategy: data is parsed in small pieces, so that one read of tiny or compressed frames does not turn into many messages
at once. This side of a connection ends by a half-close, and what still arrives is discarded for `LINGER_SECONDS`, so
that the client does not lose the last frame.
"""

from __future__ import annotations

import asyncio
from asyncio import BaseTransport, Event, TimerHandle, Transport
from contextlib import suppress
from typing import Any, cast

from starlette.types import ASGIApp, Message, Scope
from uvicorn.config import Config
from uvicorn.server import ServerState

from static_host.http.flow_control import WriteWatch, reset_connection
from static_host.http.refusal import build_refusal_record, send_refusal
from static_host.http.websocket_application import INTERNAL_ERROR, ClientDisconnectedError, WebSocketApplication
from static_host.http.websocket_frames import ABNORMAL_CLOSURE, HandshakeError, WebSocketFrames
from static_host.http.websocket_handshake import Field, build_scope, format_denial
from static_host.http.websocket_messages import MessageQueue
from static_host.http.websocket_state import BEFORE_CLOSE, State, check_transition
from static_host.http.websocket_timers import Keepalive
from static_host.telemetry.log_and_counters import RequestRecorder
from static_host.telemetry.scope_keys import LOGGED_STATUS_KEY, STATUS_CLIENT_CLOSED_REQUEST

LINGER_SECONDS = 1.0
"""Time for which what still arrives is discarded."""
CLOSE_TIMEOUT_SECONDS = 10.0
"""Time for the client's close frame after ours."""
MAX_EARLY_BYTES = 64 << 10
"""Bytes of frames that wait for the application to accept; reading pauses when they are more."""
MAX_PARSED_BYTES = 4 << 10
"""Bytes that are parsed before the queue is looked at again."""
MAX_UNSENT_REPLY_BYTES = 64 << 10
"""Bytes of pongs that wait to be sent; reading pauses when they are more."""

GOING_AWAY = 1001


class WebSocketProtocol(asyncio.Protocol):
    """One WebSocket connection, from its handshake on, whose head the HTTP connection has read."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app: ASGIApp,
        scope: Scope,
        recorder: RequestRecorder | None,
    ) -> None:
        self.state = State.CONNECTING
        self.scope = build_scope(scope)
        self._server_state = server_state
        self._recorder = recorder
        self._loop = loop = asyncio.get_running_loop()
        self._application = WebSocketApplication(self, app, self.scope)
        self._messages = MessageQueue()
        self._frames = WebSocketFrames(config, self._messages, lambda payload: self._keepalive.handle_pong(payload))
        self._unread = bytearray()
        self._has_early_data = False
        self._is_reading_paused = self._is_write_paused = False
        self._unsent_reply_bytes = 0
        self._may_send = Event()
        self._end_timer: TimerHandle | None = None
        self._keepalive = Keepalive(
            loop,
            config.ws_ping_interval,
            config.ws_ping_timeout,
            send_ping=lambda payload: self._write(self._frames.send_ping(payload)),
            is_blocked=lambda: self._is_reading_paused or self._is_write_paused,
            fail=lambda: self._write(self._frames.fail(INTERNAL_ERROR, "keepalive ping timeout")),
        )

    # The calls of the transport and of the server

    def connection_made(self, transport: BaseTransport) -> None:
        """Take over the connection: call the application, or refuse a handshake that is not valid."""
        self._transport = transport = cast("Transport", transport)
        self._watch = WriteWatch(self._loop, transport)
        cast("set[Any]", self._server_state.connections).add(self)
        transport.set_write_buffer_limits(high=0)  # pauses if a response before the handshake is not sent yet
        self._is_write_paused = transport.get_write_buffer_size() > 0
        transport.set_write_buffer_limits()
        if self._is_write_paused:
            self._watch.start()
        if not transport.is_reading():
            transport.resume_reading()
        self._begin_handshake()

    def data_received(self, data: bytes) -> None:
        """Parse the data, or keep it until the application takes more."""
        if self.state in (State.CONNECTING, State.DENYING):
            self._has_early_data = True
        if self.state in (State.CONNECTING, State.OPEN, State.CLOSING):
            self._unread += data
            self._parse()

    def pause_writing(self) -> None:
        """Have the application wait, and watch the client's progress."""
        self._is_write_paused = True
        self._watch.start()

    def resume_writing(self) -> None:
        """Let the application send again."""
        self._is_write_paused = False
        self._unsent_reply_bytes = 0
        if self.state in BEFORE_CLOSE:
            self._watch.stop()
        self._may_send.set()
        self._parse()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Disconnect the application; set the status to log if the handshake has no response."""
        if self.state is State.CONNECTING:
            self.scope[LOGGED_STATUS_KEY] = STATUS_CLIENT_CLOSED_REQUEST
        self._messages.end(ABNORMAL_CLOSURE)
        self._enter(State.CLOSED)
        cast("set[Any]", self._server_state.connections).discard(self)

    def shutdown(self) -> None:
        """Close the connection because the server stops."""
        if self.state is State.CONNECTING:
            self.scope[LOGGED_STATUS_KEY] = 503
            self._messages.end(GOING_AWAY)
            self.respond(503, b"Service Unavailable")
        elif self.state is State.OPEN:
            self._write(self._frames.fail(GOING_AWAY))
        elif self.state is State.CLOSING:
            self._set_end_timer(LINGER_SECONDS)

    # The calls of the application

    @property
    def default_fields(self) -> list[Field]:
        """The fields of every response."""
        return self._server_state.default_headers

    async def receive(self) -> Message:
        """Return the client's next message (ASGI)."""
        message = await self._messages.receive()
        self._parse()
        return message

    async def wait_writable(self) -> None:
        """Wait until the client has taken what was sent. Raises ClientDisconnectedError."""
        while self._is_write_paused and self.state in BEFORE_CLOSE:
            self._may_send.clear()
            await self._may_send.wait()
        if self.state in BEFORE_CLOSE and self._transport.is_closing():
            raise ClientDisconnectedError

    def accept(self, lines: bytes) -> None:
        """Respond to the handshake with 101 and these field lines beside its own."""
        del self._response.headers["Date"]  # the server's own is among the lines
        head = self._frames.send_response(self._response)
        self._transport.write(head[:-2] + lines + b"\r\n")
        self._enter(State.OPEN)

    def respond(self, status: int, text: bytes) -> None:
        """Respond to the handshake with an error."""
        self.write_response(format_denial({"status": status}, text, self.default_fields, is_whole=True), is_last=True)

    def begin_response(self) -> None:
        """Expect a response other than 101."""
        self._enter(State.DENYING)

    def write_response(self, data: bytes, *, is_last: bool) -> None:
        """Write a piece of a response other than 101."""
        if data:
            self._transport.write(data)
        if is_last:
            self._messages.end(ABNORMAL_CLOSURE)
            self._enter(State.LINGERING)
            if not self._has_early_data:  # the client waits for this response, and sends nothing that could reset it
                self._transport.close()

    def send_message(self, message: str | bytes) -> None:
        """Send a message to the client."""
        self._write(self._frames.send_message(message))

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame, and wait for the client's."""
        self._write(self._frames.send_close(code, reason))
        self._messages.end(code, reason)
        self._enter(State.CLOSING)

    def abort(self) -> None:
        """Drop the connection."""
        reset_connection(self._transport)

    # The state

    def _enter(self, state: State) -> None:
        """Change the state, with all that this starts or stops."""
        check_transition(self.state, state)
        self.state = state
        self._may_send.set()
        if state is State.OPEN:
            self._keepalive.start()
        else:
            self._keepalive.stop()
        if state in (State.DENYING, State.LINGERING, State.CLOSED):
            self._unread.clear()
        if state is State.LINGERING:
            self._end_output()
        if state in (State.CLOSING, State.LINGERING):
            self._watch.start()
            self._set_end_timer(LINGER_SECONDS if state is State.LINGERING else CLOSE_TIMEOUT_SECONDS)
        elif state is State.CLOSED:
            self._watch.stop()
            self._stop_end_timer()
        self._parse()

    def _set_end_timer(self, seconds: float) -> None:
        self._stop_end_timer()
        self._end_timer = self._loop.call_later(seconds, self._transport.close)

    def _stop_end_timer(self) -> None:
        if self._end_timer is not None:
            self._end_timer.cancel()
            self._end_timer = None

    def _end_output(self) -> None:
        """End our side of the connection."""
        with suppress(OSError):  # the client has reset the connection
            self._transport.write_eof()

    # What the client sends, and what it gets at once

    def _begin_handshake(self) -> None:
        client = self.scope["client"]
        try:
            self._response = response = self._frames.receive_handshake(self.scope["headers"])
        except HandshakeError:
            send_refusal(self._transport, 400, self.default_fields, client, self._recorder)
            self._enter(State.LINGERING)
            return
        if response.status_code == 101:
            task = self._loop.create_task(self._application.run())
            self._server_state.tasks.add(task)
            task.add_done_callback(self._server_state.tasks.discard)
            return
        self._transport.write(self._frames.send_response(response))
        if self._recorder:
            self._recorder.record(build_refusal_record(client, response.status_code, len(response.body)))
        self._enter(State.LINGERING)

    def _parse(self) -> None:
        """Parse what has arrived as far as there is room for it, and read on if there is room for more."""
        while self._unread and self.state in (State.OPEN, State.CLOSING) and self._has_room():
            piece = bytes(self._unread[:MAX_PARSED_BYTES])
            del self._unread[:MAX_PARSED_BYTES]
            self._write(self._frames.receive(piece))
        is_paused = not self._has_room()
        if is_paused != self._is_reading_paused and not self._transport.is_closing():
            self._is_reading_paused = is_paused
            if is_paused:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _has_room(self) -> bool:
        if self.state is State.CONNECTING:
            return len(self._unread) <= MAX_EARLY_BYTES
        if self.state is State.OPEN and self._messages.is_full:
            return False
        return self._unsent_reply_bytes <= MAX_UNSENT_REPLY_BYTES or self.state not in (State.OPEN, State.CLOSING)

    def _write(self, data: bytes) -> None:
        """Write frames, and end the connection behind the last one."""
        if self._is_write_paused:
            self._unsent_reply_bytes += len(data)
        if data and not self._transport.is_closing():
            self._transport.write(data)
        if self._frames.end is not None:
            self._messages.end(*self._frames.end)
            self._enter(State.LINGERING)
