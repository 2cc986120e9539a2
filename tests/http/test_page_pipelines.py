"""Requests for pages whose client sends more, or nothing more, before it has its response."""

from __future__ import annotations

from pathlib import Path

from tests.support.page_path import PAGE, Talk, talk, until

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"


def test_a_client_that_has_sent_two_requests_and_no_more_gets_both_responses(tmp_path: Path) -> None:
    async def client(it: Talk) -> None:
        await it.ask(GET)
        it.writer.write(b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n")
        it.writer.write_eof()
        await until(lambda: it.connection.is_half_closed)
        it.reply(PAGE)
        assert await it.read() == OK
        await it.read_frame()
        it.reply(PAGE)
        assert await it.read() == OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
        assert await it.reader.read() == b""

    talk(tmp_path, client)
