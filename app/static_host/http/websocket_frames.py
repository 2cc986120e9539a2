"""A WebSocket's bytes, by `websockets` as its guide "Integrate the Sans-I/O layer" says.

Rule: what is received is parsed in the order in which it arrives; each method returns the bytes that are to be sent
then. Once `end` is set, nothing more is sent or parsed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from uvicorn.config import Config
from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from static_host.http.websocket_messages import MessageQueue

ABNORMAL_CLOSURE = 1006
INVALID_DATA = 1007


_HANDSHAKE_FIELDS = (
    b"connection",
    b"upgrade",
    b"sec-websocket-key",
    b"sec-websocket-version",
    b"sec-websocket-extensions",
)
"""The fields that `websockets` reads."""


class HandshakeError(Exception):
    """The handshake has a body, which none has."""


class WebSocketFrames:
    """The handshake and the frames of one connection."""

    def __init__(self, config: Config, messages: MessageQueue, handle_pong: Callable[[bytes], object]) -> None:
        deflate = ServerPerMessageDeflateFactory(
            server_max_window_bits=12, client_max_window_bits=12, compress_settings={"memLevel": 5}
        )
        self._protocol = ServerProtocol(
            extensions=[deflate] if config.ws_per_message_deflate else None,
            max_size=config.ws_max_size,
            logger=logging.getLogger("static_host.http"),
        )
        self._messages = messages
        self._handle_pong = handle_pong
        self.end: tuple[int, str] | None = None
        """The code and the reason of our close frame, which repeats the client's if that came first."""

    def receive_handshake(self, fields: list[tuple[bytes, bytes]]) -> Response:
        """Return the response to a handshake with these fields: 101, or a refusal. Raises HandshakeError.

        `websockets` does not parse a head with a line over 8 kB or more than 128 fields, so it gets one without fields.
        """
        if any(
            name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0")) for name, value in fields
        ):
            raise HandshakeError
        self._protocol.receive_data(b"GET / HTTP/1.1\r\n\r\n")
        self._protocol.events_received()
        headers = Headers()
        for name in _HANDSHAKE_FIELDS:
            if values := [value for each, value in fields if each == name]:
                headers[name.decode()] = b",".join(values).decode("latin-1")
        response = self._protocol.accept(Request("/", headers))
        if response.status_code != 101:
            response.headers["Sec-WebSocket-Version"] = "13"  # RFC 6455 §4.4
        return response

    def send_response(self, response: Response) -> bytes:
        """Return the bytes of the response to the handshake."""
        self._protocol.send_response(response)
        return b"".join(self._protocol.data_to_send())

    def receive(self, data: bytes) -> bytes:
        """Parse data, and add its messages to the queue; return pongs, or the last frame."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if not isinstance(event, Frame):
                continue
            if event.opcode is Opcode.PONG:
                self._handle_pong(bytes(event.data))
            elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                try:
                    self._messages.add_frame(event)
                except UnicodeDecodeError:
                    return self.fail(INVALID_DATA, "a text is not in UTF-8")
        return self._take_output()

    def send_message(self, message: str | bytes) -> bytes:
        """Return the frame of a message."""
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)
        return self._take_output()

    def send_ping(self, payload: bytes) -> bytes:
        """Return a ping."""
        self._protocol.send_ping(payload)
        return self._take_output()

    def send_close(self, code: int, reason: str) -> bytes:
        """Return a close frame, to which the client is to respond with its own."""
        self._protocol.send_close(code, reason)
        return self._take_output()

    def fail(self, code: int, reason: str = "") -> bytes:
        """Return a close frame, and end the connection (RFC 6455 §7.1.7)."""
        self._protocol.fail(code, reason)
        return self._take_output()

    def _take_output(self) -> bytes:
        items = self._protocol.data_to_send()
        if b"" in items:  # the end of the output
            self._protocol.receive_eof()
            close = self._protocol.close_exc.sent
            self.end = (close.code, close.reason) if close else (ABNORMAL_CLOSURE, "")
        return b"".join(items)
