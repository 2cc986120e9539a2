"""The class of a WebSocket connection, byte by byte: handshakes, frames, closes, and the limits of both directions."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from static_host.http import flow_control, websocket, websocket_timers
from static_host.http.websocket import MAX_EARLY_BYTES
from static_host.http.websocket_messages import MAX_QUEUED_MESSAGES
from static_host.telemetry.request_record import RequestRecord
from static_host.telemetry.scope_keys import LOGGED_STATUS_KEY
from tests.support.web_sockets import (
    ACCEPTED,
    HEAD,
    KEY,
    LOOPS,
    Connection,
    Recorder,
    frame,
    logged,
    sends,
    talk,
    until,
)

ACCEPT = {"type": "websocket.accept"}
CLOSE = {"type": "websocket.close"}
FAILED = (
    b"HTTP/1.1 500 Internal Server Error\r\ndate: now\r\ncontent-length: 21\r\n"
    b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\nInternal Server Error"
)
CLOSED = frame(0x88, b"\x03\xe8")


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    return LOOPS[request.param]


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection lingers and closes at once."""
    monkeypatch.setattr(websocket, "LINGER_SECONDS", 0.01)
    monkeypatch.setattr(websocket, "CLOSE_TIMEOUT_SECONDS", 0.01)


def text(content: str) -> dict[str, Any]:
    return {"type": "websocket.send", "text": content}


# The handshake


def test_what_the_application_gets_and_what_the_client_gets(loop: Any) -> None:
    app = Recorder()

    async def client(it: Connection) -> None:
        assert await it.read_head() == ACCEPTED
        it.writer.write(CLOSED)
        assert await it.ended() == b"\x88\x02\x03\xe8"

    assert talk(app, client, loop=loop, fields=b"Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n") == []
    assert {name: value for name, value in app.scope.items() if name != "headers"} == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/ws",
        "raw_path": b"/ws",
        "query_string": b"a=b",
        "root_path": "",
        "client": ("192.0.2.1", 5),
        "server": ("192.0.2.2", 80),
        "state": {"a": 1},
        "subprotocols": ["a", "b", "c"],
        "extensions": {"websocket.http.response": {}},
    }
    assert (b"upgrade", b"websocket") in app.scope["headers"]
    assert app.received == [(1000, "")]


def test_the_scheme_of_tls_is_wss() -> None:
    app = Recorder(CLOSE)

    async def client(it: Connection) -> None:
        await it.read_head()

    talk(app, client, scheme="https")
    assert app.scope["scheme"] == "wss"


def test_fields_and_a_subprotocol_of_the_application() -> None:
    fields = [
        (b"Set-Cookie", b"a=b"),
        (b"x-name", "caf\u00e9".encode()),
        (b"x-name", b""),
        (b"date", b"then"),
        *((name, b"x") for name in (b"connection", b"upgrade", b"sec-websocket-accept", b"sec-websocket-extensions")),
        (b"transfer-encoding", b"chunked"),
        (b"content-length", b"5"),
    ]

    async def client(it: Connection) -> None:
        assert await it.read_head() == (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
            b"set-cookie: a=b\r\nx-name: caf\xc3\xa9\r\nx-name: \r\ndate: then\r\nsec-websocket-protocol: b\r\n\r\n"
        )

    talk(sends({**ACCEPT, "headers": fields, "subprotocol": "b"}), client)


@pytest.mark.parametrize("field", [(b"a", b"b\r\nc: d"), (b"a\n", b"b"), (b"", b"b"), (b"a b", b"c"), (b"a", b"\0")])
@pytest.mark.parametrize("kind", ["websocket.accept", "websocket.http.response.start"])
def test_a_field_that_is_none_is_an_error_of_the_application(field: tuple[bytes, bytes], kind: str) -> None:
    async def client(it: Connection) -> None:
        assert await it.ended() == FAILED

    with logged() as records:
        talk(sends({"type": kind, "status": 400, "headers": [field]}), client)
    assert [record.exc_info[0] for record in records if record.exc_info] == [RuntimeError]


def test_an_application_that_closes_before_it_accepts(loop: Any) -> None:
    async def client(it: Connection) -> None:
        assert (
            await it.ended() == b"HTTP/1.1 403 Forbidden\r\ndate: now\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )

    talk(sends(CLOSE), client, loop=loop)


def test_a_connection_whose_handshake_is_denied_ends_at_once(monkeypatch: pytest.MonkeyPatch, loop: Any) -> None:
    monkeypatch.setattr(websocket, "LINGER_SECONDS", 1000)

    async def client(it: Connection) -> None:
        assert (await it.reader.read()).startswith(b"HTTP/1.1 403 ")
        await it.lost()

    talk(sends(CLOSE), client, loop=loop)


START = {"type": "websocket.http.response.start"}
BODY = {"type": "websocket.http.response.body"}
LENGTH = b"content-length: 4\r\n"
PLAIN = b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("messages", "response"),
    [
        (
            [{**START, "status": 401}, {**BODY, "body": b"no"}],
            b"HTTP/1.1 401 Unauthorized\r\ndate: now\r\ncontent-length: 2\r\n" + PLAIN + b"no",
        ),
        (
            [
                {**START, "status": 503, "headers": [(b"Content-Length", b"4"), (b"content-type", b"a/b")]},
                {**BODY, "body": b"ab", "more_body": True},
                {**BODY, "body": b"cd"},
            ],
            b"HTTP/1.1 503 Service Unavailable\r\ndate: now\r\n"
            + LENGTH
            + b"content-type: a/b\r\nconnection: close\r\n\r\nabcd",
        ),
        (
            [
                {**START, "status": 599, "headers": [(b"transfer-encoding", b"chunked"), (b"connection", b"x")]},
                {**BODY, "body": b"ab", "more_body": True},
                {**BODY, "more_body": True},
                {**BODY, "body": b"cd"},
            ],
            b"HTTP/1.1 599 \r\ndate: now\r\n" + PLAIN + b"abcd",
        ),
        (
            [
                {**START, "status": 204, "headers": [(b"content-length", b"4")]},
                {**BODY, "body": b"ab", "more_body": True},
                {**BODY, "body": b"cd"},
            ],
            b"HTTP/1.1 204 No Content\r\ndate: now\r\nconnection: close\r\n\r\n",
        ),
    ],
    ids=["whole", "with a length", "delimited by the end", "without a body"],
)
def test_an_application_that_sends_another_response(messages: list[Any], response: bytes, loop: Any) -> None:
    async def client(it: Connection) -> None:
        assert await it.ended() == response

    with logged() as records:
        talk(sends(*messages), client, loop=loop)
    assert records == []


@pytest.mark.parametrize("status", [101, 100, 199, 600, 0])
def test_a_status_that_ends_no_handshake(status: int) -> None:
    async def client(it: Connection) -> None:
        assert await it.ended() == FAILED

    with logged() as records:
        talk(sends({**START, "status": status}), client)
    assert f"Invalid HTTP status code {status} in response." in str(records[0].exc_info)


def test_a_response_that_the_application_does_not_complete() -> None:
    async def failed(it: Connection) -> None:
        assert await it.ended() == FAILED

    begun = {**START, "status": 401}
    with logged() as records:
        talk(sends(begun, error=ValueError("a fault")), failed)
        talk(sends(begun), failed)
        talk(sends(begun, {**BODY, "body": b"ab", "more_body": True}), read_to_the_end)
    assert len(records) == 3


async def read_to_the_end(it: Connection) -> None:
    """A connection that is aborted is a reset over TCP, and an end on a socketpair."""
    assert (await it.reader.read()).count(b"HTTP/1.1 ") <= 1


@pytest.mark.parametrize("field", [b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Content-Length: 0x"])
@pytest.mark.usefixtures("fast")
def test_a_handshake_with_a_body(field: bytes, loop: Any) -> None:
    async def client(it: Connection) -> None:
        it.writer.write(frame(0x81, b"never read"))
        assert await it.ended() == (
            b"HTTP/1.1 400 Bad Request\r\ndate: now\r\ncontent-type: text/plain; charset=utf-8\r\n"
            b"content-length: 12\r\ncache-control: private, no-store, max-age=0\r\nconnection: close\r\n\r\n"
            b"Bad Request\n"
        )

    assert talk(never, client, fields=field + b"\r\n", rest=b"hello", loop=loop) == [
        RequestRecord("192.0.2.1", 5, "-", "-", "1.1", 400, 12, "", "refused", 0.0, "")
    ]


async def never(*_: Any) -> None:
    raise AssertionError("the application is called")


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (HEAD.replace(b"Version: 13", b"Version: 8"), b"invalid Sec-WebSocket-Version header: 8"),
        (HEAD.replace(b"dGhl", b""), b"invalid Sec-WebSocket-Key header: IHNhbXBsZSBub25jZQ=="),
        (HEAD.replace(KEY, b"Sec-WebSocket-Version: 13\r\n"), b"missing Sec-WebSocket-Key header"),
    ],
)
def test_a_handshake_of_another_version_or_without_a_key(head: bytes, reason: bytes) -> None:
    text = b"Failed to open a WebSocket connection: %s.\n" % reason

    async def client(it: Connection) -> None:
        lines = (await it.read_head()).split(b"\r\n")
        assert lines[0] == b"HTTP/1.1 400 Bad Request"
        assert b"Sec-WebSocket-Version: 13" in lines
        assert b"Connection: close" in lines
        assert await it.ended() == text

    (record,) = talk(never, client, head=head + b"\r\n")
    assert record == RequestRecord("192.0.2.1", 5, "-", "-", "1.1", 400, len(text), "", "refused", 0.0, "")


# Messages


def test_messages_in_both_directions(loop: Any) -> None:
    app = Recorder(text("caf\u00e9"), {"type": "websocket.send", "bytes": b"\0\xff", "text": None}, text(""))

    async def client(it: Connection) -> None:
        await it.read_head()
        assert await it.read(13) == b"\x81\x05caf\xc3\xa9" + b"\x82\x02\0\xff" + b"\x81\x00"
        it.writer.write(
            b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58" + frame(0x82, b"\0") + frame(0x81) + frame(0x82)
        )
        it.writer.write(frame(0x88, b"\x0f\xa0bye"))
        assert await it.ended() == b"\x88\x05\x0f\xa0bye"

    talk(app, client, loop=loop)
    assert app.received == ["Hello", b"\0", "", b"", (4000, "bye")]


STREAM = b"".join((
    frame(0x01, b"ca"), frame(0x89, b"ping"), frame(0x00, b"f\xc3"), frame(0x80, b"\xa9"),
    frame(0x82, b"b" * 200), frame(0x02), frame(0x80), frame(0x8A, b"unasked"), frame(0x81, b"last"), CLOSED,
))  # fmt: skip
CONTENT = ["caf\u00e9", b"b" * 200, b"", "last", (1000, "")]


def test_every_split_of_the_bytes_gives_the_same_messages() -> None:
    for at in range(0, len(STREAM), 7):
        app = Recorder()

        async def client(it: Connection, at: int = at) -> None:
            await it.read_head()
            it.ws.data_received(STREAM[:at])
            it.ws.data_received(STREAM[at:])
            assert await it.ended() == b"\x8a\x04ping\x88\x02\x03\xe8"

        talk(app, client)
        assert app.received == CONTENT, at


def test_single_bytes_give_the_same_messages() -> None:
    app = Recorder()

    async def client(it: Connection) -> None:
        await it.read_head()
        for byte in STREAM:
            it.ws.data_received(bytes([byte]))
        assert await it.ended() == b"\x8a\x04ping\x88\x02\x03\xe8"

    talk(app, client)
    assert app.received == CONTENT


@pytest.mark.parametrize("is_together", [True, False])
def test_frames_that_come_before_the_application_accepts(is_together: bool, loop: Any) -> None:
    may_accept = asyncio.Event()
    app = Recorder()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await may_accept.wait()
        await app(scope, receive, send)

    async def client(it: Connection) -> None:
        if not is_together:
            it.writer.write(STREAM)
            await until(lambda: it.ws._unread == STREAM)
        may_accept.set()
        assert await it.read_head() == ACCEPTED, "no pong goes before the response"
        assert await it.ended() == b"\x8a\x04ping\x88\x02\x03\xe8"

    talk(slow, client, rest=STREAM if is_together else b"", loop=loop)
    assert app.received == CONTENT


def test_what_comes_before_the_application_accepts_is_bounded(loop: Any) -> None:
    may_accept = asyncio.Event()
    app = Recorder()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await may_accept.wait()
        await app(scope, receive, send)

    async def client(it: Connection) -> None:
        it.writer.write(frame(0x82, bytes(2 << 20)) + CLOSED)
        await until(lambda: not it.transport.is_reading())
        assert MAX_EARLY_BYTES < len(it.ws._unread) <= MAX_EARLY_BYTES + (256 << 10)
        may_accept.set()
        await it.read_head()
        assert await it.ended() == b"\x88\x02\x03\xe8"

    talk(slow, client, loop=loop)
    assert app.received == [bytes(2 << 20), (1000, "")]


def test_frames_behind_a_handshake_that_is_denied_are_discarded(loop: Any) -> None:
    async def client(it: Connection) -> None:
        it.writer.write(frame(0x82, bytes(1 << 20)))
        assert (await it.ended()).startswith(b"HTTP/1.1 403 ")

    talk(sends(CLOSE), client, rest=STREAM, loop=loop)


@pytest.mark.parametrize(
    ("data", "closed", "code"),
    [
        (frame(0x81, b"\xff"), b"\x88\x18\x03\xefa text is not in UTF-8", 1007),
        (frame(0x01, b"\xc3") + frame(0x80, b"("), b"\x88\x18\x03\xefa text is not in UTF-8", 1007),
        (frame(0x83), b"\x88\x10\x03\xeainvalid opcode", 1002),
        (b"\x81\x00", b"\x88\x13\x03\xeaincorrect masking", 1002),
        (frame(0x80), b"\x88\x1f\x03\xeaunexpected continuation frame", 1002),
        (frame(0x01, b"a") + CLOSED, b"\x88\x1f\x03\xeaincomplete fragmented message", 1002),
        (frame(0x88, b"\x03\xed"), b"\x88\x15\x03\xeainvalid status code", 1002),
    ],
    ids=["UTF-8", "fragments", "opcode", "mask", "continuation", "incomplete", "code"],
)
def test_what_is_no_frame_closes_the_connection(data: bytes, closed: bytes, code: int, loop: Any) -> None:
    app = Recorder()

    async def client(it: Connection) -> None:
        await it.read_head()
        it.writer.write(frame(0x81, b"one") + data + frame(0x81, b"two"))
        assert await it.ended() == closed

    with logged() as records:
        talk(app, client, loop=loop)
    assert [each if isinstance(each, str) else each[0] for each in app.received] == ["one", code]
    assert records == []


@pytest.mark.parametrize(
    "data", [frame(0x82, bytes(11)), frame(0x02, bytes(6)) + frame(0x80, bytes(5))], ids=["frame", "fragments"]
)
def test_a_message_that_is_too_long(data: bytes, loop: Any) -> None:
    app = Recorder()

    async def client(it: Connection) -> None:
        await it.read_head()
        it.writer.write(frame(0x82, bytes(10)) + data)
        it.writer.write(bytes(1 << 20))  # it is discarded, and the client does not lose the close frame
        assert (await it.ended())[2:4] == b"\x03\xf1"

    talk(app, client, ws_max_size=10, loop=loop)
    assert app.received[0] == bytes(10)
    assert app.received[1][0] == 1009
    assert len(app.received) == 2


EXTENSIONS = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"


def deflated(content: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-12)
    return (compressor.compress(content) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def test_messages_are_compressed_both_ways(loop: Any) -> None:
    app = Recorder(text("a" * 1000))

    async def client(it: Connection) -> None:
        chosen = b"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12"
        assert b"\r\nSec-WebSocket-Extensions: " + chosen + b"\r\n" in await it.read_head()
        first, length = await it.read(2)
        assert (first, length < 30) == (0xC1, True)
        payload = await it.read(length)
        assert zlib.decompressobj(wbits=-12).decompress(payload + b"\0\0\xff\xff") == b"a" * 1000
        it.writer.write(frame(0xC1, deflated(b"b" * 1000)) + CLOSED)
        await it.ended()

    talk(app, client, fields=EXTENSIONS, ws_per_message_deflate=True, loop=loop)
    assert app.received == ["b" * 1000, (1000, "")]


def test_without_compression_none_is_offered() -> None:
    async def client(it: Connection) -> None:
        assert await it.read_head() == ACCEPTED

    talk(Recorder(), client, fields=EXTENSIONS)


def test_a_message_that_is_too_long_once_it_is_decompressed() -> None:
    app = Recorder()

    async def client(it: Connection) -> None:
        await it.read_head()
        it.writer.write(frame(0xC2, deflated(bytes(10_000))))
        assert (await it.ended())[2:4] == b"\x03\xf1"

    talk(app, client, fields=EXTENSIONS, ws_per_message_deflate=True, ws_max_size=9_999)
    assert [each[0] for each in app.received] == [1009]


# The end


@pytest.mark.parametrize(
    ("message", "sent", "code"),
    [
        (CLOSE, b"\x88\x02\x03\xe8", (1000, "")),
        ({**CLOSE, "code": None, "reason": None}, b"\x88\x02\x03\xe8", (1000, "")),
        ({**CLOSE, "code": 4001, "reason": "bye"}, b"\x88\x05\x0f\xa1bye", (4001, "bye")),
    ],
)
def test_an_application_that_closes(message: Any, sent: bytes, code: tuple[int, str], loop: Any) -> None:
    app = Recorder(text("last"), message)

    async def client(it: Connection) -> None:
        await it.read_head()
        assert await it.read(6 + len(sent)) == b"\x81\x04last" + sent
        it.writer.write(frame(0x81, b"late") + frame(0x89) + frame(0x88, sent[2:]))
        assert await it.ended() == b"\x8a\x00", "a ping between the two close frames has its pong"

    talk(app, client, loop=loop)
    assert app.received == [code]


@pytest.mark.usefixtures("fast")
def test_a_client_that_does_not_respond_to_a_close_frame(loop: Any) -> None:
    async def client(it: Connection) -> None:
        await it.read_head()
        assert await it.reader.read() == b"\x88\x02\x03\xe8"
        await it.lost()

    talk(Recorder(CLOSE), client, loop=loop, ws_ping_interval=0.002, ws_ping_timeout=None)


@pytest.mark.usefixtures("fast")
def test_a_client_that_does_not_end_its_side(loop: Any) -> None:
    async def client(it: Connection) -> None:
        await it.read_head()
        it.writer.write(CLOSED)
        assert await it.reader.read() == b"\x88\x02\x03\xe8"
        await it.lost()

    talk(Recorder(), client, loop=loop)


def test_a_close_frame_without_a_code_is_1005() -> None:
    app = Recorder()

    async def client(it: Connection) -> None:
        await it.read_head()
        it.writer.write(frame(0x88))
        assert await it.ended() == b"\x88\x00"

    talk(app, client)
    assert app.received == [(1005, "")]


def test_a_disconnect_is_received_again_and_again() -> None:
    received = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        received.extend([await receive(), await receive(), await receive()])

    async def client(it: Connection) -> None:
        it.writer.write(frame(0x81, b"last") + CLOSED)
        await it.read_head()
        await it.ended()

    talk(app, client)
    assert [each["type"] for each in received] == ["websocket.receive", *["websocket.disconnect"] * 2]


@pytest.mark.parametrize("half", [True, False])
def test_a_client_that_leaves_without_a_close_frame_is_1006(half: bool, loop: Any) -> None:
    app = Recorder()

    async def client(it: Connection) -> None:
        await it.read_head()
        it.writer.write(frame(0x81, b"last") + frame(0x81, b"half")[: 6 if half else 0])
        it.writer.close()
        await it.lost()

    talk(app, client, loop=loop)
    assert app.received == ["last", (1006, "")]


def test_a_client_that_leaves_before_its_handshake_is_answered_is_logged_with_499(loop: Any) -> None:
    scopes: list[Any] = []
    received = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        received.extend([await receive(), await receive()])
        await send(ACCEPT)
        received.append("never")

    async def client(it: Connection) -> None:
        await until(lambda: received or scopes)
        it.writer.close()
        await it.lost()

    with logged() as records:
        talk(app, client, loop=loop)
    assert scopes[0][LOGGED_STATUS_KEY] == 499
    assert received == [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006, "reason": ""}]
    assert records == [], "to send then is no error to log"


def test_an_application_that_sends_to_a_client_that_has_closed() -> None:
    errors: list[BaseException] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await receive()
        try:
            await send(text("late"))
        except OSError as error:
            errors.append(error)

    async def client(it: Connection) -> None:
        await it.read_head()
        it.writer.write(CLOSED)
        assert await it.ended() == b"\x88\x02\x03\xe8"

    talk(app, client)
    assert len(errors) == 1


def test_an_application_that_sends_while_the_last_bytes_are_on_their_way() -> None:
    may_send = asyncio.Event()
    errors: list[BaseException] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await send({"type": "websocket.send", "bytes": bytes(60_000)})
        await may_send.wait()
        try:
            await send(text("late"))
        except OSError as error:
            errors.append(error)

    async def client(it: Connection) -> None:
        it.reader._limit = 1000  # type: ignore[attr-defined]
        await it.read_head()
        it.writer.write_eof()
        await until(it.transport.is_closing)
        assert it.state.connections
        may_send.set()
        await until(lambda: errors)

    talk(app, client)


def test_an_application_that_has_closed_receives_no_message_and_sends_none() -> None:
    may_receive = asyncio.Event()
    received = []
    errors: list[BaseException] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        await send(CLOSE)
        await may_receive.wait()
        received.append(await receive())
        try:
            await send(text("late"))
        except OSError as error:
            errors.append(error)

    async def client(it: Connection) -> None:
        await it.read_head()
        it.writer.write(frame(0x81, b"late") + frame(0x88, b"\x03\xe8"))
        assert await it.reader.read() == b"\x88\x02\x03\xe8"
        it.writer.close()
        await until(lambda: not it.state.connections)
        may_receive.set()
        await it.lost()

    talk(app, client)
    assert received == [{"type": "websocket.disconnect", "code": 1000, "reason": ""}]
    assert len(errors) == 1


@pytest.mark.parametrize(
    "messages",
    [
        [text("early")],
        [ACCEPT, ACCEPT],
        [ACCEPT, CLOSE, CLOSE],
        [ACCEPT, {"type": "websocket.send"}],
        [ACCEPT, {**CLOSE, "code": 1006}],
        [ACCEPT, {**CLOSE, "reason": "a" * 124}],
        [BODY],
        [{**START, "status": 400}, ACCEPT],
        [{**START, "status": 400}, {**BODY, "body": b"x"}, {**BODY, "body": b"y"}],
        [CLOSE, ACCEPT],
        [{"type": "http.response.start", "status": 200}],
    ],
)
def test_a_message_at_the_wrong_time_is_an_error_of_the_application(messages: list[Any]) -> None:
    async def client(it: Connection) -> None:
        await it.reader.read(1)

    with logged() as records:
        talk(sends(*messages), client)
    assert [record.getMessage() for record in records] == ["Exception in ASGI application"]


@pytest.mark.parametrize(
    ("messages", "response"), [([], FAILED), ([ACCEPT], ACCEPTED + b"\x88\x02\x03\xf3")], ids=["before", "after"]
)
@pytest.mark.parametrize("error", [ValueError("a fault"), SystemExit("a fault"), OSError("a fault")])
@pytest.mark.usefixtures("fast")
def test_an_exception_of_the_application(messages: list[Any], response: bytes, error: BaseException) -> None:
    async def client(it: Connection) -> None:
        assert await it.ended() == response

    with logged() as records:
        talk(sends(*messages, error=error), client)
    assert [record.getMessage() for record in records] == ["Exception in ASGI application"]
    assert records[0].exc_info
    assert records[0].exc_info[1] is error


@pytest.mark.parametrize(
    ("messages", "response", "lines"),
    [
        ([], FAILED, ["ASGI callable returned without completing handshake."]),
        ([ACCEPT], ACCEPTED + b"\x88\x02\x03\xe8", []),
    ],
    ids=["before", "after"],
)
@pytest.mark.usefixtures("fast")
def test_an_application_that_returns(messages: list[Any], response: bytes, lines: list[str], loop: Any) -> None:
    async def client(it: Connection) -> None:
        assert await it.ended() == response

    with logged() as records:
        talk(sends(*messages), client, loop=loop)
    assert [record.getMessage() for record in records] == lines


def test_an_application_that_is_cancelled_closes_the_connection() -> None:
    async def client(it: Connection) -> None:
        assert await it.read_head() == ACCEPTED
        for task in it.state.tasks:
            task.cancel()
        assert await it.read(4) == b"\x88\x02\x03\xf3"
        it.writer.write(frame(0x88, b"\x03\xf3"))
        await it.ended()

    with logged() as records:
        talk(Recorder(), client)
    assert records == []


# The server stops


def test_both_sides_learn_that_the_server_stops(loop: Any) -> None:
    app = Recorder()

    async def client(it: Connection) -> None:
        await it.read_head()
        it.ws.shutdown()
        assert await it.ended() == b"\x88\x02\x03\xe9"

    talk(app, client, loop=loop)
    assert app.received == [(1001, "")]


@pytest.mark.usefixtures("fast")
def test_a_server_that_stops_does_not_wait_for_the_client(loop: Any) -> None:
    async def client(it: Connection) -> None:
        await it.read_head()
        it.ws.shutdown()
        it.ws.shutdown()
        await it.lost()

    talk(Recorder(), client, loop=loop)


def test_a_handshake_without_a_response_when_the_server_stops_is_503(loop: Any) -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append((scope, await receive(), await receive()))

    async def client(it: Connection) -> None:
        it.ws.shutdown()
        assert await it.ended() == (
            b"HTTP/1.1 503 Service Unavailable\r\ndate: now\r\ncontent-length: 19\r\n" + PLAIN + b"Service Unavailable"
        )

    talk(app, client, loop=loop)
    assert scopes[0][0][LOGGED_STATUS_KEY] == 503
    assert scopes[0][2]["code"] == 1001


@pytest.mark.parametrize("messages", [[ACCEPT, CLOSE], [{**START, "status": 400}, {**BODY, "body": b"x"}]])
def test_a_connection_that_is_closing_when_the_server_stops(
    messages: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "LINGER_SECONDS", 0.01)

    async def client(it: Connection) -> None:
        await it.read_head()
        await until(lambda: not it.state.tasks)
        it.ws.shutdown()
        await it.lost()

    talk(sends(*messages), client)


# Time and room


def slowed(app: Recorder, may_receive: asyncio.Event) -> Any:
    """Return the application with a pause after its first message."""

    async def call(scope: Any, receive: Any, send: Any) -> None:
        async def receive_slowly() -> Any:
            if app.received:
                await may_receive.wait()
            return await receive()

        await app(scope, receive_slowly, send)

    return call


def test_a_client_that_reads_nothing_makes_the_application_wait(loop: Any) -> None:
    sent = 0

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await receive()
        await send(ACCEPT)
        for _ in range(1000):
            await send({"type": "websocket.send", "bytes": bytes(10_000)})
            sent += 1
        await send(CLOSE)

    async def client(it: Connection) -> None:
        it.reader._limit = 1000  # type: ignore[attr-defined]
        await until(lambda: it.ws._is_write_paused)
        assert it.transport.get_write_buffer_size() < (64 << 10) + 10_100
        assert sent < 100
        assert (await it.read_head()) == ACCEPTED
        for _ in range(1000):
            assert await it.read(10_004) == b"\x82\x7e\x27\x10" + bytes(10_000)
        it.writer.write(CLOSED)
        assert await it.ended() == b"\x88\x02\x03\xe8"

    talk(app, client, loop=loop)


def test_a_client_that_takes_nothing_is_aborted(monkeypatch: pytest.MonkeyPatch, loop: Any) -> None:
    monkeypatch.setattr(flow_control, "WRITE_TIMEOUT_SECONDS", 0.05)
    errors: list[BaseException] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        try:
            while True:
                await send({"type": "websocket.send", "bytes": bytes(1 << 20)})
        except OSError as error:
            errors.append(error)
            raise

    async def client(it: Connection) -> None:
        it.reader._limit = 1000  # type: ignore[attr-defined]
        await it.lost()

    with logged() as records:
        talk(app, client, loop=loop)
    assert len(errors) == 1
    assert records == []


def test_a_client_that_takes_nothing_of_the_last_frames_is_aborted(monkeypatch: pytest.MonkeyPatch, loop: Any) -> None:
    monkeypatch.setattr(flow_control, "WRITE_TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(websocket, "CLOSE_TIMEOUT_SECONDS", 0.01)
    app = sends(ACCEPT, {"type": "websocket.send", "bytes": bytes(60_000)}, CLOSE)

    async def client(it: Connection) -> None:
        it.reader._limit = 1000  # type: ignore[attr-defined]
        await it.lost()

    talk(app, client, loop=loop)


def test_a_client_that_takes_a_part_of_what_is_left_is_aborted(monkeypatch: pytest.MonkeyPatch, loop: Any) -> None:
    monkeypatch.setattr(flow_control, "WRITE_TIMEOUT_SECONDS", 0.05)
    monkeypatch.setattr(websocket, "LINGER_SECONDS", 0.01)

    async def client(it: Connection) -> None:
        it.reader._limit = 1000  # type: ignore[attr-defined]
        await until(lambda: it.ws._is_write_paused)
        it.ws.shutdown()
        while it.ws._is_write_paused:
            await it.reader.read(1000)
        await it.lost()

    talk(Recorder({"type": "websocket.send", "bytes": bytes(100_000)}), client, loop=loop)


def test_an_application_that_receives_nothing_pauses_reading(loop: Any) -> None:
    may_receive = asyncio.Event()
    app = Recorder()

    async def client(it: Connection) -> None:
        await it.read_head()
        for number in range(10_000):
            it.writer.write(frame(0x81, b"%d" % number))
        it.writer.write(CLOSED)
        await until(lambda: not it.transport.is_reading())
        may = MAX_QUEUED_MESSAGES + websocket.MAX_PARSED_BYTES // 7
        assert MAX_QUEUED_MESSAGES <= len(it.ws._messages._messages) < may
        may_receive.set()
        assert await it.ended() == b"\x88\x02\x03\xe8"

    talk(slowed(app, may_receive), client, loop=loop)
    assert app.received == [*map(str, range(10_000)), (1000, "")]


def test_messages_that_are_decompressed_are_bounded() -> None:
    may_receive = asyncio.Event()
    app = Recorder()

    async def client(it: Connection) -> None:
        await it.read_head()
        it.writer.write(frame(0xC2, deflated(bytes(1 << 20))) * 100 + CLOSED)
        await until(lambda: not it.transport.is_reading())
        assert it.ws._messages._bytes <= 5 << 20
        may_receive.set()
        await it.ended()

    talk(slowed(app, may_receive), client, fields=EXTENSIONS, ws_per_message_deflate=True)
    assert app.received == [*[bytes(1 << 20)] * 100, (1000, "")]


def test_pings_of_a_client_that_reads_no_pong_are_bounded(loop: Any) -> None:
    app = Recorder({"type": "websocket.send", "bytes": bytes(1 << 20)})

    async def client(it: Connection) -> None:
        it.reader._limit = 1000  # type: ignore[attr-defined]
        await until(lambda: it.ws._is_write_paused)
        it.writer.write(frame(0x89, bytes(100)) * 10_000 + CLOSED)
        await until(lambda: not it.transport.is_reading())
        assert it.transport.get_write_buffer_size() < (1 << 20) + (64 << 10) + 2 * websocket.MAX_PARSED_BYTES
        await it.read_head()
        await it.read(10 + (1 << 20))
        assert await it.ended() == (b"\x8a\x64" + bytes(100)) * 10_000 + b"\x88\x02\x03\xe8"

    talk(app, client, loop=loop)
    assert app.received == [(1000, "")]


@pytest.mark.parametrize("limit", [0, None])
def test_a_response_before_the_handshake_counts_as_unsent(limit: int | None, loop: Any) -> None:
    app = Recorder()

    async def client(it: Connection) -> None:
        assert it.ws._is_write_paused
        assert await it.read(60_000) == bytes(60_000)
        assert await it.read_head() == ACCEPTED
        it.writer.write(CLOSED)
        await it.ended()

    talk(app, client, before=bytes(60_000), limit=limit, loop=loop)


def test_pings_that_are_answered_keep_the_connection(loop: Any) -> None:
    app = Recorder()

    async def client(it: Connection) -> None:
        await it.read_head()
        for _ in range(3):
            ping = await it.read(6)
            assert ping[:2] == b"\x89\x04"
            it.writer.write(frame(0x8A, b"other") + frame(0x8A, ping[2:]))
        it.writer.write(CLOSED)
        assert (await it.ended()).endswith(b"\x88\x02\x03\xe8")

    talk(app, client, ws_ping_interval=0.001, ws_ping_timeout=20, loop=loop)
    assert app.received == [(1000, "")]


def test_a_ping_that_is_not_answered_ends_the_connection(loop: Any) -> None:
    app = Recorder()

    async def client(it: Connection) -> None:
        await it.read_head()
        assert (await it.read(6))[:2] == b"\x89\x04"
        it.writer.write(frame(0x8A, b"other"))
        assert await it.ended() == b"\x88\x18\x03\xf3keepalive ping timeout"

    talk(app, client, ws_ping_interval=0.001, ws_ping_timeout=0.01, loop=loop)
    assert app.received == [(1011, "keepalive ping timeout")]


def test_without_a_timeout_pings_need_no_answer() -> None:
    async def client(it: Connection) -> None:
        await it.read_head()
        for _ in range(3):
            assert (await it.read(6))[:2] == b"\x89\x04"

    talk(Recorder(), client, ws_ping_interval=0.001, ws_ping_timeout=None)


def test_a_ping_whose_pong_is_not_read_because_the_application_is_busy_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_receive = asyncio.Event()
    app = Recorder()
    looks: list[bool] = []
    handle_timeout = websocket_timers.Keepalive._handle_timeout

    def count(keepalive: Any) -> None:
        looks.append(True)
        handle_timeout(keepalive)

    monkeypatch.setattr(websocket_timers.Keepalive, "_handle_timeout", count)

    async def client(it: Connection) -> None:
        await it.read_head()
        ping = await it.read(6)
        it.ws.data_received(frame(0x82, bytes(5000)) * 20 + frame(0x8A, ping[2:]) + CLOSED)
        await until(lambda: len(looks) > 3)
        may_receive.set()
        assert await it.ended() == b"\x88\x02\x03\xe8"

    talk(slowed(app, may_receive), client, ws_ping_interval=0.001, ws_ping_timeout=0.02)
    assert app.received == [*[bytes(5000)] * 20, (1000, "")]


def test_no_ping_is_sent_while_the_connection_is_blocked() -> None:
    calls: list[str] = []

    def is_blocked() -> bool:
        calls.append("looks")
        return len(calls) < 3

    async def main() -> None:
        keepalive = websocket_timers.Keepalive(
            asyncio.get_running_loop(),
            0.001,
            None,
            send_ping=lambda _: calls.append("pings"),
            is_blocked=is_blocked,
            fail=lambda: None,
        )
        keepalive.start()
        await until(lambda: "pings" in calls)
        keepalive.stop()

    asyncio.run(main())
    assert calls == ["looks", "looks", "looks", "pings"]
