"""Liveness, for load balancers and container platforms.

Rule: the answer needs neither Django nor a database, is given for any Host (load balancers ask by IP address, which
Django's ALLOWED_HOSTS would refuse), and is never cached.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

PATH = "/healthz"


async def alive(_request: Request) -> PlainTextResponse:
    """Answer 200: this process takes requests."""
    return PlainTextResponse("ok\n", headers={"Cache-Control": "private, no-store, max-age=0"})


routes = [Route(PATH, alive)]
