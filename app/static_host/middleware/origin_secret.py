"""The origin secret: a request that lacks it did not come through the CDN, and gets 403.

Rule: the CDN adds the secret to every request in a header field. Two secrets are valid while one replaces the other.
They are compared in constant time. Neither Django nor any log gets the field. Health checks need no secret: they come
from the platform and not through the CDN.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from hmac import compare_digest

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from static_host.conf.settings import Settings
from static_host.origin.headers import UNCACHEABLE
from static_host.telemetry.scope_keys import HANDLER_KEY


class OriginSecret:
    """The valid secrets and the name of the header field that carries one."""

    def __init__(self, field: str, secrets: Iterable[str]) -> None:
        self.field = field.lower().encode()
        self._secrets = [secret.encode() for secret in secrets]
        name = re.escape(self.field)
        self._find_values = re.compile(rb"\r\n" + name + rb":[ \t]*([^\r\n]*)", re.IGNORECASE).findall

    @classmethod
    def from_settings(cls, settings: Settings) -> OriginSecret | None:
        """Return the secrets of DJANGO_ORIGIN_SECRET, or None when it is not set."""
        if settings.origin_secret is None:
            return None
        secrets = settings.origin_secret.get_secret_value().split(",")
        return cls(settings.origin_secret_header, (secret.strip() for secret in secrets))

    def is_in_head(self, head: bytes) -> bool:
        """Whether a request head, as bytes, has a valid secret."""
        return self.is_among(value.rstrip(b" \t") for value in self._find_values(head))

    def is_among(self, values: Iterable[bytes]) -> bool:
        """Whether one of the field's values is a valid secret."""
        matches = [compare_digest(value, secret) for value in values for secret in self._secrets]
        return any(matches)


class OriginSecretMiddleware:
    """ASGI middleware that refuses requests without the secret, except for those to `open_paths`."""

    def __init__(self, app: ASGIApp, secret: OriginSecret, open_paths: Collection[str]) -> None:
        self.app = app
        self._secret = secret
        self._open = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on without the field, or respond with 403."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        field = self._secret.field
        values = [value for name, value in scope["headers"] if name == field]
        if values:
            scope["headers"] = [line for line in scope["headers"] if line[0] != field]
        is_check = scope["type"] == "http" and scope["path"] in self._open
        if self._secret.is_among(value.strip(b" \t") for value in values) or is_check:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            scope[HANDLER_KEY] = "refused"
            await send({"type": "websocket.close", "code": 1008})  # before the handshake: the server answers 403
        else:
            scope[HANDLER_KEY] = "refused"
            headers = {"Cache-Control": UNCACHEABLE.decode()}
            await PlainTextResponse("Forbidden\n", 403, headers)(scope, receive, send)
