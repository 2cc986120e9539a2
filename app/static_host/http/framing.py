"""Where a message ends, as a protocol class of uvicorn's: what uvicorn leaves out (RFC 9112 §6).

Rule: what follows the head of a request is its body, whatever it says of an Upgrade that is ignored (RFC 9110 §7.8): it
would be taken for a request of its own. Trailers are not merged into the head, which has been judged (§6.5.1), and the
white space behind a value is none of it (§5.5). A client of HTTP/1.0 knows no chunks: a body without a length ends with
its connection.
"""

from __future__ import annotations

import logging
from typing import Any

import httptools
from starlette.types import Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from static_host.origin.escapes import unescape

log = logging.getLogger("static_host.framing")

_FRAMING_FIELDS = (b"content-length", b"transfer-encoding")


class FramedProtocol(HttpToolsProtocol):
    """uvicorn's protocol class, which takes nothing for a part of a head, or for a request, that is none."""

    def __init__(self, config: Config, *arguments: Any, **options: Any) -> None:
        super().__init__(config, *arguments, **options)
        self._is_in_head = False
        self._is_reading_on = False

    def data_received(self, data: bytes) -> None:
        """Have the data parsed, that behind an Upgrade included."""
        self._unset_keepalive_if_required()
        while data:
            data = self._parse(data)

    def _parse(self, data: bytes) -> bytes:
        """Return what the parser left."""
        try:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if self._should_upgrade():
                    self.handle_websocket_upgrade()
                else:
                    self._read_on()
                    return data[upgrade.args[0] :]
        except httptools.HttpParserError:
            log.warning("Invalid HTTP request received.")
            self.send_400_response("")
        return b""

    def _read_on(self) -> None:
        """Have the body of this request read by a new parser: the one that met the Upgrade reads no more."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        lines = [b"%s: %s\r\n" % field for field in self.headers if field[0] in _FRAMING_FIELDS]
        self._is_reading_on = True
        try:
            self.parser.feed_data(b"POST / HTTP/%s\r\n%s\r\n" % (self.scope["http_version"].encode(), b"".join(lines)))
        finally:
            self._is_reading_on = False

    def _should_upgrade(self) -> bool:
        """Whether it is a WebSocket's handshake (RFC 6455 §4.1)."""
        return self.scope["method"] == "GET" and self.scope["http_version"] == "1.1" and super()._should_upgrade()

    def on_message_begin(self) -> None:
        """Begin a request, unless it is the body of one that is read on."""
        if not self._is_reading_on:
            self._is_in_head = True
            super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a field of the head, without the white space behind it; leave out a trailer."""
        if not self._is_in_head:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Have the request answered."""
        if self._is_in_head:
            self._is_in_head = False
            if b"%" in self.url:
                self._read_escapes()
            else:
                super().on_headers_complete()

    def _read_escapes(self) -> None:
        """Have the request answered, whose target has escapes: uvicorn would take 30 ms to read 64 kB of them."""
        url, parsed = self.url, httptools.parse_url(self.url)
        self.url = url.replace(b"%", b"-")
        super().on_headers_complete()
        self.url = url
        if "path" in self.scope:  # it is no handshake; the application has not begun yet
            self.scope["raw_path"] = self.root_path.encode("ascii") + parsed.path
            self.scope["path"] = self.root_path + unescape(parsed.path).decode("utf-8", "replace")
            self.scope["query_string"] = parsed.query or b""

    def on_message_complete(self) -> None:
        """Note that the body is whole; a parser that meets an Upgrade says so of one that it has not read."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, app if cycle.scope["http_version"] >= "1.1" else _delimit_by_close(cycle, app))


def _delimit_by_close(cycle: RequestResponseCycle, app: Any) -> Any:
    """Return the application with bodies of unknown length that the end of the connection ends, not chunks."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        is_unknown = False

        async def send_on(message: Message) -> None:
            nonlocal is_unknown
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message.get("headers", ())}
                is_unknown = names.isdisjoint((b"content-length", b"transfer-encoding"))
                if is_unknown:
                    cycle.chunked_encoding = False
            elif is_unknown:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_on)

    return call
