"""FileResponse through a real server, by WSGI and by ASGI."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.server.test_other_servers import COMMANDS, READY
from tests.support.file_cases import CONTENT, FILE_CASES, get_lines, name_boundary
from tests.support.file_project import LARGE_BYTES, VARIABLES, make_file_project, write_settings
from tests.support.processes import Running, find_free_port, run_server
from tests.support.waiting import wait_until
from tests.support.wire import Response, ask, connect, parse_responses, receive_head

MEDIUM = bytes(range(256)) * 2000
CLOSED_ONCE = ["close", "finished", "closed True"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    return make_file_project(tmp_path_factory.mktemp("files"), cache)


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def server(project: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    """A server for tests that leave nothing behind: with one thread."""
    with run_server(cwd=project, DJANGO_INTERFACE=request.param, **VARIABLES) as running:
        yield running
        assert "Traceback" not in running.output


@pytest.fixture(params=["wsgi", "asgi"])
def own_server(project: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    """A server of the test's own."""
    with run_server(cwd=project, DJANGO_INTERFACE=request.param, **VARIABLES) as running:
        yield running


def make_request(target: str, *lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/{version}", "Host: a", *lines, "", ""]).encode()


def get(port: int, target: str, *lines: str, method: str = "GET") -> Response:
    request = make_request(target, "Connection: close", *lines, method=method)
    (response,) = ask(port, request, ends=False, methods=[method.encode()])
    return response


def normalize(response: Response) -> Response:
    """Return a response with its fields in an order, without those of the connection and the server."""
    fields = [(name, name_boundary(value.strip())) for name, value in response.fields]  # Django adds spaces
    own = sorted(field for field in fields if field[0] not in (b"connection", b"server"))
    return Response(response.status, tuple(own), name_boundary(response.body))


def read_events(server: Running) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(get(server.port, "/events/").body)
    return found


def expect_events(server: Running, events: list[str]) -> None:
    """Wait for what the project notes, and for no more of it; nothing of ours is open in it then."""
    seen: list[str] = []

    def have_come() -> bool:
        seen.extend(read_events(server)["events"])
        return len(seen) >= len(events)

    wait_until(have_come, lambda: f"{seen}")
    seen.extend(read_events(server)["events"])
    assert seen == events


def list_open_files(server: Running) -> list[str]:
    """Return the project's files that the front has open."""
    found = []
    for entry in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(entry.readlink()))
    return [name for name in found if "/plain/files/" in name]


def wait_for_line(server: Running, line: str) -> None:
    """Wait for a line of the access log."""
    wait_until(lambda: re.search(line, server.output), lambda: f"{line!r} is not in\n{server.output}")


@contextmanager
def slow_client(port: int, target: str, *lines: str) -> Iterator[socket.socket]:
    """Give a connection whose response has begun, and of which little is taken."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", port))
        connection.sendall(make_request(target, *lines))
        assert receive_head(connection).startswith((b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 206 "))
        yield connection


def count_rest(connection: socket.socket) -> int:
    size = 0
    while piece := connection.recv(1 << 20):
        size += len(piece)
    return size


def receive_exactly(connection: socket.socket, size: int) -> bytes:
    pieces = []
    while size and (piece := connection.recv(min(size, 1 << 20))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("states_length", [True, False])
def test_the_table_of_cases(server: Running, states_length: bool) -> None:
    for case in FILE_CASES:
        asked = json.dumps(
            {
                "name": str(len(case.content)),
                "status": case.view_status,
                "lines": case.view,
                "states_length": states_length or case.method == "HEAD",
            }
        )
        got = get(server.port, f"/case/?case={quote(asked)}", *case.request, method=case.method)
        assert normalize(got) == Response(case.status, tuple(sorted(get_lines(case.fields))), case.body), case.name
        expect_events(server, CLOSED_ONCE)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/send/small.txt", CONTENT),
        ("/send/small.txt?offset=4", CONTENT[4:]),
        ("/send/empty.txt", b""),
        ("/send/medium.bin", MEDIUM),
        ("/send/medium.bin?offset=300000", MEDIUM[300_000:]),
        ("/temporary/", b"t" * 300_000),
        ("/temporary/?size=5", b"t" * 5),
        ("/from_thread/", MEDIUM),
        ("/lying/?length=100000", MEDIUM[:100_000]),
        ("/lying/?length=1", MEDIUM[:1]),
        ("/lying/?length=0", b""),
    ],
)
def test_the_body_is_the_file_s(server: Running, method: str, target: str, body: bytes) -> None:
    got = get(server.port, target, method=method)
    assert (got.status, got.get_all(b"content-length"), got.body) == (200, [b"%d" % len(body)], body)
    assert len(got.get_all(b"accept-ranges")) == (method == "GET" and target != "/send/empty.txt")
    expect_events(server, CLOSED_ONCE)


def test_a_content_length_that_is_too_long_is_seen_by_the_client(own_server: Running) -> None:
    with connect(own_server.port) as connection:
        connection.sendall(make_request("/lying/?length=600000"))
        assert b"\r\ncontent-length: 600000\r\n" in receive_head(connection)
        assert 0 < count_rest(connection) <= len(MEDIUM)
    own_server.wait_for("RuntimeError: a body of 512000 bytes with Content-Length: 600000")
    expect_events(own_server, CLOSED_ONCE)


def test_http_1_0_and_a_connection_that_goes_on(server: Running) -> None:
    (old,) = ask(server.port, make_request("/send/medium.bin", version="1.0"), ends=False)
    assert (old.status, old.body, old.is_last) == (200, MEDIUM, True)
    requests = [
        make_request("/page/"),
        make_request("/send/medium.bin"),
        make_request("/static/digits.txt"),
        make_request("/send/medium.bin", "Range: bytes=1-2"),
        make_request("/send/small.txt"),
        make_request("/send/medium.bin", method="HEAD"),
        make_request("/page/"),
    ]
    bodies = [b"ok", MEDIUM, b"0123456789", MEDIUM[1:3], CONTENT, b"", b"ok"]
    methods = [b"GET"] * 5 + [b"HEAD", b"GET"]
    last = make_request("/page/", "Connection: close")  # a client that ends its side gets 503 where it has to wait
    got = ask(server.port, b"".join([*requests[:-1], last]), ends=False, methods=methods)
    assert [each.body for each in got] == bodies
    with connect(server.port) as connection:
        for request, body, method in zip(requests, bodies, methods, strict=True):
            connection.sendall(request)
            head = receive_head(connection)
            parse_responses(head + body, [method])
            assert receive_exactly(connection, len(body)) == body
    wait_until(lambda: read_events(server)["events"] == [], "it goes on")


def test_a_client_that_reads_nothing_holds_no_thread_and_gets_the_file_all_the_same(own_server: Running) -> None:
    with slow_client(own_server.port, "/send/large.bin") as connection:
        assert len(list_open_files(own_server)) == 1
        assert get(own_server.port, "/page/").body == b"ok"
        assert "close" in read_events(own_server)["events"]
        assert receive_exactly(connection, 5) == b"begin"
        assert receive_exactly(connection, LARGE_BYTES - 8).count(0) == LARGE_BYTES - 8
        assert receive_exactly(connection, 3) == b"end"
    own_server.wait_for(f"GET /send/large.bin HTTP/1.1 200 {LARGE_BYTES} - file ")
    wait_until(lambda: not list_open_files(own_server), "the file is still open")


def test_a_client_that_leaves_closes_the_file_and_the_log_has_what_was_sent(own_server: Running) -> None:
    for is_reset in (True, False):
        with slow_client(own_server.port, "/send/large.bin") as connection:
            assert receive_exactly(connection, 100_000).startswith(b"begin")
            if is_reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    own_server.wait_for("GET /send/large.bin HTTP/1.1 200 ", times=2)
    sizes = [int(size) for size in re.findall(r"/send/large.bin HTTP/1.1 200 (\d+) - file ", own_server.output)]
    assert all(100_000 <= size < LARGE_BYTES for size in sizes)
    wait_until(lambda: not list_open_files(own_server), "the file is still open")
    seen = [each for each in read_events(own_server)["events"] if each != "finished"]
    assert seen == ["close", "closed True"] * 2
    assert "Traceback" not in own_server.output


def is_listened_on(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def make_growing(project: Path, name: str) -> Path:
    path = project / "files" / name
    path.write_bytes(b"g" * 20_000_000)
    return path


def test_a_file_that_is_truncated_meanwhile_breaks_the_connection_off(own_server: Running, project: Path) -> None:
    path = make_growing(project, f"truncated-{own_server.port}")
    with slow_client(own_server.port, f"/send/{path.name}") as connection:
        receive_exactly(connection, 100_000)
        os.truncate(path, 150_000)
        assert count_rest(connection) < 19_900_000
    own_server.wait_for("a body could not be sent to its end: the file ended ")
    wait_for_line(own_server, rf"GET /send/{path.name} HTTP/1.1 200 \d+ - file ")
    assert "Traceback" not in own_server.output


def test_a_file_that_grows_meanwhile_has_the_length_that_was_said(own_server: Running, project: Path) -> None:
    path = make_growing(project, f"grown-{own_server.port}")
    with slow_client(own_server.port, f"/send/{path.name}", "Connection: close") as connection:
        with path.open("ab") as file:
            file.write(b"x" * 1_000_000)
        assert count_rest(connection) == 20_000_000


def test_a_file_that_is_deleted_or_replaced_meanwhile_is_the_one_that_was_opened(
    own_server: Running, project: Path
) -> None:
    path = make_growing(project, f"deleted-{own_server.port}")
    with slow_client(own_server.port, f"/send/{path.name}", "Connection: close") as connection:
        path.unlink()
        path.write_bytes(b"another")
        body = receive_exactly(connection, 20_000_001)
        assert body == b"g" * 20_000_000


def test_the_stop_waits_for_a_download(own_server: Running) -> None:
    with slow_client(own_server.port, "/send/large.bin") as connection:
        own_server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not is_listened_on(own_server.port), "it still listens")
        assert count_rest(connection) == LARGE_BYTES
        assert own_server.process.wait(20) == 0
    assert "Traceback" not in own_server.output


def test_a_download_outlives_its_worker(own_server: Running) -> None:
    with slow_client(own_server.port, "/send/large.bin", "Connection: close") as connection:
        (worker,) = own_server.workers
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: own_server.workers not in ([worker], []), "no other worker")
        assert count_rest(connection) == LARGE_BYTES
    assert "Traceback" not in own_server.output


def test_two_responses_may_not_share_a_file_and_the_server_goes_on(own_server: Running) -> None:
    assert get(own_server.port, "/share/").body == CONTENT
    assert get(own_server.port, "/share/").status == 500  # the first one has closed it, as Django does
    assert get(own_server.port, "/page/").body == b"ok"


def test_the_end_of_a_huge_file(own_server: Running, project: Path) -> None:
    path = project / "files" / "huge.bin"
    path.touch()
    os.truncate(path, 1 << 40)
    got = get(own_server.port, "/send/huge.bin", "Range: bytes=-5")
    assert (got.status, got.body) == (206, bytes(5))
    assert got.get_all(b"content-range") == [b"bytes 1099511627771-1099511627775/1099511627776"]
    ranges = ",".join(f"{number << 34}-{(number << 34) + 9}" for number in range(16))
    assert get(own_server.port, "/send/huge.bin", f"Range: bytes={ranges}").body.count(0) == 160
    assert get(own_server.port, "/send/huge.bin", method="HEAD").get_all(b"content-length") == [b"1099511627776"]


GZIP = "MIDDLEWARE = ['django.middleware.gzip.GZipMiddleware', 'django.middleware.http.ConditionalGetMiddleware']"


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_a_middleware_of_django_that_changes_the_body_has_its_way(project: Path, interface: str) -> None:
    variables = write_settings(project, "compressing", GZIP)
    with run_server(cwd=project, DJANGO_INTERFACE=interface, **variables) as running:
        packed = get(running.port, "/send/medium.bin", "Accept-Encoding: gzip")
        assert packed.get_all(b"content-encoding") == [b"gzip"]
        assert packed.get_all(b"accept-ranges") == []
        assert gzip.decompress(packed.body) == MEDIUM
        plain = get(running.port, "/send/medium.bin", "Range: bytes=5-9")
        assert (plain.status, plain.body) == (206, MEDIUM[5:10])
        assert get(running.port, "/page/").body == b"ok"
        assert running.stop() == 0
    assert "Traceback" not in running.output


@pytest.mark.parametrize("name", ["passed", "added", "anew", "counted", "based", "zipped", "zipped_always"])
def test_an_asgi_middleware_around_django_gets_a_whole_response(project: Path, name: str) -> None:
    variables = write_settings(project, f"around_{name}", f"ASGI_APPLICATION = 'mysite.asgi.{name}'")
    with run_server(cwd=project, DJANGO_INTERFACE="asgi", **variables) as running:
        assert "through ASGI" in running.output
        for target, body in (("/send/medium.bin", MEDIUM), ("/send/small.txt", CONTENT), ("/send/empty.txt", b"")):
            got = get(running.port, target, "Accept-Encoding: gzip")
            is_packed = got.get_all(b"content-encoding") == [b"gzip"]
            assert is_packed or name != "zipped" or len(body) < 500
            assert (gzip.decompress(got.body) if is_packed else got.body) == body
            assert got.status == 200
        assert get(running.port, "/send/medium.bin", method="HEAD").status == 200
        expect_events(running, CLOSED_ONCE * 4)
        assert get(running.port, "/page/").body == b"ok"
        assert running.stop() == 0
    assert "Traceback" not in running.output


def test_an_asgi_middleware_that_changes_the_body_has_its_way(project: Path) -> None:
    variables = write_settings(project, "swapped", "ASGI_APPLICATION = 'mysite.asgi.swapped'")
    with run_server(cwd=project, DJANGO_INTERFACE="asgi", **variables) as running:
        got = get(running.port, "/send/medium.bin", "Range: bytes=0-1")
        assert (got.status, got.body, got.get_all(b"accept-ranges")) == (200, MEDIUM.swapcase(), [])
        expect_events(running, CLOSED_ONCE)


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_a_middleware_that_changes_the_method_changes_no_framing(project: Path, interface: str) -> None:
    name = f"{interface.upper()}_APPLICATION = 'mysite.{interface}.overridden'"
    variables = {**write_settings(project, f"overridden_{interface}", name), "DJANGO_INTERFACE": interface}
    with run_server(cwd=project, **variables) as running:
        for target, body in (("/send/small.txt", CONTENT), ("/send/medium.bin", MEDIUM)):
            requests = [
                make_request(target, "X-Method: HEAD"),
                make_request(target, "X-Method: GET", method="HEAD"),
                make_request("/page/", "Connection: close"),
            ]
            got = ask(running.port, b"".join(requests), ends=False, methods=[b"GET", b"HEAD", b"GET"])
            assert [(each.status, each.body) for each in got] == [(200, body), (200, b""), (200, b"ok")]
            assert [each.get_all(b"content-length") for each in got[:2]] == [[b"%d" % len(body)]] * 2
        assert running.stop() == 0
    assert "Traceback" not in running.output


def test_a_wsgi_middleware_that_changes_the_body_has_its_way(project: Path) -> None:
    variables = write_settings(project, "wrapped", "WSGI_APPLICATION = 'mysite.wsgi.wrapped'")
    with run_server(cwd=project, DJANGO_INTERFACE="wsgi", **variables) as running:
        got = get(running.port, "/send/medium.bin", "Range: bytes=0-1")
        assert (got.status, got.body, got.get_all(b"accept-ranges")) == (200, MEDIUM.swapcase(), [])
        expect_events(running, CLOSED_ONCE)


def test_a_wsgi_application_s_file_has_a_length_and_ranges(project: Path) -> None:
    variables = write_settings(project, "bare", "WSGI_APPLICATION = 'mysite.wsgi.bare'")
    with run_server(cwd=project, DJANGO_INTERFACE="wsgi", **variables) as running:
        got = get(running.port, "/")
        assert (got.status, got.body, got.get_all(b"content-length")) == (200, MEDIUM, [b"512000"])
        got = get(running.port, "/", "Range: bytes=-2")
        assert (got.status, got.body, got.get_all(b"content-type")) == (206, MEDIUM[-2:], [b"text/x-own"])
        got = get(running.port, "/?written", "Range: bytes=-2")
        assert (got.status, got.body) == (200, b"written " + MEDIUM)


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_under_another_server_the_file_goes_in_chunks(project: Path, interface: str) -> None:
    port = find_free_port()
    command = tuple(part.format(port=port) for part in COMMANDS["uvicorn"])
    variables = {**VARIABLES, "DJANGO_INTERFACE": interface}
    with run_server(*command, cwd=project, ready=READY["uvicorn"], **variables) as running:
        for case in FILE_CASES:
            asked = {"name": str(len(case.content)), "status": case.view_status, "lines": case.view}
            target = f"/case/?case={quote(json.dumps({**asked, 'states_length': True}))}"
            got = get(port, target, *case.request, method=case.method)
            assert normalize(got) == Response(case.status, tuple(sorted(get_lines(case.fields))), case.body), case.name
        with slow_client(port, "/send/large.bin", "Connection: close") as connection:
            assert get(port, "/page/").body == b"ok"
            assert count_rest(connection) == LARGE_BYTES
        with slow_client(port, "/send/large.bin") as connection:
            pass
        assert get(port, "/send/medium.bin").body == MEDIUM
        running.stop()
    assert "Traceback" not in running.output


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_files_are_in_the_log_and_in_the_metrics(project: Path, interface: str) -> None:
    port = find_free_port()
    variables = {**VARIABLES, "DJANGO_INTERFACE": interface, "METRICS_PORT": str(port)}
    with run_server(cwd=project, **variables, DJANGO_SENDFILE_ROOTS=f"/protected/={project}/files") as running:
        for target in ("/send/small.txt", "/send/medium.bin"):
            assert get(running.port, target, "X-Request-ID: one").body
            wait_for_line(running, rf"GET {target} HTTP/1.1 200 \d+ - file \S+ms one\n")
        assert get(running.port, "/send/medium.bin", "Range: bytes=0-1").status == 206
        named = quote(json.dumps({"lines": ["x-accel-redirect: /protected/small.txt"]}))
        assert get(running.port, f"/named/?case={named}", "X-Request-ID: two").body == CONTENT
        wait_for_line(running, r"GET /named/\S+ HTTP/1.1 200 10 - sendfile \S+ms two\n")
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert 'static_host_requests_total{handler="file",status="200"} 2.0' in text
        assert 'static_host_requests_total{handler="file",status="206"} 1.0' in text
        assert 'static_host_requests_total{handler="sendfile",status="200"} 1.0' in text


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_the_origin_secret_holds_for_files(project: Path, interface: str) -> None:
    secret = "not-so-secret-0123456789"
    variables = {**VARIABLES, "DJANGO_INTERFACE": interface, "DJANGO_ORIGIN_SECRET": secret}
    with run_server(cwd=project, **variables) as running:
        assert get(running.port, "/send/medium.bin", f"X-Origin-Secret: {secret}").body == MEDIUM
        assert get(running.port, "/send/medium.bin").status == 403
        pair = make_request("/send/medium.bin", f"X-Origin-Secret: {secret}")
        pair += make_request("/send/medium.bin", "Connection: close")
        assert [each.status for each in ask(running.port, pair, ends=False)] == [200, 403]
