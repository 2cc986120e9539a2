"""A WebSocket connection in this process: the server's class on one end of a socketpair, literal bytes on the other."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import uvicorn
import uvloop

from static_host.http.websocket import WebSocketProtocol
from static_host.telemetry.request_record import RequestRecord

KEY = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
HEAD = b"GET /ws?a=b HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + KEY
ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\ndate: now\r\n\r\n"
)
"""RFC 6455 §1.3 has this key and this value."""


def frame(first: int, payload: bytes = b"") -> bytes:
    """Return a frame of a client's, whose mask is zero; `first` is its first byte."""
    if len(payload) < 126:
        length = bytes([0x80 | len(payload)])
    elif len(payload) < 1 << 16:
        length = b"\xfe" + len(payload).to_bytes(2, "big")
    else:
        length = b"\xff" + len(payload).to_bytes(8, "big")
    return bytes([first]) + length + bytes(4) + payload


class Connection:
    """Both ends of a connection."""

    def __init__(self, ws: WebSocketProtocol, transport: Any, state: Any, records: list[RequestRecord]) -> None:
        self.ws = ws
        self.transport = transport
        self.state = state
        self.records = records
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def read(self, length: int) -> bytes:
        """Return so many bytes that the client gets."""
        return await self.reader.readexactly(length)

    async def read_head(self) -> bytes:
        """Return a response's head."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def ended(self) -> bytes:
        """Return what comes until the server ends its side; then end the client's, and wait for all to end."""
        rest = await self.reader.read()
        self.writer.close()
        await self.lost()
        return rest

    async def lost(self) -> None:
        """Wait until the server's connection is lost and its application has returned."""
        while self.state.connections or self.state.tasks:  # noqa: ASYNC110 - they set no event
            await asyncio.sleep(0.001)


async def until(is_so: Callable[[], object]) -> None:
    """Wait for a condition."""
    while not is_so():  # noqa: ASYNC110 - what it waits for sets no event
        await asyncio.sleep(0.001)


def make_scope(head: bytes, scheme: str = "http") -> dict[str, Any]:
    """Return the scope that an HTTP connection makes of a head."""
    lines = head.split(b"\r\n")
    path, _, query = lines[0].split(b" ")[1].partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": scheme,
        "path": path.decode(),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [
            (name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines[1:] if line)
        ],
        "client": ("192.0.2.1", 5),
        "server": ("192.0.2.2", 80),
        "state": {"a": 1},
    }


def talk(
    app: Any,
    client: Callable[[Connection], Awaitable[None]],
    *,
    fields: bytes = b"",
    head: bytes = b"",
    rest: bytes = b"",
    before: bytes = b"",
    limit: int | None = 0,
    scheme: str = "http",
    loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    **options: Any,
) -> list[RequestRecord]:
    """Let a client talk to an application; return what is recorded.

    `fields` are added to the handshake, `rest` comes in its segment. `before` is written by the HTTP connection, whose
    limit of unsent bytes is `limit`.
    """
    head = head or HEAD + fields + b"\r\n"
    options = {"ws_per_message_deflate": False, "ws_ping_interval": None, **options}

    async def main() -> list[RequestRecord]:
        running = asyncio.get_running_loop()
        failures: list[Any] = []
        running.set_exception_handler(lambda _, context: failures.append(context))
        config = uvicorn.Config(app, log_config=None, **options)
        state: Any = SimpleNamespace(connections=set(), tasks=set(), default_headers=[(b"date", b"now")])
        records: list[RequestRecord] = []
        recorder: Any = SimpleNamespace(record=records.append)
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        transport, _ = await running.connect_accepted_socket(asyncio.Protocol, ours)
        transport.set_write_buffer_limits(high=limit)
        if before:
            transport.write(before)
        ws = WebSocketProtocol(config, state, app, make_scope(head, scheme), recorder)
        connection = Connection(ws, transport, state, records)
        connection.reader, connection.writer = await asyncio.open_unix_connection(sock=theirs)
        transport.set_protocol(ws)
        ws.connection_made(transport)
        if rest:
            ws.data_received(rest)
        try:
            await asyncio.wait_for(client(connection), 30)
        finally:
            connection.writer.close()
            transport.abort()
            for task in list(state.tasks):
                task.cancel()
            await connection.lost()
        assert failures == []
        return records

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main())


class Recorder:
    """An application that accepts and keeps what it receives."""

    def __init__(self, *sends: dict[str, Any]) -> None:
        self.sends = sends
        self.received: list[Any] = []
        self.scope: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        assert await receive() == {"type": "websocket.connect"}
        for message in ({"type": "websocket.accept"}, *self.sends):
            await send(message)
        while True:
            message = await receive()
            self.received.append(message.get("text", message.get("bytes")))
            if message["type"] == "websocket.disconnect":
                self.received[-1] = (message["code"], message["reason"])
                return


@contextmanager
def logged() -> Iterator[list[logging.LogRecord]]:
    """Give what is logged as an error or a warning."""
    records: list[logging.LogRecord] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = Handler(logging.WARNING)
    log = logging.getLogger("static_host.http")
    log.addHandler(handler)
    try:
        yield records
    finally:
        log.removeHandler(handler)


def sends(*messages: dict[str, Any], error: BaseException | None = None) -> Any:
    """Return an application that sends these messages, and then raises an exception or returns."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        for message in messages:
            await send(message)
        if error:
            raise error

    return app


LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
