"""Adapts a project's ASGI application, so that it behaves like a synchronous one.

Rule: a view sees the same request, and a client the same response, whether Django is called through WSGI or ASGI. A
WebSocket for which the project has no consumer is rejected with 403, and that is not an error.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from io import SEEK_END
from typing import Any
from urllib.parse import unquote_to_bytes

from static_host_django.asgi_types import ASGIApp, Message, Receive, Scope, Send
from static_host_django.file_responses import patch_file_responses
from static_host_django.sync_streaming import patch_sync_streaming
from static_host_django.wsgi_worker import is_bodiless

log = logging.getLogger("static_host.interface")

_MAX_LOGGED_CHARACTERS = 2048
_REPLACEMENT_CHARACTER = "\ufffd"
_WEBSOCKET_REJECTION = {"type": "websocket.close", "code": 1000}
"""Before the handshake: the server answers 403."""


def adapt_asgi_application(application: ASGIApp) -> ASGIApp:
    """Return a project's ASGI application, wrapped so that requests and responses are as through WSGI."""
    from django.core.handlers.asgi import ASGIHandler

    patch_sync_streaming()
    patch_file_responses()
    _patch_request()
    _patch_system_exit()
    is_http_only = type(application) is ASGIHandler

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            with _convert_system_exit():
                await application(_normalize_scope(scope), receive, _wrap_send(send, is_head=scope["method"] == "HEAD"))
        elif scope["type"] == "websocket" and is_http_only:
            await send(_WEBSOCKET_REJECTION)
        elif scope["type"] == "websocket":
            with _convert_system_exit():
                await _run_websocket(application, scope, receive, send)
        elif not is_http_only:  # Django's own handler raises for a lifespan, which Sentry would report for each worker
            await application(scope, receive, send)

    return call


class ProjectExitError(Exception):
    """The project raised SystemExit during a request. The response is a 500, as through WSGI."""


@contextmanager
def _convert_system_exit() -> Iterator[None]:
    """Replace SystemExit by ProjectExitError: SystemExit in one task would end the event loop."""
    try:
        yield
    except SystemExit as error:
        raise ProjectExitError(f"the project raised {error!r} for a request") from error


def _patch_system_exit() -> None:
    """Patch Django's ASGI handler, which runs views and streams in tasks, to convert SystemExit there."""
    from django.core.handlers.asgi import ASGIHandler

    for name in ("get_response_async", "send_response"):  # Django has no hook for it
        setattr(ASGIHandler, name, _wrap_system_exit(getattr(ASGIHandler, name)))


def _wrap_system_exit(own: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(own)
    async def call(*args: Any) -> Any:
        with _convert_system_exit():
            return await own(*args)

    return call


def _patch_request() -> None:
    """Patch Django's ASGI requests to have the length and the paths that they have through WSGI."""
    from django.core.handlers.asgi import ASGIRequest

    own = ASGIRequest.__init__

    @wraps(own)
    def init(request: Any, scope: Scope, body_file: Any) -> None:
        own(request, scope, body_file)
        _add_content_length(request, body_file)
        _prepend_script_name(request)

    ASGIRequest.__init__ = init  # type: ignore[assignment, method-assign]  # Django has no hook for it


def _add_content_length(request: Any, body_file: Any) -> None:
    """Add the length of a chunked body, which Django has read by now. Its multipart parser sees no form without one."""
    if "CONTENT_LENGTH" not in request.META and "HTTP_TRANSFER_ENCODING" in request.META:
        body_file.seek(0, SEEK_END)
        request.META["CONTENT_LENGTH"] = str(body_file.tell())
        body_file.seek(0)


def _prepend_script_name(request: Any) -> None:
    """Have the path begin with FORCE_SCRIPT_NAME, also where a proxy has removed that, or where it ends with a slash.

    Without it, Django redirects to URLs that lead past the proxy's route to this project.
    """
    from django.conf import settings

    path = request.scope["path"]
    request.script_name = request.META["SCRIPT_NAME"] = settings.FORCE_SCRIPT_NAME or request.script_name  # Django 4.2
    if script_name := request.script_name.rstrip("/"):
        rest = path.removeprefix(script_name) if f"{path}/".startswith(f"{script_name}/") else path
        request.path_info = request.META["PATH_INFO"] = rest or "/"
        request.path = script_name + request.path_info


def _normalize_scope(scope: Scope) -> Scope:
    """Return the scope with one Cookie line (RFC 9113 §8.2.3), and with a path in which no byte is replaced."""
    cookies = [value for name, value in scope["headers"] if name == b"cookie"]
    if len(cookies) > 1:
        others = [field for field in scope["headers"] if field[0] != b"cookie"]
        scope = {**scope, "headers": [*others, (b"cookie", b"; ".join(cookies))]}
    if _REPLACEMENT_CHARACTER in scope["path"] and scope.get("raw_path"):
        from django.utils.encoding import repercent_broken_unicode

        scope = {**scope, "path": repercent_broken_unicode(unquote_to_bytes(scope["raw_path"])).decode()}
    return scope


def _wrap_send(send: Send, *, is_head: bool) -> Send:
    """Return a `send` that drops the body of a response which must have none (HEAD, 204, 304)."""
    has_none = is_over = False

    async def send_on(message: Message) -> None:
        nonlocal has_none, is_over
        if message["type"] == "http.response.start":
            has_none = is_head
            if is_bodiless(message["status"]):
                has_none = True
                fields = [field for field in message.get("headers", ()) if field[0].lower() != b"content-length"]
                message = {**message, "headers": fields}
        elif is_over:
            return
        elif has_none:
            is_over = True
            message = {"type": "http.response.body"}
        await send(message)

    return send_on


async def _run_websocket(application: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Call the application for a WebSocket, and reject the WebSocket if the application does not support it.

    Django's handler and the routers of Channels then raise ValueError, before they receive or send anything.
    """
    is_known = False

    async def listen() -> Message:
        nonlocal is_known
        is_known = True
        return await receive()

    async def speak(message: Message) -> None:
        nonlocal is_known
        is_known = True
        await send(message)

    try:
        await application(scope, listen, speak)
    except ValueError as error:
        if is_known:
            raise
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        log.warning("WebSocket %r: refused: %s", _truncate(raw.decode("latin-1")), _truncate(str(error)))
        await send(_WEBSOCKET_REJECTION)


def _truncate(text: str) -> str:
    return text if len(text) <= _MAX_LOGGED_CHARACTERS else f"{text[:_MAX_LOGGED_CHARACTERS]}…"
