"""Uploads for tests: a directory of them, and servers in this process, with the fast path and without it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from static_host.files.media_files import MediaFiles
from static_host.files.media_place import MediaPlace
from static_host.middleware.media_files import MediaFilesMiddleware
from static_host.origin.responder import Responder
from static_host.origin.tree import load_tree
from tests.support.in_process import serve_in_process
from tests.support.trees import make_tree
from tests.support.wire import remove_dates

LAST_REQUEST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
LAST_RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\npage"
"""What a connection ends with."""
LONG_AGO = 1_700_000_000
"""2023-11-14T22:13:20Z, when the files of a test were modified."""


def write(root: Path, name: str, data: bytes, modified: float = LONG_AGO) -> Path:
    """Write a file that was modified then."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (modified, modified))
    return path


def make_media(root: Path, max_age: int = 0, *, is_inline: bool = False) -> MediaFiles:
    """Return what serves a directory at /media/."""
    return MediaFiles(MediaPlace(root, (b"/media/",)), max_age, is_inline=is_inline)


async def respond_as_page(scope: Any, receive: Any, send: Any) -> None:
    """Respond as the project would."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"page"})


class App:
    """A front with uploads: a tree, and the project behind them."""

    def __init__(self, directory: Path, media: MediaFiles) -> None:
        self.responder = Responder(load_tree(make_tree(directory, {"a.txt": b"static"})), "/static/")
        self.media = media
        self.respond = MediaFilesMiddleware(respond_as_page, media)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.respond(scope, receive, send)


Ask = Callable[[bytes], Awaitable[bytes]]


@asynccontextmanager
async def serve_both_ways(directory: Path, media: MediaFiles) -> AsyncIterator[tuple[Ask, Ask]]:
    """Give two functions that send bytes on a connection of their own: with the fast path, and without it."""
    app = App(directory, media)
    async with (
        serve_in_process(app) as (fast, _),
        serve_in_process(app.respond.__call__, interface="asgi3") as (other, _),
    ):

        def ask_at(address: Any) -> Ask:
            async def ask(data: bytes) -> bytes:
                reader, writer = await asyncio.open_connection(*address)
                writer.write(data)
                received = await reader.read(1 << 16)  # so that the request arrived by itself
                if b"connection: close" not in data.lower():  # else the server closes, whatever still comes
                    writer.write(LAST_REQUEST)
                received += await reader.read()
                writer.close()
                return remove_dates(received).removesuffix(LAST_RESPONSE)

            return ask

        yield ask_at(fast), ask_at(other)
