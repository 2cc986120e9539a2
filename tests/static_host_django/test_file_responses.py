"""The offer of a file to the front: it is taken once, as it was made, and not after it was withdrawn."""

from __future__ import annotations

import pytest

from static_host_django.asgi_request import FILE_KEY
from static_host_django.file_responses import OfferedFile
from static_host_django.open_file import OpenFile

FOUND = OpenFile(3, 0, 10)
HEADERS = [(b"Content-Length", b"10"), (b"Content-Type", b"a/b")]


def make_offer() -> OfferedFile:
    offered = OfferedFile(FOUND)
    message = {"type": "http.response.start", "status": 200, "headers": HEADERS}
    assert offered.add_to(message) == {**message, FILE_KEY: offered}
    return offered


@pytest.mark.parametrize(
    "headers",
    [
        HEADERS,
        [(b"content-length", b"10"), (b"content-type", b"a/b")],
        [*HEADERS, (b"x-added", b"1")],
        [(b"content-length", b"10")],
    ],
)
def test_it_is_taken_once(headers: list[tuple[bytes, bytes]]) -> None:
    offered = make_offer()
    assert [offered.take(headers), offered.take(headers)] == [FOUND, None]
    assert offered.is_taken


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-type", b"a/b")],
        [(b"content-length", b"11")],
        [*HEADERS, (b"content-length", b"10")],
        [*HEADERS, (b"Content-Encoding", b"gzip")],
        [*HEADERS, (b"transfer-encoding", b"chunked")],
    ],
)
def test_it_is_not_taken_for_another_body(headers: list[tuple[bytes, bytes]]) -> None:
    offered = make_offer()
    assert offered.take(headers) is None
    assert not offered.is_taken
    assert offered.take(HEADERS) is None


def test_it_is_not_taken_after_it_was_withdrawn() -> None:
    offered = make_offer()
    offered.withdraw()
    assert offered.take(HEADERS) is None
    assert not offered.is_taken
