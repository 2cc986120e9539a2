"""The fast path: answers plain requests for static files in uvicorn's protocol class, before ASGI begins.

Rule: a plain GET or HEAD that the origin answers, between two requests of a connection, gets the middleware's response,
byte for byte, written to the transport at once. In every other case, and in doubt, uvicorn gets the data unchanged.
httptools decides where a request ends, as it does on the ASGI path: a head is answered only if `SingleRequestParser`
finds exactly one complete message in it.

Strategy: `ResponseCache` finds the header lines that matter, so no parser callback runs for a field. The keep-alive
timer is not restarted for each response: when it fires, it is set again for the time that is left.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from asyncio import Transport
from typing import Any

from uvicorn.config import Config

from static_host.http.fast_path_state import get_fast_path_state
from static_host.http.limits import LimitedProtocol
from static_host.http.response_transfer import ResponseTransfer
from static_host.origin.body_cache import Body, MemoryFile
from static_host.origin.response_cache import PreparedResponse
from static_host.telemetry.request_record import RequestRecord, find_identifier, format_address, parse_logged_parts

log = logging.getLogger("static_host.origin")

MAX_BATCH_BYTES = 256 << 10
"""Bytes of responses to pipelined requests that are collected for one write."""
MSG_MORE = getattr(socket, "MSG_MORE", 0)
_END_OF_HEAD = b"\r\n\r\n"


class FastPathProtocol(LimitedProtocol):
    """uvicorn's protocol class with the static origin in front of it."""

    def __init__(self, config: Config, *arguments: Any, **options: Any) -> None:
        super().__init__(config, *arguments, **options)
        self._state = state = get_fast_path_state(config)
        self._response_cache = state.response_cache
        self._find_response = state.response_cache.find
        self._get_body = state.response_cache.get_body
        self._is_one_request = state.single_request_parser.is_one_request
        self._proxies = state.proxies
        self._secret = state.secret
        self._time = self.loop.time
        self._is_free = not config.is_ssl
        self._answered_at = self._started_at = 0.0
        self._sending: ResponseTransfer | None = None
        self._writes_at_once = True
        self._socket: socket.socket | None = None

    def data_received(self, data: bytes) -> None:
        """Answer the requests for static files, and pass the rest to uvicorn."""
        if self.recorder is not None:
            self._started_at = time.perf_counter()
        if self._is_free and (self.scope is None or self._is_between_requests()) and not self.flow.write_paused:
            response = self._find_response(data)
            if (
                response is not None
                and (self._secret is None or self._secret.is_in_head(data))
                and self._is_one_request(data)
            ):
                body = self._get_body(response.digest) if response.digest else response.body
                if body is not None:
                    self._write(data, response, body)
                    return
            if self._begin_other(data):
                return
            rest = self._answer_each(data)
            if not rest or (len(rest) < len(data) and self._begin_other(rest)):
                return
            data = rest
        elif self._sending is not None:
            self._sending.pending_data += data
            return
        self._pass_on(data)

    def _begin_other(self, _data: bytes) -> bool:
        """Begin a request of another kind that needs no ASGI; return whether that was possible."""
        return False

    def _pass_on(self, data: bytes) -> None:
        if self._writes_at_once:
            self._writes_at_once = False
            self.transport.set_write_buffer_limits()  # a stream of the application's may be ahead of its client
        super().data_received(data)

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Set up the connection, so that `resume_writing` is called when the transport has written all it holds."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)
        limit: int | None = self.config.limit_concurrency
        if limit is not None and len(self.connections) >= limit:  # uvicorn refuses while there are too many
            self._is_free = False

    def _is_between_requests(self) -> bool:
        """Whether uvicorn's parser holds no part of a request, and no response is under way."""
        cycle = self.cycle
        if cycle is None or cycle.scope is not self.scope:
            return False
        return cycle.response_complete and not cycle.more_body and not self.transport.is_closing()

    def _write(self, head: bytes, response: PreparedResponse, body: Body) -> None:
        """Write one response. Inlines most of `_complete_response`, because a call would take a tenth of the time."""
        state = self.server_state
        if response.stamp is not state.default_headers:
            self._stamp(response)
        if isinstance(body, MemoryFile):
            self._write_file(response.head, body)
        else:
            self.transport.write(response.head + body)
        state.total_requests += 1
        self._answered_at = self._time()
        if self.timeout_keep_alive_task is None or self.recorder is not None:
            self._complete_response(head, response, len(body))

    def _write_file(self, head: bytes, body: MemoryFile) -> None:
        """Send a body from its file in memory; the transport gets what the socket does not take."""
        begun = sent = 0
        if not self.transport.get_write_buffer_size():
            try:
                if self._socket is None:
                    connection = self.transport.get_extra_info("socket")
                    self._socket = socket.socket(fileno=os.dup(connection.fileno()))
                    self._socket.setblocking(False)  # the project may call socket.setdefaulttimeout
                begun = self._socket.send(head, MSG_MORE)
                if begun == len(head):
                    sent = os.sendfile(self._socket.fileno(), body.descriptor, 0, len(body))
            except OSError:
                pass  # the buffer is full or the client gone: the transport handles both
        if begun < len(head):
            self.transport.write(head[begun:])
        if sent < len(body):
            self.transport.write(memoryview(body)[sent:])  # without a copy

    def _stamp(self, response: PreparedResponse) -> None:
        response.stamp = self.server_state.default_headers
        begin = self._state.begin_head(response.status, response.stamp)
        response.head, response.begin = begin + response.block, len(begin)

    def _complete_response(self, head: bytes, response: PreparedResponse, size: int) -> None:
        """Record a response, and update the timers as uvicorn does at its end; the caller counts the request."""
        self._answered_at = self._time()
        if self._head_timer is not None:
            self._stop_head_timer()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        self._record(head, response, size)

    def _answer_each(self, data: bytes) -> bytes:
        """Answer the leading requests of the data in one write; return the rest, which is uvicorn's."""
        output: list[Body] = []
        size = at = 0
        while size < MAX_BATCH_BYTES and at < len(data):
            end = data.find(_END_OF_HEAD, at) + len(_END_OF_HEAD)
            head = data[at:end]
            response = self._answer(head) if end >= len(_END_OF_HEAD) else None
            if response is None:
                break
            body = self._get_body(response.digest) if response.digest else response.body
            if body is None:  # the cache has no room for it: the middleware reads the file
                break
            if response.stamp is not self.server_state.default_headers:
                self._stamp(response)
            at = end
            output.append(response.head)
            if response.parts:
                self._start_transfer(b"".join(output), head, response, data[at:])
                return b""
            output.append(body)
            size += len(body)
            self.server_state.total_requests += 1
            self._complete_response(head, response, len(body))
        if output:
            self.transport.write(b"".join(output))
        return data[at:]

    def _answer(self, head: bytes) -> PreparedResponse | None:
        """Return the response to a complete head, or None if uvicorn has to handle the request."""
        if self._secret is not None and not self._secret.is_in_head(head):
            return None
        response = self._response_cache.respond(head)
        if response is not None and not self._is_one_request(head):
            response.close()
            return None
        return response

    def _start_transfer(self, output: bytes, head: bytes, response: PreparedResponse, rest: bytes) -> None:
        """Write `output`, then send a body from its files. `rest` is the data that follows the request."""
        self._is_free = False
        self._sending = ResponseTransfer(self.transport, head, response, rest, self._finish_transfer)
        self._stop_head_timer()
        self._unset_keepalive_if_required()
        self.flow.pause_reading()
        self.transport.set_write_buffer_limits(high=0)
        self.transport.write(output)
        self._sending.start_body()

    def _finish_transfer(self, error: OSError | None) -> None:
        """Continue after a body from files; abort the connection if the client has not received all of it."""
        sent, self._sending = self._sending, None
        if sent is None:
            return
        sent.response.close()
        self._is_free = not self.is_last
        if error:
            if not isinstance(error, ConnectionError | TimeoutError):  # the disk's fault, not the client's
                log.error("a body could not be sent to its end: %s", error)
            self._record(sent.request_head, sent.response, sent.sent_bytes)
            self.transport.abort()
            return
        self.server_state.total_requests += 1
        self._complete_response(sent.request_head, sent.response, sent.sent_bytes)
        if self.is_last:
            self.transport.close()
            return
        if not self._writes_at_once:
            self.transport.set_write_buffer_limits()
        self.flow.resume_reading()
        if sent.pending_data:
            self.data_received(sent.pending_data)

    def resume_writing(self) -> None:
        """Send a body from files once the transport has written what it held."""
        super().resume_writing()
        if self._sending:
            self._sending.start_body()

    def connection_lost(self, exc: Exception | None) -> None:
        """Abandon the response under way."""
        if self._sending:
            self._sending.abandon()
            self._record(self._sending.request_head, self._sending.response, self._sending.sent_bytes)
            self._sending = None
        self._close_socket()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Close the duplicate descriptor, which would keep the connection open, and hand the connection over."""
        self._close_socket()
        super().handle_websocket_upgrade()

    def _close_socket(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None

    def shutdown(self) -> None:
        """Leave the next response to uvicorn, which adds ``Connection: close``."""
        self._is_free = False
        super().shutdown()

    def _close_if_idle(self) -> None:
        if self._sending is None:
            super()._close_if_idle()

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection, or wait on if a response was sent since the timer was set."""
        rest = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if rest > 0:
            self.timeout_keep_alive_task = self.loop.call_later(rest, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def _record(self, head: bytes, response: PreparedResponse, size: int) -> None:
        """Record a response in the counters and in the access log."""
        recorder = self.recorder
        if recorder is None:
            return
        if recorder.log is None:
            if recorder.counters is not None:
                recorder.counters.count_response("fast", response.status, response.coding, size)
            return
        method, target, fields = parse_logged_parts(head)
        client = self.client
        if client and self._proxies.is_trusted(client[0]):
            client = self._proxies.find_client(value for name, value in fields if name == b"x-forwarded-for") or client
        recorder.record(
            RequestRecord(
                *format_address(client),
                method,
                target,
                "1.1",
                response.status,
                size,
                response.coding,
                "fast",
                time.perf_counter() - self._started_at,
                find_identifier(fields),
            )
        )
