"""Turns the head of a request or of a WebSocket's handshake into the scope that ASGI has for it."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from static_host_django.asgi_types import Scope
from static_host_django.frames import Frame, Kind, decode_head


def build_scope(frame: Frame, state: Any) -> Scope:
    """Return the scope of a request or a WebSocket (ASGI). Raises FrameError."""
    head = decode_head(frame.payload)
    is_websocket = frame.kind == Kind.WEBSOCKET
    scope: Scope = {
        "type": "websocket" if is_websocket else "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": head.http_version.decode("latin-1"),
        "server": (head.server_host.decode("latin-1"), int(head.server_port)) if head.server_port else None,
        "client": (head.client_host.decode("latin-1"), int(head.client_port or b"0")) if head.client_host else None,
        "scheme": head.scheme.decode("latin-1"),
        "root_path": head.root_path.decode("latin-1"),
        "path": unquote(head.path.decode("latin-1")),
        "raw_path": head.path,
        "query_string": head.query,
        "headers": head.headers,
    }
    if state is not None:
        scope["state"] = dict(state)
    if is_websocket:
        offered = b",".join(value for name, value in head.headers if name == b"sec-websocket-protocol")
        scope["subprotocols"] = [each.strip().decode("latin-1") for each in offered.split(b",") if each.strip()]
    else:
        scope["method"] = head.method.decode("latin-1")
    return scope
