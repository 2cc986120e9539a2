"""The limits of a connection: heads in time and within bounds, one Host; complete responses at the end."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from static_host.http import connection as http_connection
from static_host.http import flow_control
from static_host.origin.responder import Responder
from static_host.origin.tree import load_tree
from tests.support import instantly
from tests.support.apart import send_apart, wait_until_read
from tests.support.cases import LARGE
from tests.support.in_process import serve_in_process
from tests.support.processes import Running, run_server
from tests.support.projects import LARGE_BODY as LARGE_BODY

HEAD = b"GET /static/digits.txt HTTP/1.1\r\nHost: localhost\r\n"
REFUSED = (
    b"\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
    b"cache-control: private, no-store, max-age=0\r\nconnection: close\r\n\r\n%s\n"
)


def answer(port: int, data: bytes, *, half_closed: bool = False) -> bytes:
    """Send bytes, and return everything that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(data)
        if half_closed:
            connection.shutdown(socket.SHUT_WR)
        return re.sub(rb"\r\ndate: [^\r]*", b"", b"".join(iter(lambda: connection.recv(1 << 16), b"")))


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b"Host: a\r\nHost: a\r\n",
        b"Host: a\r\nhost: b\r\n",
        b"Host: a b\r\n",
        b"Host: a/b\r\n",
        b"Host: a,b\r\nHost: \r\n",
    ],
)
@pytest.mark.parametrize("path", [b"/static/digits.txt", b"/", b"/healthz"])
def test_a_head_has_exactly_one_host_that_can_be_one(server: Running, path: bytes, fields: bytes) -> None:
    got = answer(server.port, b"GET %s HTTP/1.1\r\n%s\r\n" % (path, fields))
    assert got == b"HTTP/1.1 400 Bad Request" + REFUSED % (12, b"Bad Request")


@pytest.mark.parametrize(
    "host", [b"localhost:8000", b"localhost \t", b"127.0.0.1", b"[::1]:80", b"a_b.example", b"xn--caf-dma.example"]
)
def test_hosts_as_they_come(server: Running, host: bytes) -> None:
    got = answer(server.port, b"GET /static/digits.txt HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % host)
    assert got.startswith(b"HTTP/1.1 200 ")


def test_http_1_0_needs_no_host(server: Running) -> None:
    assert answer(server.port, b"GET /static/digits.txt HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n0123456789")


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 3\r\nContent-Length: 4\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Content-Length: -3\r\n",
        b"Content-Length : 3\r\n",
    ],
)
def test_lengths_that_contradict_each_other_are_refused(server: Running, fields: bytes) -> None:
    got = answer(server.port, b"POST /echo/ HTTP/1.1\r\nHost: localhost\r\n%s\r\nabc" % fields)
    assert got == b"HTTP/1.1 400 Bad Request" + REFUSED % (12, b"Bad Request")


@pytest.mark.parametrize("in_pieces", [True, False])
@pytest.mark.parametrize("path", [b"/static/digits.txt", b"/"])
def test_a_head_over_the_limit_is_refused(server: Running, path: bytes, in_pieces: bool) -> None:
    plain = b"GET %s HTTP/1.1\r\nHost: localhost\r\n" % path
    answer(server.port, plain + b"\r\n", half_closed=True)  # what is remembered of the same words changes nothing
    head = plain + b"X: %s\r\n" % (b"x" * (64 << 10))
    got = answer(server.port, head if in_pieces else head + b"\r\n")
    text = b"Request Header Fields Too Large"
    assert got == b"HTTP/1.1 431 " + text + REFUSED % (len(text) + 1, text)


def test_a_refusal_reaches_a_client_that_is_still_sending(server: Running) -> None:
    head = b"GET /static/digits.txt HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n" % (b"x" * (64 << 10))
    for cut in (len(head) - 3, len(head) - 1, 65_600):
        with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
            send_apart(connection, [head[:cut], head[cut:]])
            assert connection.recv(1000).startswith(b"HTTP/1.1 431 ")


def test_a_head_within_the_limit_is_answered(server: Running) -> None:
    for path in (b"/static/digits.txt", b"/healthz"):
        head = b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: %s\r\n\r\n" % (path, b"x" * (60 << 10))
        assert answer(server.port, head).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", [b"/static/digits.txt", b"/healthz", b"/echo/", LARGE.encode()])
def test_a_client_that_has_closed_its_side_gets_its_answer(server: Running, path: bytes) -> None:
    got = answer(server.port, b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path, half_closed=True)
    bodies = {b"/static/digits.txt": b"0123456789", b"/healthz": b"ok\n", b"/echo/": b"GET /echo/ 0"}
    assert got.startswith(b"HTTP/1.1 200 ")
    assert got.endswith(bodies.get(path, LARGE_BODY))


def test_pipelined_requests_of_a_client_that_has_closed_its_side_are_all_answered(server: Running) -> None:
    page = b"GET /echo/ HTTP/1.1\r\nHost: localhost\r\n\r\n"
    got = answer(server.port, page * 3 + HEAD + b"\r\n" + page, half_closed=True)
    assert len(re.findall(rb"GET /echo/ 0", got)) == 4
    assert got.count(b"0123456789") == 1
    assert got.endswith(b"GET /echo/ 0")


def test_half_a_request_of_a_client_that_has_closed_its_side_is_not_answered(server: Running) -> None:
    assert answer(server.port, HEAD, half_closed=True) == b""
    assert (
        answer(
            server.port, b"POST /echo/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc", half_closed=True
        )
        == b""
    )


async def talk(app: Any, script: Callable[..., Any], **options: Any) -> Any:
    """Run a script on a connection to an application."""
    async with serve_in_process(app, **options) as (address, state):
        reader, writer = await asyncio.open_connection(*address)
        try:
            async with asyncio.timeout(10):
                return await script(reader, writer, state)
        finally:
            writer.close()


class App:
    """An application of one responder, in which everything else is answered slowly."""

    def __init__(self, plain: Path) -> None:
        self.responder = Responder(load_tree(plain / "staticfiles"), "/static/")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.3)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"slow"})


@pytest.mark.parametrize("before", [b"", HEAD + b"\r\n"])
def test_a_head_that_comes_too_slowly_is_refused(plain: Path, monkeypatch: pytest.MonkeyPatch, before: bytes) -> None:
    monkeypatch.setattr(http_connection, "HEAD_TIMEOUT_SECONDS", 0.3)

    async def slowly(reader: Any, writer: Any, _: Any) -> bytes:
        writer.write(before)
        for byte in HEAD:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.03)
            if reader.at_eof() or reader._buffer.find(b"408") >= 0:
                break
        return bytes(await reader.read())

    got = instantly.run(talk(App(plain), slowly))
    assert got.endswith(b"HTTP/1.1 408 Request Timeout" + REFUSED % (16, b"Request Timeout"))
    assert got.startswith(b"HTTP/1.1 200 " if before else b"HTTP/1.1 408 ")


def test_a_connection_on_which_nothing_comes_is_closed(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "HEAD_TIMEOUT_SECONDS", 0.3)

    async def silent(reader: Any, writer: Any, _: Any) -> bytes:
        return bytes(await reader.read())

    assert instantly.run(talk(App(plain), silent)) == b""


def test_the_time_for_a_head_is_not_the_time_for_an_answer(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "HEAD_TIMEOUT_SECONDS", 0.1)

    async def patient(reader: Any, writer: Any, _: Any) -> bytes:
        got = b""
        for data, end in (
            (HEAD + b"\r\n", b"789"),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"slow"),
            (HEAD + b"\r\n", b"789"),
        ):
            writer.write(data)
            got += await reader.readuntil(end)
            await asyncio.sleep(0.3)
        return got

    got = instantly.run(talk(App(plain), patient))
    assert (got.count(b"0123456789"), got.count(b"slow")) == (2, 1)


def test_a_head_has_its_time_from_its_first_byte_on(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "HEAD_TIMEOUT_SECONDS", 0.6)

    async def in_two_pieces(reader: Any, writer: Any, _: Any) -> bytes:
        writer.write(HEAD + b"\r\n")
        await reader.readuntil(b"789")
        await asyncio.sleep(0.4)
        writer.write(HEAD)
        await asyncio.sleep(0.4)
        writer.write(b"\r\n")
        return bytes(await reader.readuntil(b"789"))

    assert instantly.run(talk(App(plain), in_two_pieces)).startswith(b"HTTP/1.1 200 ")


def test_a_large_file_may_take_longer_than_a_head(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "HEAD_TIMEOUT_SECONDS", 0.1)

    async def slowly(reader: Any, writer: Any, state: Any) -> bytes:
        await asyncio.sleep(0.02)
        for connection in state.connections:  # what the system takes for a client that reads nothing
            connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        writer.transport.pause_reading()
        writer.write(b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n" % LARGE.encode())
        await asyncio.sleep(0.4)
        writer.transport.resume_reading()
        await reader.readuntil(b"\r\n\r\n")
        return bytes(await reader.readexactly(len(LARGE_BODY)))

    assert instantly.run(talk(App(plain), slowly)) == LARGE_BODY


PAGE = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Quick(App):
    """An application that answers at once."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"quick"})


def test_the_length_of_a_head_is_not_that_of_what_came_before_it(plain: Path) -> None:
    async def cut(reader: Any, _: Any, state: Any) -> bytes:
        await asyncio.sleep(0.05)
        connection = next(iter(state.connections))
        connection.data_received(PAGE * 3000 + PAGE[:20])
        connection.data_received(PAGE[20:-2] + b"Connection: close\r\n\r\n")
        return bytes(await reader.read())

    assert instantly.run(talk(Quick(plain), cut)).count(b"quick") == 3001


@pytest.mark.parametrize(("data", "end"), [(HEAD + b"\r\n", b"789"), (PAGE, b"slow")])
def test_an_empty_line_does_not_keep_a_connection_open(plain: Path, data: bytes, end: bytes) -> None:
    async def with_a_line(reader: Any, writer: Any, _: Any) -> bytes:
        writer.write(data)
        await reader.readuntil(end)
        writer.write(b"\r\n")
        return bytes(await reader.read())

    assert instantly.run(talk(App(plain), with_a_line, timeout_keep_alive=1)) == b""


CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"


class Begun(App):
    """An application that begins its answer if it is to, and then waits until the client has gone."""

    def __init__(self, plain: Path, *, begins: bool = True) -> None:
        super().__init__(plain)
        self.begins = begins
        self.received: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if self.begins:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"999")]})
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        self.received.append((await receive())["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})


def test_a_refusal_is_not_written_into_an_answer_that_has_begun(plain: Path) -> None:
    app = Begun(plain)

    async def spoilt(reader: Any, writer: Any, _: Any) -> bytes:
        writer.write(CHUNKED)
        got = await reader.readuntil(b"begun")
        writer.write(b"\0\r\n\r\n")
        return bytes(got + await reader.read())

    assert instantly.run(talk(app, spoilt)).endswith(b"\r\n\r\nbegun")
    assert app.received == ["http.disconnect"]


def test_an_application_that_was_called_before_a_refusal_gets_a_disconnect(
    plain: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = Begun(plain, begins=False)

    async def spoilt(reader: Any, writer: Any, state: Any) -> bytes:
        writer.write(CHUNKED)
        while not state.tasks:  # noqa: ASYNC110 - no event tells that the application was called
            await asyncio.sleep(0)
        writer.write(b"\0\r\n\r\n")
        return bytes(await reader.read())

    assert instantly.run(talk(app, spoilt)).startswith(b"HTTP/1.1 400 ")
    assert app.received == ["http.disconnect"]
    assert "Exception" not in caplog.text


def test_the_running_application_gets_a_disconnect_though_requests_wait_behind_it(plain: Path) -> None:
    app = Begun(plain)

    async def gone(reader: Any, writer: Any, state: Any) -> None:
        writer.write(PAGE)
        await reader.readuntil(b"begun")
        writer.write(PAGE)
        await asyncio.sleep(0.1)
        next(iter(state.connections)).transport.abort()
        await asyncio.sleep(0.1)

    instantly.run(talk(app, gone))
    assert app.received == ["http.disconnect"]


def test_requests_that_wait_behind_others_are_not_read_without_end(plain: Path) -> None:
    class Asking(App):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await super().__call__(scope, receive, send)

    async def waiting(_: Any, writer: Any, state: Any) -> int:
        writer.write(PAGE * 500_000)
        await asyncio.sleep(1)
        found = sum(len(connection.flow.pending) for connection in state.connections)
        writer.transport.abort()
        return found

    assert 0 < instantly.run(talk(Asking(plain), waiting)) < 1_000_000


def test_a_client_that_takes_nothing_of_its_answer_is_given_up(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_control, "WRITE_TIMEOUT_SECONDS", 0.2)

    class Large(App):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"50000000")]})
            await send({"type": "http.response.body", "body": bytes(50_000_000)})

    async def stalled(_: Any, writer: Any, state: Any) -> None:
        writer.transport.pause_reading()
        writer.write(PAGE)
        await asyncio.sleep(0.1)
        assert state.connections
        while state.connections:  # noqa: ASYNC110 - the server sets no event
            await asyncio.sleep(0.05)

    instantly.run(talk(Large(plain), stalled))


@pytest.mark.parametrize("framing", [b"Content-Length: 1000000000\r\n", b"Transfer-Encoding: chunked\r\n"])
@pytest.mark.parametrize("path", [b"/", b"/static/digits.txt"])
def test_a_client_that_never_stops_sending_is_closed(
    plain: Path, monkeypatch: pytest.MonkeyPatch, path: bytes, framing: bytes
) -> None:
    monkeypatch.setattr(http_connection, "LINGER_SECONDS", 5)

    async def endless(reader: Any, writer: Any, _: Any) -> bytes:
        writer.write(b"POST %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (path, framing))
        got = await reader.read()
        while not writer.transport.is_closing():
            writer.write(b"2\r\nhi\r\n")
            await asyncio.sleep(0.1)
        return bytes(got)

    assert b"\r\nconnection: close\r\n" in instantly.run(talk(App(plain), endless))


@pytest.mark.parametrize("path", [b"/static/digits.txt", b"/"])
def test_at_the_end_a_connection_is_closed_with_its_next_answer_which_says_so(plain: Path, path: bytes) -> None:
    async def used(reader: Any, writer: Any, state: Any) -> bytes:
        writer.write(HEAD + b"\r\n")
        first = await reader.readuntil(b"0123456789")
        assert b"connection: close" not in first
        for connection in list(state.connections):
            connection.shutdown()
        await asyncio.sleep(0.2)
        writer.write(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
        return bytes(await reader.read())

    got = instantly.run(talk(App(plain), used))
    assert b"\r\nconnection: close\r\n" in got
    assert got.endswith((b"0123456789", b"slow"))


def test_at_the_end_an_idle_connection_is_closed_after_a_moment(plain: Path) -> None:
    async def idle(reader: Any, writer: Any, state: Any) -> bytes:
        await asyncio.sleep(0.1)
        for connection in list(state.connections):
            connection.shutdown()
        return bytes(await reader.read())

    assert instantly.run(talk(App(plain), idle)) == b""


def test_an_answer_that_has_begun_for_a_client_that_has_closed_its_side_may_take_its_time(
    plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "HALF_CLOSED_TIMEOUT_SECONDS", 0.2)

    class Streaming(App):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
            for _ in range(8):
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
                await asyncio.sleep(0.1)
            await send({"type": "http.response.body"})

    async def patient(reader: Any, writer: Any, _: Any) -> bytes:
        writer.write(PAGE)
        writer.write_eof()
        return bytes(await reader.read())

    assert instantly.run(talk(Streaming(plain), patient)).endswith(b"\r\n\r\nxxxxxxxx")


class Waiting(App):
    """An application that answers when there is something to tell, which never happens."""

    received = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        self.received = (await receive())["type"]


def test_a_client_that_may_have_gone_is_not_waited_for_without_end(
    plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "HALF_CLOSED_TIMEOUT_SECONDS", 0.3)
    app = Waiting(plain)

    async def leaves(reader: Any, writer: Any, _: Any) -> bytes:
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        writer.write_eof()
        return bytes(await reader.read())

    assert instantly.run(talk(app, leaves)) == b""
    assert app.received == "http.disconnect"


def test_slow_heads_on_many_connections_delay_no_other_client(plain: Path) -> None:
    with run_server(cwd=plain, DJANGO_SETTINGS_MODULE="mysite.settings", ACCESS_LOG="false") as running:
        slow = [socket.create_connection(("127.0.0.1", running.port), 10) for _ in range(400)]
        try:
            for byte in HEAD[:20]:
                for connection in slow:
                    connection.sendall(bytes([byte]))
                assert answer(running.port, HEAD + b"Connection: close\r\n\r\n").endswith(b"0123456789")
                wait_until_read(slow[-1])
        finally:
            for connection in slow:
                connection.close()
