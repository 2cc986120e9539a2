"""Handshakes of WebSockets that get no further than the server: each has an answer and a line in the access log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.middleware.test_request_log import logged, sent
from tests.support.processes import run_server
from tests.support.projects import SETTINGS

HANDSHAKE = (
    b"GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: %d\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n"
)
TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
BAD = b"HTTP/1.1 400 Bad Request\r\n"


@pytest.mark.parametrize(
    ("path", "version", "more", "first", "line"),
    [
        (b"/x?" + b"?key" * 17_000, 13, b"", TOO_LONG, "431 32"),
        (b"/x", 13, b"Cookie: " + b"a" * 66_000 + b"\r\n", TOO_LONG, "431 32"),
        (b"/x", 13, b"a: b\r\n" * 11_000, TOO_LONG, "431 32"),
        (b"/x", 13, b"Content-Length: 5\r\n", BAD, "400 12"),
        (b"/x", 13, b"Transfer-Encoding: chunked\r\n", BAD, "400 12"),
        (b"/x", 8, b"", BAD, "400 80"),
    ],
)
def test_a_handshake_that_is_none_is_refused_and_recorded(
    plain: Path, path: bytes, version: int, more: bytes, first: bytes, line: str
) -> None:
    with run_server(cwd=plain, HOST="::", **SETTINGS) as running:
        assert sent(running.port, HANDSHAKE % (path, version, more)).startswith(first)
        assert logged(running, " refused ") == [f"127.0.0.1 - - HTTP/1.1 {line} - refused Tms -"]
