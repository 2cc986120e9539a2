"""A WebSocket's handshake: the ASGI scope that it gives, and the bytes of the application's response (RFC 6455 §4.2.2).

Rule: the application's fields go out as it gave them. One that could end its line is an error, and one that is the
server's own is left out. A response other than 101 ends the connection, which delimits a body of unknown length.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from http import HTTPStatus

from starlette.types import Message, Scope

Field = tuple[bytes, bytes]

_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}
_BODILESS_STATUSES = (204, 304)
_CONNECTION_FIELDS = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
"""Fields that concern a connection, which is the server's (RFC 9110 §7.6.1)."""
_HANDSHAKE_FIELDS = _CONNECTION_FIELDS | {b"content-length", b"sec-websocket-accept", b"sec-websocket-extensions"}
_TOKEN_BYTES = (string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~").encode()
_CONTROL_BYTES = bytes({*range(0x20), 0x7F} - {0x09})


def build_scope(scope: Scope) -> Scope:
    """Return the scope of a WebSocket, made from that of the HTTP request for its handshake."""
    protocols = b",".join(value for name, value in scope["headers"] if name == b"sec-websocket-protocol")
    made = {name: value for name, value in scope.items() if name != "method"}
    return {
        **made,
        "type": "websocket",
        "asgi": {**scope["asgi"], "spec_version": "2.4"},
        "scheme": "wss" if scope["scheme"] == "https" else "ws",
        "subprotocols": [each for part in protocols.decode("latin-1").split(",") if (each := part.strip(" \t"))],
        "extensions": {"websocket.http.response": {}},
    }


def format_accept_fields(message: Message, default_fields: Iterable[Field]) -> bytes:
    """Return the field lines that an application and the server add to a handshake's response.

    `message` is ``websocket.accept``. Raises RuntimeError for a field that is not valid.
    """
    fields = _get_fields(message, _HANDSHAKE_FIELDS)
    if message.get("subprotocol"):
        fields = [field for field in fields if field[0] != b"sec-websocket-protocol"]
        fields.append((b"sec-websocket-protocol", message["subprotocol"].encode("latin-1")))
    return _format_lines(_add_defaults(fields, default_fields))


def check_denial(message: Message) -> None:
    """Raise RuntimeError if ``websocket.http.response.start`` is not the start of a final response."""
    if not 200 <= message["status"] < 600:
        raise RuntimeError(f"Invalid HTTP status code {message['status']!r} in response.")
    _format_lines(_get_fields(message, _CONNECTION_FIELDS))


def has_body(message: Message) -> bool:
    """Whether a response with this start has a body (RFC 9110 §6.4.1)."""
    return message["status"] not in _BODILESS_STATUSES


def format_denial(message: Message, body: bytes, default_fields: Iterable[Field], *, is_whole: bool) -> bytes:
    """Return the head of an application's response in place of 101, and the first piece of its body.

    `message` is ``websocket.http.response.start``. Without a Content-Length, the end of the connection delimits the
    body, unless that `is_whole`.
    """
    status: int = message["status"]
    fields = _add_defaults(_get_fields(message, _CONNECTION_FIELDS), default_fields)
    names = {name for name, _ in fields}
    if has_body(message):
        if is_whole and b"content-length" not in names:
            fields.append((b"content-length", b"%d" % len(body)))
        if body and b"content-type" not in names:
            fields.append((b"content-type", b"text/plain; charset=utf-8"))
    else:
        body = b""
        fields = [field for field in fields if field[0] != b"content-length" or status != 204]  # RFC 9110 §8.6
    fields.append((b"connection", b"close"))
    return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, _PHRASES.get(status, b""), _format_lines(fields), body)


def _get_fields(message: Message, left_out: Iterable[bytes]) -> list[Field]:
    fields = ((bytes(name).lower(), bytes(value)) for name, value in message.get("headers") or ())
    return [field for field in fields if field[0] not in left_out]


def _add_defaults(fields: Iterable[Field], default_fields: Iterable[Field]) -> list[Field]:
    """Return the fields, behind those of the server that they do not have themselves, such as Date."""
    fields = list(fields)
    names = {name for name, _ in fields}
    return [*(field for field in default_fields if field[0].lower() not in names), *fields]


def _format_lines(fields: Iterable[Field]) -> bytes:
    """Return the lines of these fields. Raises RuntimeError for a name or a value that is not valid (RFC 9110 §5)."""
    fields = list(fields)
    for name, value in fields:
        if not name or name.translate(None, _TOKEN_BYTES) or len(value.translate(None, _CONTROL_BYTES)) < len(value):
            raise RuntimeError(f"Invalid header field {name!r}: {value!r}.")
    return b"".join(b"%s: %s\r\n" % field for field in fields)
