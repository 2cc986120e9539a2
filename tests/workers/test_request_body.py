"""Bodies are read whole before a worker gets their request."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from typing import Any

import pytest

from static_host.workers.request_body import (
    MAX_IN_MEMORY_BYTES,
    BodySpoolError,
    BodyTooLargeError,
    ClientGoneError,
    RequestBody,
    has_body,
    read_body,
)


def read(pieces: Iterable[bytes | None], max_bytes: int = 1 << 30) -> RequestBody:
    """Read a body of these pieces; None is a client that goes away."""
    messages: list[dict[str, Any]] = [
        {"type": "http.disconnect"} if piece is None else {"type": "http.request", "body": piece, "more_body": True}
        for piece in pieces
    ]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    return asyncio.run(read_body(receive, max_bytes))


def test_a_short_body_stays_in_memory() -> None:
    body = read([b"a" * 1000, b"b" * 1000])
    assert (body.data, body.file, body.length) == (b"a" * 1000 + b"b" * 1000, None, 2000)


def test_a_long_body_is_a_file_without_a_name_at_its_beginning() -> None:
    pieces = [bytes([number]) * 100_000 for number in range(10)]
    body = read(pieces)
    assert body.data == b""
    assert body.length == 1_000_000
    assert body.file is not None
    assert os.fstat(body.file.fileno()).st_nlink == 0
    assert body.file.read() == b"".join(pieces)
    body.close()
    assert body.file.closed


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_a_body_at_the_bound_of_memory_is_whole(extra: int) -> None:
    content = b"x" * (MAX_IN_MEMORY_BYTES + extra)
    body = read([content])
    assert (body.file.read() if body.file else body.data) == content
    assert bool(body.file) == (extra > 0)
    body.close()


@pytest.mark.parametrize(("length", "is_refused"), [(1000, False), (1001, True)])
def test_a_body_longer_than_allowed_is_refused(length: int, is_refused: bool) -> None:
    if is_refused:
        with pytest.raises(BodyTooLargeError):
            read([b"x" * length], 1000)
    else:
        assert read([b"x" * length], 1000).length == 1000


@pytest.mark.parametrize("sent", [10, MAX_IN_MEMORY_BYTES + 1])
def test_a_client_that_goes_away_leaves_no_request(sent: int) -> None:
    with pytest.raises(ClientGoneError):
        read([b"x" * sent, None])


def test_a_disk_without_room_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def pwrite(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(BodySpoolError) as raised:
        read([b"x" * 1_000_000])
    assert str(raised.value.__cause__) == "[Errno 28] No space left on device"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], False),
        ([(b"content-length", b"0")], False),
        ([(b"content-length", b"00")], False),
        ([(b"content-length", b"10")], True),
        ([(b"transfer-encoding", b"chunked")], True),
    ],
)
def test_which_requests_have_a_body(headers: list[tuple[bytes, bytes]], expected: bool) -> None:
    assert has_body(headers) is expected
