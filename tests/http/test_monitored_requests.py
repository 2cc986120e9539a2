"""The trace of a request and its time in the queue, in the access log and in Server-Timing, whichever path it takes."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from static_host.telemetry.access_log import JsonFormat, TextFormat
from static_host.telemetry.trace_context import TraceContext
from tests.support.page_path import IDLE, PAGE, Talk, frames, talk, until
from tests.support.processes import Running, find_free_port, run_server
from tests.support.wire import ask
from tests.support.wire_project import VARIABLES

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
FOUND = TraceContext(TRACE, SPAN, "01")
START = b"X-Request-Start: t=1800000000.000\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-ID: one\r\n" + TRACEPARENT + START + b"\r\n"
TIMING = rb"server-timing: queue;dur=\d+\.\d, app;dur=\d+\.\d\r\n"


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.25)


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize(("trusted", "seconds"), [("127.0.0.1", 0.25), ("10.0.0.1", 0.0), ("", 0.0)])
def test_a_page_is_recorded_with_both_and_its_worker_gets_the_fields_as_they_came(
    tmp_path: Path, trusted: str, seconds: float
) -> None:
    async def client(it: Talk) -> None:
        sent = (await it.ask(GET)).split(b"\0")
        assert sent[-4:] == [b"traceparent", TRACEPARENT[13:-2], b"x-request-start", b"t=1800000000.000"]
        it.reply(PAGE)
        assert await it.read() == b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"

    (record,) = talk(tmp_path, client, trusted=trusted).records
    assert record.trace == FOUND
    assert record.queue_seconds is not None
    assert seconds <= record.queue_seconds <= seconds + record.seconds


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize(("end", "status"), [("its turn", 200), ("gone", 499), ("half-closed", 499)])
def test_a_request_that_waits_for_a_worker_has_waited_also_if_its_client_leaves(
    tmp_path: Path, end: str, status: int
) -> None:
    async def client(it: Talk) -> None:
        held = it.pool.free.pop()
        it.writer.write(GET)
        await until(lambda: it.pool.waiting)
        if end == "its turn":
            it.pool.give_back(held)
            await it.read_frame()
            it.reply(PAGE)
            await it.read()
        elif end == "gone":
            it.connection.transport.abort()
        else:
            it.writer.write_eof()
            await until(lambda: it.connection.is_ending)
            await until(lambda: it.pool.waiting)
            it.pool.give_back(held)
        await until(lambda: it.front.records)

    (record,) = talk(tmp_path, client, trusted="127.0.0.1").records
    assert record.status == status
    assert record.queue_seconds is not None
    assert 0.25 < record.queue_seconds <= 0.25 + record.seconds


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize(
    ("reply", "rest"),
    [
        (frames(b"200\0content-length: 2\r\n", b"ok"), rb"content-length: 2\r\n%t\r\nok"),
        (
            frames(b"200\0server-timing: db;dur=1\r\n", b"ok"),
            rb"server-timing: db;dur=1\r\n%tcontent-length: 2\r\n\r\nok",
        ),
        (frames(b'304\0etag: "x"\r\n', b""), rb'etag: "x"\r\n%t\r\n'),
        (frames(b"200\0keep-alive: 5\r\ncontent-length: 2\r\n", b"ok"), rb"content-length: 2\r\n%t\r\nok"),  # by ASGI
    ],
)
def test_a_page_says_how_long_it_took_beside_what_its_view_says(tmp_path: Path, reply: bytes, rest: bytes) -> None:
    async def client(it: Talk) -> None:
        it.front.gateway.is_timed = True
        await it.ask(GET)
        it.reply(reply + IDLE)
        assert re.fullmatch(rb"HTTP/1\.1 \d+ [A-Z]\w+(?: Modified)?\r\n" + rest.replace(b"%t", TIMING), await it.read())

    talk(tmp_path, client, trusted="127.0.0.1")


@pytest.mark.usefixtures("now")
def test_the_queue_in_it_is_the_one_of_the_log(tmp_path: Path) -> None:
    shown: list[bytes] = []

    async def client(it: Talk) -> None:
        it.front.gateway.is_timed = True
        await it.ask(GET)
        it.reply(PAGE)
        shown.extend(re.findall(rb"queue;dur=([\d.]+), app", await it.read()))

    (record,) = talk(tmp_path, client, trusted="127.0.0.1").records
    assert record.queue_seconds is not None
    assert shown == [b"%.1f" % (record.queue_seconds * 1000)]


def test_a_stream_says_it_once(tmp_path: Path) -> None:
    async def client(it: Talk) -> None:
        it.front.gateway.is_timed = True
        await it.ask(GET)
        it.reply(frames(b"200\0content-length: 6\r\n"))
        head = await it.reader.readuntil(b"\r\n\r\n")
        assert len(re.findall(TIMING, head)) == head.count(b"server-timing") == 1
        it.reply(frames(b"", b"abcdef")[8:] + IDLE)
        assert await it.reader.readexactly(6) == b"abcdef"

    (record,) = talk(tmp_path, client).records
    assert record.trace == FOUND
    assert record.queue_seconds is not None


def test_a_line_of_text_ends_with_a_trace_if_there_is_one() -> None:
    join = TextFormat().join
    begin = ("127.0.0.1:5", "GET / HTTP/1.1", "200 2 - django", 0.0123, "one")
    line = "127.0.0.1:5 GET / HTTP/1.1 200 2 - django 12.3ms one"
    assert join(*begin) == join(*begin, None, 1.5) == f"{line}\n"
    assert join(*begin, FOUND) == join(*begin, FOUND, 1.5) == f"{line} trace_id={TRACE} span_id={SPAN}\n"


def test_a_line_of_json_ends_with_what_there_is() -> None:
    join = JsonFormat().join
    begin = ('"client": "a"', '"method": "GET"', '"status": 200', 0.0123, "one")
    line = ', "client": "a", "method": "GET", "status": 200, "duration_ms": 12.300, "request_id": "one"'
    trace = f', "trace_id": "{TRACE}", "span_id": "{SPAN}", "trace_flags": "01"'
    for more, end in (
        ((), ""),
        ((FOUND,), trace),
        ((None, 0.0), ', "queue_ms": 0.000'),
        ((FOUND, 1.5), f', "queue_ms": 1500.000{trace}'),
    ):
        written = join(*begin, *more)
        assert written.partition('Z"')[2] == f"{line}{end}}}\n"
        json.loads(written)


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def server(wire_project: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Running, int]]:
    port = find_free_port()
    variables = {"DJANGO_INTERFACE": request.param, "DJANGO_SERVER_TIMING": "true", "LOG_FORMAT": "json"}
    ready = r"ready on (http://[^\s\"]+)"
    with run_server(cwd=wire_project, ready=ready, METRICS_PORT=str(port), **VARIABLES, **variables) as running:
        yield running, port


def read_line(server: Running, target: str) -> dict[str, Any]:
    """Return the line of the access log about a target."""
    server.wait_for(f'"target": "{target}"')
    lines: list[dict[str, Any]] = [json.loads(line) for line in server.lines if '"target": ' in line]
    return next(line for line in lines if line["target"] == target)


WAYS = {
    "fast": b"GET /static/digits.txt?%s HTTP/1.1\r\nHost: a\r\n",
    "static": b"GET /static/digits.txt?%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n",
    "health": b"GET /healthz?%s HTTP/1.1\r\nHost: a\r\n",
    "a page": b"GET /echo/?%s HTTP/1.1\r\nHost: a\r\n",
    "the last page": b"GET /echo/?%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n",
    "an old page": b"GET /echo/?%s HTTP/1.0\r\nHost: a\r\n",
    "a form": b"POST /echo/?%s HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n",
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_is_logged_with_its_trace_and_pages_with_their_queue(server: tuple[Running, int], way: str) -> None:
    running, _ = server
    name = "valid-" + way.replace(" ", "-")
    started = b"X-Request-Start: %d\r\n" % ((time.time() - 100) * 1000)
    (got,) = ask(running.port, WAYS[way] % name.encode() + TRACEPARENT + started + b"\r\n")
    assert got.status == 200
    line = read_line(running, re.findall(rb" (/\S+) ", WAYS[way] % name.encode())[0].decode())
    assert (line["trace_id"], line["span_id"], line["trace_flags"]) == (TRACE, SPAN, "01")
    is_django = way not in ("fast", "static", "health")
    assert line["handler"] == ("django" if is_django else way)
    timing = [value for field, value in got.fields if field.lower() == b"server-timing"]
    assert len(timing) == is_django
    if is_django:
        assert 99_000 < line["queue_ms"] < 600_000
        assert 99_000 < float(re.findall(rb"queue;dur=([\d.]+), app;dur=[\d.]+", timing[0])[0]) < 600_000
    else:
        assert "queue_ms" not in line


HOSTILE = {
    "upper": TRACEPARENT.replace(b"4bf9", b"4BF9"),
    "zeros": b"traceparent: 00-%s-00f067aa0ba902b7-01\r\n" % (b"0" * 32),
    "twice": TRACEPARENT * 2,
    "twice-differently": TRACEPARENT + TRACEPARENT.replace(b"4bf9", b"5bf9"),
    "long": b"traceparent: %s\r\n" % (b"00-" + b"a" * 10_000),
    "quotes": TRACEPARENT.replace(b"4bf9", b'","x":"'),
    "bytes": TRACEPARENT.replace(b"4bf9", b"\xff\xfe\xe2\x80\xa8"),
    "start-long": b"X-Request-Start: t=%s\r\n" % (b"9" * 10_000),
    "start-words": b'X-Request-Start: nan", "x": "y\r\nX-Queue-Start: t=1e400\r\n',
    "start-negative": b"X-Request-Start: -1\r\n",
    "start-future": b"X-Request-Start: t=99999999999.999\r\n",
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("way", ["fast", "static", "a page", "an old page"])
def test_nonsense_changes_no_line(server: tuple[Running, int], way: str, case: str) -> None:
    running, _ = server
    name = f"{case}-{way.replace(' ', '-')}"
    (got,) = ask(running.port, WAYS[way] % name.encode() + HOSTILE[case] + b"\r\n")
    assert got.status == 200
    line = read_line(running, re.findall(rb" (/\S+) ", WAYS[way] % name.encode())[0].decode())
    names = ["time", "client", "client_port", "method", "target", "protocol", "status", "bytes", "coding", "handler"]
    assert [*line] == [*names, "duration_ms", "request_id", *(["queue_ms"] if "page" in way else [])]
    assert 0 <= line.get("queue_ms", 0) <= line["duration_ms"]


def test_the_histogram_counts_the_requests_to_django(server: tuple[Running, int]) -> None:
    running, port = server
    (got,) = ask(running.port, b"GET /echo/counted HTTP/1.1\r\nHost: a\r\n\r\n")
    assert got.status == 200
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=60).text
    counted = sum(1 for line in running.lines if '"queue_ms"' in line)
    assert f'static_host_queue_seconds_count{{handler="django"}} {counted}.0\n' in text
    assert f'static_host_queue_seconds_bucket{{handler="django",le="+Inf"}} {counted}.0\n' in text
    assert "# TYPE static_host_queue_seconds histogram\n" in text


def test_the_handshake_of_a_web_socket_has_its_trace_and_no_queue(asgi: Running) -> None:
    traceparent = TRACEPARENT[13:-2].replace(b"4bf9", b"abcd").decode()
    fields = {"traceparent": traceparent, "X-Request-Start": f"{time.time() - 100:.3f}"}
    with connect(f"{asgi.url.replace('http', 'ws')}/ws/", additional_headers=fields):
        asgi.wait_for(f" trace_id=abcd{TRACE[4:]} span_id={SPAN}\n")
    (line,) = [line for line in asgi.lines if f"trace_id=abcd{TRACE[4:]}" in line]
    assert re.fullmatch(rf"\S+ GET /ws/ HTTP/1\.1 101 0 - django \S+ms \w+ trace_id=\w+ span_id={SPAN}\n", line)


def test_only_a_trusted_proxy_sets_the_queue_and_server_timing_is_off_by_default(wire_project: Path) -> None:
    variables = {"FORWARDED_ALLOW_IPS": "192.0.2.1", "DJANGO_INTERFACE": "wsgi", "LOG_FORMAT": "json"}
    with run_server(cwd=wire_project, ready=r"ready on (http://[^\s\"]+)", **VARIABLES, **variables) as running:
        for way in ("a page", "an old page"):
            name = way.replace(" ", "-")
            started = b"X-Request-Start: %d\r\n" % ((time.time() - 400) * 1000)
            (got,) = ask(running.port, WAYS[way] % name.encode() + started + b"\r\n")
            assert b"server-timing" not in [field.lower() for field, _ in got.fields]
            line = read_line(running, f"/echo/?{name}")
            assert line["queue_ms"] <= line["duration_ms"]
