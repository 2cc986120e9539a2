"""The client behind a proxy: which peers are trusted, and what Django gets, on every path and interface."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from static_host.conf.settings import Settings
from static_host.conf.validators import parse_networks
from static_host.middleware.forwarded import TrustedProxies, unmap_ipv4
from tests.support.builds import append_settings
from tests.support.cases import DIGITS
from tests.support.processes import Running, run, run_server
from tests.support.projects import copy_project
from tests.support.required import needs

VIEWS = """
from django.http import JsonResponse
from django.urls import path

def facts(request):
    return JsonResponse({
        "address": request.META["REMOTE_ADDR"], "server": request.META["SERVER_NAME"],
        "secure": request.is_secure(), "proto": request.META.get("HTTP_X_FORWARDED_PROTO"),
    })

urlpatterns = [path("facts/", facts)]
"""
ASGI = """
import json
from django.core.asgi import get_asgi_application
django = get_asgi_application()

async def application(scope, receive, send):
    if scope["type"] != "websocket":
        return await django(scope, receive, send)
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": json.dumps([scope["client"][0], scope["scheme"]])})
    await send({"type": "websocket.close"})
"""
VARIABLES = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}


@pytest.mark.parametrize(
    ("allowed", "peer", "is_trusted"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("127.0.0.1", "::FFFF:7f00:1", True),
        ("127.0.0.1", "0:0:0:0:0:ffff:127.0.0.1", True),
        ("127.0.0.1", "::1", False),
        ("127.0.0.1", "::127.0.0.1", False),
        ("127.0.0.1", "127.0.0.10", False),
        ("10.0.0.0/8", "::ffff:10.1.2.3", True),
        ("10.0.0.0/8", "::ffff:11.1.2.3", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.0/104", "10.1.2.3", True),
        ("::ffff:10.0.0.0/104", "11.1.2.3", False),
        ("::ffff:0:0/96", "203.0.113.1", True),
        ("::/0", "203.0.113.1", True),
        ("::/0", "2001:db8::1", True),
        ("0.0.0.0/0", "2001:db8::1", False),
        ("2001:db8::/32", "2001:db8::1", True),
        ("2001:db8::/32", "10.0.0.1", False),
        ("fe80::/10", "fe80::1%eth0", True),
        *[
            ("private", peer, True)
            for peer in (
                *("10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd12::1", "fc00::1"),
                *("127.0.0.1", "::1", "unix:", "169.254.1.1", "fe80::1%eth0", "100.64.0.1", "100.127.255.255"),
                "::ffff:10.1.2.3",
            )
        ],
        *[
            ("private", peer, False)
            for peer in ("172.32.0.1", "192.169.1.1", "100.128.0.1", "203.0.113.7", "2001:db8::1", "fe00::1", "", "x")
        ],
        ("private,203.0.113.0/24", "203.0.113.7", True),
        ("private,203.0.113.0/24", "10.1.2.3", True),
        ("*", "anything", True),
        ("*", "", True),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "unix:", True),
        ("127.0.0.0/8,::1", "unix:", True),
        ("::1", "unix:", False),
        ("10.0.0.0/8", "unix:", False),
        ("*", "unix:", True),
        ("127.0.0.1", "1" * 10_000, False),
    ],
)
def test_a_peer_is_trusted_in_either_spelling_of_its_address(allowed: str, peer: str, is_trusted: bool) -> None:
    assert TrustedProxies(allowed.split(",")).is_trusted(peer) is is_trusted


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        (["203.0.113.7"], ("203.0.113.7", 0)),
        (["203.0.113.7:4711"], ("203.0.113.7", 4711)),
        (["::ffff:203.0.113.7"], ("203.0.113.7", 0)),
        (["[::ffff:203.0.113.7]:80"], ("203.0.113.7", 80)),
        (["2001:db8::1"], ("2001:db8::1", 0)),
        (["[2001:db8::1]"], ("2001:db8::1", 0)),
        (["[2001:db8::1]:80"], ("2001:db8::1", 80)),
        (["forged, 203.0.113.7, 10.0.0.2"], ("203.0.113.7", 0)),
        (["forged", "203.0.113.7,::ffff:10.0.0.2,"], ("203.0.113.7", 0)),
        (["10.0.0.3, 10.0.0.2"], ("10.0.0.3", 0)),
        (["unknown, 10.0.0.2"], ("unknown", 0)),
        (["203.0.113.7:99999999"], ("203.0.113.7:99999999", 0)),
        ([" , ,"], None),
        ([""], None),
        ([], None),
        ([", ".join(["10.0.0.2"] * 1000)], ("10.0.0.2", 0)),
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxy_s(
    lines: list[str], client: tuple[str, int] | None
) -> None:
    assert TrustedProxies(["10.0.0.0/8"]).find_client(line.encode() for line in lines) == client


@pytest.mark.parametrize(
    ("allowed", "hops", "line", "client"),
    [
        ("*", 0, "forged, 203.0.113.7:80", ("203.0.113.7", 80)),
        ("*", 0, "203.0.113.7, 10.0.0.2", ("10.0.0.2", 0)),
        ("*", 0, " , 203.0.113.7 , ,", ("203.0.113.7", 0)),
        ("*", 0, " , ", None),
        ("*", 1, "forged, 203.0.113.7", ("203.0.113.7", 0)),
        ("*", 2, "forged, [2001:db8::1]:80, 198.51.100.1", ("2001:db8::1", 80)),
        ("10.0.0.0/8", 2, "forged, 203.0.113.7, 198.51.100.1", ("203.0.113.7", 0)),
        ("10.0.0.0/8", 2, "forged, 10.9.9.9, 198.51.100.1", ("10.9.9.9", 0)),
        ("*", 3, "203.0.113.7, 198.51.100.1", None),
        ("*", 2, ", 203.0.113.7, ", None),
        ("*", 1, "203.0.113.7, [", ("[", 0)),
        ("*", 1, "a" * 10_000 + ", 203.0.113.7", ("203.0.113.7", 0)),
        ("*", 32, ", ".join([f"198.51.100.{number}" for number in range(100)]), ("198.51.100.68", 0)),
        ("private", 0, "forged, 203.0.113.7, fd12::1, 100.64.0.9, 192.168.0.1", ("203.0.113.7", 0)),
        ("private,198.51.100.1", 0, "forged, 203.0.113.7, 198.51.100.1, 10.0.0.1", ("203.0.113.7", 0)),
        ("private", 0, "10.0.0.3, 10.0.0.2", ("10.0.0.3", 0)),
    ],
)
def test_hops_count_from_the_right(allowed: str, hops: int, line: str, client: tuple[str, int] | None) -> None:
    assert TrustedProxies(allowed.split(","), hops).find_client([line.encode()]) == client


@pytest.mark.parametrize(
    ("allowed", "hops", "addresses", "schemes", "scheme", "passed"),
    [
        ("10.0.0.0/8", 0, ["203.0.113.7"], ["https"], "https", "https"),
        ("10.0.0.0/8", 0, [], ["http, HTTPS"], "https", "https"),
        ("10.0.0.0/8", 0, [], ["https, http"], "http", "http"),  # a client can have written what precedes
        ("10.0.0.0/8", 0, ["203.0.113.7"], ["https, http"], "http", "http"),
        ("10.0.0.0/8", 0, ["203.0.113.7, 10.0.0.9"], ["https, http"], "https", "https"),
        ("10.0.0.0/8", 0, ["203.0.113.7", "10.0.0.9"], ["https", "http"], "https", "https"),
        ("10.0.0.0/8", 0, ["forged, 203.0.113.7, 10.0.0.9"], ["https, http, https"], "http", "http"),
        ("10.0.0.0/8", 0, ["203.0.113.7, 10.0.0.8, 10.0.0.9"], ["https,http"], "https", "https"),
        ("10.0.0.0/8", 0, ["203.0.113.7, 10.0.0.9"], ["ftp, https"], None, "ftp"),
        ("*", 0, ["203.0.113.7, 10.0.0.9"], ["https, http"], "http", "http"),
        ("*", 2, ["203.0.113.7, 10.0.0.9"], ["http, https, http"], "https", "https"),
        ("*", 2, [], ["http, https, http"], "https", "https"),
        ("*", 0, [], [" , "], None, " , "),
    ],
)
def test_of_several_schemes_the_one_at_the_place_of_the_client_counts(
    allowed: str, hops: int, addresses: list[str], schemes: list[str], scheme: str | None, passed: str
) -> None:
    fields = [(b"x-forwarded-for", each.encode()) for each in addresses]
    fields += [(b"x-forwarded-proto", each.encode()) for each in schemes]
    _, found, left = TrustedProxies([allowed], hops).resolve(("10.0.0.1", 1), fields)
    assert (found, [value.decode() for name, value in left if name == b"x-forwarded-proto"]) == (scheme, [passed])


@pytest.mark.parametrize(
    ("variables", "trusted"),
    [
        ({}, ("127.0.0.1", "::1")),
        ({"DJANGO_PROXY_HOPS": "2"}, ("*",)),
        ({"DJANGO_PROXY_HOPS": "2", "FORWARDED_ALLOW_IPS": "private, 203.0.113.0/24"}, ("private", "203.0.113.0/24")),
        ({"DJANGO_PROXY_HOPS": "0", "FORWARDED_ALLOW_IPS": " "}, ("127.0.0.1", "::1")),
    ],
)
def test_hops_alone_trust_every_peer(variables: dict[str, str], trusted: tuple[str, ...]) -> None:
    settings = Settings.model_validate(variables)
    assert settings.trusted_proxies == trusted
    proxies = TrustedProxies.from_settings(settings)
    assert proxies.is_trusted("198.51.100.1") is (trusted == ("*",))


def test_what_is_no_ipv4_address_stays_as_it_is() -> None:
    for host in ("::1", "unknown", "", "::ffff:", "::ffff:1.2.3", "2001:db8:ffff::1", "64:ff9b::1.2.3.4"):
        assert unmap_ipv4(host) == host


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    project = copy_project("plain", tmp_path_factory.mktemp("forwarded"))
    (project / "mysite/urls.py").write_text(VIEWS)
    (project / "mysite/asgi.py").write_text(ASGI)
    (project / "behind.py").write_text(
        "from mysite.settings import *\nSECURE_SSL_REDIRECT = True\n"
        "MIDDLEWARE = ['django.middleware.security.SecurityMiddleware']\n"
        "SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https')\n"
    )
    append_settings(project, "ASGI_APPLICATION = 'mysite.asgi.application'")
    assert run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **VARIABLES).returncode == 0
    return project


def can_listen_on_both() -> bool:
    try:
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True).close()
    except (OSError, ValueError):
        return False
    return True


dual = needs(can_listen_on_both(), "this machine has no IPv6")


@pytest.fixture(params=["wsgi", "asgi"])
def both(project: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    with run_server(cwd=project, HOST="::", DJANGO_INTERFACE=request.param, **VARIABLES) as running:
        running.url = f"http://127.0.0.1:{running.port}"
        yield running


@dual
def test_a_proxy_over_ipv4_is_believed_where_the_server_listens_on_ipv6(both: Running) -> None:
    fields = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "Host": "localhost"}
    got = httpx.get(f"{both.url}/facts/", headers=fields).json()
    assert (got["address"], got["secure"]) == ("203.0.113.7", True)
    assert httpx.get(both.url + DIGITS, headers=fields).status_code == 200
    got = httpx.get(f"http://[::1]:{both.port}/facts/", headers=fields).json()  # as a proxy may find `localhost`
    assert (got["address"], got["secure"]) == ("203.0.113.7", True)
    both.wait_for("203.0.113.7:0 GET /facts/ HTTP/1.1 200 ")
    both.wait_for(f"203.0.113.7:0 GET {DIGITS} HTTP/1.1 200 10 - fast ")


@dual
def test_a_client_over_ipv4_has_an_ipv4_address_on_every_path(both: Running) -> None:
    got = httpx.get(f"{both.url}/facts/", headers={"Host": "localhost"}).json()
    assert (got["address"], got["server"]) == ("127.0.0.1", "127.0.0.1")
    httpx.get(both.url + DIGITS)
    httpx.get(f"{both.url}/healthz")
    with socket.create_connection(("127.0.0.1", both.port), 10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
    for line in ("GET /facts/ ", f"GET {DIGITS} ", "GET /healthz ", "- - HTTP/1.1 400 "):
        both.wait_for(line)
    assert "ffff" not in both.output


@dual
def test_a_web_socket_over_ipv4_has_them_too(project: Path) -> None:
    with run_server(cwd=project, HOST="[::]", **VARIABLES) as running:
        for fields, expected in (
            ({}, ["127.0.0.1", "ws"]),
            ({"X-Forwarded-For": "203.0.113.7, ::1", "X-Forwarded-Proto": "HTTPS, http"}, ["203.0.113.7", "wss"]),
        ):
            with connect(f"ws://127.0.0.1:{running.port}/ws/", additional_headers=fields) as client:
                assert json.loads(client.recv()) == expected
        running.wait_for("203.0.113.7:0 GET /ws/ HTTP/1.1 101 0 - django")
        running.wait_for("127.0.0.1:")
        assert "ffff" not in running.output


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
@pytest.mark.parametrize("name", ["mysite.settings", "behind"])
def test_the_scheme_that_counts_is_the_browser_s(project: Path, interface: str, name: str) -> None:
    variables = {"DJANGO_SETTINGS_MODULE": name, "DJANGO_INTERFACE": interface}
    with run_server(cwd=project, **variables) as running, httpx.Client(base_url=running.url) as client:
        for value in ("https", "HTTPS", "Https", "http,https", "https, https", "ftp , HTTPS", "wss", ",https"):
            answer = client.get("/facts/", headers={"Host": "localhost", "X-Forwarded-Proto": value})
            assert (answer.status_code, answer.json()["secure"], answer.json()["proto"]) == (200, True, "https"), value
        several = [("Host", "localhost"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http")]
        chain = [*several, ("X-Forwarded-For", "forged, 203.0.113.7"), ("X-Forwarded-For", "127.0.0.1")]
        assert client.get("/facts/", headers=chain).json()["secure"] is True
        assert client.get("/facts/", headers=several).status_code == (301 if name == "behind" else 200)
        for value in ("http", "https,http", "HTTPS, http", "https, ftp", "ftp", "httpsx", "", "h" * 10_000):
            answer = client.get("/facts/", headers={"Host": "localhost", "X-Forwarded-Proto": value})
            is_secure = answer.status_code == 200 and answer.json()["secure"]
            assert (answer.status_code, is_secure) == (301 if name == "behind" else 200, False), value


def test_hops_count_on_every_path_and_a_forged_address_does_not(project: Path) -> None:
    with run_server(cwd=project, DJANGO_PROXY_HOPS="2", **VARIABLES) as running:
        fields = {"Host": "localhost", "X-Forwarded-For": "192.0.2.66, 203.0.113.7, 198.51.100.1"}
        assert httpx.get(f"{running.url}/facts/", headers=fields).json()["address"] == "203.0.113.7"
        assert httpx.get(running.url + DIGITS, headers=fields).status_code == 200
        running.wait_for("203.0.113.7:0 GET /facts/ HTTP/1.1 200 ")
        running.wait_for(f"203.0.113.7:0 GET {DIGITS} HTTP/1.1 200 10 - fast ")
        fields["X-Forwarded-For"] = "192.0.2.66"  # past one of the proxies: the peer is all that is sure
        assert httpx.get(f"{running.url}/facts/", headers=fields).json()["address"] == "127.0.0.1"
        assert httpx.get(running.url + DIGITS, headers=fields).status_code == 200
        running.wait_for(f" GET {DIGITS} HTTP/1.1 200 10 - fast ", times=2)
        assert "192.0.2.66" not in running.output


def test_who_is_no_proxy_is_not_believed(project: Path) -> None:
    with run_server(cwd=project, FORWARDED_ALLOW_IPS="10.0.0.0/8", **VARIABLES) as running:
        fields = {"Host": "localhost", "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "HTTPS"}
        got = httpx.get(f"{running.url}/facts/", headers=fields).json()
    assert (got["address"], got["secure"], got["proto"]) == ("127.0.0.1", False, "HTTPS")


@pytest.mark.parametrize("host", ["[::1]", "::1"])
@dual
def test_an_ipv6_address_may_have_its_brackets(project: Path, host: str) -> None:
    with run_server(cwd=project, HOST=host, **VARIABLES) as running:
        assert re.fullmatch(r"http://\[::1\]:\d+", running.url)
        assert httpx.get(running.url + DIGITS).text == "0123456789"
    variables = {**VARIABLES, "HOST": host}
    with run_server("static-host", "dev", cwd=project, ready=r"ready on (http://[^\s,]+), ", **variables) as running:
        fields = {"Host": "localhost", "X-Forwarded-Proto": "HTTPS,http", "X-Forwarded-For": "203.0.113.7, ::1"}
        got = httpx.get(f"{running.url}/facts/?token=SECRET", headers=fields).json()
        assert (got["address"], got["secure"]) == ("203.0.113.7", True)
        running.wait_for("GET /facts/?token=*** 200 ")
    assert run("static-host", "check", cwd=project, **variables).returncode != 2


@pytest.mark.parametrize(
    "host", ["[127.0.0.1]", "[::1", "::1]", "[localhost]", "127.0.0.1:80", "[::1]:8000", "[]", "::g"]
)
def test_what_is_no_address_is_refused(project: Path, host: str) -> None:
    result = run("static-host", "serve", cwd=project, HOST=host, **VARIABLES)
    assert result.returncode == 2
    assert f"HOST='{host}': only an IPv6 address has colons or brackets; PORT sets the port." in result.stderr


def test_an_address_of_a_proxy_may_have_its_brackets_too() -> None:
    assert parse_networks(("[::1]", "private", "10.0.0.0/8")) == ("::1", "private", "10.0.0.0/8")
