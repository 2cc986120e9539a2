"""Liveness, for load balancers and container platforms.

Rule: the answer needs neither Django nor a database, is given for any Host (load balancers ask by IP address, which
Django's ALLOWED_HOSTS would refuse), and is never cached.
"""

from __future__ import annotations

from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

PATH = "/healthz"
_UNCACHEABLE = {"Cache-Control": "private, no-store, max-age=0"}


class Alive:
    """Answers 200: this process takes requests."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer GET and HEAD."""
        response = PlainTextResponse("ok\n", headers=_UNCACHEABLE)
        if scope["method"] not in ("GET", "HEAD"):
            headers = {**_UNCACHEABLE, "Allow": "GET, HEAD"}  # RFC 9110 §15.5.6
            response = PlainTextResponse("Method Not Allowed\n", 405, headers)
        await response(scope, receive, send)


routes = [Route(PATH, Alive(), methods=None)]
