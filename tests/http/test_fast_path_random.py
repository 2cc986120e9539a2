"""The fast path, attacked: requests of all kinds in any order and any pieces, bodies that come and go, descriptors.

What must come back is what the middleware answers to each request alone, on a connection of its own.
"""

from __future__ import annotations

import asyncio
import base64
import random
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from static_host.origin.responder import Responder
from static_host.origin.response_cache import ResponseCache
from static_host.origin.tree import load_tree
from tests.support.apart import send_apart
from tests.support.cases import CSS, LARGE
from tests.support.in_process import serve_in_process
from tests.support.processes import SCRIPTS, Running, find_free_port, make_environment, run_server
from tests.support.projects import SETTINGS, build_plain_with
from tests.support.waiting import wait_until

BODIES = [random.Random(seed).randbytes(60_000) for seed in range(3)]


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The project "plain" with three bodies that are kept in files in memory, and one that is too large for memory."""
    files = {f"{number}.bin": body for number, body in enumerate(BODIES)}
    return build_plain_with({**files, "large.bin": BODIES[0] * 20}, tmp_path_factory.mktemp("bodies"), cache)


@pytest.fixture(scope="module")
def fast(bodies: Path) -> Iterator[Running]:
    """A server that has memory for one of the bodies at a time."""
    with run_server(cwd=bodies, **SETTINGS, DJANGO_STATIC_MEMORY="100kB", ACCESS_LOG="false") as running:
        yield running


@pytest.fixture(scope="module")
def middleware(bodies: Path) -> Iterator[Running]:
    """The same tree without the fast path."""
    port = find_free_port()
    options = f"http=HttpProtocol, server_header=False, port={port}"
    code = (
        f"import uvicorn; from static_host.http.connection import HttpProtocol; "
        f"uvicorn.run('static_host.asgi:app', {options})"
    )
    ready = f"Uvicorn running on (http://127.0.0.1:{port})"
    with run_server("python", "-c", code, cwd=bodies, ready=ready, **SETTINGS) as running:
        yield running


def request(line: str, *fields: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: localhost", *fields, "", ""]).encode() + body


BAIT = request("GET /static/digits.txt")
"""What is in the bodies of requests is never a request."""
CHUNKS = b"%x\r\n%s\r\n0\r\nTrailer: a\r\n\r\n" % (len(BAIT), BAIT)
LENGTH = f"Content-Length: {len(BAIT)}"
KINDS = [
    BAIT,
    b"\r\n" + BAIT,
    request(f"GET {CSS}", "Accept-Encoding: br"),
    request(f"HEAD {CSS}", "accept-encoding:gzip", "Connection: keep-alive"),
    request("GET /static/digits.txt?v=1", "If-None-Match: *"),
    request(
        f"GET {CSS}", "Available-Dictionary: :LYV/ESLt10W444bnpnKEvJNAEp3nAu/YAe2Bx3tLVTM=:", "Accept-Encoding: dcz"
    ),
    request("GET /static/digits.txt", "Range: bytes=2-4,6-7"),
    request("GET /static/digits.txt", "Range: bytes=20-"),
    request("GET /static/digits.txt", LENGTH, body=BAIT),
    request("GET /static/digits.txt", "Transfer-Encoding: chunked", body=CHUNKS),
    request("GET /static/digits.txt", "Expect: 100-continue"),
    request("GET http://localhost/static/digits.txt"),
    request("POST /static/digits.txt", LENGTH, body=BAIT),
    request("GET /static/nothing"),
    request("HEAD /static/0.bin"),
    request("GET /static/0.bin"),
    request("GET /static/1.bin", "Range: bytes=0-"),
    request("GET /static/2.bin", "Range: bytes=9-59990,59995-"),
    request(f"GET {LARGE}"),
    request(f"GET {LARGE}", "Range: bytes=7-100,1100000-"),
    request("GET /echo/"),
    request("HEAD /echo/"),
    request("POST /echo/", LENGTH, body=BAIT),
    request("POST /echo/", "Transfer-Encoding: chunked", body=CHUNKS),
    request("PUT /echo/", LENGTH, "Expect: 100-continue", body=BAIT),
    request("GET /healthz"),
]
LAST = [
    request("GET /static/digits.txt", "Connection: close"),
    request("POST /echo/", "Connection: close", LENGTH, body=BAIT),
    b"GET /static/1.bin HTTP/1.0\r\n\r\n",
]


def sent(port: int, pieces: list[bytes]) -> bytes:
    """Return all that comes back until the server closes the connection, without dates."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        send_apart(connection, pieces)
        return re.sub(rb"\r\n[Dd]ate: [^\r]*", b"", b"".join(iter(lambda: connection.recv(1 << 20), b"")))


def cut(data: bytes, chance: random.Random) -> list[bytes]:
    places = sorted(chance.sample(range(1, len(data)), chance.choice([0, 0, 1, 3, 20])))
    return [data[first:end] for first, end in zip([0, *places], [*places, len(data)], strict=True)]


@pytest.fixture(scope="module")
def alone(middleware: Running) -> dict[bytes, bytes]:
    """What the middleware answers to each request."""
    last = {request: sent(middleware.port, [request]) for request in LAST}
    others = {request: sent(middleware.port, [request + LAST[0]]).removesuffix(last[LAST[0]]) for request in KINDS}
    return last | others


@pytest.mark.parametrize("seed", range(8))
def test_requests_in_any_order_and_any_pieces_have_their_answers_in_that_order(
    fast: Running, alone: dict[bytes, bytes], seed: int
) -> None:
    chance = random.Random(seed)
    for _ in range(25):
        requests = [*chance.choices(KINDS, k=chance.randint(1, 8)), chance.choice(LAST)]
        pieces = cut(b"".join(requests), chance)
        assert sent(fast.port, pieces) in possible(requests, alone), (requests, pieces)


def possible(requests: list[bytes], alone: dict[bytes, bytes]) -> Iterator[bytes]:
    """Yield what may come back: all responses, or those to the one whose body had not come when its response began."""
    before = b""
    for request in requests[:-1]:
        head, _, body = alone[request].partition(b"\r\n\r\n")
        if b" /static/" in request and (b"\nContent-Length: " in request or b"chunked" in request):
            yield before + head + b"\r\nconnection: close\r\n\r\n" + body
        before += alone[request]
    yield before + alone[requests[-1]]


def test_requests_that_come_byte_by_byte_have_their_answers(fast: Running, alone: dict[bytes, bytes]) -> None:
    requests = [KINDS[0], KINDS[19], KINDS[2], LAST[0]]
    data = b"".join(requests)
    assert sent(fast.port, [data[n : n + 1] for n in range(len(data))]) == b"".join(alone[each] for each in requests)


def descriptors(running: Running) -> int:
    return len(list(Path(f"/proc/{running.process.pid}/fd").iterdir()))


def test_bodies_that_take_turns_in_memory_are_right_and_leave_it(bodies: Path) -> None:
    with run_server(cwd=bodies, **SETTINGS, DJANGO_STATIC_MEMORY="100kB", ACCESS_LOG="false") as running:
        sent(running.port, [request("GET /static/0.bin"), LAST[0]])
        before = descriptors(running)
        for number in range(150):
            got = sent(
                running.port, [request(f"GET /static/{number % 3}.bin?{number}", "Connection: keep-alive"), LAST[0]]
            )
            assert BODIES[number % 3] in got
        assert descriptors(running) < before + 10


@pytest.mark.parametrize("memory", ["0", "1"])
def test_with_a_budget_of_nothing_all_is_sent_from_the_disk(
    bodies: Path, alone: dict[bytes, bytes], memory: str
) -> None:
    requests = [*KINDS, LAST[0]]
    with run_server(cwd=bodies, **SETTINGS, DJANGO_STATIC_MEMORY=memory, ACCESS_LOG="false") as running:
        assert sent(running.port, [b"".join(requests)]) == b"".join(alone[each] for each in requests)


def test_an_upgrade_leaves_no_second_descriptor_of_its_connection(fast: Running) -> None:
    key = base64.b64encode(b"0123456789abcdef").decode()
    upgrade = request(
        "GET /ws", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"
    )
    sent(fast.port, [LAST[0]])
    before = descriptors(fast)
    connections = [socket.create_connection(("127.0.0.1", fast.port), 10) for _ in range(20)]
    for connection in connections:
        connection.sendall(request("GET /static/0.bin"))
        reader = connection.makefile("rb")
        while reader.readline() != b"\r\n":
            pass
        assert reader.read(60_000) == BODIES[0]
        connection.sendall(upgrade)
        assert reader.read().startswith(b"HTTP/1.1 403 "), "and the server closes it"
    for connection in connections:
        connection.close()
    wait_until(lambda: descriptors(fast) < before + 10, "the server has descriptors of connections that are closed")


def test_where_descriptors_are_short_no_byte_is_wrong_and_all_is_well_afterwards(bodies: Path) -> None:
    code = (
        "import resource, sys; from static_host.cli.main import main; sys.argv = ['static-host', 'serve'];"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); main()"
    )
    with run_server("python", "-c", code, cwd=bodies, **SETTINGS, ACCESS_LOG="false") as running:
        held = [socket.create_connection(("127.0.0.1", running.port), 10) for _ in range(44)]
        for connection in held:
            connection.sendall(request("GET /static/digits.txt") + request(f"GET {LARGE}"))
        for connection in held:
            with connection:
                connection.settimeout(10)
                with suppress(OSError):  # it may be one that was refused
                    connection.shutdown(socket.SHUT_WR)
                got = received(connection)
                whole = BODIES[0] * 20
                assert got.startswith(b"HTTP/1.1 200 ") or not got
                assert b" 503 " in got or whole.startswith(got.split(b"\r\n\r\n")[-1][:1000])
        assert sent(running.port, [request(f"GET {LARGE}") + LAST[0]]).count(BODIES[0] * 20) == 1
        assert "Traceback" not in running.output


def received(connection: socket.socket) -> bytes:
    got = b""
    try:
        while piece := connection.recv(1 << 20):
            got += piece
    except ConnectionResetError:
        pass
    return got


@pytest.fixture
def memo(bodies: Path) -> ResponseCache:
    return ResponseCache(Responder(load_tree(bodies / "staticfiles"), "/static/"))


@pytest.mark.parametrize(
    ("fields", "is_kept"),
    [
        ([], True),
        (["Connection: keep-alive"] * 7, True),
        (["Connection: keep-alive"] * 8, False),
        (["Accept-Encoding: br", f"If-None-Match: {'x' * 240}"], True),
        (["Accept-Encoding: br", f"If-None-Match: {'x' * 250}"], False),
        (["Range: bytes=0-"], False),
    ],
)
def test_an_answer_is_remembered_by_few_and_short_words(memo: ResponseCache, fields: list[str], is_kept: bool) -> None:
    head = request("GET /static/digits.txt", *fields)
    assert memo.respond(head)
    assert (memo.find(head) is not None) is is_kept


class App:
    """The origin, with no application behind it."""

    def __init__(self, responder: Responder) -> None:
        self.responder = responder

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError(scope["path"])


def test_a_full_socket_is_not_waited_for_whatever_the_project_s_default_timeout(bodies: Path) -> None:
    async def timeouts() -> list[float | None]:
        app = App(Responder(load_tree(bodies / "staticfiles"), "/static/"))
        async with serve_in_process(app) as (address, state):
            reader, writer = await asyncio.open_connection(*address)
            socket.setdefaulttimeout(10)
            try:
                for _ in range(2):  # the second one goes from memory to the socket
                    writer.write(request("GET /static/0.bin"))
                    await reader.readuntil(BODIES[0][-20:])
            finally:
                socket.setdefaulttimeout(None)
            found = [each._static._socket.gettimeout() for each in state.connections]
            writer.close()
        return found

    assert asyncio.run(timeouts()) == [0.0]


def is_listened_on(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.02, 0.03, 0.05, 0.08])
def test_a_server_that_gets_a_signal_during_its_start_stops(bodies: Path, delay: float) -> None:
    port = find_free_port()
    process = subprocess.Popen(
        [SCRIPTS / "static-host", "serve"], cwd=bodies, env=make_environment({**SETTINGS, "PORT": str(port)})
    )
    try:
        wait_until(lambda: is_listened_on(port), "it does not listen")
        time.sleep(delay)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
