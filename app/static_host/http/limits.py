"""The limits of a connection, as a subclass of uvicorn's protocol class.

Rule: a request head arrives complete within `HEAD_TIMEOUT_SECONDS` (else 408) and `MAX_HEAD_BYTES` (else 431). It has
exactly one valid Host (else 400, RFC 9112 §3.2); whatever else httptools refuses is 400, too. Reading pauses while
pipelined requests wait. A connection is aborted when its client takes no data for `WRITE_TIMEOUT_SECONDS`. A client
that closes its side after a complete request still gets the response. When the server stops, a busy connection is
closed with its next response, which says so (RFC 9112 §9.6). An idle one is closed after `SHUTDOWN_IDLE_SECONDS`,
because a request may be on its way.
"""

from __future__ import annotations

import math
import re
from asyncio import TimerHandle, Transport
from collections.abc import Callable, Collection
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from static_host.http.framing import FramedProtocol
from static_host.http.rejection import LINGER_SECONDS, send_refusal
from static_host.http.write_coalescing import CoalescingTransport
from static_host.middleware.forwarded import unmap_ipv4
from static_host.origin.request_head import MAX_HEAD_BYTES
from static_host.telemetry.log_and_counters import RequestRecorder
from static_host.telemetry.scope_keys import (
    BREAK_OFF_KEY,
    HALF_CLOSED_KEY,
    LOGGED_STATUS_KEY,
    ON_DISCONNECT_KEY,
    STATUS_CLIENT_CLOSED_REQUEST,
)

HEAD_TIMEOUT_SECONDS = 10.0
"""From a head's first byte, or for the first head from the connection's start, to the head's last byte."""
WRITE_TIMEOUT_SECONDS = 60.0
"""Time without progress after which the connection of a client that takes no data is aborted."""
SHUTDOWN_IDLE_SECONDS = 1.0
"""Time for which an idle connection stays open after the server is told to stop."""
HALF_CLOSED_TIMEOUT_SECONDS = 30.0
"""Time within which the response has to begin if the client has closed its side, for it may be gone."""

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?[ \t]*")
"""RFC 9110 §7.2: uri-host [":" port], possibly empty; httptools leaves trailing white space."""


def get_application(config: Config) -> Any:
    """Return the application that uvicorn serves, without uvicorn's own middleware."""
    app: Any = config.loaded_app
    return app.app if isinstance(app, ProxyHeadersMiddleware) else app


class HeadRefusedError(Exception):
    """The request head is not acceptable; raised in the parser's callbacks."""


def is_host(value: bytes) -> bool:
    """Whether this is a valid value of a Host field."""
    return _HOST.fullmatch(value) is not None


class PipelineFlowControl(FlowControl):
    """uvicorn's flow control, which resumes reading only when no pipelined request waits: each takes memory."""

    def __init__(self, transport: Transport, waiting: Collection[Any]) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Resume reading, unless requests wait behind the current one."""
        if not self._waiting:
            super().resume_reading()


class LimitedProtocol(FramedProtocol):
    """uvicorn's protocol class with limits on request heads and on idle, slow and half-closed connections."""

    def __init__(self, config: Config, *arguments: Any, **options: Any) -> None:
        super().__init__(config, *arguments, **options)
        self.recorder: RequestRecorder | None = getattr(get_application(config), "recorder", None)
        self._refusal_status = 400
        self._before = self._received = self._size = 0
        self._head_timer: TimerHandle | None = None
        self._has_received_head = False
        self._is_refused = False
        self._is_web_socket = False
        self._running: RequestResponseCycle | None = None
        self._coalescing_transport: CoalescingTransport | None = None
        self._write_timer: TimerHandle | None = None
        self.is_last = False
        """Whether the next response is the last one of this connection."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Set up the connection, and start the timer of the first head."""
        super().connection_made(transport)
        if self.client:
            self.client = (unmap_ipv4(self.client[0]), self.client[1])
        self.flow = PipelineFlowControl(transport, self.pipeline)
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self._handle_head_timeout)

    def data_received(self, data: bytes) -> None:
        """Parse the data; refuse a head that is too long, or time one that is incomplete."""
        if self._is_refused:
            return
        self._received = len(data)
        self._size += self._received
        super().data_received(data)
        if self._is_web_socket:
            return
        if self._has_partial_head():
            if self._size > MAX_HEAD_BYTES:
                self._refuse(431)
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self._handle_head_timeout)
        elif self._size > MAX_HEAD_BYTES and self.cycle is not None and self.cycle.more_body:
            self._refuse(431)
        elif self._has_received_head:
            self._stop_head_timer()
            if self.timeout_keep_alive_task is None and (self.cycle is None or self.cycle.response_complete):
                self.timeout_keep_alive_task = self.loop.call_later(  # the data was an empty line, which is no request
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )

    def _stop_head_timer(self) -> None:
        """Note that a head is complete."""
        self._has_received_head = True
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _has_partial_head(self) -> bool:
        return self.scope is not None and (self.cycle is None or self.cycle.scope is not self.scope)

    def _handle_head_timeout(self) -> None:
        self._head_timer = None
        if (
            self.transport.is_closing()
            or self._is_refused
            or not (self._has_partial_head() or not self._has_received_head)
        ):
            return
        if self._has_partial_head():
            self._refuse(408)
        else:
            self.transport.close()

    def on_headers_complete(self) -> None:
        """Accept the head. Raises HeadRefusedError."""
        self._has_received_head = True
        if self._before + self._size > MAX_HEAD_BYTES and self._measure_head() > MAX_HEAD_BYTES:
            self._refusal_status = 431
            raise HeadRefusedError("the head is too long")
        hosts = [value for name, value in self.headers if name == b"host"]
        if not (len(hosts) == 1 and is_host(hosts[0])) and (hosts or self.parser.get_http_version() == "1.1"):
            raise HeadRefusedError("not exactly one valid Host")
        super().on_headers_complete()
        if self.is_last and self.cycle:
            self.cycle.keep_alive = False

    def _measure_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        cycle.transport = self._coalescing_transport = CoalescingTransport(self.transport, self.loop)  # type: ignore[assignment]  # in part
        cast("dict[str, Any]", cycle.scope)[BREAK_OFF_KEY] = self._break_off
        super()._start_asgi_task(cycle, app)

    def _break_off(self) -> None:
        """Close the connection within the current response."""
        if self._coalescing_transport:
            self._coalescing_transport.close()
        self._abandon_request()

    def on_body(self, body: bytes) -> None:
        """Restart the count of bytes between two pieces of a body: chunk extensions and trailers."""
        self._size = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Write out the response before the next one begins."""
        if self._coalescing_transport:
            self._coalescing_transport.flush()
        super().on_response_complete()

    def on_message_complete(self) -> None:
        """Count the next head from the next data on; what arrived of it together with this request is `_before`."""
        self._before, self._size = self._received, 0
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to the WebSocket protocol class."""
        self._is_web_socket = True
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().handle_websocket_upgrade()

    def _refuse(self, status: int) -> None:
        self._refusal_status = status
        self.send_400_response("")

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn passes the same text for every error
        """Refuse the request, and close the connection after `LINGER_SECONDS`."""
        if self.transport.is_closing() or self._is_refused:
            return
        if self._abandon_request(self._refusal_status):  # a refusal would be taken for the rest of that response
            self.transport.close()
            return
        status, self._refusal_status = self._refusal_status, 400
        send_refusal(self.transport, status, self.server_state.default_headers, self.client, self.recorder)
        self._is_refused = True
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _abandon_request(self, status: int = STATUS_CLIENT_CLOSED_REQUEST) -> bool:
        """Disconnect the application from the current request; return whether a part of its response is sent.

        `status` is logged if none is sent. uvicorn disconnects only the last request, which may still be waiting.
        """
        cycle = self._running
        if cycle is None or cycle.response_complete:
            return False
        scope = cast("dict[str, Any]", cycle.scope)
        scope.setdefault(LOGGED_STATUS_KEY, status)
        cycle.disconnected = True
        cycle.waiting_for_100_continue = False
        cycle.message_event.set()
        on_disconnect: Callable[[], None] | None = scope.get(ON_DISCONNECT_KEY)
        if on_disconnect:
            on_disconnect()
        return cycle.response_started

    def eof_received(self) -> bool | None:  # type: ignore[override]  # uvicorn's always returns None
        """Keep the connection open for the response to a complete request, by returning True."""
        if self._is_refused:
            return None
        cycle = self.pipeline[0][0] if self.pipeline else self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body or self._has_partial_head():
            return None
        cycle.keep_alive = False
        cast("dict[str, Any]", cycle.scope)[HALF_CLOSED_KEY] = True
        self.is_last = True
        self.loop.call_later(HALF_CLOSED_TIMEOUT_SECONDS, self._close_unanswered)
        return True

    def _close_unanswered(self) -> None:
        if self._running is None or not self._running.response_started:
            self.transport.close()

    def shutdown(self) -> None:
        """Close the connection with its next response, or when it stays idle for `SHUTDOWN_IDLE_SECONDS`."""
        self.is_last = True
        for cycle in (self.cycle, *(cycle for cycle, _ in self.pipeline)):
            if cycle is not None and not cycle.response_complete:
                cycle.keep_alive = cycle.keep_alive and bool(self.pipeline) and cycle is not self.pipeline[0][0]
        self.loop.call_later(SHUTDOWN_IDLE_SECONDS, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def pause_writing(self) -> None:
        """Pause the application, and start to watch the client's progress."""
        super().pause_writing()
        self._watch_progress()

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection once the client has taken all data, and watch its progress until then."""
        super().timeout_keep_alive_handler()
        self._watch_progress()

    def _watch_progress(self, left: float = math.inf) -> None:
        """Abort the connection if the client has taken nothing since `left` bytes were left; else look again later."""
        if self._write_timer is not None:
            self._write_timer.cancel()
        unsent = self.transport.get_write_buffer_size() if self.flow.write_paused or self.transport.is_closing() else 0
        if unsent >= left:
            self.transport.abort()
        elif unsent:
            self._write_timer = self.loop.call_later(WRITE_TIMEOUT_SECONDS, self._watch_progress, unsent)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers, and disconnect the application."""
        for timer in (self._head_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        self._abandon_request()
        super().connection_lost(exc)
