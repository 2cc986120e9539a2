"""TLS in the server's loop: clients that read slowly, close their side or never shake hands; a server that stops."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from static_host.http import tls_transport
from static_host.http.connection import SHUTDOWN_IDLE_SECONDS
from static_host.http.connection_state import State
from static_host.http.flow_control import WRITE_TIMEOUT_SECONDS
from static_host.http.tls_handshake import HANDSHAKE_TIMEOUT_SECONDS, TlsHandshake
from static_host.http.tls_transport import TlsTransport
from static_host.origin.responder import Responder
from static_host.origin.tree import load_tree
from static_host.server.tls_files import TlsFiles
from tests.support import instantly
from tests.support.certificates import Authority
from tests.support.in_process import serve_in_process
from tests.support.page_path import until
from tests.support.tls_client import TlsClient, make_client_context
from tests.support.trees import make_tree
from tests.support.wire import parse_responses

MEMORY_FILE = random.Random(1).randbytes(900_000)
LARGE_FILE = random.Random(2).randbytes(8_000_000)
"""Sent from the disk."""
MANY = 12
"""So many of them are longer than what the kernel takes for a client that reads nothing."""
PAGE = b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE = b"GET /static/large.bin HTTP/1.1\r\nHost: a\r\n\r\n"
FILE = b"GET /static/memory.bin HTTP/1.1\r\nHost: a\r\n\r\n"


class App:
    """Two static files, and pages that respond with the path; POST reads nothing."""

    def __init__(self, directory: Path) -> None:
        self.responder = Responder(
            load_tree(make_tree(directory / "tree", {"memory.bin": MEMORY_FILE, "large.bin": LARGE_FILE})), "/static/"
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = scope["scheme"].encode() + b" " + scope["raw_path"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Path:
    return authority.issue("localhost")


@asynccontextmanager
async def connect(address: Any, authority: Authority, *, receive_bytes: int = 4096) -> AsyncIterator[TlsClient]:
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        await asyncio.get_running_loop().sock_connect(sock, address)
        yield TlsClient(sock, make_client_context(authority.file))


def run(
    directory: Path,
    authority: Authority,
    certificate: Path,
    script: Callable[[TlsClient, Any], Any],
    *,
    run_main: Callable[[Any], Any] = instantly.run,
) -> Any:
    """Run a script with a client whose handshake is complete, and with the server's connection."""

    async def main() -> Any:
        failures: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        context = TlsFiles(certificate, certificate).load().context
        async with (
            serve_in_process(App(directory), context=context) as (address, state),
            connect(address, authority) as client,
            asyncio.timeout(1000),
        ):
            await client.shake_hands()
            await until(lambda: any(not isinstance(each, TlsHandshake) for each in state.connections))
            (connection,) = state.connections
            result = await script(client, connection)
        assert not failures
        return result

    return run_main(main())


LOOPS = pytest.mark.parametrize(
    "run_main", [instantly.run, asyncio.run, uvloop.run], ids=["instant", "asyncio", "uvloop"]
)


@LOOPS
def test_requests_that_come_together_get_their_responses_in_order(
    tmp_path: Path, authority: Authority, certificate: Path, run_main: Any
) -> None:
    async def script(client: TlsClient, _: Any) -> bytes:
        await client.send(PAGE + FILE + PAGE.replace(b"page", b"last"))
        await client.end()
        return await client.read()

    got = parse_responses(run(tmp_path, authority, certificate, script, run_main=run_main))
    assert [each.body for each in got] == [b"https /page", MEMORY_FILE, b"https /last"]


@LOOPS
def test_a_file_in_memory_is_encrypted_each_time(
    tmp_path: Path, authority: Authority, certificate: Path, run_main: Any
) -> None:
    async def script(client: TlsClient, _: Any) -> list[bytes]:
        got = []
        for _ in range(3):  # from the second one on, the response is prepared
            await client.send(FILE)
            data = await client.read_piece()
            while not data.endswith(MEMORY_FILE[-16:]):
                data += await client.read_piece()
            got.append(data)
        return got

    got = run(tmp_path, authority, certificate, script, run_main=run_main)
    assert [parse_responses(each)[0].body for each in got] == [MEMORY_FILE] * 3


@LOOPS
def test_a_client_that_closes_its_side_and_reads_slowly_has_all_its_responses(
    tmp_path: Path, authority: Authority, certificate: Path, run_main: Any
) -> None:
    async def script(client: TlsClient, connection: Any) -> bytes:
        await client.send(FILE * MANY + PAGE)
        await until(lambda: connection.flow.is_write_paused)
        assert connection.transport.get_write_buffer_size() > 0
        await client.end()
        return await client.read()

    got = parse_responses(run(tmp_path, authority, certificate, script, run_main=run_main))
    assert len(got) == MANY + 1
    assert {each.body for each in got[:-1]} == {MEMORY_FILE, b"https /static/memory.bin"}  # the application's own
    assert got[-1].body == b"https /page"


def test_a_body_that_the_client_does_not_take_is_not_encrypted(
    tmp_path: Path, authority: Authority, certificate: Path
) -> None:
    async def script(client: TlsClient, connection: Any) -> int:
        await client.send(FILE * MANY)
        await until(lambda: connection.flow.is_write_paused)
        transport = connection.transport
        socket_bytes: int = transport._transport.get_write_buffer_size()
        assert transport.get_write_buffer_size() == socket_bytes + transport._unsent_bytes
        return socket_bytes

    assert run(tmp_path, authority, certificate, script) <= tls_transport.MAX_ENCRYPTED_BYTES + (32 << 10)


@LOOPS
def test_a_file_from_the_disk_reaches_a_client_that_reads_slowly(
    tmp_path: Path, authority: Authority, certificate: Path, run_main: Any
) -> None:
    async def script(client: TlsClient, connection: Any) -> bytes:
        await client.send(LARGE + PAGE)
        await until(lambda: connection.state is State.SENDING and connection.flow.is_write_paused)
        await client.end()
        return await client.read()

    got = parse_responses(run(tmp_path, authority, certificate, script, run_main=run_main))
    assert [each.body for each in got] == [LARGE_FILE, b"https /page"]


@pytest.mark.parametrize("requests", [FILE * MANY, LARGE], ids=["from memory", "from the disk"])
def test_a_client_that_takes_nothing_is_dropped_after_a_while(
    tmp_path: Path, authority: Authority, certificate: Path, requests: bytes
) -> None:
    async def script(client: TlsClient, connection: Any) -> float:
        await client.send(requests)
        await until(lambda: connection.flow.is_write_paused)
        begin = asyncio.get_running_loop().time()
        while connection.state is not State.CLOSED:  # noqa: ASYNC110 - which sets no event
            await asyncio.sleep(1)  # the clock jumps
        return asyncio.get_running_loop().time() - begin

    assert WRITE_TIMEOUT_SECONDS <= run(tmp_path, authority, certificate, script) <= 2 * WRITE_TIMEOUT_SECONDS + 1


def test_a_response_in_front_of_a_body_reaches_a_client_that_sends_on(
    tmp_path: Path, authority: Authority, certificate: Path
) -> None:
    async def script(client: TlsClient, _: Any) -> bytes:
        await client.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
        for _ in range(20):
            await client.send(b"x" * 10_000)
        return await client.read()

    (got,) = parse_responses(run(tmp_path, authority, certificate, script))
    assert (got.status, got.is_last, got.body) == (200, True, b"https /a")


def test_a_server_that_stops_closes_an_idle_connection_by_close_notify(
    tmp_path: Path, authority: Authority, certificate: Path
) -> None:
    async def script(client: TlsClient, connection: Any) -> bytes:
        await client.send(PAGE)
        await client.read_piece()
        connection.shutdown()
        return await client.read()

    assert run(tmp_path, authority, certificate, script) == b""


def test_what_is_no_record_ends_the_connection(tmp_path: Path, authority: Authority, certificate: Path) -> None:
    async def script(client: TlsClient, connection: Any) -> None:
        await asyncio.get_running_loop().sock_sendall(client.socket, b"no record at all")
        await until(lambda: connection.state is State.CLOSED)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await client.read()

    run(tmp_path, authority, certificate, script)


@pytest.mark.parametrize(
    "sent",
    [b"", b"\x16\x03\x01\x02\x00\x01", b"\x16"],
    ids=["nothing", "the begin of a hello", "one byte"],
)
def test_a_handshake_that_does_not_go_on_is_dropped_and_stops_no_others(
    tmp_path: Path, authority: Authority, certificate: Path, sent: bytes
) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        context = TlsFiles(certificate, certificate).load().context
        async with (
            serve_in_process(App(tmp_path), context=context) as (address, state),
            connect(address, authority) as slow,
            connect(address, authority) as other,
        ):
            await loop.sock_sendall(slow.socket, sent)
            await until(lambda: len(state.connections) == 2)
            await other.shake_hands()
            await other.send(PAGE)
            assert (await other.read_piece()).endswith(b"https /page")
            assert await loop.sock_recv(slow.socket, 100) == b""
            return loop.time()

    assert HANDSHAKE_TIMEOUT_SECONDS <= instantly.run(main(), is_still=True) < HANDSHAKE_TIMEOUT_SECONDS + 1


@pytest.mark.parametrize(
    "sent",
    [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"SSH-2.0-a\r\n", b"\x16\x03\x01\x00\x05abcde", bytes(100)],
    ids=["HTTP", "SSH", "a hello that is none", "zeros"],
)
def test_what_is_no_handshake_ends_the_connection_at_once_and_quietly(
    tmp_path: Path, authority: Authority, certificate: Path, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        failures: list[Any] = []
        loop.set_exception_handler(lambda _, context: failures.append(context))
        context = TlsFiles(certificate, certificate).load().context
        async with (
            serve_in_process(App(tmp_path), context=context) as (address, state),
            connect(address, authority) as client,
        ):
            begin = loop.time()
            await loop.sock_sendall(client.socket, sent)
            got = b""
            while piece := await loop.sock_recv(client.socket, 1000):
                got += piece
            assert not state.connections
            assert loop.time() - begin < 1
        assert not failures
        return got

    got = instantly.run(main())
    assert b"HTTP" not in got
    assert caplog.records == []


def test_a_server_that_stops_lets_a_handshake_that_is_under_way_have_one_response(
    tmp_path: Path, authority: Authority, certificate: Path
) -> None:
    async def main() -> bytes:
        context = TlsFiles(certificate, certificate).load().context
        async with (
            serve_in_process(App(tmp_path), context=context) as (address, state),
            connect(address, authority) as client,
        ):
            await until(lambda: state.connections)
            (handshake,) = state.connections
            assert isinstance(handshake, TlsHandshake)
            handshake.shutdown()
            await client.shake_hands()
            await client.send(PAGE)
            return await client.read()

    (got,) = parse_responses(instantly.run(main()))
    assert (got.status, got.is_last, got.body) == (200, True, b"https /page")


def test_a_server_that_stops_waits_a_second_for_a_handshake(
    tmp_path: Path, authority: Authority, certificate: Path
) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        context = TlsFiles(certificate, certificate).load().context
        async with (
            serve_in_process(App(tmp_path), context=context) as (address, state),
            connect(address, authority) as client,
        ):
            await until(lambda: state.connections)
            begin = loop.time()
            next(iter(state.connections)).shutdown()
            assert await loop.sock_recv(client.socket, 100) == b""
            return loop.time() - begin

    assert SHUTDOWN_IDLE_SECONDS <= instantly.run(main()) < SHUTDOWN_IDLE_SECONDS + 1


class Echo(asyncio.Protocol):
    """Sends back what it gets, and pauses reading while it may not write; closes its side behind the client's."""

    transport: Any
    is_lost = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        half = len(data) // 2
        self.transport.write(data[:half])
        self.transport.writelines([data[half:], b""])

    def pause_writing(self) -> None:
        assert self.transport.get_write_buffer_size() > self.transport.get_write_buffer_limits()[1]
        self.transport.pause_reading()
        assert not self.transport.is_reading()

    def resume_writing(self) -> None:
        assert self.transport.get_write_buffer_size() <= self.transport.get_write_buffer_limits()[0]
        self.transport.resume_reading()

    def eof_received(self) -> bool:
        self.transport.write_eof()
        self.transport.write(b"too late")
        self.transport.close()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True


class EchoHandshake(asyncio.Protocol):
    def __init__(self, context: ssl.SSLContext, limits: dict[str, int]) -> None:
        self._context, self._limits = context, limits
        self.echo = Echo()

    def connection_made(self, transport: Any) -> None:
        self.tls = TlsTransport(transport, self._context)

    def data_received(self, data: bytes) -> None:
        if self.tls.shake_hands(data):
            protocol = self.echo
            self.tls.set_write_buffer_limits(**self._limits)
            self.tls.start(protocol)
            assert self.tls.get_protocol() is protocol
            assert self.tls.get_extra_info("sslcontext") is self._context
            assert self.tls.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize("limits", [{}, {"high": 0}, {"high": 1}, {"low": 100}, {"high": 300_000, "low": 7}], ids=repr)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("run_main", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_all_bytes_arrive_in_order_at_any_pace(
    authority: Authority, certificate: Path, limits: dict[str, int], seed: int, run_main: Any
) -> None:
    chance = random.Random(seed)
    data = chance.randbytes(3_000_000)

    async def send(client: TlsClient) -> None:
        at = 0
        while at < len(data):
            size = chance.choice([1, 100, 16_384, 16_385, 70_000, 500_000])
            await client.send(data[at : at + size])
            at += size

    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        context = TlsFiles(certificate, certificate).load().context
        failures: list[Any] = []
        loop.set_exception_handler(lambda _, context: failures.append(context))
        handshake = EchoHandshake(context, limits)
        server = await loop.create_server(lambda: handshake, "127.0.0.1", 0)
        async with server, connect(server.sockets[0].getsockname(), authority, receive_bytes=65536) as client:
            await client.shake_hands()
            sending = asyncio.create_task(send(client))
            got = []
            length = 0
            while length < len(data):
                piece = await client.read_piece()
                got.append(piece)
                length += len(piece)
            await sending
            await client.end()
            got.append(await client.read())
            assert await loop.sock_recv(client.socket, 1) == b"", "TCP ends, too"
            await until(lambda: handshake.echo.is_lost)
            assert not failures
            return b"".join(got)

    assert run_main(main()) == data
