"""The origin's secret: requests that did not come through the CDN, which knows it, are answered 403.

Rule: the secret comes in a header field that the CDN adds to every request. Two secrets are accepted while one takes
the place of the other. They are compared in constant time, and neither Django nor any log ever gets to see the field.
The health checks need none: they come from the platform, not through the CDN.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from hmac import compare_digest

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from static_host.conf.settings import Settings
from static_host.telemetry.scope_keys import HANDLER_KEY


class OriginSecret:
    """The accepted secrets, and the field they come in."""

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
        """Whether a head, as bytes, has a secret."""
        return self.is_among(value.rstrip(b" \t") for value in self._find_values(head))

    def is_among(self, values: Iterable[bytes]) -> bool:
        """Whether one of the field's values is a secret."""
        matches = [compare_digest(value, secret) for value in values for secret in self._secrets]
        return any(matches)


class OriginSecretMiddleware:
    """ASGI middleware that lets only requests with the secret through, and those for `open_paths`."""

    def __init__(self, app: ASGIApp, secret: OriginSecret, open_paths: Collection[str]) -> None:
        self.app = app
        self._secret = secret
        self._open = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on without the field, or refuse it."""
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
            headers = {"Cache-Control": "private, no-store, max-age=0"}
            await PlainTextResponse("Forbidden\n", 403, headers)(scope, receive, send)
