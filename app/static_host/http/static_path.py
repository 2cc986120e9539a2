"""Plain requests for static files, answered from prepared responses, before ASGI begins.

Rule: a plain GET or HEAD that the origin answers gets the middleware's response, byte for byte, written to the
transport at once. httptools decides where a request ends, as it does on the ASGI path: a head is answered only if
`SingleRequestParser` finds exactly one complete message in it. In every other case, and in doubt, the data is left.

Strategy: `ResponseCache` finds the header lines that matter, so no parser callback runs for a field. Over TLS nothing
goes to the socket directly.
"""

from __future__ import annotations

import os
import socket
import time
from functools import partial
from typing import TYPE_CHECKING

from static_host.http.server_context import ServerContext
from static_host.origin.body_cache import Body, MemoryFile
from static_host.origin.response_cache import PreparedResponse
from static_host.telemetry.log_and_counters import RequestRecorder
from static_host.telemetry.request_record import ENCODED_BUILD_USER_AGENT, find_logged_fields

if TYPE_CHECKING:
    from static_host.http.connection import HttpProtocol

MAX_BATCH_BYTES = 256 << 10
"""Bytes of responses to pipelined requests that are collected for one write."""
MSG_MORE = getattr(socket, "MSG_MORE", 0)
_END_OF_HEAD = b"\r\n\r\n"


class StaticPath:
    """The static responses of one connection."""

    def __init__(self, connection: HttpProtocol, context: ServerContext) -> None:
        self._connection = connection
        self._context = context
        self._is_one_request = context.single_request_parser.is_one_request
        self._secret = context.secret
        self._recorder = context.recorder
        self._server_state = connection.server_state
        self._socket: socket.socket | None = None
        self._started_at = 0.0
        self._client = ""  # what the log says of it

    def choose_cache(self) -> bool:
        """Take responses from the cache for this connection's peer; return whether the application has static files."""
        cache = self._context.get_response_cache(self._connection.client, self._connection.scheme)
        if cache is None:
            return False
        self._cache = cache
        self._find_response = cache.find
        self._get_cached_body = cache.get_body
        return True

    def begin(self, data: bytes) -> bytes:
        """Answer the leading requests of the data, which begins a request; return the rest, which is for others."""
        if self._recorder is not None:
            self._started_at = time.perf_counter()
        response = self._find_response(data)
        if (
            response is not None
            and (self._secret is None or self._secret.is_in_head(data))
            and self._is_one_request(data)
        ):
            body = self._get_body(response)
            if body is not None:
                state = self._server_state
                if response.stamp is not state.default_headers:
                    self._context.stamp(response, state.default_headers)
                if isinstance(body, MemoryFile):
                    self._write_file(response.head, body)
                else:
                    self._connection.transport.write(response.head + body)
                self._end(data, response, len(body))
                return b""
        return self._answer_each(data)

    def _get_body(self, response: PreparedResponse) -> Body | None:
        """Return the body of a response; None if another path has to respond."""
        if response.digest:
            return self._get_cached_body(response.digest)
        return response.read() if response.read is not None else response.body

    def _end(self, head: bytes, response: PreparedResponse, size: int) -> None:
        """Count a response, and record it."""
        self._server_state.total_requests += 1
        self._connection.await_request()
        if self._recorder is not None:
            self._record(self._recorder, head, response, size)

    def _write_file(self, head: bytes, body: MemoryFile) -> None:
        """Send a body from its file in memory; the transport gets what the socket does not take."""
        transport = self._connection.transport
        if self._connection.scheme == "https":
            transport.writelines((head, memoryview(body)))
            return
        begun = sent = 0
        if not transport.get_write_buffer_size():
            try:
                if self._socket is None:
                    self._socket = socket.socket(fileno=transport.get_extra_info("socket").fileno())
                    self._socket.setblocking(False)  # the project may call socket.setdefaulttimeout
                begun = self._socket.send(head, MSG_MORE)
                if begun == len(head):
                    sent = os.sendfile(self._socket.fileno(), body.descriptor, 0, len(body))
            except OSError:
                pass  # the buffer is full or the client gone: the transport handles both
        if begun < len(head):
            transport.write(head[begun:])
        if sent < len(body):
            transport.write(memoryview(body)[sent:])  # without a copy

    def _answer_each(self, data: bytes) -> bytes:
        """Answer the leading requests of the data in one write; return the rest."""
        output: list[Body] = []
        size = at = 0
        while size < MAX_BATCH_BYTES and at < len(data):
            end = data.find(_END_OF_HEAD, at) + len(_END_OF_HEAD)
            head = data[at:end]
            response = self._find_or_make(head) if end >= len(_END_OF_HEAD) else None
            if response is None:
                break
            body = self._get_body(response)
            if body is None:  # the cache has no room for it: the middleware reads the file
                break
            if response.stamp is not self._server_state.default_headers:
                self._context.stamp(response, self._server_state.default_headers)
            at = end
            output.append(response.head)
            if response.parts:
                on_end = partial(self._note_sent, head, response)
                self._connection.files.start(b"".join(output), response.parts, data[at:], on_end)
                return b""
            output.append(body)
            size += len(body)
            self._end(head, response, len(body))
        if output:
            self._connection.transport.write(b"".join(output))
        return data[at:]

    def _find_or_make(self, head: bytes) -> PreparedResponse | None:
        """Return the response to a complete head, or None if another path has to respond."""
        if self._secret is not None and not self._secret.is_in_head(head):
            return None
        response = self._cache.respond(head)
        if response is not None and not self._is_one_request(head):
            response.close()
            return None
        return response

    def _note_sent(self, head: bytes, response: PreparedResponse, sent_bytes: int) -> None:
        """Close the files of a response, and record it."""
        response.close()
        if self._recorder is not None:
            self._record(self._recorder, head, response, sent_bytes)

    def close(self) -> None:
        """Leave the socket's descriptor, which a connection has one of alone, to the transport, which closes it."""
        if self._socket is not None:
            self._socket.detach()
            self._socket = None

    def _record(self, recorder: RequestRecorder, head: bytes, response: PreparedResponse, size: int) -> None:
        """Record a response that was sent whole, or of which `size` bytes of the body were."""
        if recorder.counters is not None:
            recorder.counters.count_response(response.handler, response.status, response.coding, size)
            if response.release and head.find(ENCODED_BUILD_USER_AGENT) < 0:  # `in` takes 50 ns longer
                recorder.counters.count_release_request(response.release)
        if recorder.log is not None:
            seconds = time.perf_counter() - self._started_at
            recorder.log.add_line((self._describe, head, response, size, seconds))

    def _describe(self, head: bytes, response: PreparedResponse, size: int, seconds: float) -> str:
        """Return what the access log says of a response."""
        context = self._context
        log = context.log
        logged = response.logged
        if not logged or response.parts:
            logged = response.logged = log.format_response(response.status, size, response.coding, response.handler)
        line = head[: head.find(b"\r\n")]
        forwarded, identifier, trace = find_logged_fields(head)
        if forwarded:
            client = context.describe_client(log, self._connection.client, forwarded)
        else:
            client = self._client = self._client or context.describe_client(log, self._connection.client, [])
        request = context.logged_requests.get(line) or context.describe_request(log, line)
        return log.join(client, request, logged, seconds, identifier, trace)
