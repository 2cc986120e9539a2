"""The fast path: the bytes of the middleware's answers, and nothing that is not its own.

Two real servers get the same bytes: ``static-host serve``, and uvicorn with the protocol class that the path is made
from. What they send back must be the same, Date aside. This is the alarm when uvicorn changes.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from static_host.http.single_request import SingleRequestParser
from static_host.origin.responder import Responder
from static_host.origin.tree import load_tree
from tests.support import instantly
from tests.support.apart import wait_until_read
from tests.support.cases import CASES, CSS, CSS_BR, LARGE, NOT_OURS, Case
from tests.support.in_process import serve_in_process
from tests.support.processes import Running, find_free_port, run_server
from tests.support.projects import LARGE_BODY as LARGE_BODY
from tests.support.waiting import wait_until

ROOT_FILES = "robots.txt,.well-known/"
GET = b"GET /static/digits.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def responder(plain: Path) -> Responder:
    return Responder(load_tree(plain / "staticfiles"), "/static/", 60, ROOT_FILES.split(","))


@pytest.fixture(scope="module")
def middleware(plain: Path) -> Iterator[Running]:
    """The same application without the fast path."""
    port = find_free_port()
    options = f"http=HttpProtocol, server_header=False, port={port}"
    code = (
        f"import uvicorn; from static_host.http.connection import HttpProtocol; "
        f"uvicorn.run('static_host.asgi:app', {options})"
    )
    command = ("python", "-c", code)
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_ROOT_FILES": ROOT_FILES}
    with run_server(*command, cwd=plain, ready=f"Uvicorn running on (http://127.0.0.1:{port})", **variables) as running:
        yield running


def raw(case: Case, *more: str) -> bytes:
    fields = ["Host: localhost", *(f"{name}: {value}" for name, value in case.request), *more]
    return "\r\n".join([f"{case.method} {case.path} HTTP/1.1", *fields, "", ""]).encode()


def exchanged(port: int, data: bytes, *, answers: int = 1) -> bytes:
    """Send bytes to a server, and return what comes back: so many responses, or all until it closes."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(data)
        reader = connection.makefile("rb")
        method = data.partition(b" ")[0]
        return re.sub(rb"\r\ndate: [^\r]*", b"", b"".join(one_answer(reader, method) for _ in range(answers)))


def one_answer(reader: Any, method: bytes) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline()
        if not line:
            return head
        head += line
    length = re.search(rb"\r\ncontent-length: (\d+)", head)
    status = head[9:12]
    has_body = length and method != b"HEAD" and status not in (b"204", b"304")
    return head + (reader.read(int(length[1])) if has_body and length else b"")


@pytest.mark.parametrize("case", [c for c in CASES if c.by_socket], ids=[c.name for c in CASES if c.by_socket])
def test_both_paths_send_the_same_bytes(server: Running, middleware: Running, case: Case) -> None:
    for more in ((), ("Connection: close",), ("Connection: Keep-Alive", "Cookie: a=1", "Via: 1.1 a")):
        by_fast_path = exchanged(server.port, raw(case, *more))
        assert by_fast_path == exchanged(middleware.port, raw(case, *more))
        assert by_fast_path.startswith(b"HTTP/1.1 %d " % case.status)


@pytest.mark.parametrize("case", [c for c in CASES if c.by_socket], ids=[c.name for c in CASES if c.by_socket])
def test_the_second_answer_to_the_same_words_is_the_first_one(server: Running, case: Case) -> None:
    if case.method not in ("GET", "HEAD"):
        return
    twice = exchanged(server.port, raw(case) * 2, answers=2)
    half = len(twice) // 2
    assert twice[:half] == twice[half:] == exchanged(server.port, raw(case))


PIECES = (
    *(b"GET", b"HEAD", b"POST", b"get", b" ", b"  ", b"/static/digits.txt", b"/static/", b"?a=1", b"#x", b"//static/"),
    *(b"http://localhost/static/digits.txt", b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\n", b"\r", b"\t", b":", b"\x00"),
    *(b"Host: localhost", b"Host: a", b"Connection: close", b"Connection: upgrade", b"Upgrade: websocket", b"\xe9"),
    *(b"Content-Length: 0", b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"0\r\n\r\n"),
    *(
        b"Accept-Encoding: br",
        b"ACCEPT-ENCODING: gzip",
        b"range: bytes=2-3",
        b"If-None-Match: *",
        b"Proxy-Connection: close",
    ),
)


def heads(seed: int) -> Iterator[bytes]:
    """Yield requests that are nearly right, each a plain one with a few pieces put in, taken out or doubled."""
    chance = random.Random(seed)
    for _ in range(60):
        lines = [b"GET /static/digits.txt HTTP/1.1", b"Host: localhost", b"Accept-Encoding: br"]
        for _ in range(chance.randint(1, 3)):
            place = chance.randrange(len(lines) + 1)
            lines.insert(place, chance.choice(PIECES))
            if chance.random() < 0.3:
                lines[chance.randrange(len(lines))] += chance.choice(PIECES)
            if chance.random() < 0.2:
                del lines[chance.randrange(len(lines))]
        yield b"\r\n".join([*lines, b"", b""])


@pytest.mark.parametrize("seed", range(10))
def test_both_paths_send_the_same_bytes_to_requests_that_are_nearly_right(
    server: Running, middleware: Running, seed: int
) -> None:
    end = b"GET /static/nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    for head in heads(seed):
        sent = (head + end, GET + head + end)
        answers = zip(sent, all_of(server.port, *sent), all_of(middleware.port, *sent), strict=True)
        for data, by_fast_path, by_uvicorn in answers:
            if by_uvicorn.startswith(
                b"HTTP/1.1 400"
            ):  # it forgets what it has not answered yet; the fast path has answered
                assert by_fast_path.endswith(by_uvicorn), data
                assert re.fullmatch(
                    rb"(HTTP/1.1 (200|206|304|404) .*)?", by_fast_path.removesuffix(by_uvicorn), re.DOTALL
                )
            else:
                assert by_fast_path == by_uvicorn, data


def all_of(port: int, *data: bytes) -> list[bytes]:
    """Return everything that comes back to each, sent on a connection of its own.

    A server that waits for more learns that nothing comes when it has answered a page that was asked for later.
    """
    with ExitStack() as stack:
        connections = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in data]
        for connection, each in zip(connections, data, strict=True):
            connection.sendall(each)
        for connection in connections:
            wait_until_read(connection)
        exchanged(port, b"GET /echo/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return [re.sub(rb"\r\n[Dd]ate: [^\r]*", b"", ended(connection)) for connection in connections]


def ended(connection: socket.socket) -> bytes:
    """End this side of a connection, and return all that comes back."""
    got = b""
    with suppress(OSError):  # it may be closed already
        connection.shutdown(socket.SHUT_WR)
    with suppress(ConnectionResetError):  # it may have been closed before all was read
        while piece := connection.recv(1 << 16):
            got += piece
    return got


class Others:
    """Everything but the origin: says that it was asked."""

    def __init__(self, responder: Responder) -> None:
        self.responder = responder
        self.asked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        while (message := await receive())["type"] == "http.request" and message.get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
        await send({"type": "http.response.body", "body": b"others"})


async def through(app: Others, *writes: bytes, until: bytes, times: int = 1) -> bytes:
    """Send bytes to a connection of the fast path, in several writes, and return all that it sends until it ends so."""
    got = b""
    async with serve_in_process(app) as (address, state):
        state.default_headers = [(b"date", b"now")]
        reader, writer = await asyncio.open_connection(*address)
        for data in writes:
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(0.02)  # until all that is ready has been done: the loop's clock jumps
        async with asyncio.timeout(10):
            while not got.endswith(until) or got.count(until) < times:
                piece = await reader.read(1 << 20)
                if not piece:
                    break
                got += piece
        writer.close()
    return got


OURS = [c for c in CASES if c.by_socket and c.method in ("GET", "HEAD") and "http://" not in c.path]


@pytest.mark.parametrize("case", OURS, ids=[c.name for c in OURS])
def test_no_other_application_is_called_for_what_the_origin_answers(responder: Responder, case: Case) -> None:
    others = Others(responder)
    got = instantly.run(through(others, raw(case), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", until=b"others"))
    assert got.startswith(b"HTTP/1.1 %d " % case.status)
    assert others.asked == 1


HANDED_ON = {
    "a page": [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
    "another method": [b"POST /static/digits.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"],
    "HTTP/1.0": [b"GET /static/digits.txt HTTP/1.0\r\nHost: a\r\n\r\n"],
    "Connection: close": [b"GET /static/digits.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"],
    "Connection with several options": [b"GET /static/digits.txt HTTP/1.1\r\nHost: a\r\nconnection: te, close\r\n\r\n"],
    "a body": [b"GET /static/digits.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"],
    "a body in chunks": [b"GET /static/digits.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    "Expect": [b"GET /static/digits.txt HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"],
    "an empty Host": [b"GET /static/digits.txt HTTP/1.1\r\nHost:\r\n\r\n"],
    "an absolute target": [b"GET http://a/static/digits.txt HTTP/1.1\r\nHost: a\r\n\r\n"],
}


@pytest.mark.parametrize("writes", HANDED_ON.values(), ids=HANDED_ON)
def test_what_is_not_plain_is_handed_on_whole(responder: Responder, writes: list[bytes]) -> None:
    others = Others(responder)
    assert instantly.run(through(others, *writes, until=b"others")).endswith(b"others")
    assert others.asked == 1


@pytest.mark.parametrize("at", range(1, len(GET)))
def test_a_head_in_two_pieces_is_answered_as_a_whole_one(responder: Responder, at: int) -> None:
    others = Others(responder)
    assert instantly.run(through(others, GET[:at], GET[at:], until=b"\r\n\r\n0123456789"))
    assert others.asked == 0


def test_the_fast_path_is_taken_again_after_a_request_of_another(responder: Responder) -> None:
    others = Others(responder)
    page = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    body = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
    got = instantly.run(through(others, page, GET, body, b"hello", GET, page, GET, until=b"0123456789"))
    assert others.asked == 3
    assert re.findall(rb"others|0123456789", got) == [b"others", b"0123456789"] * 2 + [b"others", b"0123456789"]


def test_pipelined_requests_are_answered_in_their_order(responder: Responder) -> None:
    others = Others(responder)
    page = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    css = b"GET %s HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n" % CSS.encode()
    got = instantly.run(through(others, GET + css + GET + page + GET + css + page, until=b"others", times=2))
    found = re.findall(rb"others|0123456789|" + re.escape(CSS_BR.encode()), got)
    digits, style, other = b"0123456789", CSS_BR.encode(), b"others"
    assert found == [digits, style, digits, other, digits, style, other]
    assert others.asked == 2


def test_a_large_file_and_what_is_pipelined_behind_it_arrive_whole(server: Running) -> None:
    large = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % LARGE.encode()
    part = b"GET %s HTTP/1.1\r\nHost: a\r\nRange: bytes=1000000-2999998\r\n\r\n" % LARGE.encode()
    parts = b"GET %s HTTP/1.1\r\nHost: a\r\nRange: bytes=0-9,2000000-2999999\r\n\r\n" % LARGE.encode()
    got = exchanged(server.port, GET + large + GET + part + parts + GET, answers=6)
    assert got.count(b"0123456789") == 3
    assert LARGE_BODY in got
    assert LARGE_BODY[1_000_000:2_999_999] in got.replace(LARGE_BODY, b"")
    assert LARGE_BODY[:10] in got
    assert got.endswith(b"0123456789")


def test_nothing_is_read_while_a_large_body_is_sent_and_what_came_meanwhile_is_answered_then(
    responder: Responder,
) -> None:
    """Buffers this small hold no more than a part of the body, so it is under way until the client reads on."""
    large = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % LARGE.encode()

    async def run() -> tuple[bool, bytes, bytes, bool]:
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            async with serve_in_process(Others(responder), listener) as (address, state):
                client.setblocking(False)
                await asyncio.get_running_loop().sock_connect(client, address)
                reader, writer = await asyncio.open_connection(sock=client)
                writer.write(large)
                await reader.readuntil(b"\r\n\r\n")
                (connection,) = state.connections
                is_reading = connection.transport.is_reading()
                writer.write(GET)
                body = await reader.readexactly(3_000_000)
                next_body = (await reader.readuntil(b"0123456789"))[-10:]
                is_reading_again = connection.transport.is_reading()
                writer.close()
        return is_reading, body, next_body, is_reading_again

    assert asyncio.run(run()) == (False, LARGE_BODY, b"0123456789", True)


def test_a_client_that_leaves_a_large_file_leaves_no_descriptor_open(server: Running) -> None:
    large = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % LARGE.encode()

    def count() -> int:
        return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))

    exchanged(server.port, GET)
    before = count()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
            connection.sendall(large)
            connection.recv(1000)
    wait_until(lambda: count() <= before, "descriptors are left open")


@pytest.mark.parametrize("path", NOT_OURS)
def test_what_is_not_under_the_prefix_is_left_to_others(responder: Responder, path: str) -> None:
    if not path.isprintable() or " " in path:
        return
    others = Others(responder)
    head = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % (path or "/").encode()
    got = instantly.run(through(others, head, until=b"others"))
    assert others.asked == 1 or got.startswith(b"HTTP/1.1 400")


def test_the_judge_finds_exactly_one_request_or_says_no() -> None:
    judge = SingleRequestParser()
    for data, verdict in (
        (GET, True),
        (GET + GET, False),
        (GET, True),
        (GET[:-2], False),
        (GET, True),
        (b"\r\n" + GET, True),
        (GET[:-2] + b"Content-Length: 2\r\n\r\n", False),
        (GET[:-2] + b"Content-Length: 2\r\n\r\nhi", True),
        (GET[:-2] + b"Upgrade: x\r\nConnection: upgrade\r\n\r\n", False),
        (GET.replace(b"\r\n", b"\n"), False),
        (GET, True),
    ):
        assert judge.is_one_request(data) is verdict, data


def test_a_connection_is_closed_when_it_was_idle_for_the_keep_alive_time_and_not_before(responder: Responder) -> None:
    async def run() -> tuple[bytes, bytes]:
        async with serve_in_process(Others(responder), timeout_keep_alive=1) as (address, _):
            reader, writer = await asyncio.open_connection(*address)
            got = b""
            for _ in range(4):  # for longer than the keep-alive time, with shorter pauses
                writer.write(GET)
                got += await reader.readuntil(b"0123456789")
                await asyncio.sleep(0.6)
            async with asyncio.timeout(10):
                rest = await reader.read()
            writer.close()
        return got, rest

    got, rest = instantly.run(run())
    assert got.count(b"0123456789") == 4
    assert rest == b""
