"""An ASGI scope → the head that a worker gets, and what the log says of the request."""

from __future__ import annotations

from typing import Any

from starlette.types import Scope

from static_host.telemetry.request_record import UNIX_PEER, format_target, get_raw_path
from static_host_django.frames import Head


def make_head(scope: Scope, headers: Any) -> Head:
    """Return the head of a request, for its worker."""
    host, port = scope.get("server") or ("localhost", None)
    return Head(
        scope.get("method", "GET").encode("latin-1"),
        get_raw_path(scope),
        scope["query_string"],
        scope["http_version"].encode("latin-1"),
        scope.get("scheme", "http").encode("latin-1"),
        scope.get("root_path", "").encode("utf-8"),
        *encode_client(scope.get("client")),
        str(host).encode("latin-1", "replace"),
        str(port or 80).encode(),
        headers,
    )


def encode_client(client: tuple[str, int] | None) -> tuple[bytes, bytes]:
    """Return a client's address and port as a worker gets them: projects expect an IP address, also of a Unix socket's.

    A proxy on it is as near as one at 127.0.0.1.
    """
    host, port = client or ("", "")
    return b"127.0.0.1" if host == UNIX_PEER[0] else str(host).encode("latin-1", "replace"), str(port).encode()


def describe_request(scope: Scope) -> str:
    """Return method and path."""
    return f"{scope['method']} {format_target(get_raw_path(scope), b'')}"
