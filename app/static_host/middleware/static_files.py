"""The static origin as ASGI middleware: the reference behaviour, under any ASGI server.

Rule: one ladder picks the response; then one send for its head and one for each part of its body. A request that the
origin does not own goes to the next application unchanged. An insecure one may be redirected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from static_host.files.not_found_page import NotFoundPage
from static_host.files.response_sending import send_response
from static_host.origin.responder import Responder
from static_host.origin.response import Response, is_not_found
from static_host.telemetry.request_record import ENCODED_BUILD_USER_AGENT, get_raw_path
from static_host.telemetry.scope_keys import HANDLER_KEY, RELEASE_KEY

if TYPE_CHECKING:
    from static_host.object_store.fallback import ObjectStoreFallback


class StaticFilesMiddleware:
    """ASGI middleware that answers from `responder`, and for a missing file from `fallback` if there is one.

    A file that both lack is `not_found_page`, if there is one and a page is asked for.
    """

    def __init__(
        self,
        app: ASGIApp,
        responder: Responder,
        fallback: ObjectStoreFallback | None = None,
        not_found_page: NotFoundPage | None = None,
    ) -> None:
        self.app = app
        self._not_found_page = not_found_page
        self.responder = responder
        self.fallback = fallback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond from the static tree or the fallback, or pass the request on."""
        response, is_secure = None, True
        security = self.responder.security
        if scope["type"] == "http":
            if security.depends_on_scheme:
                is_secure = security.is_secure(scope["scheme"], scope["headers"])
            response = self._respond(scope, is_secure=is_secure)
        elif scope["type"] == "websocket" and self.responder.is_owned(get_raw_path(scope)):
            scope[HANDLER_KEY] = "static"
            await send({"type": "websocket.close", "code": 1000})  # before the handshake: the server answers 403
            return
        if response is None:
            await self.app(scope, receive, send)
            return
        scope[HANDLER_KEY] = "static"
        if self.fallback is not None and is_not_found(response):
            found = await self.fallback.respond(scope["method"], get_raw_path(scope), scope["headers"])
            if found is not None:
                scope[HANDLER_KEY], response = "store", found
        if self._not_found_page is not None and is_not_found(response):
            response = self._not_found_page.respond(scope["method"], scope["headers"]) or response
        if response.release and (b"user-agent", ENCODED_BUILD_USER_AGENT) not in scope["headers"]:
            scope[RELEASE_KEY] = response.release
        response = security.adapt(response, is_secure=is_secure)
        try:
            await send_response(response, scope, receive, send)
        finally:
            response.close()

    def _respond(self, scope: Scope, *, is_secure: bool) -> Response | None:
        """Return the response of the origin, or the redirect to https; None for a path that is not its own."""
        method, path, headers = scope["method"], get_raw_path(scope), scope["headers"]
        security = self.responder.security
        if is_secure or not security.requires_redirect(path) or not self.responder.is_owned(path):
            return self.responder.respond(method, path, headers)
        return security.build_redirect(method, path, scope.get("query_string", b""), headers)
