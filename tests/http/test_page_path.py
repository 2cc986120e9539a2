"""Plain requests for pages, which go to a worker and back without ASGI, byte for byte."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Any

import pytest

from static_host.http.connection_state import State
from static_host.http.flow_control import MAX_PENDING_BYTES
from static_host.workers.exchange import WorkerLostError
from static_host.workers.pool import QueueFullError
from tests.support.page_path import IDLE, PAGE, Talk, frames, talk, until

GET = b"GET /a%20b?q=1 HTTP/1.1\r\nHost: a\r\nCookie:  b=c \r\nX-Request-ID: one\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"
LAST = OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")


def parts(frame: bytes) -> list[bytes]:
    assert frame[:1] == b"\x01"
    return frame[1:].split(b"\0")


def test_a_request_goes_to_the_worker_and_its_response_to_the_client(tmp_path: Path) -> None:
    async def client(it: Talk) -> None:
        for _ in range(3):
            sent = parts(await it.ask(GET))
            port = b"%d" % it.writer.get_extra_info("sockname")[1]
            assert sent[:6] == [b"GET", b"/a%20b", b"q=1", b"1.1", b"http", b""]
            assert sent[6:9] == [b"127.0.0.1", port, b"127.0.0.1"]
            assert sent[10:] == [b"host", b"a", b"cookie", b"b=c", b"x-request-id", b"one"]
            it.reply(PAGE)
            assert await it.read() == OK

    front = talk(tmp_path, client)
    assert [(each.target, each.status, each.size, each.handler, each.identifier) for each in front.records] == [
        ("/a%20b?q=1", 200, 2, "django", "one")
    ] * 3


@pytest.mark.parametrize(
    ("method", "sent", "got"),
    [
        (b"HEAD", frames(b"200\0content-length: 9\r\n", b""), b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"),
        (b"HEAD", frames(b"200\0", b""), b"HTTP/1.1 200 OK\r\n\r\n"),
        (b"GET", frames(b"204\0a: b\r\n", b""), b"HTTP/1.1 204 No Content\r\na: b\r\n\r\n"),
        (b"GET", frames(b'304\0etag: "x"\r\n', b""), b'HTTP/1.1 304 Not Modified\r\netag: "x"\r\n\r\n'),
        (b"GET", frames(b"200\0content-length: 0\r\n", b""), b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ],
)
def test_a_response_may_have_no_body(tmp_path: Path, method: bytes, sent: bytes, got: bytes) -> None:
    async def client(it: Talk) -> None:
        await it.ask(method + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
        it.reply(sent + IDLE)
        assert await it.reader.readuntil(b"\r\n\r\n") == got.replace(b"\r\n", b"\r\ndate: now\r\n", 1)
        await it.ask(GET)
        it.reply(PAGE)
        assert await it.read() == OK

    talk(tmp_path, client)


@pytest.mark.parametrize(
    ("head", "length"),
    [(b"200\0", b"transfer-encoding: chunked\r\n"), (b"200\0content-length: 6\r\n", b"content-length: 6\r\n")],
)
def test_a_stream_goes_out_as_it_is_made(tmp_path: Path, head: bytes, length: bytes) -> None:
    async def client(it: Talk) -> None:
        await it.ask(GET)
        it.reply(frames(head))
        assert length in await it.reader.readuntil(b"\r\n\r\n")
        for piece in (b"abc", b"def"):
            it.reply(frames(b"", piece, is_whole=False)[8:])
            await it.reader.readuntil(piece)
        it.reply(b"\x01\x03\x00\x00\x00\x00\x00\x00" + IDLE)
        if b"chunked" in length:
            assert await it.reader.readuntil(b"0\r\n\r\n") == b"\r\n0\r\n\r\n"
        await until(lambda: it.connection.state is State.IDLE)
        await it.ask(GET)
        it.reply(PAGE)
        assert await it.read() == OK

    front = talk(tmp_path, client)
    assert [(each.status, each.size, each.handler) for each in front.records] == [
        (200, 6, "django"),
        (200, 2, "django"),
    ]


@pytest.mark.parametrize("end", [b"\x01\x06\x00\x00\x00\x00\x00\x00" + IDLE, b"garbage!"])
def test_a_stream_that_breaks_closes_the_connection_without_a_line_of_the_server(
    tmp_path: Path, end: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def client(it: Talk) -> None:
        await it.ask(GET)
        it.reply(frames(b"200\0"))
        await it.reader.readuntil(b"\r\n\r\n")
        it.reply(frames(b"", b"abc", is_whole=False)[8:])
        assert await it.reader.readuntil(b"abc") == b"3\r\nabc"
        it.reply(end)
        assert await it.reader.read() == b"\r\n"

    front = talk(tmp_path, client)
    assert [(each.status, each.size) for each in front.records] == [(200, 3)]
    assert [record.name for record in caplog.records if record.name.startswith("uvicorn")] == []


@pytest.mark.parametrize(
    ("lines", "sent"),
    [
        (b"content-length: 2\r\nconnection: close\r\n", b"content-length: 2\r\nconnection: close\r\n\r\nok"),
        (b"content-length: 2\r\ncontent-length: 2\r\n", b"content-length: 2\r\n\r\nok"),
        (b"x-content-length: 2\r\n", b"x-content-length: 2\r\ncontent-length: 2\r\n\r\nok"),
        (b"transfer-encoding: chunked\r\n", b"date: now\r\ncontent-length: 2\r\n\r\nok"),
        (b"keep-alive: 5\r\ncontent-length: 2\r\nupgrade: a\r\n", b"content-length: 2\r\n\r\nok"),
        (b"connection: x-own\r\nx-own: 1\r\ncontent-length: 2\r\n", b"content-length: 2\r\n\r\nok"),
        (b"content-length: 2\r\ncontent-length: 3\r\n", b"connection: close\r\n\r\nInternal Server Error"),
    ],
)
def test_another_framing_is_left_to_the_asgi_path(tmp_path: Path, lines: bytes, sent: bytes) -> None:
    async def client(it: Talk) -> None:
        await it.ask(GET)
        it.reply(frames(b"200\0" + lines, b"ok") + IDLE)
        got = await it.reader.readuntil(sent[-24:])
        assert got.endswith(b"\r\n" + sent)

    talk(tmp_path, client)


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /%68ealthz?x HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n",
        b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_what_is_not_plain_goes_through_asgi(tmp_path: Path, head: bytes) -> None:
    async def client(it: Talk) -> None:
        it.writer.write(head)
        assert b"asgi /" in await it.read()
        assert it.pool.has_free_channel

    talk(tmp_path, client)


def test_so_does_one_for_which_a_channel_is_to_be_opened_or_the_queue_is_full(tmp_path: Path) -> None:
    async def client(it: Talk) -> None:
        it.pool.free.clear()
        it.pool.may_open = True
        it.writer.write(GET)
        assert b"asgi /a%20b" in await it.read()
        it.pool.may_open = False
        it.pool.join_queue()
        it.writer.write(GET)
        assert b"asgi /a%20b" in await it.read()

    talk(tmp_path, client)


def test_a_request_in_two_parts_is_the_same(tmp_path: Path) -> None:
    async def client(it: Talk) -> None:
        it.writer.write(GET[:9])
        await until(lambda: it.connection.state is State.HEAD)
        assert parts(await it.ask(GET[9:]))[:2] == [b"GET", b"/a%20b"]
        it.reply(PAGE)
        assert await it.read() == OK

    talk(tmp_path, client)


def test_a_request_waits_for_its_turn(tmp_path: Path) -> None:
    async def client(it: Talk) -> None:
        channel = it.pool.free.pop()
        it.writer.write(GET)
        await until(lambda: it.pool.waiting)
        it.writer.write(b"GET /static/a.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        it.pool.give_back(channel)
        assert parts(await it.read_frame())[:2] == [b"GET", b"/a%20b"]
        it.reply(PAGE)
        assert await it.read() == OK
        assert (await it.read()).endswith(b"\r\n\r\n0123456789")

    talk(tmp_path, client)


@pytest.mark.parametrize("is_at_last_moment", [False, True])
def test_a_client_that_leaves_gives_up_its_place(tmp_path: Path, is_at_last_moment: bool) -> None:
    async def client(it: Talk) -> None:
        channel = it.pool.free.pop()
        it.writer.write(GET)
        await until(lambda: it.pool.waiting)
        if is_at_last_moment:
            it.pool.give_back(channel)
            it.connection.connection_lost(None)
            await until(lambda: it.pool.free)
        else:
            reset(it)
            await until(lambda: not it.pool.waiting)
            it.pool.give_back(channel)
        assert it.pool.free == [channel]
        await until(lambda: it.front.records)

    front = talk(tmp_path, client)
    assert [(each.status, each.size, each.handler) for each in front.records] == [(499, 0, "django")]


@pytest.mark.parametrize("error", [QueueFullError(), None])
def test_whom_the_queue_drops_gets_503(tmp_path: Path, error: Exception | None) -> None:
    async def client(it: Talk) -> None:
        it.pool.free.clear()
        it.writer.write(GET)
        await until(lambda: it.pool.waiting)
        if error is None:
            it.writer.write_eof()  # it may have gone: it is not served when its turn comes
            await until(lambda: it.connection.is_ending)
            await until(lambda: it.pool.waiting)
            it.pool.give_back(it.pool.all[0])
        else:
            it.pool.waiting[0].set_exception(error)
        assert (await it.read()).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")

    front = talk(tmp_path, client)
    assert [each.status for each in front.records] == [503 if error else 499]


def reset(it: Talk) -> None:
    connection = it.writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    it.writer.transport.abort()


def test_what_follows_is_answered_in_its_order(tmp_path: Path) -> None:
    static = b"GET /static/a.txt HTTP/1.1\r\nHost: a\r\n\r\n"

    async def client(it: Talk) -> None:
        await it.ask(static + GET)
        assert (await it.read()).endswith(b"\r\n\r\n0123456789")
        it.writer.write(static)
        it.writer.write(GET)
        it.writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        it.reply(PAGE)
        assert await it.read() == OK
        assert (await it.read()).endswith(b"\r\n\r\n0123456789")
        await it.read_frame()
        it.reply(PAGE)
        assert await it.read() == OK
        assert (await it.read()).endswith(b"asgi /healthz")

    talk(tmp_path, client)


def test_what_follows_is_read_up_to_a_bound(tmp_path: Path) -> None:
    async def client(it: Talk) -> None:
        await it.ask(GET)
        it.writer.write(GET * (2 * MAX_PENDING_BYTES // len(GET)))
        await until(lambda: not it.connection.transport.is_reading())
        it.reply(PAGE)
        assert await it.read() == OK
        for _ in range(2 * MAX_PENDING_BYTES // len(GET)):
            await it.read_frame()
            it.reply(PAGE)
            assert await it.read() == OK

    talk(tmp_path, client)


def test_a_client_that_leaves_is_told_to_the_worker(tmp_path: Path) -> None:
    async def client(it: Talk) -> None:
        await it.ask(GET)
        reset(it)
        assert await it.read_frame() == b"\x05"
        await until(lambda: it.front.records)

    front = talk(tmp_path, client)
    assert [(each.status, each.size) for each in front.records] == [(499, 0)]


async def close_own_side(it: Talk) -> None:
    it.writer.write_eof()
    await until(lambda: it.connection.is_ending)


async def stop_the_server(it: Talk) -> None:
    it.connection.shutdown()


@pytest.mark.parametrize("end", [close_own_side, stop_the_server])
def test_the_last_request_gets_its_response_and_the_connection_is_closed(tmp_path: Path, end: Any) -> None:
    async def client(it: Talk) -> None:
        await it.ask(GET)
        await end(it)
        it.reply(PAGE)
        assert await it.read() == LAST
        assert await it.reader.read() == b""

    talk(tmp_path, client)


def test_a_worker_that_ends_is_followed_by_another_one_once(tmp_path: Path) -> None:
    async def client(it: Talk) -> None:
        first = await it.ask(GET)
        it.pool.writers[0].close()
        assert await it.read_frame(1) == first
        it.reply(PAGE, 1)
        assert await it.read() == OK
        await it.ask(GET, 1)
        it.pool.writers[1].close()
        await it.read_frame(2)
        it.pool.writers[2].close()
        assert (await it.read()).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")

    front = talk(tmp_path, client, workers=3)
    assert [(each.status, each.identifier) for each in front.records] == [(200, "one"), (502, "one")]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x01\x06\x00\x00\x00\x00\x00\x00" + IDLE, 500),
        (b"HTTP/1.1 200 OK\r\n\r\n", 502),
        (frames(b"200\0a: b\n", b""), 502),
        (frames(b"103\0", b"") + IDLE, 502),
        (frames(b"299\0content-length: 2\r\n", b"ok") + IDLE, 299),
    ],
)
def test_a_failure_is_a_response_of_its_own(tmp_path: Path, sent: bytes, status: int) -> None:
    async def client(it: Talk) -> None:
        await it.ask(GET)
        it.reply(sent)
        if status == 502:
            await it.read_frame(1)
            it.reply(sent, 1)  # it was tried once more
        assert (await it.read()).startswith(b"HTTP/1.1 %d" % status)

    talk(tmp_path, client, workers=2)


@pytest.mark.parametrize(
    ("field", "handler"), [(b"X-Secret: s\r\n", b"worker"), (b"X-Secret: t\r\n", b"asgi"), (b"", b"asgi")]
)
def test_a_secret_is_asked_for_and_does_not_reach_the_worker(tmp_path: Path, field: bytes, handler: bytes) -> None:
    async def client(it: Talk) -> None:
        head = b"GET / HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n"
        if handler == b"worker":
            assert b"secret" not in await it.ask(head)
            it.reply(PAGE)
            assert await it.read() == OK
        else:
            it.writer.write(head)
            assert b"asgi /" in await it.read()

    talk(tmp_path, client, secret="s")


@pytest.mark.parametrize(
    ("trusted", "seen"), [("127.0.0.1", [b"https", b"203.0.113.7"]), ("", [b"http", b"127.0.0.1"])]
)
def test_a_trusted_proxy_tells_address_and_scheme(tmp_path: Path, trusted: str, seen: Any) -> None:
    async def client(it: Talk) -> None:
        head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n\r\n"
        sent = parts(await it.ask(head))
        assert [sent[4], sent[6]] == seen
        assert len(sent[-1]) == 16  # the identifier that it got here
        it.reply(PAGE)
        assert await it.read() == OK

    front = talk(tmp_path, client, trusted=trusted)
    assert front.records[0].client == seen[1].decode()


def test_a_request_in_two_parts_whose_worker_is_lost_at_once_leaves_the_next_request_alone(tmp_path: Path) -> None:
    async def client(it: Talk) -> None:
        channel = it.pool.all[0]
        begin = channel.begin

        def begin_and_fail(*arguments: Any, **options: Any) -> Any:
            channel.begin = begin  # type: ignore[method-assign]
            exchange = begin(*arguments, **options)
            exchange.fail(WorkerLostError())
            return exchange

        channel.begin = begin_and_fail  # type: ignore[method-assign]
        it.writer.write(GET[:9])
        await until(lambda: it.connection.state is State.HEAD)
        it.writer.write(GET[9:])
        await it.read_frame()
        it.writer.write(b"GET /static/a.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: it.connection.flow.pending)
        assert it.connection.state is State.ASGI

    talk(tmp_path, client)
