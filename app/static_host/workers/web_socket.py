"""A WebSocket between a client and the project's ASGI application (ASGI specification, "WebSocket")."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive, Scope, Send

from static_host.workers.channel import Channel
from static_host.workers.exchange import Exchange
from static_host.workers.pool import QueueFullError, WorkerPool
from static_host.workers.request_body import ClientGoneError
from static_host_django.frames import Frame, Head, Kind, decode_fields, encode_head, encode_pieces

_ERROR_TEXT = b"Internal Server Error"
_INTERNAL_ERROR = 1011
"""RFC 6455 §7.4.1."""


async def run_web_socket(pool: WorkerPool, scope: Scope, receive: Receive, send: Send) -> None:
    """Pass the messages of both sides on until one of them closes."""
    from static_host.workers.request_head import make_head

    head: Head = make_head(scope, scope["headers"])
    await receive()  # websocket.connect, which the worker makes of the head
    try:
        channel = await pool.acquire()
    except QueueFullError:
        await send({"type": "websocket.close", "code": 1013})
        return
    exchange = channel.begin(Kind.WEBSOCKET, encode_head(head))
    client = asyncio.ensure_future(_pass_client_on(channel, exchange, receive))
    try:
        await _pass_worker_on(channel, exchange, scope, send)
    finally:
        client.cancel()
        channel.finish(exchange, 1006)


async def _pass_client_on(channel: Channel, exchange: Exchange, receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            channel.finish(exchange, message.get("code") or 1006)
            exchange.fail(ClientGoneError())
            return
        if message.get("text") is not None:
            await channel.send(exchange, encode_pieces(Kind.TEXT, message["text"].encode()))
        else:
            await channel.send(exchange, encode_pieces(Kind.BYTES, message.get("bytes") or b""))


async def _pass_worker_on(channel: Channel, exchange: Exchange, scope: Scope, send: Send) -> None:
    is_accepted = False
    while True:
        await exchange.wait()
        if isinstance(exchange.error, ClientGoneError):
            return
        if not exchange.messages:
            if is_accepted:
                await send({"type": "websocket.close", "code": _INTERNAL_ERROR})
            elif exchange.error is not None:
                await _refuse_handshake(scope, send)
            return
        frame = exchange.take_message()
        channel.resume()
        is_accepted = is_accepted or frame.kind == Kind.ACCEPT
        await send(_make_message(frame))
        if frame.kind == Kind.CLOSE:
            return


async def _refuse_handshake(scope: Scope, send: Send) -> None:
    """Respond with 500 where the server can (ASGI's extension "WebSocket Denial Response"), else with 403."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": _INTERNAL_ERROR})
        return
    fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(_ERROR_TEXT))]
    await send({"type": "websocket.http.response.start", "status": 500, "headers": fields})
    await send({"type": "websocket.http.response.body", "body": _ERROR_TEXT})


def _make_message(frame: Frame) -> Message:
    if frame.kind == Kind.TEXT:
        return {"type": "websocket.send", "text": frame.payload.decode()}
    if frame.kind == Kind.BYTES:
        return {"type": "websocket.send", "bytes": frame.payload}
    first, fields = decode_fields(frame.payload)
    if frame.kind == Kind.ACCEPT:
        return {"type": "websocket.accept", "subprotocol": first.decode("latin-1") or None, "headers": fields}
    reason = fields[0][0].decode() if fields else ""
    return {"type": "websocket.close", "code": int(first), "reason": reason}
