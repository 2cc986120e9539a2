"""Bodies from files through a transport that copies: whole at any pace, and over TLS never past it."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from static_host.http.copy_transfer import MAX_PIECE_BYTES, CopyTransfer
from static_host.http.sendfile import FileTruncatedError
from static_host.origin.response import Slice

DATA = random.Random(3).randbytes(3 * MAX_PIECE_BYTES + 7)


class Slow:
    """A transport whose client takes a piece when the test says so, or at once."""

    def __init__(self, *, takes_at_once: bool) -> None:
        self.written: list[bytes] = []
        self.unsent_bytes = 0
        self._takes_at_once = takes_at_once

    def write(self, data: memoryview) -> None:
        assert not self.unsent_bytes
        self.written.append(bytes(data))
        self.unsent_bytes = 0 if self._takes_at_once else len(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes


async def send(path: Path, parts: Callable[[Any], list[Any]], *, takes_at_once: bool) -> tuple[Slow, CopyTransfer, Any]:
    transport: Any = Slow(takes_at_once=takes_at_once)
    end: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    with path.open("rb", buffering=0) as file:
        transfer = CopyTransfer(transport, parts(file), end.set_result)
        transfer.start()
        assert not end.done(), "never within start"
        while not end.done():
            await asyncio.wait([end], timeout=0.001)
            if transport.unsent_bytes:
                transport.unsent_bytes = 0
                transfer.go_on()
    return transport, transfer, end.result()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "large.bin"
    path.write_bytes(DATA)
    return path


def fail_to_probe(*_: Any) -> int:
    raise BlockingIOError


@pytest.mark.parametrize("takes_at_once", [True, False])
@pytest.mark.parametrize("is_cached", [True, False])
def test_parts_arrive_in_order(
    file: Path, monkeypatch: pytest.MonkeyPatch, takes_at_once: bool, is_cached: bool
) -> None:
    if not is_cached:
        monkeypatch.setattr(os, "preadv", fail_to_probe)

    def parts(opened: Any) -> list[Any]:
        return [b"begin", b"", Slice(opened, 5, len(DATA) - 10), b"middle", Slice(opened, 0, 3)]

    transport, transfer, error = asyncio.run(send(file, parts, takes_at_once=takes_at_once))
    expected = b"begin" + DATA[5:-5] + b"middle" + DATA[:3]
    assert error is None
    assert b"".join(transport.written) == expected
    assert max(map(len, transport.written)) == MAX_PIECE_BYTES
    assert transfer.sent_bytes == len(expected)


def test_a_body_without_bytes_ends(file: Path) -> None:
    transport, _, error = asyncio.run(send(file, lambda _: [b""], takes_at_once=True))
    assert (transport.written, error) == ([], None)


def test_a_file_that_is_too_short_is_an_error(file: Path) -> None:
    _, _, error = asyncio.run(send(file, lambda opened: [Slice(opened, 0, len(DATA) + 5)], takes_at_once=True))
    assert isinstance(error, FileTruncatedError)
    assert str(error) == "the file ended 5 bytes early"


def test_a_file_that_cannot_be_read_is_an_error(file: Path) -> None:
    def parts(opened: Any) -> list[Any]:
        directory = os.open(file.parent, os.O_RDONLY)  # which cannot be read
        os.dup2(directory, opened.fileno())
        os.close(directory)
        return [Slice(opened, 0, 10)]

    _, _, error = asyncio.run(send(file, parts, takes_at_once=True))
    assert isinstance(error, IsADirectoryError)


def test_nothing_is_sent_once_it_is_abandoned(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "preadv", fail_to_probe)

    async def main() -> list[bytes]:
        transport: Any = Slow(takes_at_once=True)
        with file.open("rb", buffering=0) as opened:
            transfer = CopyTransfer(transport, [Slice(opened, 0, len(DATA))], lambda _: pytest.fail("it was abandoned"))
            transfer.go_on()
            transfer.abandon()
            await asyncio.get_running_loop().shutdown_default_executor()
            transfer.go_on()
        written: list[bytes] = transport.written
        return written

    assert asyncio.run(main()) == []
