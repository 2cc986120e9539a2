"""What a connection must keep to before anybody is asked for an answer, as a protocol class of uvicorn's.

Rule: a head comes whole within `HEAD_TIMEOUT_SECONDS` (else 408), and within `MAX_HEAD_BYTES` bytes (else 431); it has
exactly one Host, and one that can be a host (else 400, RFC 9112 §3.2); what else httptools refuses is a 400 too.
Requests that wait behind others are not read without end, and a client that takes nothing for `WRITE_TIMEOUT_SECONDS`
seconds is given up. A client that has sent its request whole and closed its side of the connection still gets the
answer. When the server is told to stop, a connection that is in use is closed with its next answer, which says so (RFC
9112 §9.6), and an idle one after a moment: closed at once, it could be met by a request that is already on its way.
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
from static_host.telemetry.request_recorder import RequestRecorder
from static_host.telemetry.scope_keys import (
    HALF_CLOSED_KEY,
    LOGGED_STATUS_KEY,
    ON_DISCONNECT_KEY,
    STATUS_CLIENT_CLOSED_REQUEST,
)

HEAD_TIMEOUT_SECONDS = 10.0
"""Seconds from the first byte of a head, or from the opening of its connection, to its last byte."""
WRITE_TIMEOUT_SECONDS = 60.0
"""Seconds without any progress after which a client that takes nothing of its answer is given up."""
SHUTDOWN_IDLE_SECONDS = 1.0
"""Seconds that a connection stays open that is idle when the server is told to stop."""
HALF_CLOSED_TIMEOUT_SECONDS = 30.0
"""Seconds within which the answer begins for a client that has closed its side: it may be gone altogether."""

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?[ \t]*")
"""RFC 9110 §7.2: uri-host [":" port], which may be empty; httptools leaves the white space behind it."""


def get_application(config: Config) -> Any:
    """Return the application of a server, out of what uvicorn puts around it."""
    app: Any = config.loaded_app
    return app.app if isinstance(app, ProxyHeadersMiddleware) else app


class HeadRefusedError(Exception):
    """A head that is not accepted; raised in the parser's callbacks."""


def is_host(value: bytes) -> bool:
    """Whether it can be the value of a Host field."""
    return _HOST.fullmatch(value) is not None


class PipelineFlowControl(FlowControl):
    """uvicorn's flow control, which reads on only when no request waits for its turn: those that wait take memory."""

    def __init__(self, transport: Transport, waiting: Collection[Any]) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Read on, unless requests wait behind the one that is answered."""
        if not self._waiting:
            super().resume_reading()


class LimitedProtocol(FramedProtocol):
    """uvicorn's protocol class, which accepts no head that comes too slowly, is too long or names no host."""

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
        """Whether the next answer is the last one of this connection."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first head, but not for ever."""
        super().connection_made(transport)
        if self.client:
            self.client = (unmap_ipv4(self.client[0]), self.client[1])
        self.flow = PipelineFlowControl(transport, self.pipeline)
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self._handle_head_timeout)

    def data_received(self, data: bytes) -> None:
        """Have the data parsed, and see whether a head is still incomplete afterwards."""
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
                self.timeout_keep_alive_task = self.loop.call_later(  # it was an empty line: nobody is asked anything
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )

    def _stop_head_timer(self) -> None:
        """Note that a head has come whole."""
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
        """Accept the head, or refuse it."""
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
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        """Count the bytes between two pieces of a body: trailers and chunk extensions."""
        self._size = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        """Have all of the response written before anything else is."""
        if self._coalescing_transport:
            self._coalescing_transport.flush()
        super().on_response_complete()

    def on_message_complete(self) -> None:
        """Count the bytes of the next head from the next data on: what came with others was not long."""
        self._before, self._size = self._received, 0
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to the protocol class of WebSockets."""
        self._is_web_socket = True
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().handle_websocket_upgrade()

    def _refuse(self, status: int) -> None:
        self._refusal_status = status
        self.send_400_response("")

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn says the same of everything
        """Refuse what was received, and close the connection a moment later."""
        if self.transport.is_closing() or self._is_refused:
            return
        if self._give_up(self._refusal_status):  # what is written now would be taken for the rest of that answer
            self.transport.close()
            return
        status, self._refusal_status = self._refusal_status, 400
        send_refusal(self.transport, status, self.server_state.default_headers, self.client, self.recorder)
        self._is_refused = True
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _give_up(self, status: int = STATUS_CLIENT_CLOSED_REQUEST) -> bool:
        """Tell the request that is being answered that nobody takes the answer; return whether a part of it is sent.

        `status` is what is logged if none is.

        uvicorn tells the one that came last, which may still wait for its turn.
        """
        cycle = self._running
        if cycle is None or cycle.response_complete:
            return False
        scope = cast("dict[str, Any]", cycle.scope)
        scope.setdefault(LOGGED_STATUS_KEY, status)
        cycle.disconnected = True
        cycle.waiting_for_100_continue = False
        cycle.message_event.set()
        gone: Callable[[], None] | None = scope.get(ON_DISCONNECT_KEY)
        if gone:
            gone()
        return cycle.response_started

    def eof_received(self) -> bool | None:  # type: ignore[override]  # uvicorn never keeps a connection open
        """Keep the connection open for the answer to a request that has come whole."""
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
        """Close the connection with its next answer, or after a moment without a request."""
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
        """Wait for the client to take what there is for it, but not for ever."""
        super().pause_writing()
        self._watch_progress()

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection when the client has taken what there is for it."""
        super().timeout_keep_alive_handler()
        self._watch_progress()

    def _watch_progress(self, left: float = math.inf) -> None:
        """Give the client up if it has taken nothing since `left` bytes were left."""
        if self._write_timer is not None:
            self._write_timer.cancel()
        unsent = self.transport.get_write_buffer_size() if self.flow.write_paused or self.transport.is_closing() else 0
        if unsent >= left:
            self.transport.abort()
        elif unsent:
            self._write_timer = self.loop.call_later(WRITE_TIMEOUT_SECONDS, self._watch_progress, unsent)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        for timer in (self._head_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        self._give_up()
        super().connection_lost(exc)
