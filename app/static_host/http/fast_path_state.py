"""What the connections of one process share on the fast path: prepared responses, a parser, secret and proxies."""

from __future__ import annotations

from functools import cache

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from static_host.http.limits import get_application
from static_host.http.page import PageDispatcher
from static_host.http.single_request import SingleRequestParser
from static_host.middleware.forwarded import TrustedProxies
from static_host.middleware.origin_secret import OriginSecret
from static_host.origin.responder import Responder
from static_host.origin.response_cache import ResponseCache


class FastPathState:
    """The objects that all connections to one application use."""

    def __init__(
        self,
        responder: Responder,
        proxies: TrustedProxies,
        secret: OriginSecret | None,
        pages: PageDispatcher | None,
    ) -> None:
        self.response_cache = ResponseCache(responder)
        self.single_request_parser = SingleRequestParser()
        self.proxies = proxies
        self.secret = secret
        self.pages = pages
        self._default_headers: list[tuple[bytes, bytes]] = []
        self._begins_of_heads: dict[int, bytes] = {}

    def begin_head(self, status: int, default_headers: list[tuple[bytes, bytes]]) -> bytes:
        """Return what a head begins with: status line and uvicorn's fields, a new list every second for the date."""
        if self._default_headers is not default_headers:
            self._default_headers = default_headers
            self._begins_of_heads = {}
        begin = self._begins_of_heads.get(status)
        if begin is None:
            begin = STATUS_LINE[status] + b"".join([b"%s: %s\r\n" % field for field in default_headers])
            self._begins_of_heads[status] = begin
        return begin


@cache
def get_fast_path_state(config: Config) -> FastPathState:
    """Return the state of a server whose application has booted, always the same one."""
    application = get_application(config)
    proxies = getattr(application, "proxies", TrustedProxies(()))
    pages = PageDispatcher(application) if hasattr(application, "gateway") else None
    return FastPathState(application.responder, proxies, getattr(application, "secret", None), pages)
