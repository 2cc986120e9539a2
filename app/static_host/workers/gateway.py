"""The project in its workers, as an ASGI application.

Rule: a request reaches a worker when its body is whole, except that an ASGI project may read it as it arrives. Its
response is taken as fast as Django makes it, and given to the client at the client's pace. If a view has not begun its
response within DJANGO_REQUEST_SECONDS, the client gets 504 (RFC 9110 §15.6.5), and the worker is replaced. If a worker
ends in the middle of a request, the client gets 502 (§15.6.3); before the response has begun, a request with a safe
method is tried once more on another worker. Beyond the queue's length, requests get 503 with
Retry-After (§15.6.4).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from starlette.types import Receive, Scope, Send

from static_host.files.response_sending import send_response
from static_host.pages.page_codings import UNENCODED, PageCodings, restore_entity_tags
from static_host.pages.page_sender import BodyLengthError, PageSender
from static_host.telemetry.scope_keys import (
    BREAK_OFF_KEY,
    HALF_CLOSED_KEY,
    LOGGED_STATUS_KEY,
    ON_DISCONNECT_KEY,
    PROXY_SECONDS_KEY,
    QUEUE_SECONDS_KEY,
    STATUS_CLIENT_CLOSED_REQUEST,
)
from static_host.telemetry.timings import make_server_timing
from static_host.workers.channel import Channel
from static_host.workers.channel_queue import acquire_channel, wait_for_disconnect
from static_host.workers.exchange import ApplicationFailedError, Exchange, NoDescriptorError, WorkerLostError
from static_host.workers.file_responder import FileResponder
from static_host.workers.pool import QueueFullError, WorkerPool
from static_host.workers.refusal import NO_ROOM_TEXT, refuse
from static_host.workers.request_body import (
    BodySpoolError,
    BodyTooLargeError,
    ClientGoneError,
    RequestBody,
    get_length,
    has_body,
    read_body,
)
from static_host.workers.request_head import describe_request, make_head
from static_host.workers.web_socket import run_web_socket
from static_host_django.frames import Kind, encode_head, encode_pieces, split_field_lines

log = logging.getLogger("static_host.workers")

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that do not change anything, so that a request may be repeated (RFC 9110 §9.2.1)."""


class _Request(NamedTuple):
    """What a worker gets of a request; the body of a streamed one follows."""

    head: bytes
    body: RequestBody
    is_streamed: bool


class Gateway:
    """Passes requests and WebSockets on to the workers. With `is_timed`, responses have Server-Timing."""

    def __init__(
        self,
        pool: WorkerPool,
        files: FileResponder,
        codings: PageCodings = UNENCODED,
        *,
        is_asgi: bool,
        max_body_bytes: int,
        is_timed: bool = False,
    ) -> None:
        self.pool = pool
        self.files = files
        self.codings = codings
        self.is_timed = is_timed
        self._is_asgi = is_asgi
        self._max_body_bytes = max_body_bytes

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Open the pool for the time in which requests come, then stop the workers."""
        self.pool.open()
        try:
            yield
        finally:
            await self.pool.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or a WebSocket."""
        if scope["type"] == "websocket":
            if self._is_asgi:
                await run_web_socket(self.pool, scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1000})  # before the handshake: the server answers 403
            return
        with suppress(ClientGoneError):
            try:
                await self._serve(scope, receive, send)
            except QueueFullError:
                await refuse(send, 503)
            except BodyTooLargeError:
                await refuse(send, 413)
            except BodySpoolError as error:
                log.error("%s: its body is not kept: %s", describe_request(scope), error.__cause__)  # noqa: TRY400
                await refuse(send, 413, NO_ROOM_TEXT)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope["headers"]
        is_streamed = self._is_asgi and has_body(headers)
        if get_length(headers) > self._max_body_bytes:
            raise BodyTooLargeError
        body = RequestBody()
        if has_body(headers) and not is_streamed:
            body = await read_body(receive, self._max_body_bytes)
            if not any(name == b"content-length" for name, _ in headers):
                headers = [*headers, (b"content-length", b"%d" % body.length)]
        request = _Request(encode_head(make_head(scope, restore_entity_tags(headers))), body, is_streamed)
        try:
            if scope["method"] not in _SAFE_METHODS or is_streamed or body.file is not None:
                await self._attempt(request, scope, receive, send)
            elif not await self._attempt(request, scope, receive, send, is_repeatable=True):
                log.warning("%s: its worker ended; another one is tried", describe_request(scope))
                await self._attempt(request, scope, receive, send)
        finally:
            body.close()

    async def _attempt(
        self, request: _Request, scope: Scope, receive: Receive, send: Send, *, is_repeatable: bool = False
    ) -> bool:
        """Have a worker respond; False if it was lost before its response began, and the request can be repeated."""
        waiting_since = time.perf_counter()
        try:
            channel = await acquire_channel(self.pool, scope, receive, is_streamed=request.is_streamed)
        finally:
            before = scope.get(QUEUE_SECONDS_KEY) or scope.get(PROXY_SECONDS_KEY, 0.0)
            scope[QUEUE_SECONDS_KEY] = before + time.perf_counter() - waiting_since
        if HALF_CLOSED_KEY in scope and channel is None:
            scope[LOGGED_STATUS_KEY] = STATUS_CLIENT_CLOSED_REQUEST
        if channel is None:
            await refuse(send, 503)
            return True
        exchange = channel.begin(Kind.HTTP_REQUEST, request.head, request.body, more=request.is_streamed)
        request.body.close()
        return await self._finish(
            channel, exchange, scope, receive, send, is_streamed=request.is_streamed, is_repeatable=is_repeatable
        )

    async def finish(self, channel: Channel, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the response to a request with a safe method and without a body, which was begun on a channel."""
        with suppress(ClientGoneError):
            if await self._finish(channel, exchange, scope, receive, send, is_streamed=False, is_repeatable=True):
                return
            log.warning("%s: its worker ended; another one is tried", describe_request(scope))
            try:
                await self._attempt(_Request(channel.head, RequestBody(), False), scope, receive, send)
            except QueueFullError:
                await refuse(send, 503)

    async def _finish(
        self,
        channel: Channel,
        exchange: Exchange,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        is_streamed: bool,
        is_repeatable: bool,
    ) -> bool:
        scope[ON_DISCONNECT_KEY] = lambda: exchange.fail(ClientGoneError())
        watcher = asyncio.ensure_future(self._watch(channel, exchange, receive, is_streamed)) if self._is_asgi else None
        is_whole = True
        page = PageSender(self.codings, scope, send)
        try:
            try:
                is_whole = await self._respond(scope, channel, exchange, receive, send, page)
            except WorkerLostError:
                if is_repeatable:
                    return False
                log.error("%s: its worker ended", describe_request(scope))  # noqa: TRY400 - the supervisor has logged how
                await refuse(send, 502)
            except BodyLengthError as error:  # nothing is sent yet
                log.error("%s: %s", describe_request(scope), error)  # noqa: TRY400 - no traceback helps
                await refuse(send, 500)
            if not is_whole and exchange.error is None:
                watcher = watcher or asyncio.ensure_future(self._watch(channel, exchange, receive, False))
                try:
                    await self._stream(channel, exchange, page)
                except BodyLengthError as error:
                    log.error("%s: %s", describe_request(scope), error)  # noqa: TRY400
                    exchange.fail(error)
            if not is_whole and not isinstance(exchange.error, ClientGoneError | None) and BREAK_OFF_KEY in scope:
                scope[BREAK_OFF_KEY]()
        finally:
            page.close()
            scope.pop(ON_DISCONNECT_KEY, None)
            if watcher is not None:
                watcher.cancel()
            channel.finish(exchange)
        return True

    async def _respond(
        self, scope: Scope, channel: Channel, exchange: Exchange, receive: Receive, send: Send, page: PageSender
    ) -> bool:
        """Send the response's head, and its body if it is whole; return whether it was.

        Raises WorkerLostError before anything is sent.
        """
        try:
            status, lines = await self._await_head(channel, exchange)
        except TimeoutError:
            log.error("%s: no response within %g s", describe_request(scope), self.pool.options.request_seconds)  # noqa: TRY400
            telling = self.pool.retire(channel)
            await refuse(send, 504)
            await asyncio.wait([telling])  # before the view learns that its client has gone, and moves on
            return True
        except ApplicationFailedError:
            await refuse(send, 500)
            return True
        except NoDescriptorError:
            log.error("%s: no descriptor is left for its file", describe_request(scope))  # noqa: TRY400
            await refuse(send, 503)
            return True
        fields = split_field_lines(lines)
        if self.is_timed:
            fields.append(make_server_timing(scope.get(QUEUE_SECONDS_KEY, 0.0), exchange.started_at))
        if self.files.is_concerned(exchange, fields):
            response, fields = await self.files.respond(scope, exchange, status, fields)
            if response is not None:
                if not exchange.is_complete:  # the worker makes a body that is not wanted
                    channel.finish(exchange)
                try:
                    await send_response(response, scope, receive, send)
                finally:
                    response.close()
                return True
        if not exchange.is_complete or exchange.error is not None:
            await page.start(status, fields)
            return False
        await page.send_whole(status, fields, exchange.take())
        return True

    async def _stream(self, channel: Channel, exchange: Exchange, page: PageSender) -> None:
        """Send the body as it arrives, to its end or until the exchange fails."""
        while exchange.error is None:
            await exchange.wait()
            is_last = exchange.is_complete and exchange.error is None
            data = exchange.take()
            channel.resume()
            if data or is_last:
                await page.send(data, is_last=is_last)
            if is_last:
                return

    async def _await_head(self, channel: Channel, exchange: Exchange) -> tuple[int, bytes]:
        """Wait for the response's head. Raises TimeoutError, and what else the exchange failed with."""
        try:
            return await exchange.head
        except (ClientGoneError, BodyTooLargeError):
            channel.is_abandoned = True
            raise

    async def _watch(self, channel: Channel, exchange: Exchange, receive: Receive, is_streamed: bool) -> None:
        """Pass a streamed body on as it arrives; end the exchange when the client goes away."""
        length = 0
        while is_streamed:
            message = await receive()
            if message["type"] == "http.disconnect":
                exchange.fail(ClientGoneError())
                return
            length += len(message.get("body", b""))
            if length > self._max_body_bytes:
                exchange.fail(BodyTooLargeError())
                return
            is_streamed = message.get("more_body", False)
            await channel.send(exchange, encode_pieces(Kind.BODY, message.get("body", b""), more=is_streamed))
        await wait_for_disconnect(receive)
        exchange.fail(ClientGoneError())
