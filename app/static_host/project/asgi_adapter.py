"""An ASGI project as the server calls it: given and held to what a synchronous one is.

Rule: the same request is the same to a view, and the same response is the same to a client, whichever way Django is
called. A project that has nothing for a WebSocket refuses it (HTTP 403), and that is not an error.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from io import SEEK_END
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from static_host.project.sync_streaming import patch_sync_streaming
from static_host.project.wsgi_call import is_bodiless
from static_host.telemetry.request_record import MAX_TARGET_BYTES, format_target, get_raw_path, truncate_text

log = logging.getLogger("static_host.interface")

_REPLACEMENT_CHARACTER = "\ufffd"
_WEBSOCKET_REJECTION = {"type": "websocket.close", "code": 1000}
"""Before the handshake: the server answers 403."""


def adapt_asgi_application(application: ASGIApp) -> ASGIApp:
    """Return a project's ASGI application, with requests and responses as they are through WSGI."""
    from django.core.handlers.asgi import ASGIHandler

    patch_sync_streaming()
    _patch_content_length()
    _patch_system_exit()
    web_sockets = type(application) is not ASGIHandler

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            with _convert_system_exit():
                await application(_normalize_scope(scope), receive, _wrap_send(send, is_head=scope["method"] == "HEAD"))
        elif scope["type"] == "websocket" and not web_sockets:
            await send(_WEBSOCKET_REJECTION)
        elif scope["type"] == "websocket":
            with _convert_system_exit():
                await _run_websocket(application, scope, receive, send)
        else:
            await application(scope, receive, send)

    return call


class ProjectExitError(Exception):
    """The project raised SystemExit for a request, which is answered 500, as through WSGI."""


@contextmanager
def _convert_system_exit() -> Iterator[None]:
    """Raise another exception in place of SystemExit: an event loop in a task of which that is raised ends."""
    try:
        yield
    except SystemExit as error:
        raise ProjectExitError(f"the project raised {error!r} for a request") from error


def _patch_system_exit() -> None:
    """Hold SystemExit where Django runs the project's code: views and streams, in a task of its own."""
    from django.core.handlers.asgi import ASGIHandler

    for name in ("get_response_async", "send_response"):  # Django has no hook for it
        setattr(ASGIHandler, name, _wrap_system_exit(getattr(ASGIHandler, name)))


def _wrap_system_exit(own: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(own)
    async def call(*args: Any) -> Any:
        with _convert_system_exit():
            return await own(*args)

    return call


def _patch_content_length() -> None:
    """Give Django's requests the length of a body that came in chunks, as they have it through WSGI.

    Django has read the body by then. Without a length, its parser takes a form with files for an empty one.
    """
    from django.core.handlers.asgi import ASGIRequest

    own = ASGIRequest.__init__

    @wraps(own)
    def init(request: Any, scope: Scope, body_file: Any) -> None:
        own(request, scope, body_file)
        if "CONTENT_LENGTH" not in request.META and "HTTP_TRANSFER_ENCODING" in request.META:
            body_file.seek(0, SEEK_END)
            request.META["CONTENT_LENGTH"] = str(body_file.tell())
            body_file.seek(0)

    ASGIRequest.__init__ = init  # type: ignore[assignment, method-assign]  # Django has no hook for it


def _normalize_scope(scope: Scope) -> Scope:
    """Return the scope with one Cookie line (RFC 9113 §8.2.3), and a path in which nothing is lost."""
    cookies = [value for name, value in scope["headers"] if name == b"cookie"]
    if len(cookies) > 1:
        others = [field for field in scope["headers"] if field[0] != b"cookie"]
        scope = {**scope, "headers": [*others, (b"cookie", b"; ".join(cookies))]}
    if _REPLACEMENT_CHARACTER in scope["path"] and scope.get("raw_path"):
        from django.utils.encoding import repercent_broken_unicode

        scope = {**scope, "path": repercent_broken_unicode(unquote_to_bytes(scope["raw_path"])).decode()}
    return scope


def _wrap_send(send: Send, *, is_head: bool) -> Send:
    """Return `send` for a response that may have no body, but has one; nobody waits for the end of that."""
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
    """Have a WebSocket answered, or refuse it where the application has nothing for it.

    Django's handler and those of Channels that choose by protocol or by path say so with a ValueError, before they
    have listened or spoken.
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
        log.warning(
            "WebSocket %r: refused: %s",
            format_target(get_raw_path(scope), b""),
            truncate_text(str(error), MAX_TARGET_BYTES),
        )
        await send(_WEBSOCKET_REJECTION)
