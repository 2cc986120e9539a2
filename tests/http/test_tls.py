"""TLS at the origin: real clients, the bytes that plain HTTP has, certificates of clients."""

from __future__ import annotations

import http.client
import json
import random
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest
from websockets.sync.client import connect as connect_web_socket

from tests.http.test_fast_path import one_answer, raw
from tests.support.cases import CASES, LARGE, Case
from tests.support.certificates import Authority
from tests.support.processes import Running, run, run_server
from tests.support.projects import LARGE_BODY, SETTINGS
from tests.support.required import needs
from tests.support.tls_client import READY, connect_tls, make_client_context
from tests.support.wire import ask, exchange, list_statuses, parse_responses, receive_all, remove_dates
from tests.support.wire_project import VARIABLES

ROOT_FILES = "robots.txt,.well-known/"
GET = b"GET /static/digits.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> str:
    return str(authority.issue("localhost", "127.0.0.1"))


@pytest.fixture(scope="module")
def context(authority: Authority) -> ssl.SSLContext:
    return make_client_context(authority.file)


@pytest.fixture(scope="module")
def tls(plain: Path, certificate: str) -> Iterator[Running]:
    variables = {**SETTINGS, "DJANGO_STATIC_ROOT_FILES": ROOT_FILES, "TLS_CERTIFICATE": certificate}
    with run_server(cwd=plain, ready=READY, **variables) as running:
        yield running


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def wire_tls(request: pytest.FixtureRequest, wire_project: Path, certificate: str) -> Iterator[Running]:
    variables = {**VARIABLES, "DJANGO_INTERFACE": request.param, "TLS_CERTIFICATE": certificate}
    with run_server(cwd=wire_project, ready=READY, **variables) as running:
        yield running


def exchanged(port: int, context: ssl.SSLContext, data: bytes, *, answers: int = 1) -> bytes:
    with connect_tls(port, context) as connection:
        connection.sendall(data)
        reader = connection.makefile("rb")
        method = data.partition(b" ")[0]
        return remove_dates(b"".join(one_answer(reader, method) for _ in range(answers)))


def exchanged_plainly(port: int, data: bytes, *, answers: int = 1) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(data)
        reader = connection.makefile("rb")
        method = data.partition(b" ")[0]
        return remove_dates(b"".join(one_answer(reader, method) for _ in range(answers)))


def list_messages(running: Running) -> list[str]:
    """Return what it wrote, but for the lines of requests, which come a little later than their responses."""
    return [line for line in running.lines if " HTTP/1.1 " not in line]


@pytest.mark.parametrize("case", [c for c in CASES if c.by_socket], ids=[c.name for c in CASES if c.by_socket])
def test_every_response_has_the_bytes_that_it_has_without_tls(
    server: Running, tls: Running, context: ssl.SSLContext, case: Case
) -> None:
    for more in ((), ("Connection: close",)):
        got = exchanged(tls.port, context, raw(case, *more))
        assert got == exchanged_plainly(server.port, raw(case, *more))
        assert got.startswith(b"HTTP/1.1 %d " % case.status)
    twice = exchanged(tls.port, context, raw(case) * 2, answers=2)
    assert twice[: len(twice) // 2] == twice[len(twice) // 2 :]


def test_static_files_stay_on_the_fast_path(tls: Running, context: ssl.SSLContext) -> None:
    assert exchanged(tls.port, context, GET * 3, answers=3).count(b"\r\n\r\n0123456789") == 3
    tls.wait_for("GET /static/digits.txt HTTP/1.1 200 10 - fast", times=3)
    exchanged(tls.port, context, f"GET {LARGE} HTTP/1.1\r\nHost: a\r\nRange: bytes=3-5\r\n\r\n".encode())
    tls.wait_for(f"GET {LARGE} HTTP/1.1 206 3 - fast")


def test_a_large_file_and_its_ranges_arrive_whole(tls: Running, context: ssl.SSLContext) -> None:
    chance = random.Random(1)
    connection = http.client.HTTPSConnection("127.0.0.1", tls.port, timeout=10, context=context)
    for _ in range(2):
        connection.request("GET", LARGE)
        assert connection.getresponse().read() == LARGE_BODY
        for _ in range(5):
            first, last = sorted(chance.sample(range(len(LARGE_BODY)), 2))
            connection.request("GET", LARGE, headers={"Range": f"bytes={first}-{last}"})
            answer = connection.getresponse()
            assert answer.getheader("Content-Range") == f"bytes {first}-{last}/{len(LARGE_BODY)}"
            assert answer.read() == LARGE_BODY[first : last + 1]
    connection.close()


@needs(which("curl"), "curl is not installed")
def test_curl_gets_a_file_and_a_page_over_one_connection(tls: Running, authority: Authority) -> None:
    url = tls.url.replace("127.0.0.1", "localhost")
    for version, protocol in (("--tlsv1.3", "TLSv1.3"), ("--tls-max", "TLSv1.2")):
        command = [
            "curl",
            "-sS",
            "--cacert",
            str(authority.file),
            "-w",
            "%{http_version} %{num_connects} %{http_code}\\n",
        ]
        command += [version] if version == "--tlsv1.3" else [version, "1.2"]
        got = subprocess.run(
            [*command, f"{url}/static/digits.txt", f"{url}/healthz"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert got.stdout == "01234567891.1 1 200\nok\n1.1 0 200\n", (protocol, got.stderr)


def test_old_versions_are_refused_and_http_1_1_is_chosen(tls: Running, authority: Authority) -> None:
    old = make_client_context(authority.file)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect_tls(tls.port, old)
    for offered, chosen in ((["h2", "http/1.1"], "http/1.1"), (["h2"], None)):
        context = make_client_context(authority.file)
        context.set_alpn_protocols(offered)
        with connect_tls(tls.port, context) as connection:
            assert connection.version() == "TLSv1.3"
            assert connection.selected_alpn_protocol() == chosen
            connection.sendall(GET)
            assert connection.recv(12) == b"HTTP/1.1 200"


def test_the_end_of_a_connection_is_a_close_notify(tls: Running, context: ssl.SSLContext) -> None:
    with connect_tls(tls.port, context) as connection:
        connection.sendall(GET + b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET)
        assert list_statuses(receive_all(connection)) == [200, 200]  # an end without it would be an error
    with connect_tls(tls.port, context) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert list_statuses(receive_all(connection)) == [400]


def test_requests_are_the_same_for_a_project(wire_tls: Running, context: ssl.SSLContext) -> None:
    host = b"Host: localhost\r\n"
    body = b"x" * 90_000
    with connect_tls(wire_tls.port, context) as connection:
        connection.sendall(b"GET /echo/a?b=c HTTP/1.1\r\n" + host + b"\r\n")
        connection.sendall(b"POST /echo/ HTTP/1.1\r\n" + host + b"Content-Length: 90000\r\n\r\n" + body)
        connection.sendall(b"GET /unread/ HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n")
        page, posted, last = parse_responses(receive_all(connection))
    assert json.loads(page.body) == {"method": "GET", "path": "/echo/a?b=c", "host": "localhost", "body": ""}
    assert json.loads(posted.body)["body"] == body.decode()
    assert last.body == b"unread"


def test_a_body_that_is_too_long_gets_its_response(wire_tls: Running, context: ssl.SSLContext) -> None:
    with connect_tls(wire_tls.port, context) as connection:
        connection.sendall(
            b"POST /echo/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n" + b"x" * 200_000
        )
        (got,) = parse_responses(receive_all(connection))
    assert (got.status, got.is_last) == (413, True)


def test_a_web_socket_talks_over_tls(wire_project: Path, certificate: str, context: ssl.SSLContext) -> None:
    variables = {**VARIABLES, "DJANGO_INTERFACE": "asgi", "TLS_CERTIFICATE": certificate}
    with run_server(cwd=wire_project, ready=READY, **variables) as running:
        url = f"wss://localhost:{running.port}/ws/"
        with connect_web_socket(url, ssl=context, server_hostname="localhost", open_timeout=10) as web_socket:
            for text in ("a", "b" * 200_000, "bye"):
                web_socket.send(text)
                assert web_socket.recv(10) == f"echo {text}"
            with pytest.raises(Exception, match="1000"):
                web_socket.recv(10)


def test_the_scheme_is_https_unless_a_trusted_proxy_says_otherwise(
    project: Path, cache: Path, certificate: str, context: ssl.SSLContext
) -> None:
    view = "from django.http import HttpResponse\nfrom django.urls import path\n"
    view += "urlpatterns = [path('scheme', lambda request: HttpResponse(f'{request.scheme} {request.is_secure()}'))]\n"
    (project / "mysite/urls.py").write_text(view)
    assert run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **SETTINGS).returncode == 0
    for trusted, expected in (("127.0.0.1", b"http False"), ("192.0.2.1", b"https True")):
        variables = {**SETTINGS, "TLS_CERTIFICATE": certificate, "FORWARDED_ALLOW_IPS": trusted}
        with run_server(cwd=project, ready=READY, **variables) as running:
            for more in (b"", b"Connection: close\r\n"):  # the page path and the ASGI path
                head = b"GET /scheme HTTP/1.1\r\nHost: localhost\r\n" + more
                assert exchanged(running.port, context, head + b"\r\n").endswith(b"\r\n\r\nhttps True")
                forwarded = head + b"X-Forwarded-Proto: http\r\n\r\n"
                assert exchanged(running.port, context, forwarded).endswith(b"\r\n\r\n" + expected)


def test_http_on_the_port_of_tls_is_closed_at_once_and_quietly(tls: Running) -> None:
    before = list_messages(tls)
    with socket.create_connection(("127.0.0.1", tls.port), 10) as connection:
        connection.sendall(GET)
        got = b""
        try:
            got = connection.recv(1000)
            assert connection.recv(1000) == b""
        except ConnectionResetError:
            pass
    assert b"HTTP" not in got
    assert list_messages(tls) == before


def test_tls_on_the_port_of_http_is_a_bad_request(server: Running) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    hello = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="a").do_handshake()
    (got,) = ask(server.port, hello.read(), ends=False)
    assert (got.status, got.is_last) == (400, True)


@pytest.fixture(scope="module")
def pulled(plain: Path, certificate: str, authority: Authority) -> Iterator[Running]:
    """A server that requires a client's certificate."""
    variables = {**SETTINGS, "TLS_CERTIFICATE": certificate, "TLS_CLIENT_CA": str(authority.file)}
    with run_server(cwd=plain, ready=READY, **variables) as running:
        yield running


def test_a_client_with_a_certificate_of_the_authority_is_served(pulled: Running, authority: Authority) -> None:
    context = make_client_context(authority.file, authority.issue("cdn.example.com"))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context.maximum_version = version
        for _ in range(2):  # the second one resumes the session
            assert exchanged(pulled.port, context, GET).endswith(b"0123456789")


def receive_response(port: int, context: ssl.SSLContext) -> bytes:
    with connect_tls(port, context) as connection:
        connection.sendall(GET)
        return receive_all(connection)


@pytest.mark.parametrize("kind", ["none", "of another authority", "expired"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_without_a_right_certificate_gets_nothing(
    pulled: Running, authority: Authority, tmp_path: Path, kind: str, version: ssl.TLSVersion
) -> None:
    own = None
    if kind != "none":
        expired = kind == "expired"
        own = (authority if expired else Authority(tmp_path)).issue("other.example.com", days=-1 if expired else 2)
    context = make_client_context(authority.file, own)
    context.maximum_version = version
    with pytest.raises((ssl.SSLError, ConnectionError)):
        receive_response(pulled.port, context)
    pulled.wait_for("TLS: the certificate of the client at 127.0.0.1 is refused: ")
    assert pulled.output.count("is refused: ") == 1, "one line in a minute"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("none", "it has none"),
        ("of another authority", "unable to get local issuer certificate"),
        ("expired", "certificate has expired"),
    ],
)
def test_the_log_says_why_a_certificate_is_refused(
    plain: Path, certificate: str, authority: Authority, tmp_path: Path, kind: str, reason: str
) -> None:
    expired = kind == "expired"
    own = (authority if expired else Authority(tmp_path)).issue("other.example.com", days=-1 if expired else 2)
    context = make_client_context(authority.file, None if kind == "none" else own)
    variables = {**SETTINGS, "TLS_CERTIFICATE": certificate, "TLS_CLIENT_CA": str(authority.file)}
    with run_server(cwd=plain, ready=READY, **variables) as running:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            receive_response(running.port, context)
        running.wait_for(f"TLS: the certificate of the client at 127.0.0.1 is refused: {reason}\n")


def test_the_same_bytes_are_refused_as_without_tls(tls: Running, server: Running, context: ssl.SSLContext) -> None:
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"GET /static/digits.txt HTTP/9.9\r\nHost: a\r\n\r\n", b"\r\n\r\n\0"):
        with connect_tls(tls.port, context) as connection:
            connection.sendall(data)
            got = remove_dates(receive_all(connection))
        assert got == exchange(server.port, data, ends=False)
        assert re.match(rb"HTTP/1\.1 [45]\d\d ", got)


def test_a_file_that_a_view_has_opened_arrives_whole_and_in_parts(
    project: Path, cache: Path, certificate: str, context: ssl.SSLContext
) -> None:
    (project / "film.bin").write_bytes(LARGE_BODY)
    view = "from django.http import FileResponse, HttpResponse\nfrom django.urls import path\n"
    view += "def named(request):\n    return HttpResponse(headers={'X-Accel-Redirect': '/films/film.bin'})\n"
    view += "urlpatterns = [path('film', lambda request: FileResponse(open('film.bin', 'rb'))), path('named', named)]\n"
    (project / "mysite/urls.py").write_text(view)
    assert run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **SETTINGS).returncode == 0
    variables = {**SETTINGS, "TLS_CERTIFICATE": certificate, "DJANGO_SENDFILE_ROOTS": f"/films/={project}"}
    with run_server(cwd=project, ready=READY, **variables) as running:
        connection = http.client.HTTPSConnection("127.0.0.1", running.port, timeout=10, context=context)
        for path in ("/film", "/named", "/film"):
            connection.request("GET", path)
            assert connection.getresponse().read() == LARGE_BODY
            connection.request("GET", path, headers={"Range": "bytes=70000-900000"})
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (206, LARGE_BODY[70_000:900_001])
        connection.close()
