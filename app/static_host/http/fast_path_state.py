"""What the connections of one process share on the fast path: prepared responses, a parser, secret and proxies."""

from __future__ import annotations

from functools import cache

from uvicorn.config import Config

from static_host.http.limits import get_application
from static_host.http.single_request import SingleRequestParser
from static_host.middleware.forwarded import TrustedProxies
from static_host.middleware.origin_secret import OriginSecret
from static_host.origin.responder import Responder
from static_host.origin.response_cache import ResponseCache


class FastPathState:
    """The objects that all connections to one application use."""

    def __init__(self, responder: Responder, proxies: TrustedProxies, secret: OriginSecret | None) -> None:
        self.response_cache = ResponseCache(responder)
        self.single_request_parser = SingleRequestParser()
        self.proxies = proxies
        self.secret = secret


@cache
def get_fast_path_state(config: Config) -> FastPathState:
    """Return the state of a server whose application has booted, always the same one."""
    application = get_application(config)
    proxies = getattr(application, "proxies", TrustedProxies(()))
    return FastPathState(application.responder, proxies, getattr(application, "secret", None))
