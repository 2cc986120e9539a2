"""The table of files that views send, from a worker's frames to the client's bytes, past ASGI and through it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.support.descriptors import count_descriptors
from tests.support.file_cases import FILE_CASES, FileCase, get_lines, name_boundary
from tests.support.page_path import IDLE, Talk, talk, until
from tests.support.wire import Response, parse_responses

CASES = [case for case in FILE_CASES if case.method in ("GET", "HEAD")]


def request(case: FileCase) -> bytes:
    lines = [f"{case.method} /file HTTP/1.1", "Host: a", *case.request]
    return "\r\n".join([*lines, "", ""]).encode()


def reply(case: FileCase, form: bytes, offset: int = 0, *, states_length: bool = True) -> bytes:
    """Return a worker's frames."""
    length = len(case.content)
    payload = form + offset.to_bytes(8, "big") + length.to_bytes(8, "big") + (case.content if form == b"C" else b"")
    head = b"%d\0" % case.view_status + b"".join(b"%b: %b\r\n" % line for line in get_lines(case.view))
    head += b"content-length: %d\r\n" % length if states_length else b""
    file = b"\x01\x0d\x01\x00" + len(payload).to_bytes(4, "big") + payload
    return file + b"\x01\x04\x00\x00" + len(head).to_bytes(4, "big") + head + IDLE


def normalize(got: bytes, method: str) -> Response:
    """Return a response with its fields in an order."""
    (response,) = parse_responses(got, [method.encode()])
    fields = sorted((name, name_boundary(value)) for name, value in response.fields)
    return Response(response.status, tuple(fields), name_boundary(response.body))


async def read(it: Talk, case: FileCase) -> bytes:
    """Return the next response."""
    if case.method == "GET":
        return await it.read()
    head = await it.reader.readuntil(b"\r\n\r\n")
    return head.replace(b"date: now\r\n", b"")


@pytest.mark.parametrize("states_length", [True, False])
def test_a_file_is_the_same_in_each_form(tmp_path: Path, states_length: bool) -> None:
    async def client(it: Talk) -> None:
        before = count_descriptors()
        for case in CASES:
            (tmp_path / "file").write_bytes(b"before" + case.content + b"behind")
            seen = []
            for form in (b"C", b"D") if case.method == "GET" else (b"L",):
                await it.ask(request(case))
                if form == b"D":
                    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
                    socket.send_fds(it.pool.files[0], [b"F"], [descriptor])
                    os.close(descriptor)
                it.reply(reply(case, form, 6 * (form == b"D"), states_length=states_length or form == b"L"))
                seen.append(normalize(await read(it, case), case.method))
                await until(lambda: it.pool.free)
            expected = Response(case.status, tuple(sorted(get_lines(case.fields))), case.body)
            assert seen == [expected] * len(seen), case.name
        assert count_descriptors() == before

    front = talk(tmp_path, client)
    assert {each.handler for each in front.records} == {"file"}
