"""A plain request for a page: from its head to a worker, and from the worker's frames to the transport, without ASGI.

Rule: this is for requests without a body, and for responses that a worker has whole: head and body arrive together,
with a Content-Length (`Page.take_response`). The ASGI path takes over every other response, and every failure.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from static_host.files.view_file import ACCEPT_RANGES, CONDITIONAL_FIELDS
from static_host.http.encoded_page import encode_whole
from static_host.http.page_head import PageHead
from static_host.http.page_response import PageResponse
from static_host.middleware.forwarded import ClientAddress
from static_host.middleware.request_log import RequestLogMiddleware
from static_host.origin.response import Slice
from static_host.pages.page_codings import ENTITY_TAG_MARK, restore_entity_tags
from static_host.telemetry.request_record import RequestRecord, find_trace, format_address, format_target
from static_host.telemetry.scope_keys import QUEUE_SECONDS_KEY, STARTED_AT_KEY, STATUS_CLIENT_CLOSED_REQUEST
from static_host.telemetry.timings import make_server_timing
from static_host.workers.channel import Channel
from static_host.workers.exchange import Exchange
from static_host.workers.file_responder import NAMING_FIELDS, RequestFacts
from static_host.workers.request_body import ClientGoneError
from static_host.workers.request_head import encode_client
from static_host_django.frames import Head, Kind, encode_head, split_field_lines

if TYPE_CHECKING:
    from static_host.http.page_dispatcher import PageDispatcher

_find_framing = re.compile(
    rb"(?m)^(connection|content-length|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade"
    rb"|x-accel-redirect|x-sendfile|x-static-host-unknown-path): ([^\r]*)"
).findall
"""Return the fields that delimit a body, belong to one connection only, or name a file, out of field lines."""
_RANGED = (b"accept-ranges: ", b"content-encoding: ", b"content-range: ")
"""Fields of a response whose file is not sent in parts, or is sent so by the view."""
_OF_FILES = NAMING_FIELDS | {b"content-length"}
_BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)


class Page:
    """A request that a worker has, or that waits for one."""

    def __init__(
        self,
        dispatcher: PageDispatcher,
        request_head: bytes,
        parsed: PageHead,
        place: tuple[Channel | None, asyncio.Future[Channel] | None],
        ends: tuple[ClientAddress | None, tuple[str, int | None] | None],
        scheme: str,
        identifier: str,
        fields: list[tuple[bytes, bytes]],
        proxy_seconds: float,
    ) -> None:
        self.request_head = request_head
        self._channel, self._waiting = place
        self._exchange: Exchange | None = None
        self._on_change: Callable[[], None] = lambda: None
        self._dispatcher = dispatcher
        self._parsed = parsed
        self._client, self._server = ends
        self._scheme = scheme
        self._identifier = identifier
        self._fields = fields
        self._proxy_seconds = proxy_seconds
        self._started_at = time.perf_counter()

    @property
    def is_waiting(self) -> bool:
        """Whether the request waits for a worker."""
        return self._waiting is not None

    def start(self, on_change: Callable[[], None]) -> None:
        """Send the request to its worker, when it has one. `on_change` tells of its response, or of a failure."""
        self._on_change = on_change
        if self._waiting is not None:
            self._waiting.add_done_callback(self._take_turn)
        elif self._channel is not None:
            self._send(self._channel)

    def _take_turn(self, waiting: asyncio.Future[Channel]) -> None:
        channel = None if waiting.cancelled() or waiting.exception() else waiting.result()
        if self._waiting is None:  # it was given up meanwhile
            if channel is not None:
                self._dispatcher.gateway.pool.give_back(channel)
            return
        self._waiting, self._channel = None, channel
        if channel is None:
            self._on_change()
        else:
            self._send(channel)

    def _send(self, channel: Channel) -> None:
        parsed = self._parsed
        server_host, server_port = self._server or ("localhost", 80)
        head = Head(
            parsed.method,
            parsed.path,
            parsed.query,
            b"1.1",
            self._scheme.encode(),
            b"",
            *encode_client(self._client),
            server_host.encode("latin-1", "replace"),
            str(server_port or 80).encode(),
            restore_entity_tags(self._fields) if ENTITY_TAG_MARK in self.request_head else self._fields,
        )
        self._exchange = exchange = channel.begin(Kind.HTTP_REQUEST, encode_head(head))
        exchange.on_change = self._on_change
        if exchange.head.done():  # the worker was lost before it got the request
            self._on_change()

    def take_response(self) -> PageResponse | None:
        """Return the response, if it is whole, and its framing plain."""
        exchange, channel = self._exchange, self._channel
        if exchange is None or channel is None or not exchange.is_complete or exchange.error is not None:
            return None
        status, lines = exchange.head.result()
        if self._dispatcher.gateway.is_timed:
            lines += b"%b: %b\r\n" % make_server_timing(self._get_queue_seconds(), exchange.started_at)
        framing = _find_framing(lines)
        if exchange.file_length is not None or any(name in NAMING_FIELDS for name, _ in framing):
            response = self._make_file_response(exchange, status, lines, framing)
            if response is None:
                return None
        else:
            if self._parsed.method == b"HEAD" or status in _BODILESS:
                if exchange.held_bytes or any(name != b"content-length" for name, _ in framing):
                    return None
            elif not framing:
                lines += b"content-length: %d\r\n" % exchange.held_bytes
            elif framing != [(b"content-length", b"%d" % exchange.held_bytes)]:
                return None
            codings = self._dispatcher.gateway.codings
            encoded = encode_whole(codings, self._parsed.method, self._fields, status, lines, exchange)
            if encoded is None:
                return None
            response = PageResponse(status, *encoded)
        self.stop_watching()
        channel.finish(exchange)
        return response

    def _make_file_response(
        self, exchange: Exchange, status: int, lines: bytes, framing: list[tuple[bytes, bytes]]
    ) -> PageResponse | None:
        """Return the response whose body is a file, which its caller closes; None if a thread has to open it."""
        parsed = self._parsed
        if (
            framing == [(b"content-length", b"%d" % (exchange.file_length or 0))]
            and status == HTTPStatus.OK
            and not any(each in lines for each in _RANGED)
            and CONDITIONAL_FIELDS.isdisjoint([name for name, _ in parsed.fields])
        ):
            lines += b"%b: %b\r\n" % ACCEPT_RANGES
            parts, exchange.file = (exchange.file,) if exchange.file else (), None
            return PageResponse(status, lines, exchange.take(), "file", parts)
        if any(name not in _OF_FILES for name, _ in framing):
            return None
        request = RequestFacts(parsed.method.decode(), parsed.path, parsed.fields)
        try:
            handler, response, _ = self._dispatcher.gateway.files.respond_at_once(
                request, exchange, status, split_field_lines(lines)
            )
        except BlockingIOError:
            return None
        if response is None:  # the field that names a file is removed
            return None
        lines = b"".join([b"%b: %b\r\n" % field for field in response.headers])
        in_memory = [part for part in response.body if not isinstance(part, Slice)]
        if len(in_memory) < len(response.body):
            return PageResponse(response.status, lines, b"", handler, response.body)
        return PageResponse(response.status, lines, b"".join(in_memory), handler)

    def stop_watching(self) -> None:
        """Call nothing any more, and wait for no worker."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()
            self._dispatcher.gateway.pool.leave_queue(waiting)
        if self._exchange is not None:
            self._exchange.on_change = None

    def abandon(self) -> None:
        """Give the request up: its client has gone."""
        self.stop_watching()
        exchange, channel = self._exchange, self._channel
        if exchange is not None and channel is not None:
            channel.is_abandoned = not exchange.head.done()
            exchange.fail(ClientGoneError())
            channel.finish(exchange)
        self.record(STATUS_CLIENT_CLOSED_REQUEST, b"", 0)

    def record(self, status: int, lines: bytes, size: int, handler: str = "django") -> None:
        """Record the response, in the log and the counters that are on."""
        recorder = self._dispatcher.recorder
        if recorder is None:
            return
        queue_seconds = self._get_queue_seconds()
        _, found, rest = lines.partition(b"content-encoding: ")
        recorder.record(
            RequestRecord(
                *format_address(self._client),
                self._parsed.method.decode(),
                format_target(self._parsed.path, self._parsed.query),
                "1.1",
                status,
                size,
                rest.partition(b"\r\n")[0].decode("latin-1") if found else "",
                handler,
                time.perf_counter() - self._started_at,
                self._identifier,
                find_trace(self._fields),
                queue_seconds,
            )
        )

    def _get_queue_seconds(self) -> float:
        """Return how long the request waited for a worker, or waits for one."""
        until = time.perf_counter() if self._exchange is None else self._exchange.started_at
        return self._proxy_seconds + until - self._started_at

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond as an ASGI application that has been called for this request."""
        scope["client"], scope["scheme"], scope["headers"] = self._client, self._scheme, self._fields
        scope[STARTED_AT_KEY], scope[QUEUE_SECONDS_KEY] = self._started_at, self._get_queue_seconds()
        recorder = self._dispatcher.recorder
        app: Any = self._finish if recorder is None else RequestLogMiddleware(self._finish, recorder)
        await app(scope, receive, send)

    async def _finish(self, scope: Scope, receive: Receive, send: Send) -> None:
        gateway, exchange, channel = self._dispatcher.gateway, self._exchange, self._channel
        if exchange is not None and channel is not None:
            await gateway.finish(channel, exchange, scope, receive, send)
        else:
            await gateway(scope, receive, send)
