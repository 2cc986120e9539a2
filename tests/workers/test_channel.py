"""The front's end of a channel, against a worker made of literal bytes."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import SimpleNamespace

import pytest

from static_host.workers.channel import Channel, open_sockets
from static_host.workers.exchange import (
    MAX_BUFFERED_BYTES,
    MAX_TOTAL_BYTES,
    MIN_BUFFERED_BYTES,
    Buffered,
    Exchange,
    WorkerLostError,
)
from static_host.workers.pool import WorkerPool
from static_host.workers.pool_options import PoolOptions
from static_host.workers.request_body import ClientGoneError, RequestBody
from static_host_django.frames import Frame, Kind

RESPONSE = b"\x01\x04\x01\x00\x00\x00\x00\x10200\0server: me\r\n"
BODY = b"\x01\x03\x00\x00\x00\x00\x00\x02ok"
IDLE = b"\x01\x07\x00\x00\x00\x00\x00\x00"


class Ends:
    """A channel, the worker's socket, and what the pool was told."""

    def __init__(self) -> None:
        self.buffered = Buffered()
        self.idle = asyncio.Event()
        self.lost = asyncio.Event()
        (self.ours, our_files), (self.worker, self.files) = open_sockets()
        self.worker.settimeout(10)
        self.channel = Channel(
            1, self.ours, our_files, self.buffered, lambda _: self.idle.set(), lambda _: self.lost.set()
        )

    async def open(self) -> None:
        await asyncio.get_running_loop().create_unix_connection(lambda: self.channel, sock=self.ours)

    def begin(self, body: RequestBody | None = None) -> Exchange:
        return self.channel.begin(Kind.HTTP_REQUEST, b"head", body)


def run(test: Callable[[Ends], Awaitable[None]]) -> None:
    async def main() -> None:
        ends = Ends()
        with ends.worker, ends.files:
            await ends.open()
            await asyncio.wait_for(test(ends), 30)

    asyncio.run(main())


def test_a_request_goes_out_and_its_response_comes_back() -> None:
    async def test(ends: Ends) -> None:
        exchange = ends.begin(RequestBody(b"abc", None, 3))
        sent = await asyncio.to_thread(ends.worker.recv, 1000)
        assert sent == b"\x01\x01\x01\x00\x00\x00\x00\x04head\x01\x03\x00\x00\x00\x00\x00\x03abc"
        ends.worker.sendall(RESPONSE + BODY)
        assert await exchange.head == (200, b"server: me\r\n")
        assert (exchange.is_complete, exchange.take(), ends.idle.is_set()) == (True, b"ok", False)
        ends.channel.finish(exchange)
        assert (ends.channel.is_busy, ends.channel.is_answered) == (True, True)
        ends.worker.sendall(IDLE)
        await ends.idle.wait()
        assert not ends.channel.is_busy
        ends.begin()
        assert not ends.channel.is_answered
        assert ends.buffered.total_bytes == 0

    run(test)


def test_a_client_that_leaves_is_told_and_the_rest_is_dropped() -> None:
    async def test(ends: Ends) -> None:
        exchange = ends.begin()
        ends.worker.sendall(RESPONSE)
        await exchange.head
        ends.channel.finish(exchange)
        assert (await asyncio.to_thread(ends.worker.recv, 1000)).endswith(b"\x01\x05\x00\x00\x00\x00\x00\x00")
        ends.worker.sendall(BODY + IDLE)
        await ends.idle.wait()
        assert ends.buffered.total_bytes == 0

    run(test)


def test_the_end_of_a_request_leaves_the_next_one_alone() -> None:
    async def test(ends: Ends) -> None:
        first = ends.begin()
        ends.worker.sendall(RESPONSE + BODY + IDLE)
        await ends.idle.wait()
        second = ends.begin()  # before the first response was taken
        assert first.take() == b"ok"
        ends.channel.finish(first)
        ends.worker.sendall(RESPONSE + BODY)
        assert await second.head == (200, b"server: me\r\n")
        assert second.take() == b"ok"
        ends.channel.finish(second)
        assert ends.buffered.total_bytes == 0

    run(test)


def test_the_rest_of_a_request_does_not_reach_the_next_one() -> None:
    async def test(ends: Ends) -> None:
        first = ends.begin()
        ends.worker.sendall(RESPONSE + BODY)
        await first.head
        await ends.channel.send(first, [b"first"])  # it is over
        ends.worker.sendall(IDLE)
        await ends.idle.wait()
        second = ends.begin()
        await ends.channel.send(first, [b"first"])
        await ends.channel.send(second, [b"second"])
        sent = 2 * b"\x01\x01\x00\x00\x00\x00\x00\x04head" + b"second"
        assert await asyncio.to_thread(ends.worker.recv, len(sent), socket.MSG_WAITALL) == sent

    run(test)


def test_a_response_that_comes_too_late_is_dropped_and_the_channel_serves_on() -> None:
    async def test(ends: Ends) -> None:
        exchange = ends.begin()
        exchange.fail(ClientGoneError())
        ends.worker.sendall(RESPONSE + BODY + IDLE)  # before the coroutine of the request runs
        await ends.idle.wait()
        ends.channel.finish(exchange)
        following = ends.begin()
        ends.worker.sendall(RESPONSE + BODY)
        assert await following.head == (200, b"server: me\r\n")
        assert not ends.lost.is_set()

    run(test)


def test_a_worker_whose_response_came_at_the_last_moment_does_not_hang() -> None:
    async def test(ends: Ends) -> None:
        pool = WorkerPool(SimpleNamespace(), [], PoolOptions())  # type: ignore[arg-type]
        worker = SimpleNamespace(channels={1: ends.channel}, hanging=set())
        pool.workers.append(worker)  # type: ignore[arg-type]
        ends.begin().fail(TimeoutError())
        telling = pool.retire(ends.channel)
        ends.channel.data_received(RESPONSE + BODY + IDLE)
        await telling
        assert worker.hanging == set()

    run(test)


def test_the_next_response_is_read_while_the_client_still_takes_the_former_one() -> None:
    async def test(ends: Ends) -> None:
        first = ends.begin()
        pieces = 5 * (b"\x01\x03\x01\x00\x00\x04\x00\x00" + bytes(1 << 18))
        ends.channel.data_received(RESPONSE + pieces + BODY + IDLE)
        assert first.is_complete
        assert first.is_crowded
        second = ends.begin()
        ends.worker.sendall(RESPONSE + BODY)
        assert await second.head == (200, b"server: me\r\n")
        ends.channel.finish(first)

    run(test)


@pytest.mark.parametrize(
    "garbage",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        BODY,
        RESPONSE + RESPONSE,
        IDLE,
        b"\x01\x01\x00\x00\x00\x00\x00\x00",
        b"\x01\x63\x00\x00\x00\x00\x00\x00",
        b"\x01\x04\x00\x00\x00\x00\x00\x03abc",
        b"\x01\x08\x00\x00\x00\x00\x00\x03a\0b",
    ],
)
def test_garbage_of_a_worker_ends_its_request_and_its_channel_alone(garbage: bytes) -> None:
    async def test(ends: Ends) -> None:
        exchange = ends.begin()
        ends.worker.sendall(garbage)
        await ends.lost.wait()
        assert isinstance(exchange.error, WorkerLostError)
        with suppress(WorkerLostError):
            await exchange.head

    run(test)


def test_random_bytes_raise_nothing_in_the_event_loop() -> None:
    source = random.Random(3)

    async def main() -> None:
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        for _ in range(200):
            ends = Ends()
            with ends.worker, ends.files:
                await ends.open()
                ends.begin()
                data = bytearray(RESPONSE + BODY + IDLE)
                for _ in range(3):
                    data[source.randrange(len(data))] = source.randrange(256)
                ends.worker.sendall(data)
            await ends.lost.wait()
        assert faults == []

    asyncio.run(asyncio.wait_for(main(), 60))


def test_more_than_may_wait_is_not_read() -> None:
    async def test(ends: Ends) -> None:
        exchange = ends.begin()
        piece = b"\x01\x03\x01\x00\x00\x04\x00\x00" + bytes(1 << 18)
        stream = asyncio.create_task(asyncio.to_thread(lambda: ends.worker.sendall(RESPONSE + piece * 40)))
        await exchange.head
        read = 0
        while read < 40 << 18:
            await exchange.wait()
            assert ends.buffered.total_bytes <= MAX_BUFFERED_BYTES + (1 << 20)
            read += len(exchange.take())
            ends.channel.resume()
        await stream

    run(test)


def test_when_much_waits_in_all_each_response_may_have_less() -> None:
    buffered = Buffered()
    buffered.total_bytes = MAX_TOTAL_BYTES

    async def main() -> None:
        exchange = Exchange(asyncio.get_running_loop(), buffered)
        exchange.add(Frame(Kind.RESPONSE, b"200\0", more=True))
        exchange.add(Frame(Kind.BODY, bytes(MIN_BUFFERED_BYTES), more=True))
        assert not exchange.is_crowded
        exchange.add(Frame(Kind.BODY, b"x", more=True))
        assert exchange.is_crowded

    asyncio.run(main())
