"""Has Django's ASGI handler give open files to the front, as ``wsgi.file_wrapper`` does through WSGI.

Rule: the message that starts the response offers the file. If the worker gets that message as it is before the first
piece of the body is due, the front sends the file, and the body is empty. Else Django reads the file: a middleware of
the project makes messages of its own, holds the start back, or changes the body.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import wraps
from typing import Any

from static_host_django.asgi_request import FILE_KEY
from static_host_django.asgi_types import Message, Send
from static_host_django.open_file import OpenFile, find_open_file
from static_host_django.sync_streaming import iter_in_thread
from static_host_django.wsgi_worker import is_bodiless

_OF_CONTENT = (b"content-encoding", b"content-length", b"transfer-encoding")


class OfferedFile:
    """A file that the front may take, until Django begins to read it or closes it."""

    def __init__(self, found: OpenFile) -> None:
        self._found: OpenFile | None = found
        self._of_content: list[tuple[bytes, bytes]] = []
        self.is_taken = False

    def add_to(self, message: Message) -> Message:
        """Return the message that starts the response, with the offer."""
        self._of_content = _select(message["headers"])
        return {**message, FILE_KEY: self}

    def take(self, headers: Iterable[tuple[bytes, bytes]]) -> OpenFile | None:
        """Return the file, for the front to send; None if Django sends it, or the fields speak of another body."""
        found, self._found = self._found, None
        if found is None or _select(headers) != self._of_content:
            return None
        self.is_taken = True
        return found

    def withdraw(self) -> None:
        """Offer the file no more."""
        self._found = None


def patch_file_responses() -> None:
    """Patch Django's ASGI handler to offer the file of a FileResponse to the front."""
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
        offered = OfferedFile(found)

        async def send_with_offer(message: Message) -> None:
            await send(offered.add_to(message) if message["type"] == "http.response.start" else message)

        async def iter_unless_taken(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
            if not offered.is_taken:
                offered.withdraw()
                async for piece in iter_in_thread(pieces):
                    yield piece

        response.streaming_content = iter_unless_taken(response.streaming_content)  # `close` still closes the file
        try:
            await own(handler, response, send_with_offer)
        finally:
            offered.withdraw()

    ASGIHandler.send_response = send_response  # type: ignore[assignment, method-assign]  # Django has no hook for it


def _select(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return sorted(field for field in ((name.lower(), value) for name, value in headers) if field[0] in _OF_CONTENT)
