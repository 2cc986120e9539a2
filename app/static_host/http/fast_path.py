"""The fast lane: the static origin as a protocol class of uvicorn's, for what can be answered before ASGI begins.

Rule: what the core answers to a plain GET or HEAD, between two requests of a connection, is written to the transport
at once, byte for byte as the middleware's answer would be; everything else is handed on untouched, whenever unsure.
Where a request ends is decided by httptools, here as there: a head is answered only if a parser of the same kind has
found in it exactly one message, begun and complete.

Strategy: the parser that judges has no callbacks for fields, which cost more than everything else it does;
`ResponseCache` finds the lines that matter. The keep-alive timer is not set anew for every answer, but asks when it
rings.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import time
from asyncio import Transport
from functools import cache
from itertools import islice
from typing import Any

import httptools
import uvicorn
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from static_host.http.limits import LimitedProtocol, get_application
from static_host.http.sendfile import SendfileTransfer
from static_host.middleware.forwarded import TrustedProxies
from static_host.middleware.origin_secret import OriginSecret
from static_host.middleware.request_log import RequestRecorder
from static_host.origin.body_cache import Body, Sealed
from static_host.origin.responder import Responder
from static_host.origin.response_cache import PreparedResponse, ResponseCache
from static_host.telemetry.request_record import RequestRecord, find_identifier, format_address
from static_host.telemetry.request_record import format_target as target_of

log = logging.getLogger("static_host.origin")

UVICORN_VERSION_PREFIX = "0.54."
"""What the version of uvicorn begins with whose protocol class this one knows."""
MAX_BATCH_BYTES = 256 << 10
"""Bytes that are answered to pipelined requests before the connection must take them."""
MSG_MORE = getattr(socket, "MSG_MORE", 0)
MAX_LOGGED_FIELD_LINES = 64
"""Lines of a head's fields that are looked at for the access log."""
_END_OF_HEAD = b"\r\n\r\n"


def find_incompatibility() -> str | None:
    """Return why the fast lane cannot be used here, or None."""
    if not uvicorn.__version__.startswith(UVICORN_VERSION_PREFIX):
        return f"uvicorn is {uvicorn.__version__}, and it knows {UVICORN_VERSION_PREFIX}x"
    return None


class SingleRequestParser:
    """Decides whether bytes are exactly one request without a body, as the parser of the other lane would."""

    def __init__(self) -> None:
        self._begun = self._complete = 0
        self._parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        """Count, for httptools."""
        self._begun += 1

    def on_message_complete(self) -> None:
        """Count, for httptools."""
        self._complete += 1

    def is_one_request(self, data: bytes) -> bool:
        """Whether the parser finds one message in the data and nothing else. It is at rest afterwards."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._complete = -1
        if self._begun == self._complete == 1:
            self._begun = self._complete = 0
            return True
        self.__init__()  # type: ignore[misc]  # a parser has no way back to rest
        return False


class FastPathState:
    """What the connections of one process share."""

    def __init__(self, responder: Responder, proxies: TrustedProxies) -> None:
        self.response_cache = ResponseCache(responder)
        self.single_request_parser = SingleRequestParser()
        self.proxies = proxies


@cache
def get_fast_path_state(config: Config) -> FastPathState:
    """Return the lane of a server whose application has booted."""
    application = get_application(config)
    return FastPathState(application.responder, getattr(application, "proxies", TrustedProxies(())))


class FastPathProtocol(LimitedProtocol):
    """uvicorn's protocol class, with the static origin before it."""

    def __init__(self, config: Config, *arguments: Any, **options: Any) -> None:
        super().__init__(config, *arguments, **options)
        lane = get_fast_path_state(config)
        self._response_cache = lane.response_cache
        self._find_response = lane.response_cache.find
        self._get_body = lane.response_cache.get_body
        self._is_one_request = lane.single_request_parser.is_one_request
        self._proxies = lane.proxies
        self._secret: OriginSecret | None = getattr(get_application(config), "secret", None)
        self._time = self.loop.time
        self._is_free = config.limit_concurrency is None and not config.is_ssl
        self._answered_at = 0.0
        self._sending: PreparedResponse | None = None
        self._transfer: SendfileTransfer | None = None
        self._pending_data = b""
        self._started_at = 0.0
        self._writes_at_once = True
        self._socket: socket.socket | None = None

    def data_received(self, data: bytes) -> None:
        """Answer what is the origin's, and hand on the rest."""
        if self.recorder is not None:
            self._started_at = time.perf_counter()
        if self._is_free and (self.scope is None or self._is_between_requests()) and not self.flow.write_paused:
            answer = self._find_response(data)
            if (
                answer is not None
                and (self._secret is None or self._secret.is_in_head(data))
                and self._is_one_request(data)
            ):
                body = self._get_body(answer.digest) if answer.digest else answer.body
                if body is not None:
                    self._write(data, answer, body)
                    return
            data = self._answer_each(data)
            if not data:
                return
        elif self._sending is not None:
            self._pending_data += data
            return
        if self._writes_at_once:
            self._writes_at_once = False
            self.transport.set_write_buffer_limits()  # the other lane's streams may be ahead of their clients
        super().data_received(data)

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Have an answer written at once, not at the end of the event loop's turn."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)

    def _is_between_requests(self) -> bool:
        """Whether the other lane's parser has no part of a request, and no response is under way."""
        cycle = self.cycle
        if cycle is None or cycle.scope is not self.scope:
            return False
        return cycle.response_complete and not cycle.more_body and not self.transport.is_closing()

    def _write(self, head: bytes, answer: PreparedResponse, body: Body) -> None:
        """Write one answer. What `_account` does is done here too: a call is a tenth of what is left to save."""
        state = self.server_state
        if answer.stamp is not state.default_headers:
            self._stamp(answer)
        if isinstance(body, Sealed):
            self._write_sealed(answer.head, body)
        else:
            self.transport.write(answer.head + body)
        state.total_requests += 1
        self._answered_at = self._time()
        if self.timeout_keep_alive_task is None or self.recorder is not None:
            self._complete_response(head, answer, len(body))

    def _write_sealed(self, head: bytes, body: Sealed) -> None:
        """Write a body from its file in memory to the socket, and what the socket does not take to the transport."""
        begun = sent = 0
        if not self.transport.get_write_buffer_size():
            try:
                if self._socket is None:
                    connection = self.transport.get_extra_info("socket")
                    self._socket = socket.socket(fileno=os.dup(connection.fileno()))
                    self._socket.setblocking(False)  # whatever the project's socket.setdefaulttimeout says
                begun = self._socket.send(head, MSG_MORE)
                if begun == len(head):
                    sent = os.sendfile(self._socket.fileno(), body.descriptor, body.offset, len(body))
            except OSError:
                pass  # full, or gone: the transport finds out
        if begun < len(head):
            self.transport.write(head[begun:])
        if sent < len(body):
            self.transport.write(memoryview(body)[sent:])  # without a copy

    def _stamp(self, answer: PreparedResponse) -> None:
        answer.stamp = self.server_state.default_headers
        defaults = b"".join(b"%s: %s\r\n" % field for field in self.server_state.default_headers)
        begin = STATUS_LINE[answer.status] + defaults
        answer.head, answer.begin = begin + answer.block, len(begin)

    def _complete_response(self, head: bytes, answer: PreparedResponse, size: int) -> None:
        """Do what uvicorn does when a response is complete, but count it."""
        self._answered_at = self._time()
        if self._head_timer is not None:
            self._stop_head_timer()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        self._record(head, answer, size, self.recorder)

    def _answer_each(self, data: bytes) -> bytes:
        """Answer the requests that the data begins with, in one write; return the data from the first other one on."""
        output: list[Body] = []
        size = at = 0
        while size < MAX_BATCH_BYTES and at < len(data):
            end = data.find(_END_OF_HEAD, at) + len(_END_OF_HEAD)
            head = data[at:end]
            answer = self._answer(head) if end >= len(_END_OF_HEAD) else None
            if answer is None:
                break
            body = self._get_body(answer.digest) if answer.digest else answer.body
            if body is None:  # there is no room for it: the other lane reads it anew
                break
            if answer.stamp is not self.server_state.default_headers:
                self._stamp(answer)
            at = end
            output.append(answer.head)
            if answer.parts:
                self._pending_data = data[at:]
                self._begin_transfer(b"".join(output), head, answer)
                return b""
            output.append(body)
            size += len(body)
            self.server_state.total_requests += 1
            self._complete_response(head, answer, len(body))
        if output:
            self.transport.write(b"".join(output))
        return data[at:]

    def _answer(self, head: bytes) -> PreparedResponse | None:
        """Return the answer to a whole head, its body in memory if it is to be, or None when it is not the lane's."""
        if self._secret is not None and not self._secret.is_in_head(head):
            return None
        answer = self._response_cache.respond(head)
        if answer is None:
            return None
        if not self._is_one_request(head):
            answer.close()
            return None
        return answer

    def _begin_transfer(self, output: bytes, head: bytes, answer: PreparedResponse) -> None:
        """Write what comes before a large body, and have the body sent when the socket has taken it."""
        self._sending, self._is_free = answer, False
        self._head = head
        self._stop_head_timer()
        self._unset_keepalive_if_required()
        self.flow.pause_reading()
        self.transport.set_write_buffer_limits(high=0)
        self.transport.write(output)
        self._start_transfer()

    def _start_transfer(self) -> None:
        if self._sending and not self._transfer and not self.transport.get_write_buffer_size():
            connection = self.transport.get_extra_info("socket")
            try:
                self._transfer = SendfileTransfer(connection, self._sending.parts, self._finish_transfer)
            except OSError as error:  # no descriptor is left
                self._finish_transfer(error)

    def _finish_transfer(self, error: OSError | None) -> None:
        """Go on after a large body; a connection that has not had all of it is of no use any more."""
        answer, held = self._sending, self._pending_data
        if answer is None:
            return
        answer.close()
        size = self._transfer.sent_bytes if self._transfer else 0
        self._sending, self._transfer, self._pending_data, self._is_free = None, None, b"", not self.is_last
        if error:
            if not isinstance(error, ConnectionError | TimeoutError):  # the disk's fault, not the client's
                log.error("a body could not be sent to its end: %s", error)
            self._record(self._head, answer, size, self.recorder)
            self.transport.abort()
            return
        self.server_state.total_requests += 1
        self._complete_response(self._head, answer, size)
        if self.is_last:
            self.transport.close()
            return
        if not self._writes_at_once:
            self.transport.set_write_buffer_limits()
        self.flow.resume_reading()
        if held:
            self.data_received(held)

    def resume_writing(self) -> None:
        """Note that the transport has sent what it was given."""
        super().resume_writing()
        self._start_transfer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of what was being sent."""
        if self._transfer:
            self._transfer.abandon()
        if self._sending:
            self._sending.close()
            self._record(self._head, self._sending, self._transfer.sent_bytes if self._transfer else 0, self.recorder)
            self._sending = self._transfer = None
        self._close_socket()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Let go of the connection: it does not end while somebody has a descriptor of it."""
        self._close_socket()
        super().handle_websocket_upgrade()

    def _close_socket(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None

    def shutdown(self) -> None:
        """Leave the next answer to the other lane, which says that it is the last one."""
        self._is_free = False
        super().shutdown()

    def _close_if_idle(self) -> None:
        if self._sending is None:
            super()._close_if_idle()

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection, unless it was used since the timer was set."""
        rest = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if rest > 0:
            self.timeout_keep_alive_task = self.loop.call_later(rest, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def _record(self, head: bytes, answer: PreparedResponse, size: int, observer: RequestRecorder | None) -> None:
        """Tell of an answer: to the counts, and in a line of the access log."""
        if observer is None:
            return
        if observer.log is None:
            if observer.counters is not None:
                observer.counters.count_response("fast", answer.status, answer.coding, size)
            return
        method, target, fields = _parse_logged_parts(head)
        client = self.client
        if client and self._proxies.is_trusted(client[0]):
            client = self._proxies.find_client(value for name, value in fields if name == b"x-forwarded-for") or client
        seconds = time.perf_counter() - self._started_at
        observer.record(
            RequestRecord(
                *format_address(client),
                method,
                target,
                "1.1",
                answer.status,
                size,
                answer.coding,
                "fast",
                seconds,
                find_identifier(fields),
            )
        )


_LOGGED_FIELDS = re.compile(
    rb"\r\n(x-forwarded-for|x-request-id|x-amz-cf-id|cf-ray|x-amzn-trace-id):[ \t]*([^\r]*)", re.IGNORECASE
)


def _parse_logged_parts(head: bytes) -> tuple[str, str, list[tuple[bytes, bytes]]]:
    """Return the method, the target, and the fields that are told of."""
    method, target, _ = head.split(b" ", 2)
    path, _, query = target.partition(b"?")
    lines = islice(_LOGGED_FIELDS.finditer(head), MAX_LOGGED_FIELD_LINES)
    fields = [(line[1].lower(), line[2].rstrip(b" \t")) for line in lines]
    return method.decode("latin-1"), target_of(path, query), fields
