"""Has Django's ASGI handler give open files to the front, as ``wsgi.file_wrapper`` does through WSGI.

Rule: the message that starts the response carries the file, and the body that follows is empty. What wraps `send`
passes both on as they are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from static_host_django.asgi_request import FILE_KEY
from static_host_django.asgi_types import Message, Send
from static_host_django.open_file import find_open_file
from static_host_django.wsgi_worker import is_bodiless


def patch_file_responses() -> None:
    """Patch Django's ASGI handler to give the file of a FileResponse to the front."""
    from django.core.handlers.asgi import ASGIHandler

    own: Callable[..., Awaitable[None]] = ASGIHandler.send_response

    @wraps(own)
    async def send_response(handler: Any, response: Any, send: Send) -> None:
        file = getattr(response, "file_to_stream", None)
        stated = str(response.headers.get("Content-Length", ""))
        found = find_open_file(file, int(stated) if stated.isdecimal() else None) if file is not None else None
        if found is None or is_bodiless(response.status_code):
            await own(handler, response, send)
            return

        async def send_with_file(message: Message) -> None:
            await send({**message, FILE_KEY: found} if message["type"] == "http.response.start" else message)

        response.streaming_content = _NoPieces()  # `close` still closes the file
        await own(handler, response, send_with_file)

    ASGIHandler.send_response = send_response  # type: ignore[assignment, method-assign]  # Django has no hook for it


class _NoPieces:
    """A body without pieces, which Django takes for an asynchronous one: it needs no thread."""

    def __aiter__(self) -> _NoPieces:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration
