"""A client's connection: uvicorn's server makes one of these for each (``http=``).

Rule: one request at a time. What follows a request is kept unread until its response is sent, so that each gets its own
response, in order, whatever it is: a static file, a page, an upgrade, or no valid HTTP. A plain GET or HEAD of a static
file is answered at once from a prepared response (`static_path`), one of a page goes to a worker (`page_path`), both
without ASGI; everything else goes to the ASGI application.

A head arrives complete within `HEAD_TIMEOUT_SECONDS` (else 408) and `MAX_HEAD_BYTES` (else 431). A client that closes
its side after a complete request still gets the response. A response before the request's body is complete is the last
one: it says so, and what still arrives is dropped for a while, so that no reset takes the response from the client
(RFC 9112 §9.6). When the server stops, a busy connection ends with its next response, which says so.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, Transport
from typing import Any

from starlette.types import ASGIApp
from uvicorn.config import Config

from static_host.http.asgi_path import AsgiPath
from static_host.http.connection_state import TRANSITIONS, State
from static_host.http.deadline import Deadline
from static_host.http.file_sender import FileSender
from static_host.http.flow_control import FlowControl
from static_host.http.page_path import PagePath
from static_host.http.refusal import send_refusal
from static_host.http.request_line import RequestRefusedError
from static_host.http.server_context import get_address, get_server_context
from static_host.http.static_path import StaticPath
from static_host.telemetry.scope_keys import STATUS_CLIENT_CLOSED_REQUEST

HEAD_TIMEOUT_SECONDS = 10.0
"""From a head's first byte, or for the first head from the connection's start, to the head's last byte."""
SHUTDOWN_IDLE_SECONDS = 1.0
"""Time for which an idle connection stays open when the server stops, because a request may be on its way."""
BODY_TIMEOUT_SECONDS = 60.0
"""Time without data for which an application waits for a request's body."""
HALF_CLOSED_TIMEOUT_SECONDS = 30.0
"""Time within which the response has to begin if the client has closed its side, for it may be gone."""
LINGER_IDLE_SECONDS = 1.0
"""Time without data after which a connection is closed whose last response is sent."""
LINGER_SECONDS = 30.0
"""Time after which it is closed although data still arrives."""

_IDLE = State.IDLE


class HttpProtocol(asyncio.Protocol):
    """A connection over HTTP/1.1 or HTTP/1.0 (RFC 9112)."""

    transport: Transport
    flow: FlowControl

    def __init__(
        self, config: Config, server_state: Any, app_state: dict[str, Any], _loop: AbstractEventLoop | None = None
    ) -> None:
        self.config = config
        self.server_state = server_state
        self.loop = _loop or asyncio.get_event_loop()
        self.client: tuple[str, int] | None = None
        self.server: tuple[str, int | None] | None = None
        self.scheme = "http"
        self._context = context = get_server_context(config)
        self.state = _IDLE
        self._has_received_head = self._is_over_limit = False
        self.is_stopping = False  # whether the server stops
        self.is_half_closed = False
        """Whether the client sends no more: it may wait for the response, or be gone."""
        self._linger_until = 0.0
        self._deadline = Deadline(self.loop, self._handle_deadline)
        self._is_plain = False  # whether plain requests are answered without ASGI
        self._asgi = AsgiPath(self, context, app_state)
        self.files = FileSender(self)
        self._static = StaticPath(self, context)
        self._pages = PagePath(self, context)

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # it is one that writes, too
        """Wait for the first request."""
        self.server_state.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport, self.loop)
        self.client = get_address(transport, "peername")
        self.server = get_address(transport, "sockname")
        transport.set_write_buffer_limits(high=0)  # `resume_writing` comes when all that it holds is written
        self._is_over_limit = self._context.is_crowded(self.server_state)
        self.scheme = "http" if transport.get_extra_info("sslcontext") is None else "https"
        self._is_plain = not self._is_over_limit and self._static.choose_cache()
        self._deadline.set(HEAD_TIMEOUT_SECONDS)

    def data_received(self, data: bytes) -> None:
        """Begin the requests that arrive, or go on with the one that is under way."""
        if self.state is _IDLE and not self.flow.is_write_paused:
            if self._is_plain:
                data = self._static.begin(data)
                if not data:
                    return
            self._begin(data, is_static=False)
        elif self.state is State.HEAD:
            self._begin(data)
        elif self.state is State.ASGI and not self._asgi.is_read:
            self._deadline.set(BODY_TIMEOUT_SECONDS)
            self.flow.keep(self._read(data))
        elif self.state is State.LINGERING:
            self._deadline.set(min(LINGER_IDLE_SECONDS, self._linger_until - self.loop.time()))
        else:
            self.flow.keep(data)

    def eof_received(self) -> bool:
        """Keep the connection open for the response to a complete request, by returning True."""
        if self.state is State.PAGE and self._pages.is_waiting:
            self._pages.hand_over()  # who waits may have gone
        is_read = self._asgi.is_read if self.state is State.ASGI else self.state is State.PAGE
        if not (is_read or (self.state is _IDLE and self.flow.pending)):
            return False
        self.is_half_closed = True
        self._asgi.note_half_closed()
        self._deadline.set(HALF_CLOSED_TIMEOUT_SECONDS)
        return True

    def pause_writing(self) -> None:
        """Wait for the client."""
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        """Go on when the transport has written what it held."""
        self.flow.resume_writing()
        if self.state is State.SENDING:
            self.files.go_on()
        elif self.state is _IDLE:
            self.await_request()
            self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Disconnect the application, the worker or the file that responds."""
        if self.state is not State.CLOSED:
            self._move(State.CLOSED)
        self.server_state.connections.discard(self)
        self._deadline.cancel()
        self._disconnect()
        self._asgi.close()
        self.flow.end()
        self._static.close()

    def shutdown(self) -> None:
        """End the connection with its next response, or when it stays idle for `SHUTDOWN_IDLE_SECONDS`."""
        self.is_stopping = True
        self._is_plain = False
        if self.state in (State.IDLE, State.HEAD, State.LINGERING):
            self._deadline.hasten(SHUTDOWN_IDLE_SECONDS)

    @property
    def is_ending(self) -> bool:
        """Whether the next response is the last one, because the server stops, or the client sends no more."""
        return self.is_stopping or (self.is_half_closed and not self.flow.pending)

    def await_request(self) -> None:
        """Wait for the next request."""
        self._has_received_head = True
        self._deadline.set(SHUTDOWN_IDLE_SECONDS if self.is_stopping else self.config.timeout_keep_alive)
        if self.state is not _IDLE:
            self._move(_IDLE)

    def begin_response(self, state: State, rest: bytes) -> None:
        """Let one of the paths respond; `rest` follows the request."""
        self._move(state)
        self._has_received_head = True
        self._deadline.set(HALF_CLOSED_TIMEOUT_SECONDS if self.is_half_closed else BODY_TIMEOUT_SECONDS)
        self.flow.keep(rest)

    def pass_on(self, head: bytes, app: ASGIApp) -> bool:
        """Have an application respond to a request that a path has begun; False if the parser refuses it."""
        self._read(head, app)
        return self.state is State.ASGI

    def end_response(self, *, is_last: bool, is_read: bool = True) -> None:
        """Read on after a response, or end the connection. `is_read`: the whole request has been read."""
        self.server_state.total_requests += 1
        if self.state is State.CLOSED:
            return
        if not is_last:
            self.await_request()
            self.transport.set_write_buffer_limits(high=0)
            self._read_on()
        elif is_read and not self.flow.pending:
            self.close()
        else:
            self._linger()

    def close(self) -> None:
        """Close the connection when all is sent."""
        if self.state is not State.CLOSED:
            self._move(State.CLOSED)
            self._disconnect()
            self.transport.close()
            self.flow.watch.start()

    def begin_head_of_request(self) -> None:
        """Wait for the rest of a head."""
        self._move(State.HEAD)
        if self._has_received_head:
            self._deadline.set(SHUTDOWN_IDLE_SECONDS if self.is_stopping else HEAD_TIMEOUT_SECONDS)

    def begin_whole(self, head: bytes) -> bool:
        """Begin a plain request whose head came in pieces; return whether it is one."""
        return self.state is State.HEAD and self._is_plain and not self._begin_plain(head)

    def release(self) -> None:
        """Let another protocol have the connection."""
        self._move(State.UPGRADED)
        self._deadline.cancel()
        self.flow.end()
        self.flow.resume_reading()
        self._static.close()
        self.server_state.connections.discard(self)

    def _move(self, state: State) -> None:
        if state not in TRANSITIONS[self.state]:
            raise RuntimeError(f"a connection does not go from {self.state.name} to {state.name}")
        self.state = state

    def _begin(self, data: bytes, *, is_static: bool = True) -> None:
        """Begin the requests that the data has, until one is under way. `is_static`: the first may be a static one."""
        while data:
            if self.state is _IDLE:
                if self.flow.is_write_paused:
                    self.flow.keep(data)
                    self.flow.pause_reading()
                    return
                if self._is_plain:
                    data = self._begin_plain(data, is_static=is_static)
                if data and self.state is _IDLE:
                    data = self._read(data)
                is_static = True
            elif self.state is State.HEAD:
                data = self._read(data)
            else:
                self.flow.keep(data)
                return

    def _begin_plain(self, data: bytes, *, is_static: bool = True) -> bytes:
        """Begin the plain requests that the data begins with, without ASGI; return the rest."""
        data = self._static.begin(data) if is_static else data
        return self._pages.begin(data) if data else data

    def _read(self, data: bytes, app: ASGIApp | None = None) -> bytes:
        """Have the parser read a request, which is begun when its head is complete; return what follows it."""
        if self._is_over_limit and not self._asgi.is_busy and self._context.is_crowded(self.server_state):
            self._refuse(503)
            return b""
        try:
            return self._asgi.read(data, app)
        except RequestRefusedError as refusal:
            self._refuse(refusal.status)
            return b""

    def _refuse(self, status: int) -> None:
        """Respond to what is no request that an application could get, and end the connection."""
        asgi, fields = self._asgi, self.server_state.default_headers
        recorder = None if asgi.is_busy else self._context.recorder  # else the request is recorded
        if asgi.disconnect(status):  # a refusal would be taken for the rest of the response that has begun
            self.close()
            return
        is_head, request = asgi.is_head_request, asgi.request
        send_refusal(self.transport, status, fields, self.client, recorder, request=request, is_head=is_head)
        self._linger()

    def _linger(self) -> None:
        self._move(State.LINGERING)
        self.flow.pending = b""
        self._linger_until = self.loop.time() + LINGER_SECONDS
        self._deadline.set(LINGER_IDLE_SECONDS)
        self.transport.set_write_buffer_limits(high=0)
        self.flow.end_writing()
        self.flow.resume_reading()

    def _read_on(self) -> None:
        """Begin the requests that were kept."""
        self._begin(self.flow.take_pending())
        if self.is_half_closed and self.state in (State.IDLE, State.HEAD) and not self.flow.pending:
            self.close()

    def _handle_deadline(self) -> None:
        if self._asgi.awaits_body or (self.state is State.HEAD and not self.is_stopping):
            self._refuse(408)
        elif self.state in (State.IDLE, State.LINGERING) and self.transport.get_write_buffer_size():
            self._deadline.set(LINGER_IDLE_SECONDS)  # the client is slow; `flow` watches its progress
        elif self.state in (State.PAGE, State.ASGI, State.SENDING) and not self.is_half_closed:
            self._deadline.set(BODY_TIMEOUT_SECONDS)
        elif self.state is not State.SENDING and not self._asgi.has_begun:
            self.close()

    def _disconnect(self) -> None:
        """Tell the part that responds that the client is gone."""
        self._asgi.disconnect(STATUS_CLIENT_CLOSED_REQUEST)
        self.files.abandon()
        self._pages.abandon()
