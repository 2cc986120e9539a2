"""Turns the head of a request into a WSGI environ (PEP 3333).

Rule: the path is what the client sent, percent-decoded, byte for byte, whatever its encoding. A header name with an
underscore is left out: WSGI could not tell it from the one with a dash, which a proxy may have set. Several Cookie
lines are one (RFC 9113 §8.2.3).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from static_host_django.frames import Head

Environ = dict[str, Any]


def build_environ(head: Head, base: Environ) -> Environ:
    """Return the environ of a request, without its body; `base` is what all requests have in common."""
    script_name = head.root_path.decode("latin-1")
    path = unquote_to_bytes(head.path).decode("latin-1")
    made = {
        **base,
        "REQUEST_METHOD": head.method.decode("latin-1"),
        "SCRIPT_NAME": script_name,
        "PATH_INFO": path[len(script_name) :] if script_name and path.startswith(script_name) else path,
        "QUERY_STRING": head.query.decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{head.http_version.decode('latin-1')}",
        "SERVER_NAME": head.server_host.decode("latin-1"),
        "SERVER_PORT": head.server_port.decode("latin-1"),
        "wsgi.url_scheme": head.scheme.decode("latin-1"),
        "wsgi.errors": sys.stderr,
    }
    if head.client_host:
        made["REMOTE_ADDR"] = head.client_host.decode("latin-1")
        made["REMOTE_PORT"] = head.client_port.decode("latin-1")
    return {**made, **build_header_variables(head.headers)}


def build_header_variables(headers: Iterable[tuple[bytes, bytes]]) -> Environ:
    """Return the variables of the header fields. Takes time in proportion to the head, also with many equal names."""
    values: dict[str, list[bytes]] = {}
    for field, value in headers:
        values.setdefault(_format_variable_name(field), []).append(value)
    values.pop("", None)
    return {
        key: (b"; " if key == "HTTP_COOKIE" else b",").join(lines).decode("latin-1") for key, lines in values.items()
    }


@lru_cache(maxsize=512)
def _format_variable_name(name: bytes) -> str:
    if b"_" in name:
        return ""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_LENGTH", "CONTENT_TYPE") else f"HTTP_{key}"
