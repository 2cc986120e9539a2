"""Clients that close their side, read slowly or stall, and a server that stops: in every state of a connection."""

from __future__ import annotations

import asyncio
import gc
import random
import socket
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from static_host.http import connection as http_connection
from static_host.http.connection_state import State
from static_host.origin.responder import Responder
from static_host.origin.tree import load_tree
from tests.support import instantly
from tests.support.in_process import serve_in_process
from tests.support.page_path import until
from tests.support.trees import make_tree
from tests.support.wire import Response, parse_responses

MEMORY_FILE = random.Random(1).randbytes(900_000)
"""Served from memory."""
MANY = 12
"""So many of them are longer than what the kernel takes for a client that reads nothing."""
LARGE_FILE = random.Random(2).randbytes(8_000_000)
"""Sent from the disk."""


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def count_own_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
SLOW_APP_SECONDS = 200.0


class App:
    """Two static files, and what responds to all else as the path says."""

    def __init__(self, directory: Path) -> None:
        files = {"memory.bin": MEMORY_FILE, "large.bin": LARGE_FILE}
        self.responder = Responder(load_tree(make_tree(directory / "tree", files)), "/static/")
        self.may_end = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = MEMORY_FILE if scope["path"] == "/large" else scope["raw_path"]
        if scope["path"] == "/sleeps":
            await asyncio.sleep(SLOW_APP_SECONDS)
        if scope["method"] == "POST":
            while (await receive()).get("more_body"):
                pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        if scope["path"] == "/waits":
            await send({"type": "http.response.body", "body": body[:1], "more_body": True})
            body = body[1:]
            await self.may_end.wait()
        await send({"type": "http.response.body", "body": body})


class Client:
    """A connection that is read when the test wants."""

    def __init__(self, connection: Any, sock: socket.socket, tasks: set[asyncio.Task[None]]) -> None:
        self.connection = connection
        self.tasks = tasks
        self.socket = sock
        self.loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        await self.loop.sock_sendall(self.socket, data)

    async def read(self, methods: tuple[bytes, ...] = ()) -> list[Response]:
        """Read until the server closes."""
        got = []
        while piece := await self.loop.sock_recv(self.socket, 1 << 16):
            got.append(piece)
        return parse_responses(b"".join(got), methods)


@asynccontextmanager
async def connect(app: Any, **options: Any) -> AsyncIterator[Client]:
    """Connect to an application; nothing may fail in the server."""
    failures: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    async with serve_in_process(app, **options) as (address, state):
        with socket.socket() as sock:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await asyncio.get_running_loop().sock_connect(sock, address)
            await until(lambda: state.connections)
            async with asyncio.timeout(1000):
                yield Client(next(iter(state.connections)), sock, state.tasks)
    assert not failures


def run(directory: Path, script: Callable[[App, Client], Any], **options: Any) -> Any:
    async def main() -> Any:
        app = App(directory)
        async with connect(app, **options) as client:
            return await script(app, client)

    return instantly.run(main())


def get_statuses(responses: list[Response]) -> list[int]:
    return [response.status for response in responses]


async def fill(client: Client, data: bytes) -> None:
    """Send a request, again and again, until the server cannot write more of the responses."""
    connection = client.connection

    def is_full() -> bool:
        return connection.flow.is_write_paused or connection.state is State.SENDING

    while not is_full():
        before = connection.server_state.total_requests
        await client.send(data)
        await until(lambda: is_full() or connection.server_state.total_requests > before)  # noqa: B023 - used at once


@pytest.mark.parametrize("first", ["/large", "/static/memory.bin", "/static/large.bin"])
@pytest.mark.parametrize("is_together", [True, False])
def test_a_client_that_closes_its_side_and_reads_slowly_has_all_its_responses(
    tmp_path: Path, first: str, is_together: bool
) -> None:
    async def script(_: App, client: Client) -> list[Response]:
        if is_together:
            await client.send(get(first) * MANY + get("/last"))
        else:
            await fill(client, get(first))
            await client.send(get("/last"))
        client.socket.shutdown(socket.SHUT_WR)
        await asyncio.sleep(1)
        return await client.read()

    got = run(tmp_path, script)
    assert set(get_statuses(got)) == {200}
    assert got[-1].body == b"/last"


def test_a_client_that_reads_more_slowly_than_a_connection_may_idle_has_all_its_responses(tmp_path: Path) -> None:
    async def script(_: App, client: Client) -> list[Response]:
        await fill(client, get("/static/memory.bin"))
        assert client.connection.state is State.IDLE
        await asyncio.sleep(20)
        await client.send(get("/last"))
        await asyncio.sleep(20)
        return await client.read()

    got = run(tmp_path, script, timeout_keep_alive=5)
    assert set(get_statuses(got)) == {200}
    assert got[-1].body == b"/last"


def test_a_client_that_has_closed_its_side_is_forgotten_when_it_has_its_response(tmp_path: Path) -> None:
    async def script(_: App, client: Client) -> None:
        await client.send(get("/page"))
        client.socket.shutdown(socket.SHUT_WR)
        await client.read()
        connection = weakref.ref(client.connection)
        client.connection = None
        await until(lambda: not client.tasks)
        await asyncio.sleep(1)
        gc.collect()
        assert connection() is None

    run(tmp_path, script)


def test_a_server_that_stops_while_it_sends_a_file_answers_the_next_request_and_says_that_it_is_the_last(
    tmp_path: Path,
) -> None:
    async def script(_: App, client: Client) -> list[Response]:
        await client.send(get("/static/large.bin") + get("/static/memory.bin") + get("/never"))
        await until(lambda: client.connection.state is State.SENDING)
        client.connection.shutdown()
        return await client.read()

    got = run(tmp_path, script)
    assert [(each.status, each.is_last, len(each.body)) for each in got] == [
        (200, False, len(LARGE_FILE)),
        (200, True, len(b"/static/memory.bin")),
    ]


@pytest.mark.parametrize("path", ["/static/large.bin", "/waits"])
def test_a_server_that_stops_closes_a_connection_soon_after_a_response_that_had_begun(
    tmp_path: Path, path: str
) -> None:
    async def script(app: App, client: Client) -> float:
        await client.send(get(path))
        await until(lambda: client.connection.state in (State.SENDING, State.ASGI))
        await asyncio.sleep(0.1)
        client.connection.shutdown()
        app.may_end.set()
        begun = client.loop.time()
        assert get_statuses(await client.read()) == [200]
        return client.loop.time() - begun

    assert run(tmp_path, script, timeout_keep_alive=500) < 100


def test_a_body_that_stops_to_arrive_gets_408(tmp_path: Path) -> None:
    async def script(_: App, client: Client) -> list[Response]:
        await client.send(POST)
        for _number in range(5):
            await client.send(b"x")
            await asyncio.sleep(http_connection.BODY_TIMEOUT_SECONDS - 1)
        return await client.read()

    (got,) = run(tmp_path, script)
    assert (got.status, got.is_last, got.body) == (408, True, b"Request Timeout\n")


def test_a_client_of_whose_body_nothing_is_wanted_yet_is_waited_for(tmp_path: Path) -> None:
    async def script(_: App, client: Client) -> list[Response]:
        await client.send(POST.replace(b"/", b"/sleeps", 1).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert await client.loop.sock_recv(client.socket, 1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"0123456789")
        return [await client.loop.sock_recv(client.socket, 1000)]  # type: ignore[list-item]

    (got,) = run(tmp_path, script)
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_request_that_outlasts_the_grace_time_gets_503_and_no_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(_: App, client: Client) -> list[Response]:
        await client.send(POST)
        await until(lambda: client.connection.state is State.ASGI)
        await asyncio.sleep(0)
        client.connection.shutdown()
        for task in client.tasks:
            task.cancel()  # as uvicorn does
        return await client.read()

    (got,) = run(tmp_path, script)
    assert (got.status, got.is_last, got.body) == (503, True, b"Service Unavailable")
    assert got.get_all(b"cache-control") == [b"private, no-store, max-age=0"]
    assert not caplog.records


@pytest.mark.parametrize("digits", [b"0" * 5000 + b"10", b"0" * 20 + b"9"])
def test_a_length_with_thousands_of_digits_is_refused(tmp_path: Path, digits: bytes) -> None:
    async def script(_: App, client: Client) -> list[Response]:
        await client.send(POST.replace(b" 10\r", b" %s\r" % digits))
        return await client.read()

    assert get_statuses(run(tmp_path, script)) == [400]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_response_that_breaks_off_does_not_seem_complete(tmp_path: Path, version: str) -> None:
    class Failing(App):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"some", "more_body": True})
            await asyncio.sleep(1)
            raise ValueError

    async def main() -> bytes:
        async with connect(Failing(tmp_path)) as client:
            await client.send(get("/").replace(b"/1.1", b"/" + version.encode()))
            got = b""
            try:
                while piece := await client.loop.sock_recv(client.socket, 1000):
                    got += piece
            except ConnectionResetError:
                got += b"reset"
            return got

    got = instantly.run(main())
    assert got.endswith(b"some\r\n" if version == "1.1" else b"reset")


def test_a_connection_takes_one_descriptor(tmp_path: Path) -> None:
    async def script(_: App, client: Client) -> list[int]:
        counts = []
        for _number in range(2):
            await client.send(get("/static/memory.bin"))
            left = len(MEMORY_FILE)
            while left > 0:
                left -= len(await client.loop.sock_recv(client.socket, 1 << 16))
            counts.append(count_own_descriptors())
        return counts

    first, second = run(tmp_path, script)
    assert first == second


def test_what_a_client_has_sent_of_a_head_is_freed_when_it_leaves(tmp_path: Path) -> None:
    async def script(_: App, client: Client) -> None:
        await client.send(b"GET / HTTP/1.1\r\nX: " + b"x" * 60_000)
        parser = client.connection._asgi._parser
        await until(lambda: len(parser.head) > 60_000)
        client.socket.close()
        await until(lambda: not parser.head)

    run(tmp_path, script)
