"""A request's head as a WSGI environ."""

from __future__ import annotations

from static_host_django.environ import build_environ, build_header_variables
from static_host_django.frames import Head

HEAD = Head(b"GET", b"/a%20b/%E9", b"q=1", b"1.1", b"https", b"", b"192.0.2.1", b"5", b"a.example", b"443", [])


def test_the_path_is_decoded_byte_for_byte() -> None:
    environ = build_environ(HEAD, {"wsgi.multithread": True})
    assert (environ["PATH_INFO"], environ["QUERY_STRING"], environ["SCRIPT_NAME"]) == ("/a b/\xe9", "q=1", "")
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"], environ["SERVER_PROTOCOL"]) == (
        "a.example",
        "443",
        "HTTP/1.1",
    )
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"], environ["wsgi.url_scheme"]) == ("192.0.2.1", "5", "https")
    assert environ["wsgi.multithread"] is True


def test_equal_names_are_joined_and_names_with_an_underscore_left_out() -> None:
    fields = [
        (b"cookie", b"a=1"),
        (b"x", b"1"),
        (b"cookie", b"b=2"),
        (b"x", b"2"),
        (b"a_b", b"3"),
        (b"content-type", b"t"),
    ]
    assert build_header_variables(fields) == {"HTTP_COOKIE": "a=1; b=2", "HTTP_X": "1,2", "CONTENT_TYPE": "t"}
