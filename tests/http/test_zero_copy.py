"""ASGI's extension for parts of files (http.response.zerocopysend), as our connection has it."""

from __future__ import annotations

import asyncio
import io
import resource
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from static_host.http.connection_state import State
from tests.support import instantly
from tests.support.descriptors import count_descriptors
from tests.support.in_process import serve_in_process
from tests.support.page_path import until

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\n\r\n"
FAILED = (
    b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 21\r\n"
    b"cache-control: private, no-store, max-age=0\r\n\r\nInternal Server Error"
)
Send = Callable[[Any], Awaitable[None]]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[io.FileIO]:
    (tmp_path / "file").write_bytes(b"0123456789")
    with io.FileIO(tmp_path / "file") as file:
        yield file


def start(length: int | None = None) -> Any:
    headers = [] if length is None else [(b"content-length", b"%d" % length)]
    return {"type": "http.response.start", "status": 200, "headers": headers}


def body(data: bytes = b"", *, more: bool = False) -> Any:
    return {"type": "http.response.body", "body": data, "more_body": more}


def part(file: Any, offset: int, count: int) -> Any:
    return {"type": "http.response.zerocopysend", "file": file, "offset": offset, "count": count, "more_body": True}


class Client:
    """A connection, and the server's side of it."""

    def __init__(self, sock: socket.socket, connection: Any, tasks: set[asyncio.Task[None]]) -> None:
        self.loop = asyncio.get_running_loop()
        self.socket = sock
        self.connection = connection
        self.tasks = tasks

    async def read(self, size: int = -1) -> bytes:
        """Read so many bytes, or all until the server closes, and `closed` or `reset` then."""
        got = bytearray()
        while len(got) != size:
            try:
                piece = await self.loop.sock_recv(self.socket, (size - len(got)) if size >= 0 else 1 << 16)
            except ConnectionResetError:
                return bytes(got + b"reset")
            if not piece:
                return bytes(got + b"closed")
            got += piece
        return bytes(got)


def run(app: Any, script: Callable[[Client], Awaitable[Any]], runner: Any = asyncio.run) -> Any:
    async def main() -> Any:
        before = count_descriptors()
        async with serve_in_process(app) as (address, state):
            with socket.socket() as sock:
                sock.setblocking(False)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                await asyncio.get_running_loop().sock_connect(sock, address)
                await until(lambda: state.connections)
                client = Client(sock, next(iter(state.connections)), state.tasks)
                async with asyncio.timeout(1000):
                    result = await script(client)
            await until(lambda: not state.connections and not state.tasks)
        assert count_descriptors() == before
        return result

    return runner(main())


def respond(*messages: Any) -> Any:
    """Return an application that sends these messages, and what was raised."""

    async def app(scope: Any, _receive: Any, send: Send) -> None:
        assert scope["extensions"] == {"http.response.zerocopysend": {}}
        for message in messages:
            await send(message)

    return app


def ask(*messages: Any, request: bytes = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")) -> bytes:
    async def script(client: Client) -> bytes:
        await client.loop.sock_sendall(client.socket, request)
        return await client.read()

    got: bytes = run(respond(*messages), script)
    return got.replace(b"connection: close\r\n", b"")


def test_parts_of_files_and_pieces_of_memory_take_turns(file: io.FileIO) -> None:
    messages = (start(10), body(b"ab", more=True), part(file, 2, 3), body(b"cd", more=True), part(file, 9, 1))
    assert ask(*messages, body(b"ef")) == HEAD % 10 + b"ab234cd9efclosed"
    assert ask(start(10), part(file, 0, 10), body()) == HEAD % 10 + b"0123456789closed"
    assert ask(start(0), part(file, 0, 0), body()) == HEAD % 0 + b"closed"
    assert file.tell() == 0


def test_a_connection_goes_on_after_it(file: io.FileIO) -> None:
    whole = HEAD % 10 + b"0123456789"

    async def script(client: Client) -> None:
        for _ in range(3):
            await client.loop.sock_sendall(client.socket, GET)
            assert await client.read(len(whole)) == whole
        await client.loop.sock_sendall(client.socket, GET * 2)  # one behind the other
        assert await client.read(2 * len(whole)) == whole * 2

    run(respond(start(10), part(file, 0, 10), body()), script)


@pytest.mark.parametrize(
    ("make", "got"),
    [
        (
            lambda file: [part(file, 0, 1)],
            FAILED,
        ),
        (lambda file: [start(), part(file, 0, 1)], CHUNKED),
        (lambda file: [start(), body(b"a", more=True), part(file, 0, 1)], CHUNKED + b"1\r\na\r\n"),
        (lambda file: [start(5), part(file, 0, 6)], HEAD % 5),
        (lambda file: [start(5), part(file, 0, 5), part(file, 0, 1)], HEAD % 5 + b"01234"),
        (lambda file: [start(5), part(file, 0, 3), body(b"abc")], HEAD % 5 + b"012"),
        (lambda file: [start(5), part(file, 0, 3), body()], HEAD % 5 + b"012"),
        (lambda file: [start(5), part(file, 0, 3)], HEAD % 5 + b"012"),
        (lambda file: [start(5), part(file, 8, 5), body()], HEAD % 5 + b"89"),
        (lambda file: [start(5), part(file, 20, 5), body()], HEAD % 5),
        (lambda _: [start(5), part(io.BytesIO(b"01234"), 0, 5), body()], HEAD % 5),
    ],
)
def test_what_is_no_response_breaks_the_connection_off(file: io.FileIO, make: Any, got: bytes) -> None:
    assert ask(*make(file)).replace(b"transfer-encoding: chunked\r\n", b"") in (got + b"closed", got + b"reset")


def test_a_part_behind_the_end_of_a_response_is_an_error(file: io.FileIO, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(start(1), body(b"a"), part(file, 0, 1)) == HEAD % 1 + b"aclosed"
    assert "RuntimeError: 'http.response.zerocopysend' is not what comes next in an ASGI response" in caplog.text


def test_a_file_that_is_shorter_than_its_part_is_logged(file: io.FileIO, caplog: pytest.LogCaptureFixture) -> None:
    ask(start(5), part(file, 8, 5), body())
    assert [record.message for record in caplog.records] == [
        "a body could not be sent to its end: the file ended 3 bytes early"
    ]


def make_large(tmp_path: Path) -> io.FileIO:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    return io.FileIO(path)


def test_without_a_descriptor_the_connection_is_broken_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with make_large(tmp_path) as file:

        async def script(client: Client) -> bytes:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
            try:
                await client.loop.sock_sendall(client.socket, GET)
                await until(lambda: client.connection.transport.is_closing())
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            return await client.read()

        got = run(respond(start(50_000_000), part(file, 0, 50_000_000), body()), script)
    assert got.startswith(HEAD % 50_000_000)
    assert got.endswith((b"closed", b"reset"))
    assert "a body could not be sent to its end: [Errno 24] Too many open files" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("end", ["reset", "shutdown"])
def test_a_client_that_leaves_ends_the_transfer(tmp_path: Path, end: str, caplog: pytest.LogCaptureFixture) -> None:
    ended = asyncio.Event()

    with make_large(tmp_path) as file:

        async def app(_scope: Any, _receive: Any, send: Send) -> None:
            for message in (start(50_000_000), part(file, 0, 50_000_000), body(), body(b"more")):
                await send(message)
            ended.set()

        async def script(client: Client) -> None:
            await client.loop.sock_sendall(client.socket, GET)
            await client.read(10_000)
            if end == "reset":
                client.connection.transport.abort()
            else:
                client.socket.close()
            await ended.wait()

        run(app, script)
    assert caplog.records == []


def test_a_client_that_takes_nothing_is_left_after_a_minute_and_a_slow_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with make_large(tmp_path) as file:

        async def script(client: Client) -> bytes:
            await client.loop.sock_sendall(client.socket, GET)
            for _ in range(5):
                await asyncio.sleep(40)
                assert len(await client.read(1_000_000)) == 1_000_000
            await asyncio.sleep(200)
            return await client.read()

        got = run(respond(start(50_000_000), part(file, 0, 50_000_000), body()), script, instantly.run)
    assert len(got) < 45_000_000
    assert got.endswith((b"closed", b"reset"))
    assert caplog.records == []


def test_the_server_s_end_ends_the_transfer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with make_large(tmp_path) as file:

        async def script(client: Client) -> bytes:
            await client.loop.sock_sendall(client.socket, GET)
            await client.read(10_000)
            client.connection.shutdown()
            assert client.connection.state is State.ASGI
            for task in client.tasks:
                task.cancel()  # as uvicorn does after the grace time
            return await client.read()

        got = run(respond(start(50_000_000), part(file, 0, 50_000_000), body()), script)
    assert len(got) < 50_000_000
    assert got.endswith((b"closed", b"reset"))
    assert caplog.records == []


def test_a_download_under_way_is_finished_when_the_server_stops(tmp_path: Path) -> None:
    with make_large(tmp_path) as file:

        async def script(client: Client) -> None:
            await client.loop.sock_sendall(client.socket, GET)
            assert (await client.read(10_000)).startswith(HEAD % 50_000_000)
            client.connection.shutdown()
            size = len(HEAD % 50_000_000) + 50_000_000 - 10_000
            assert len(await client.read(size)) == size

        run(respond(start(50_000_000), part(file, 0, 50_000_000), body()), script)
