"""A worker's end of a channel for an ASGI application, against a front made of literal bytes."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from static_host_django.asgi_worker import _ChannelProtocol, _connect
from tests.support.page_path import IDLE, frames

HEAD = b"POST\x00/\x00\x001.1\x00http\x00\x00127.0.0.1\x001\x00127.0.0.1\x008000"
FAILED = b"\x01\x06\x00\x00\x00\x00\x00\x00"
PIECE = b"\x01\x03\x01\x00\x00\x00\x00\x01x"
TEXT = b"\x01\x09\x00\x00\x00\x00\x00\x02hi"
BYTES = b"\x01\x0a\x00\x00\x00\x00\x00\x02hi"
OK = frames(b"200\0content-length: 2\r\n", b"ok")


def request(kind: int = 1, *, more: bool = False) -> bytes:
    return bytes((1, kind, more, 0)) + len(HEAD).to_bytes(4, "big") + HEAD


async def respond(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def exchange(application: Any, *sent: bytes) -> bytes:
    """Send bytes to a worker, each when what was before is over; return what it wrote."""

    async def main() -> bytes:
        ours, theirs = socket.socketpair()
        our_files, their_files = socket.socketpair()
        protocol = _ChannelProtocol(application, {}, their_files, lambda: None)
        await _connect(protocol, theirs.detach())
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        got = b""
        for each in sent:
            writer.write(each)
            got += await asyncio.wait_for(reader.readuntil(IDLE), 30)
        writer.close()
        await writer.wait_closed()
        our_files.close()
        return got

    return asyncio.run(main())


def test_names_of_fields_are_sent_in_lower_case() -> None:
    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await respond(send)

    assert exchange(application, request()) == OK + IDLE


def test_what_still_arrives_for_a_request_that_is_over_is_dropped() -> None:
    async def application(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            await respond(send)

    got = exchange(application, request(more=True), PIECE + request(2), TEXT + BYTES + request())
    assert got == OK + IDLE + b"\x01\x0b\x00\x00\x00\x00\x00\x061000\0\0" + IDLE + OK + IDLE


def test_after_the_response_the_application_receives_a_disconnect() -> None:
    received = []

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        await respond(send)
        received.append(await receive())

    assert exchange(application, request(more=True)) == OK + IDLE
    assert received == [{"type": "http.disconnect"}]


def test_a_cancelled_application_has_failed_and_the_channel_serves_on(caplog: pytest.LogCaptureFixture) -> None:
    async def application(scope: Any, _receive: Any, send: Any) -> None:
        if scope["path"] == "/" and not caplog.records:
            task = asyncio.ensure_future(asyncio.sleep(30))
            task.cancel()
            await task
        await respond(send)

    assert exchange(application, request(), request()) == FAILED + IDLE + OK + IDLE
    assert [each.getMessage() for each in caplog.records] == ["'POST /': the ASGI application was cancelled"]
