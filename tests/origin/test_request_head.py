"""Request heads as bytes: what is plain, what is found in it, and what is left to others."""

from __future__ import annotations

import pytest

from static_host.origin.request_head import (
    MAX_HEAD_BYTES,
    _build_any_case_pattern,
    find_field_lines,
    parse_request_head,
)

FIELDS = (
    *("accept-encoding", "available-dictionary"),
    *("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range"),
)


def head_of(*lines: bytes, target: bytes = b"/a", method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    return b"\r\n".join([b"%s %s %s" % (method, target, version), b"Host: a", *lines, b"", b""])


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title, str.swapcase])
def test_a_field_is_found_whatever_its_case(name: str, case: object) -> None:
    spelled = case(name).encode()  # type: ignore[operator]
    head = head_of(b"Cookie: x", spelled + b": \t some, value \t", b"X-" + spelled + b": other")
    assert parse_request_head(head) == ("GET", b"/a", [(name.encode(), b"some, value")])


def test_fields_keep_their_order_and_their_number() -> None:
    head = head_of(b"range:1", b"Accept-Encoding: br", b"range:", b"Via: a")
    assert parse_request_head(head) == ("GET", b"/a", [(b"range", b"1"), (b"accept-encoding", b"br"), (b"range", b"")])
    assert find_field_lines(head) == [b"Host: a\r", b"range:1\r", b"Accept-Encoding: br\r", b"range:\r"]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", b"/"),
        (b"/a/b", b"/a/b"),
        (b"/a//b", b"/a//b"),
        (b"/a?b?c=/", b"/a"),
        (b"/a?", b"/a"),
        (b"/%7e%00", b"/%7e%00"),
        (b"/!\"$&'()*+,-.:;<=>@[]^_`{|}~", b"/!\"$&'()*+,-.:;<=>@[]^_`{|}~"),
    ],
)
def test_a_target_is_a_path_and_perhaps_a_query(target: bytes, path: bytes) -> None:
    assert parse_request_head(head_of(target=target)) == ("GET", path, [])
    assert parse_request_head(head_of(target=target, method=b"HEAD")) == ("HEAD", path, [])


@pytest.mark.parametrize(
    "target", [b"", b"//a", b"a", b"*", b"http://a/a", b"/a#b", b"/a b", b"/\xe9", b"/a?\xe9", b"/\x7f"]
)
def test_another_target_is_not_plain(target: bytes) -> None:
    assert parse_request_head(head_of(target=target)) is None


@pytest.mark.parametrize("method", [b"POST", b"get", b"GETS", b"OPTIONS", b" GET", b""])
def test_another_method_is_not_plain(method: bytes) -> None:
    assert parse_request_head(head_of(method=method)) is None


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/2", b"http/1.1", b"HTTP/1.1 ", b"HTTP/1.12"])
def test_another_version_is_not_plain(version: bytes) -> None:
    assert parse_request_head(head_of(version=version)) is None


@pytest.mark.parametrize(
    "line",
    [
        *(b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Upgrade: websocket"),
        *(b"CONTENT-LENGTH: 0", b"transfer-encoding:", b"eXPECT: x", b"upgrade: h2c"),
        *(
            b"Connection: close",
            b"Connection: upgrade",
            b"Connection: keep-alive, te",
            b"connection:",
            b"CONNECTION: x",
        ),
        *(b"Proxy-Connection: close", b"proxy-connection: keep-alive x"),
        *(b"Host: b", b"host: a", b"HOST:"),
    ],
)
def test_what_asks_for_more_than_an_answer_is_not_plain(line: bytes) -> None:
    assert parse_request_head(head_of(line)) is None
    assert parse_request_head(head_of(line, b"Accept-Encoding: br")) is None


@pytest.mark.parametrize(
    "line", [b"Connection: keep-alive", b"connection:\tKEEP-Alive \t", b"Proxy-Connection: keep-alive"]
)
def test_keep_alive_changes_nothing(line: bytes) -> None:
    assert parse_request_head(head_of(line, b"range: x")) == ("GET", b"/a", [(b"range", b"x")])


@pytest.mark.parametrize("host", [b"a", b"a:80", b"[::1]", b"[::1]:80", b" a_b.c-d~ ", b"127.0.0.1"])
def test_a_host_is_a_name_or_an_address(host: bytes) -> None:
    assert parse_request_head(b"GET / HTTP/1.1\r\nHost:%s\r\n\r\n" % host) == ("GET", b"/", [])


@pytest.mark.parametrize("host", [b"", b"a b", b"a,b", b"a/b", b"a:", b"a:b", b"[a", b"[::1", b"[g]", b"\xe9", b"a@b"])
def test_another_host_or_none_is_not_plain(host: bytes) -> None:
    assert parse_request_head(b"GET / HTTP/1.1\r\nHost:%s\r\n\r\n" % host) is None
    assert parse_request_head(b"GET / HTTP/1.1\r\nX-Host: a\r\n\r\n") is None


def test_a_head_is_plain_up_to_64_kb() -> None:
    pad = MAX_HEAD_BYTES - len(head_of(b"Cookie: "))
    assert MAX_HEAD_BYTES == 65_536
    assert parse_request_head(head_of(b"Cookie: " + b"x" * pad)) == ("GET", b"/a", [])
    assert parse_request_head(head_of(b"Cookie: " + b"x" * (pad + 1))) is None


def test_a_pattern_spells_each_letter_in_both_cases() -> None:
    assert _build_any_case_pattern("if-match") == "[Ii][Ff]-[Mm][Aa][Tt][Cc][Hh]"


@pytest.mark.parametrize("value", [b"\x0bx\x0c", b"XxX", b"a\tb"])
def test_a_value_loses_the_spaces_and_tabs_around_it_and_nothing_else(value: bytes) -> None:
    assert parse_request_head(head_of(b"Range: \t" + value + b" ")) == ("GET", b"/a", [(b"range", value)])
