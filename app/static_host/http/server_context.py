"""What the connections of one server share: the application, prepared responses, a parser, secret and proxies."""

from __future__ import annotations

from asyncio import BaseTransport
from functools import cache
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from static_host.http.page import PageDispatcher
from static_host.http.single_request import SingleRequestParser
from static_host.http.status_lines import STATUS_LINES
from static_host.middleware.forwarded import TrustedProxies, unmap_ipv4
from static_host.middleware.origin_secret import OriginSecret
from static_host.origin.response_cache import PreparedResponse, ResponseCache
from static_host.telemetry.log_and_counters import RequestRecorder


class ServerContext:
    """The objects that all connections to one application use."""

    def __init__(self, app: Any, max_connections: int | None) -> None:
        self.app = app
        self._max_connections = max_connections
        self.recorder: RequestRecorder | None = getattr(app, "recorder", None)
        self.proxies: TrustedProxies = getattr(app, "proxies", None) or TrustedProxies(())
        self.secret: OriginSecret | None = getattr(app, "secret", None)
        responder = getattr(app, "responder", None)
        self.response_cache = ResponseCache(responder) if responder is not None else None
        """The static responses; None for an application that has none, whose requests all go through ASGI."""
        self.pages = PageDispatcher(app) if hasattr(app, "gateway") else None
        self.single_request_parser = SingleRequestParser()
        self._default_headers: list[tuple[bytes, bytes]] = []
        self._begins_of_heads: dict[int, bytes] = {}

    @property
    def has_plain_paths(self) -> bool:
        """Whether the application has static files, for which no ASGI is needed."""
        return self.response_cache is not None

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


@cache
def get_server_context(config: Config) -> ServerContext:
    """Return the context of a server whose application has booted, always the same one."""
    return ServerContext(config.loaded_app, config.limit_concurrency)


def get_address(transport: BaseTransport, end: str) -> tuple[str, int] | None:
    """Return an end of a connection, "peername" or "sockname"; None for a socket without addresses."""
    address = transport.get_extra_info(end)
    return (unmap_ipv4(str(address[0])), int(address[1])) if isinstance(address, tuple | list) else None
