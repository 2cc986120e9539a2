"""Files that a worker sends over a channel: as a descriptor, or whole; and what is no such file."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from static_host.workers.exchange import NoDescriptorError, WorkerLostError
from static_host.workers.request_body import ClientGoneError
from static_host_django.frames import Kind
from tests.support.descriptors import count_descriptors
from tests.workers.test_channel import BODY, IDLE, RESPONSE, Ends, run

HEAD = b"\x01\x04\x00\x00\x00\x00\x00\x10200\0server: me\r\n"
"""A response whose body is the file before."""


def file_frame(form: bytes, offset: int, length: int, content: bytes = b"") -> bytes:
    payload = form + offset.to_bytes(8, "big") + length.to_bytes(8, "big") + content
    return b"\x01\x0d\x01\x00" + len(payload).to_bytes(4, "big") + payload


CONTENT = file_frame(b"C", 0, 5, b"abcde")
DESCRIPTOR = file_frame(b"D", 2, 5)
LENGTH = file_frame(b"L", 0, 5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file.bin").write_bytes(b"0123456789")
    return tmp_path / "file.bin"


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """No descriptor is left."""
    before = count_descriptors()
    yield
    assert count_descriptors() == before


def send_open(ends: Ends, path: Path, flags: int = os.O_RDONLY) -> None:
    """Send a descriptor as a worker does."""
    descriptor = os.open(path, flags)
    socket.send_fds(ends.files, [b"F"], [descriptor])
    os.close(descriptor)


def remove(path: Path) -> None:
    path.unlink()


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


async def idle(ends: Ends) -> None:
    await asyncio.wait_for(ends.idle.wait(), 30)
    ends.idle.clear()


def test_a_file_comes_as_a_descriptor_and_is_the_receiver_s_own(path: Path) -> None:
    async def test(ends: Ends) -> None:
        exchange = ends.begin()
        send_open(ends, path)
        ends.worker.sendall(DESCRIPTOR + HEAD + IDLE)
        assert await exchange.head == (200, b"server: me\r\n")
        await idle(ends)
        remove(path)
        assert (exchange.is_complete, exchange.file_length, exchange.take()) == (True, 5, b"")
        assert exchange.file is not None
        file, offset, length = exchange.file.file, exchange.file.offset, exchange.file.length
        assert (offset, length, os.get_inheritable(file.fileno())) == (2, 5, False)
        assert os.pread(file.fileno(), length, offset) == b"23456"
        ends.channel.finish(exchange)
        assert file.closed
        ends.channel.finish(exchange)

    run(test)


@pytest.mark.parametrize(("frame", "content"), [(CONTENT, b"abcde"), (LENGTH, b"")])
def test_a_file_comes_whole_or_as_its_length(frame: bytes, content: bytes) -> None:
    async def test(ends: Ends) -> None:
        exchange = ends.channel.begin(Kind.HTTP_REQUEST, b"HEAD\0/" if frame == LENGTH else b"GET\0/")
        ends.worker.sendall(frame + HEAD + IDLE)
        assert await exchange.head == (200, b"server: me\r\n")
        assert (exchange.file_length, exchange.file, exchange.held_bytes) == (5, None, len(content))
        assert exchange.take() == content
        ends.channel.finish(exchange)
        assert ends.buffered.total_bytes == 0

    run(test)


def test_each_response_has_its_own_file(path: Path) -> None:
    async def test(ends: Ends) -> None:
        for number in range(3):
            exchange = ends.begin()
            write(path, b"%d" % number * 10)
            send_open(ends, path)
            ends.worker.sendall(file_frame(b"D", number, 1) + HEAD + IDLE)
            await exchange.head
            await idle(ends)
            assert exchange.file is not None
            assert os.pread(exchange.file.file.fileno(), 1, exchange.file.offset) == b"%d" % number
            ends.channel.finish(exchange)

    run(test)


@pytest.mark.parametrize("end", ["gone", "finished"])
def test_a_file_for_a_client_that_has_gone_is_closed_and_the_channel_serves_on(path: Path, end: str) -> None:
    async def test(ends: Ends) -> None:
        exchange = ends.begin()
        exchange.fail(ClientGoneError())
        if end == "finished":
            ends.channel.finish(exchange)
        before = count_descriptors()
        send_open(ends, path)
        ends.worker.sendall(DESCRIPTOR + HEAD + IDLE)
        await idle(ends)
        assert count_descriptors() == before
        ends.channel.finish(exchange)
        following = ends.begin()
        send_open(ends, path)
        ends.worker.sendall(DESCRIPTOR + HEAD)
        await following.head
        assert following.file is not None
        ends.channel.finish(following)
        assert not ends.lost.is_set()

    run(test)


def test_a_file_and_then_an_exception_of_the_application(path: Path) -> None:
    async def test(ends: Ends) -> None:
        exchange = ends.begin()
        send_open(ends, path)
        ends.worker.sendall(DESCRIPTOR + b"\x01\x06\x00\x00\x00\x00\x00\x00" + IDLE)
        await idle(ends)
        assert exchange.error is not None
        ends.channel.finish(exchange)

    run(test)


def open_nothing(_: Ends, __: Path) -> None:
    pass


def open_directory(ends: Ends, path: Path) -> None:
    send_open(ends, path.parent)


def open_path(ends: Ends, path: Path) -> None:
    send_open(ends, path.parent, os.O_PATH)


def open_device(ends: Ends, _: Path) -> None:
    send_open(ends, Path("/dev/zero"))


def open_fifo(ends: Ends, path: Path) -> None:
    os.mkfifo(path.with_name("fifo"))
    send_open(ends, path.with_name("fifo"), os.O_RDWR)


def open_socket(ends: Ends, _: Path) -> None:
    socket.send_fds(ends.files, [b"F"], [ends.worker.fileno()])


def open_event(ends: Ends, _: Path) -> None:
    descriptor = os.eventfd(0)
    socket.send_fds(ends.files, [b"F"], [descriptor])
    os.close(descriptor)


def open_two(ends: Ends, path: Path) -> None:
    send_open(ends, path)
    send_open(ends, path)


def send_byte(ends: Ends, _: Path) -> None:
    ends.files.sendall(b"F")


def end_files(ends: Ends, _: Path) -> None:
    ends.files.shutdown(socket.SHUT_RDWR)


Opener = Callable[[Ends, Path], None]


@pytest.mark.parametrize(
    ("opener", "garbage"),
    [
        (open_nothing, DESCRIPTOR + HEAD),
        (send_byte, DESCRIPTOR + HEAD),
        (end_files, DESCRIPTOR + HEAD),
        (open_directory, DESCRIPTOR + HEAD),
        (open_path, DESCRIPTOR + HEAD),
        (open_device, DESCRIPTOR + HEAD),
        (open_fifo, DESCRIPTOR + HEAD),
        (open_socket, DESCRIPTOR + HEAD),
        (open_event, DESCRIPTOR + HEAD),
        (open_two, DESCRIPTOR + DESCRIPTOR + HEAD),
        (open_two, DESCRIPTOR + CONTENT + HEAD),
        (open_two, CONTENT + DESCRIPTOR + HEAD),
        (open_nothing, CONTENT + CONTENT + HEAD),
        (open_two, RESPONSE + DESCRIPTOR),
        (open_nothing, RESPONSE + CONTENT),
        (open_nothing, LENGTH + HEAD),
        (open_nothing, HEAD),
        (open_nothing, HEAD + IDLE),
        (open_two, DESCRIPTOR + HEAD + DESCRIPTOR),
        (open_two, DESCRIPTOR + IDLE),
        (open_two, DESCRIPTOR + BODY),
        (open_two, file_frame(b"D", 1 << 63, 1) + HEAD),
        (open_two, file_frame(b"D", 1, (1 << 64) - 1) + HEAD),
        (open_two, file_frame(b"D", 0, 5, b"x") + HEAD),
        (open_two, file_frame(b"C", 0, 5, b"abcd") + HEAD),
        (open_two, file_frame(b"Z", 0, 0) + HEAD),
        (open_two, b"\x01\x0d\x01\x00\x00\x00\x00\x00" + HEAD),
    ],
)
def test_what_is_no_file_ends_its_request_and_its_channel_alone(path: Path, opener: Opener, garbage: bytes) -> None:
    async def test(ends: Ends) -> None:
        exchange = ends.begin()
        opener(ends, path)
        ends.worker.sendall(garbage)
        await ends.lost.wait()
        with suppress(WorkerLostError):
            await asyncio.wait_for(exchange.head, 30)  # some had a good head before
        ends.channel.finish(exchange)

    run(test)


@pytest.mark.parametrize("frame", [CONTENT, DESCRIPTOR])
def test_head_gets_no_file(path: Path, frame: bytes) -> None:
    async def test(ends: Ends) -> None:
        exchange = ends.channel.begin(Kind.HTTP_REQUEST, b"HEAD\0/")
        send_open(ends, path)
        ends.worker.sendall(frame + HEAD)
        await ends.lost.wait()
        with pytest.raises(WorkerLostError):
            await exchange.head
        ends.channel.finish(exchange)

    run(test)


def test_a_file_of_a_request_that_is_over_ends_the_channel(path: Path) -> None:
    async def test(ends: Ends) -> None:
        exchange = ends.begin()
        ends.worker.sendall(RESPONSE + BODY + IDLE)
        await idle(ends)
        send_open(ends, path)
        ends.worker.sendall(DESCRIPTOR)
        await ends.lost.wait()
        ends.channel.finish(exchange)

    run(test)


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Let this process open no further descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))  # poll(2) takes no less
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_room_for_a_descriptor_its_request_fails_and_the_channel_serves_on(path: Path) -> None:
    async def test(ends: Ends) -> None:
        exchange = ends.begin()
        send_open(ends, path)
        with no_descriptor_left():
            ends.worker.sendall(DESCRIPTOR + HEAD + IDLE)
            await idle(ends)
        with pytest.raises(NoDescriptorError):
            await exchange.head
        assert (exchange.is_complete, exchange.file) == (True, None)
        ends.channel.finish(exchange)
        following = ends.begin()
        send_open(ends, path)
        ends.worker.sendall(DESCRIPTOR + HEAD)
        assert await following.head == (200, b"server: me\r\n")
        assert following.file is not None
        ends.channel.finish(following)
        assert not ends.lost.is_set()

    run(test)


def test_random_bytes_raise_nothing_in_the_event_loop(path: Path) -> None:
    source = random.Random(5)

    async def main() -> None:
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        for _ in range(300):
            ends = Ends()
            with ends.worker, ends.files:
                await ends.open()
                exchange = ends.begin()
                data = bytearray(source.choice((DESCRIPTOR, CONTENT, LENGTH)) + HEAD + IDLE)
                for _ in range(source.randint(1, 3)):
                    data[source.randrange(len(data))] = source.randrange(256)
                for _ in range(source.randint(0, 2)):
                    send_open(ends, path)
                ends.worker.sendall(data)
            await ends.lost.wait()
            ends.channel.finish(exchange)
        assert faults == []

    asyncio.run(asyncio.wait_for(main(), 60))
