"""Fields that end at this server: identifiers that are none, and what a view says of a connection that is not its own.

RFC 9110 §7.6.1: fields that Connection names, and those of one connection, are not passed on. §8.6: one Content-Length.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import quote

import pytest

from tests.support.processes import Running
from tests.support.wire import Response, ask

HOST = b"Host: localhost\r\n"
INVALID = [
    *(b"a b", b'not "plain"', b"a,b", b"", b"a\xe9", b"x" * 129, b"<script>", b"a\tb", b"{}", b"a;b'c"),
]
OWN = re.compile("[0-9a-f]{16}")
WAYS = {
    "a page": b"GET /fields/ HTTP/1.1\r\n%s\r\n",
    "the last page": b"GET /fields/ HTTP/1.1\r\nConnection: close\r\n%s\r\n",
    "a body": b"POST /fields/ HTTP/1.1\r\nContent-Length: 2\r\n%s\r\nhi",
    "chunks": b"POST /fields/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n%s\r\n2\r\nhi\r\n0\r\n\r\n",
    "HTTP/1.0": b"GET /fields/ HTTP/1.0\r\n%s\r\n",
}


def get_fields(server: Running, way: str, *lines: bytes) -> Mapping[str, str]:
    """Return the fields that a view gets of a request."""
    (got,) = ask(server.port, WAYS[way] % (HOST + b"".join(b"%s\r\n" % line for line in lines)))
    assert got.status == 200
    seen: Mapping[str, str] = json.loads(got.body)
    return seen


@pytest.mark.parametrize("value", INVALID)
@pytest.mark.parametrize("way", WAYS)
def test_an_identifier_that_is_none_is_replaced_by_one_of_ours(wire: Running, way: str, value: bytes) -> None:
    seen = get_fields(wire, way, b"X-Request-ID: " + value)["HTTP_X_REQUEST_ID"]
    assert OWN.fullmatch(seen), seen
    wire.wait_for(f" {seen}\n")


@pytest.mark.parametrize("way", WAYS)
def test_a_request_has_one_identifier_that_the_log_has_too(wire: Running, way: str) -> None:
    for lines, ones in (
        ([b"X-Request-ID: one-1"], {"one-1"}),
        ([b"x-request-id:\tone/2=\t"], {"one/2="}),
        ([b"X-Request-ID: one-3", b"X-Request-ID: two-3"], {"one-3", "two-3"}),
        ([b"X-Request-ID: one-4", b"X-Request-ID: one-4"], {"one-4"}),
        ([b"X-Request-ID: no no", b"X-Request-ID: two-5"], {"two-5"}),
        ([b"X-Request-ID: one-6", b"X-Request-ID: no no"], {"one-6"}),
        ([b"X-Request-ID: " + b"y" * 128], {"y" * 128}),
    ):
        seen = get_fields(wire, way, *lines)["HTTP_X_REQUEST_ID"]
        assert seen in ones
        wire.wait_for(f" {seen}\n")
    assert OWN.fullmatch(get_fields(wire, way)["HTTP_X_REQUEST_ID"])


@pytest.mark.parametrize("way", WAYS)
def test_an_identifier_that_is_none_is_dropped_beside_another_proxy_s(wire: Running, way: str) -> None:
    seen = get_fields(wire, way, b"X-Request-ID: no no", b"CF-Ray: 8f0a-FRA")
    assert seen.get("HTTP_X_REQUEST_ID", "8f0a-FRA") == "8f0a-FRA" or OWN.fullmatch(seen["HTTP_X_REQUEST_ID"])


def call_view(server: Running, fields: str, *pieces: str, method: str = "GET", version: str = "1.1") -> list[Response]:
    """Return what comes of a view's fields and the pieces of its body, and of the request that follows."""
    query = "&".join(quote(each, safe="=") for each in fields.split("&")) + "|" + "|".join(pieces)
    head = f"{method} /raw/?{query} HTTP/{version}\r\nHost: localhost\r\n\r\n".encode()
    return ask(server.port, head + b"GET /echo/next HTTP/1.1\r\nHost: localhost\r\n\r\n", methods=[method.encode()])


HOP_BY_HOP = {
    "none": "X-Kept=2",
    "Connection": "Connection=keep-alive, X-Own&X-Own=1&X-Kept=2",
    "two lines": "Connection=X-Own&Connection=x-other&X-Own=1&X-Other=2&X-Kept=2",
    "named first": "X-Own=1&X-Kept=2&CONNECTION=x-OWN",
    "Keep-Alive": "Keep-Alive=timeout=5, max=100&X-Kept=2",
    "Proxy-Connection": "Proxy-Connection=keep-alive&X-Kept=2",
    "TE": "TE=trailers&X-Kept=2",
    "Upgrade": "Upgrade=h2c&Connection=Upgrade&X-Kept=2",
    "Trailer": "Trailer=Expires&X-Kept=2",
    "Transfer-Encoding": "Transfer-Encoding=chunked&X-Kept=2",
    "another coding": "Transfer-Encoding=gzip, chunked&X-Kept=2",
    "two codings": "transfer-encoding=identity&Transfer-Encoding=chunked&X-Kept=2",
    "all": "X-Own=1&Connection=X-Own, Upgrade&Upgrade=a&TE=b&Trailer=c&Keep-Alive=d&Transfer-Encoding=e&X-Kept=2",
}
DROPPED = (b"x-own", b"x-other", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"trailer")
BODIES = {
    "a small page": ("Content-Length=6&", ["abcdef"]),
    "a page without a length": ("", ["abcdef"]),
    "a stream": ("", ["abc", "", "def"]),
    "a stream with a length": ("Content-Length=6&", ["abc", "def"]),
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("kind", HOP_BY_HOP)
def test_a_view_s_fields_of_one_connection_do_not_go_out(wire: Running, kind: str, body: str) -> None:
    length, pieces = BODIES[body]
    for method, version in (("GET", "1.1"), ("HEAD", "1.1"), ("GET", "1.0")):
        first, *rest = call_view(wire, length + HOP_BY_HOP[kind], *pieces, method=method, version=version)
        assert (first.status, first.body) == (200, b"abcdef" if method == "GET" else b"")
        assert [value for name in DROPPED for value in first.get_all(name)] == []
        assert first.get_all(b"x-kept") == [b"2"]
        assert first.get_all(b"connection") in ([], [b"close"])
        codings, lengths = first.get_all(b"transfer-encoding"), first.get_all(b"content-length")
        assert codings == [] or (codings == [b"chunked"] and lengths == [] and version == "1.1")
        assert lengths == [b"6"] or not length
        assert (
            [each.body[:40] for each in rest] == [] if first.is_last else [b'{"method": "GET", "path": "/echo/next", ']
        )


@pytest.mark.parametrize("fields", ["Connection=close", "Connection=Close, X-Own&X-Own=1"])
def test_a_view_may_at_most_have_the_connection_closed(wire: Running, fields: str) -> None:
    for length, pieces in BODIES.values():
        first, *rest = call_view(wire, length + fields, *pieces)
        assert (first.status, first.body, first.get_all(b"x-own")) == (200, b"abcdef", [])
        assert first.get_all(b"connection") in ([], [b"close"])
        assert len(rest) == (0 if first.is_last else 1)


@pytest.mark.parametrize("pieces", [["abc"], ["a", "bc"]])
@pytest.mark.parametrize(
    "fields",
    [
        "Content-Length=3&Content-Length=4",
        "Content-Length=4&content-length=3",
        "Content-Length=3&X-A=b&Content-Length=0",
        *(f"Content-Length={value}" for value in ("3, 4", "+3", "-3", "0x3", "3.0", "three", "3;", "", "1_0")),
    ],
)
def test_a_length_that_cannot_be_one_does_not_go_out(wire: Running, fields: str, pieces: list[str]) -> None:
    first, *rest = call_view(wire, fields, *pieces)
    assert first.status in (500, 502) or (first.body == b"abc" and first.get_all(b"content-length") in ([], [b"3"]))
    assert first.status != 200 or "&" not in fields
    assert len(first.get_all(b"content-length")) <= 1
    assert [each.status for each in rest] == ([] if first.is_last else [200])


@pytest.mark.parametrize("pieces", [["abc"], ["a", "bc"]])
@pytest.mark.parametrize("fields", ["Content-Length=3&Content-Length=3", "content-length=3&X-A=b&Content-Length=3"])
def test_the_same_length_twice_goes_out_as_one(wire: Running, fields: str, pieces: list[str]) -> None:
    first, _ = call_view(wire, fields, *pieces)
    assert (first.status, first.body, first.get_all(b"content-length")) == (200, b"abc", [b"3"])


def test_a_length_that_connection_names_is_still_the_body_s_end(wire: Running) -> None:
    for length, pieces in BODIES.values():
        first, *rest = call_view(wire, length + "Connection=Content-Length, Transfer-Encoding, Content-Type", *pieces)
        assert (first.status, first.body) == (200, b"abcdef")
        assert len(rest) == (0 if first.is_last else 1)
