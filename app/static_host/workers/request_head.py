"""An ASGI scope → the head that a worker gets, and what the log says of the request."""

from __future__ import annotations

from typing import Any

from starlette.types import Scope

from static_host.telemetry.request_record import format_target, get_raw_path
from static_host_django.frames import Head


def make_head(scope: Scope, headers: Any) -> Head:
    """Return the head of a request, for its worker."""
    host, port = scope.get("server") or ("localhost", None)
    client_host, client_port = scope.get("client") or ("", "")
    return Head(
        scope.get("method", "GET").encode("latin-1"),
        get_raw_path(scope),
        scope["query_string"],
        scope["http_version"].encode("latin-1"),
        scope.get("scheme", "http").encode("latin-1"),
        scope.get("root_path", "").encode("utf-8"),
        str(client_host).encode("latin-1", "replace"),
        str(client_port).encode(),
        str(host).encode("latin-1", "replace"),
        str(port or 80).encode(),
        headers,
    )


def describe_request(scope: Scope) -> str:
    """Return method and path."""
    return f"{scope['method']} {format_target(get_raw_path(scope), b'')}"
