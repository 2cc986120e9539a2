"""What the connections of one server share: the application, prepared responses, a parser, secret and proxies."""

from __future__ import annotations

import socket
from asyncio import BaseTransport
from functools import cache, partial
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from static_host.http.page_dispatcher import PageDispatcher
from static_host.http.single_request import SingleRequestParser
from static_host.http.status_lines import STATUS_LINES
from static_host.middleware.forwarded import ClientAddress, HeaderFields, TrustedProxies, unmap_ipv4
from static_host.middleware.origin_secret import OriginSecret
from static_host.origin.request_head import MAX_CACHED_LINE_BYTES
from static_host.origin.response_cache import PreparedResponse, ResponseCache
from static_host.telemetry.access_log import LineFormat, TextFormat
from static_host.telemetry.log_and_counters import RequestRecorder
from static_host.telemetry.request_record import UNIX_PEER, format_address, parse_logged_target

MAX_KEPT_TEXTS = 1024
"""Request lines, and clients behind proxies, of which `ServerContext` keeps what the log says of them."""


class ServerContext:
    """The objects that all connections to one application use."""

    def __init__(self, app: Any, max_connections: int | None) -> None:
        self.app = app
        self._max_connections = max_connections
        self.recorder: RequestRecorder | None = getattr(app, "recorder", None)
        self.proxies: TrustedProxies = getattr(app, "proxies", None) or TrustedProxies(())
        self.secret: OriginSecret | None = getattr(app, "secret", None)
        self._caches: dict[tuple[str, bool], ResponseCache] = {}
        self.pages = PageDispatcher(app) if hasattr(app, "gateway") else None
        self.single_request_parser = SingleRequestParser()
        log = self.recorder.log if self.recorder is not None else None
        self.log = log.format if log is not None else TextFormat()
        """The form of a line of the access log."""
        self.logged_requests: dict[bytes, str] = {}
        """What the log says of request lines."""
        self._logged_clients: dict[bytes, str] = {}
        self._default_headers: list[tuple[bytes, bytes]] = []
        self._begins_of_heads: dict[int, bytes] = {}

    def describe_request(self, form: LineFormat, line: bytes) -> str:
        """Return what the log says of a request line, and keep it in `logged_requests`."""
        return _keep(self.logged_requests, line, form.format_request(*parse_logged_target(line), "1.1"))

    def describe_client(self, form: LineFormat, peer: ClientAddress | None, values: list[bytes]) -> str:
        """Return what the log says of the client of a request; `values` are those of X-Forwarded-For."""
        if not values or peer is None or not self.proxies.is_trusted(peer[0]):
            return form.format_client(*format_address(peer))
        key = b",".join(values)
        client = self._logged_clients.get(key)
        if client is None:
            named = self.proxies.find_client(values)
            if named is None:
                return form.format_client(*format_address(peer))
            client = _keep(self._logged_clients, key, form.format_client(*format_address(named)))
        return client

    def get_response_cache(self, peer: ClientAddress | None, scheme: str) -> ResponseCache | None:
        """Return the static responses for a connection's requests, which may depend on who tells their scheme.

        Returns None for an application that has none, whose requests all go through ASGI.
        """
        responder = getattr(self.app, "responder", None)
        if responder is None:
            return None
        key = (scheme, self.proxies.is_trusted((peer or ("",))[0]))
        if key not in self._caches:
            resolve = partial(self._resolve_scheme, *key)
            self._caches[key] = ResponseCache(responder, getattr(self.app, "media", None), resolve)
        return self._caches[key]

    def _resolve_scheme(self, own: str, is_trusted: bool, fields: HeaderFields) -> tuple[str, HeaderFields] | None:
        """Return the scheme of a request, and its fields as `ForwardedMiddleware` passes them on.

        None if the scheme depends on X-Forwarded-For, which these fields lack: every client has another.
        """
        if not is_trusted:
            return own, fields
        if not self.proxies.is_scheme_clear(fields):
            return None
        forwarded, fields = self.proxies.resolve_scheme(fields)
        return forwarded or own, fields

    def is_crowded(self, server_state: ServerState) -> bool:
        """Whether there are more connections than there should be."""
        return self._max_connections is not None and len(server_state.connections) > self._max_connections

    def begin_head(self, status: int, default_headers: list[tuple[bytes, bytes]]) -> bytes:
        """Return what a head begins with: status line and uvicorn's fields, a new list every second for the date."""
        if self._default_headers is not default_headers:
            self._default_headers = default_headers
            self._begins_of_heads = {}
        begin = self._begins_of_heads.get(status)
        if begin is None:
            begin = STATUS_LINES[status] + b"".join([b"%s: %s\r\n" % field for field in default_headers])
            self._begins_of_heads[status] = begin
        return begin

    def stamp(self, response: PreparedResponse, default_headers: list[tuple[bytes, bytes]]) -> None:
        """Put the beginning of its head into a prepared response."""
        response.stamp = default_headers
        begin = self.begin_head(response.status, default_headers)
        response.head, response.begin = begin + response.block, len(begin)


def _keep(texts: dict[bytes, str], key: bytes, text: str) -> str:
    """Keep a text unless its key is long, and return it. Clients choose the keys: a full dictionary is cleared."""
    if len(key) <= MAX_CACHED_LINE_BYTES:
        if len(texts) >= MAX_KEPT_TEXTS:
            texts.clear()
        texts[key] = text
    return text


@cache
def get_server_context(config: Config) -> ServerContext:
    """Return the context of a server whose application has booted, always the same one."""
    return ServerContext(config.loaded_app, config.limit_concurrency)


def get_address(transport: BaseTransport, end: str) -> tuple[str, int] | None:
    """Return an end of a connection, "peername" or "sockname"; None if it has no address, or that is not known.

    `UNIX_PEER` is the peer on a Unix socket. That of TCP is not known once it has reset the connection.
    """
    address = transport.get_extra_info(end)
    if isinstance(address, tuple | list):
        return unmap_ipv4(str(address[0])), int(address[1])
    connection = transport.get_extra_info("socket")
    is_unix = end == "peername" and connection is not None and connection.family == socket.AF_UNIX
    return UNIX_PEER if is_unix else None
