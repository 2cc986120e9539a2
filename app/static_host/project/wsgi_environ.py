"""Turns an ASGI scope into a WSGI environ (PEP 3333).

Rule: the path is what the client sent, percent-decoded, byte for byte, whatever its encoding. A header name with an
underscore is left out: WSGI could not tell it from the one with a dash, which a proxy may have set. Several Cookie
lines are one (RFC 9113 §8.2.3).
"""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

from starlette.types import Scope

from static_host.origin.escapes import unescape

Environ = dict[str, Any]


def build_environ(scope: Scope, base: Environ) -> Environ:
    """Return the environ of a request, without its body; `base` is what all requests have in common."""
    script_name = scope.get("root_path", "").encode().decode("latin-1")
    made = {
        **base,
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": script_name,
        "PATH_INFO": _decode_path(scope).removeprefix(script_name),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.errors": sys.stderr,
    }
    name, port = scope.get("server") or ("localhost", None)
    made["SERVER_NAME"], made["SERVER_PORT"] = name, str(port or 80)
    if scope.get("client"):
        made["REMOTE_ADDR"], made["REMOTE_PORT"] = scope["client"][0], str(scope["client"][1])
    return made | _build_header_variables(scope)


def _build_header_variables(scope: Scope) -> Environ:
    values: dict[str, list[bytes]] = {}
    for field, value in scope["headers"]:
        values.setdefault(_format_variable_name(field), []).append(value)
    values.pop("", None)
    return {
        key: (b"; " if key == "HTTP_COOKIE" else b",").join(lines).decode("latin-1") for key, lines in values.items()
    }


def _decode_path(scope: Scope) -> str:
    raw: bytes | None = scope.get("raw_path")
    path = unescape(raw) if raw else scope["path"].encode("utf-8", "surrogateescape")
    return str(path, "latin-1")


@lru_cache(maxsize=512)
def _format_variable_name(name: bytes) -> str:
    if b"_" in name:
        return ""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_LENGTH", "CONTENT_TYPE") else f"HTTP_{key}"
