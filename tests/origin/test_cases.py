"""The table of cases, through each of the ways in which the origin is reached."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from static_host.middleware.static_files import StaticFilesMiddleware
from static_host.origin.responder import Responder
from static_host.origin.response import Slice
from static_host.origin.tree import load_tree
from tests.support.cases import CASES, NOT_OURS, Case
from tests.support.processes import Running

Answer = tuple[int, list[tuple[str, str]], bytes]


@pytest.fixture(scope="module")
def responder(plain: Path) -> Responder:
    return Responder(load_tree(plain / "staticfiles"), "/static/", 60, ("robots.txt", ".well-known/"))


def raw_path(path: str) -> bytes:
    """Return the path of a target as an ASGI server passes it on: without the query, from absolute form too."""
    return path.removeprefix("http://example.com").partition("?")[0].encode()


def by_core(responder: Responder, case: Case) -> Answer:
    headers = [(name.encode(), value.encode()) for name, value in case.request]
    response = responder.respond(case.method, raw_path(case.path), headers)
    assert response is not None
    parts = [
        part.file.read()[part.offset :][: part.length] if isinstance(part, Slice) and not part.file.seek(0) else part
        for part in response.body
    ]
    response.close()
    body = b"".join(part for part in parts if not isinstance(part, Slice))
    return response.status, [(name.decode(), value.decode()) for name, value in response.headers], body


def by_asgi(responder: Responder, case: Case) -> Answer:
    async def django(*_: Any) -> None:
        raise AssertionError("Django was woken")

    sent: list[Any] = []
    asyncio.run(_call(StaticFilesMiddleware(django, responder), case, sent))
    start, *bodies = sent
    assert start["type"] == "http.response.start"
    assert [message.get("more_body", False) for message in bodies] == [True] * (len(bodies) - 1) + [False]
    headers = [(name.decode(), value.decode()) for name, value in start["headers"]]
    return start["status"], headers, b"".join(message["body"] for message in bodies)


async def _call(app: StaticFilesMiddleware, case: Case, sent: list[Any]) -> None:
    headers = [(name.encode(), value.encode()) for name, value in case.request]
    scope = {"type": "http", "method": case.method, "raw_path": raw_path(case.path), "headers": headers}
    requests = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        for message in requests:
            return message
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)


def by_socket(server: Running, case: Case) -> Answer:
    lines = [f"{case.method} {case.path} HTTP/1.1", "host: localhost", "connection: close"]
    lines += [f"{name}: {value}" for name, value in case.request]
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    headers = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in fields)]
    return int(status.split()[1]), [entry for entry in headers if entry[0] not in ("date", "connection")], body


def judge(case: Case, answer: Answer) -> None:
    status, headers, body = answer
    got = dict(headers)
    assert len(got) == len(headers), "a header field is repeated"
    assert status == case.status
    assert {name: got.get(name) for name in case.expected} == case.expected
    if case.body is not None:
        assert body == case.body
    if case.method != "HEAD" and status not in (204, 304):
        assert got["content-length"] == str(len(body))


ids = [case.name for case in CASES]


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_the_core_answers(responder: Responder, case: Case) -> None:
    judge(case, by_core(responder, case))


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_the_middleware_gives_the_core_s_answer(responder: Responder, case: Case) -> None:
    assert by_asgi(responder, case) == by_core(responder, case)


@pytest.mark.parametrize("case", [case for case in CASES if case.by_socket], ids=[c.name for c in CASES if c.by_socket])
def test_a_real_server_gives_the_core_s_answer(responder: Responder, server: Running, case: Case) -> None:
    assert by_socket(server, case) == by_core(responder, case)


def test_a_server_may_leave_the_raw_path_out(responder: Responder) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def unused(*_: Any) -> Any:
        raise AssertionError("the next application must not be called")

    scope = {"type": "http", "method": "GET", "path": "/static/café menu.txt", "headers": []}
    asyncio.run(StaticFilesMiddleware(unused, responder)(scope, unused, send))
    assert (sent[0]["status"], sent[1]["body"]) == (200, "crème brûlée\n".encode())


@pytest.mark.parametrize("path", NOT_OURS)
def test_what_is_not_under_the_prefix_is_left_to_others(responder: Responder, path: str) -> None:
    assert responder.respond("GET", path.encode(), []) is None
