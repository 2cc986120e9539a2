"""Message framing that uvicorn lacks (RFC 9112 §6), as a subclass of its protocol class.

Rule: what follows a request's head is its body, also after an Upgrade that is ignored (RFC 9110 §7.8): uvicorn would
take it for the next request. Trailers are not merged into the head, which has been checked (§6.5.1). White space after
a value is not part of it (§5.5). HTTP/1.0 has no chunks: the end of the connection ends a body of unknown length.
"""

from __future__ import annotations

import logging
from typing import Any

import httptools
from starlette.types import Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from static_host.origin.percent_decoding import unescape

log = logging.getLogger("static_host.framing")

_FRAMING_FIELDS = (b"content-length", b"transfer-encoding")


class FramedProtocol(HttpToolsProtocol):
    """uvicorn's protocol class, with the boundaries of heads, bodies and requests as RFC 9112 has them."""

    def __init__(self, config: Config, *arguments: Any, **options: Any) -> None:
        super().__init__(config, *arguments, **options)
        self._is_in_head = False
        self._is_restarting = False

    def data_received(self, data: bytes) -> None:
        """Parse the data, also what follows an Upgrade."""
        self._unset_keepalive_if_required()
        while data:
            data = self._parse(data)

    def _parse(self, data: bytes) -> bytes:
        """Parse, and return the data that the parser has not consumed."""
        try:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if self._should_upgrade():
                    self.handle_websocket_upgrade()
                else:
                    self._restart_parser()
                    return data[upgrade.args[0] :]
        except httptools.HttpParserError:
            log.warning("Invalid HTTP request received.")
            self.send_400_response("")
        return b""

    def _restart_parser(self) -> None:
        """Continue with a new parser, as a request with this one's framing: after an Upgrade a parser reads no more."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        lines = [b"%s: %s\r\n" % field for field in self.headers if field[0] in _FRAMING_FIELDS]
        self._is_restarting = True
        try:
            self.parser.feed_data(b"POST / HTTP/%s\r\n%s\r\n" % (self.scope["http_version"].encode(), b"".join(lines)))
        finally:
            self._is_restarting = False

    def _should_upgrade(self) -> bool:
        """Whether this is a WebSocket handshake (RFC 6455 §4.1)."""
        return self.scope["method"] == "GET" and self.scope["http_version"] == "1.1" and super()._should_upgrade()

    def on_message_begin(self) -> None:
        """Begin a request, unless the parser is only restarted."""
        if not self._is_restarting:
            self._is_in_head = True
            super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a field of the head, without trailing white space; ignore a trailer."""
        if not self._is_in_head:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Start the request."""
        if self._is_in_head:
            self._is_in_head = False
            if b"%" in self.url:
                self._start_escaped_request()
            else:
                super().on_headers_complete()

    def _start_escaped_request(self) -> None:
        """Start a request whose target is percent-encoded: uvicorn takes 30 ms to decode 64 kB of it."""
        url, parsed = self.url, httptools.parse_url(self.url)
        self.url = url.replace(b"%", b"-")
        super().on_headers_complete()
        self.url = url
        if "path" in self.scope:  # it is no WebSocket handshake; the application has not started yet
            self.scope["raw_path"] = self.root_path.encode("ascii") + parsed.path
            self.scope["path"] = self.root_path + unescape(parsed.path).decode("utf-8", "replace")
            self.scope["query_string"] = parsed.query or b""

    def on_message_complete(self) -> None:
        """End the body, unless the parser stopped at an Upgrade, with the body still unread."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, app if cycle.scope["http_version"] >= "1.1" else _delimit_by_close(cycle, app))


def _delimit_by_close(cycle: RequestResponseCycle, app: Any) -> Any:
    """Return the application with its bodies of unknown length delimited by the end of the connection, not chunked."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        is_length_unknown = False

        async def unchunked_send(message: Message) -> None:
            nonlocal is_length_unknown
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message.get("headers", ())}
                is_length_unknown = names.isdisjoint((b"content-length", b"transfer-encoding"))
                if is_length_unknown:
                    cycle.chunked_encoding = False
            elif is_length_unknown:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, unchunked_send)

    return call
