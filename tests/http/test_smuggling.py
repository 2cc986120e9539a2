"""Request smuggling (RFC 9112 §11.2): no byte of one request is ever another one, directly and behind a proxy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from tests.support.nginx import NGINX, run_nginx
from tests.support.processes import Running, find_free_port
from tests.support.required import needs
from tests.support.smuggling_payloads import CHUNKED, HIDDEN, HOST, LENGTH, list_payloads
from tests.support.wire import Response, ask, connect, exchange, parse_responses

PAYLOADS = list(list_payloads())
POST, FILE = b"POST /echo/", b"GET /static/digits.txt"
EARLY = "responded before it was complete"
numbers = count()


def make_marker() -> bytes:
    """Return a path that no request had before."""
    return b"/echo/marker-%d-" % next(numbers)


def make_request(path: bytes, more: bytes = b"") -> bytes:
    return b"GET %s HTTP/1.1\r\n%s%s\r\n" % (path, HOST, more)


def describe_outcome(responses: Sequence[Response], marker: bytes, times_seen: int) -> str:
    """Return in the words of `smuggling_payloads` what came of a payload."""
    finals = [each for each in responses if each.status >= 200]
    is_answered = bool(finals) and finals[-1].status == 200 and marker in finals[-1].body
    others = finals[:-1] if is_answered else finals
    found = [read_body(each) if each.status == 200 else each.status // 100 for each in others]
    if times_seen == is_answered:
        match found, is_answered:
            case [4 | 5], False:
                return "refused"
            case [str(body)], True:
                return f"took {body}"
            case ["", 4 | 5], False:
                return "no body"
            case [""], False:
                return EARLY
            case [], _:
                return "marker" if is_answered else "waits"
    return f"{[(each.status, each.body) for each in finals]}, and the marker was seen {times_seen} times"


def read_body(response: Response) -> str:
    """Return the body of the request that is answered by this, as the application has shown it."""
    return "" if response.body == b"0123456789" else str(json.loads(response.body)["body"])


@pytest.fixture(autouse=True)
def _expect_nothing_hidden(wsgi: Running, asgi: Running) -> Iterator[None]:
    before = [server.output.count("/echo/hidden") for server in (wsgi, asgi)]
    yield
    assert [server.output.count("/echo/hidden") for server in (wsgi, asgi)] == before, "a body was taken for a request"


@pytest.mark.parametrize(("payload", "outcomes"), PAYLOADS, ids=[f"{each[:300]!r}" for each, _ in PAYLOADS])
def test_a_payload_is_refused_or_understood_as_the_rfc_has_it(
    wire: Running, payload: bytes, outcomes: tuple[str, ...]
) -> None:
    """So it is by whichever part of the server the target is answered; of a file's response its status is looked at."""
    for line in (POST, b"GET /echo/", FILE) if payload.startswith(POST) and b": websocket" not in payload else (POST,):
        possible = outcomes if line != FILE else list_outcomes_of_file(payload, outcomes)
        for before in (b"", make_request(b"/static/digits.txt")):
            marker = make_marker()
            data = payload.replace(POST, line, 1) + make_request(marker)
            responses = parse_responses(exchange(wire.port, before + data))
            times_seen = wire.output.count(f"seen GET {marker.decode()}")
            assert describe_outcome(responses[bool(before) :], marker, times_seen) in possible


def list_outcomes_of_file(payload: bytes, outcomes: Sequence[str]) -> list[str]:
    """Return what may come of a payload for a file, which may be sent before the body is read."""
    found = ["took " if each.startswith("took ") else each for each in outcomes]
    return [*found, EARLY] if "waits" in outcomes or payload.startswith(CHUNKED) else found


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"POST /static/digits.txt", 405),
        (b"GET /static/digits.txt", 200),
        (b"HEAD /echo/", 200),
        (b"GET /healthz", 200),
    ],
)
def test_a_body_that_nobody_wants_is_no_request(wire: Running, line: bytes, status: int) -> None:
    marker = make_marker()
    data = line + b" HTTP/1.1\r\n" + HOST + LENGTH + make_request(marker)
    first, *rest = ask(wire.port, data, methods=[line.partition(b" ")[0]])
    assert first.status == status
    assert [marker in each.body for each in rest] in ([], [True])


@pytest.mark.parametrize("cut", ["in the head", "behind the head", "in the body"])
def test_the_body_of_a_refused_request_that_comes_later_is_no_request(wire: Running, cut: str) -> None:
    head = b"POST /echo/ HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\nContent-Length: 1\r\n\r\n" % len(HIDDEN)
    place = {"in the head": len(head) - 2, "behind the head": len(head), "in the body": len(head) + 9}[cut]
    data = head + HIDDEN + make_request(make_marker())
    (got,) = ask(wire.port, data[:place], data[place:], ends=False)
    assert (got.status, got.is_last) == (400, True)


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def nginx(
    request: pytest.FixtureRequest, wsgi: Running, asgi: Running, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """The port of an nginx that keeps one connection to either of the servers."""
    port, server = find_free_port(), asgi if request.param == "asgi" else wsgi
    directory: Path = tmp_path_factory.mktemp("nginx")
    also = "proxy_request_buffering off;"
    with run_nginx(f"127.0.0.1:{server.port}", directory, port=port, also=also):
        yield port


@needs(NGINX, "no nginx on this machine")
def test_behind_a_proxy_each_client_gets_its_own_response(nginx: int) -> None:
    """The payloads are one client's, and the requests between them are other clients', on the same connections."""
    with connect(nginx) as other:
        for payload, outcomes in PAYLOADS:
            marker = make_marker()
            exchange(nginx, payload + make_request(marker, b"Connection: close\r\n"), ends="waits" in outcomes)
            own = make_marker()
            (got,) = ask(nginx, make_request(own, b"Connection: close\r\n"), ends=False)
            assert got.status == 200, payload
            assert own in got.body, payload
            kept = make_marker()
            other.sendall(make_request(kept))
            while kept not in (got_by_other := other.recv(1 << 16)):
                assert got_by_other, payload
