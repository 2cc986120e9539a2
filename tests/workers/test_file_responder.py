"""What the front makes of a response whose body is a file: the rules of which the server tests see little."""

from __future__ import annotations

import asyncio
import logging
import resource
from pathlib import Path
from typing import Any

import pytest

from static_host.files.sendfile_roots import SendfileRoots
from static_host.origin.response import Slice
from static_host.workers.exchange import Buffered, Exchange
from static_host.workers.file_responder import FileResponder, RequestFacts
from tests.support.descriptors import count_descriptors

GET = RequestFacts("GET", b"/view", [])
LARGE = 100_000


@pytest.fixture
def responder(tmp_path: Path) -> FileResponder:
    (tmp_path / "small.txt").write_bytes(b"small")
    (tmp_path / "large.txt").write_bytes(b"x" * LARGE)
    return FileResponder(SendfileRoots([f"/files/={tmp_path}"]))


def respond(responder: FileResponder, name: bytes, request: RequestFacts = GET, *, may_wait: bool = True) -> Any:
    """Return handler, response and fields for a view that names a file."""

    async def main() -> Any:
        exchange = Exchange(asyncio.get_running_loop(), Buffered())
        fields = [(b"x-accel-redirect", b"/files/" + name), (b"x-own", b"1")]
        return responder.respond_at_once(request, exchange, 200, fields, may_wait=may_wait)

    return asyncio.run(main())


def test_the_first_file_of_a_directory_is_for_a_thread_and_the_next_is_not(responder: FileResponder) -> None:
    with pytest.raises(BlockingIOError):
        respond(responder, b"small.txt", may_wait=False)
    assert respond(responder, b"small.txt")[1].body == (b"small",)
    assert respond(responder, b"small.txt", may_wait=False)[1].body == (b"small",)
    with pytest.raises(BlockingIOError):
        respond(responder, b"missing.txt", may_wait=False)


def test_a_large_file_is_open_until_the_response_is_closed(responder: FileResponder) -> None:
    respond(responder, b"small.txt")
    before = count_descriptors()
    handler, response, fields = respond(responder, b"large.txt")
    assert (handler, fields) == ("sendfile", [(b"x-own", b"1")])
    (part,) = response.body
    assert isinstance(part, Slice)
    assert (part.offset, part.length, count_descriptors()) == (0, LARGE, before + 1)
    response.close()
    assert count_descriptors() == before


@pytest.mark.parametrize(
    ("request_facts", "status"),
    [
        (RequestFacts("HEAD", b"/", []), 200),
        (RequestFacts("GET", b"/", [(b"if-none-match", b"*")]), 304),
        (RequestFacts("GET", b"/", [(b"if-match", b'"x"')]), 412),
        (RequestFacts("GET", b"/", [(b"range", b"bytes=999999-")]), 416),
    ],
)
def test_a_response_without_the_file_leaves_nothing_open(
    responder: FileResponder, request_facts: RequestFacts, status: int
) -> None:
    respond(responder, b"small.txt")
    before = count_descriptors()
    _, response, _ = respond(responder, b"large.txt", request_facts)
    assert (response.status, count_descriptors()) == (status, before)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_without_a_descriptor_left_it_is_503(
    responder: FileResponder, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    respond(responder, b"small.txt")
    request = RequestFacts(method, b"/view", [])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def main() -> Any:
        exchange = Exchange(asyncio.get_running_loop(), Buffered())
        resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
        try:
            fields = [(b"x-accel-redirect", b"/files/small.txt")]
            return responder.respond_at_once(request, exchange, 200, fields, may_wait=True)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    _, response, _ = asyncio.run(main())
    assert (response.status, dict(response.headers)[b"retry-after"]) == (503, b"1")
    assert len(response.body) == (method == "GET")
    assert f"{method} /view: X-Accel-Redirect '/files/small.txt': Too many open files" in caplog.text


def test_the_log_shows_a_name_as_text_of_one_line(responder: FileResponder, caplog: pytest.LogCaptureFixture) -> None:
    respond(responder, b"a\x1b[2J\xff" + b"y" * 5000)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("GET /view: X-Accel-Redirect '/files/a\\x1b[2J\xff" + "y" * 250)
    assert len(record.getMessage()) < 400
