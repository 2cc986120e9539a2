"""Streams of synchronous iterators through ASGI, sent as they are made.

Rule: Django's own handler reads such an iterator to its end before it sends anything, in memory, however long that
takes. Here the thread that Django would read it in hands over each piece, and waits while the client takes none; a
client that goes away ends the iteration. Asynchronous iterators are Django's alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from static_host.project.wsgi_call import RequestAbandonedError, Stream


def patch_sync_streaming() -> None:
    """Have Django's streaming responses give what a synchronous iterator yields when it yields it."""
    from django.http import StreamingHttpResponse

    own = StreamingHttpResponse.__aiter__

    def pieces(response: Any) -> AsyncIterator[bytes]:
        return own(response) if response.is_async else _iter_pieces(response)

    StreamingHttpResponse.__aiter__ = pieces  # type: ignore[assignment, method-assign]  # Django has no hook for it


async def _iter_pieces(response: Any) -> AsyncIterator[bytes]:
    from asgiref.sync import sync_to_async

    stream = Stream(asyncio.get_running_loop())

    def hand_over() -> None:
        try:
            for piece in response.streaming_content:
                stream.put(piece)
        except RequestAbandonedError:
            pass
        except BaseException as error:
            stream.end(error)
        else:
            stream.end()

    thread = asyncio.ensure_future(sync_to_async(hand_over)())
    try:
        async for data in stream.pieces():
            yield data
    finally:
        stream.close()
        with suppress(asyncio.CancelledError):
            await asyncio.shield(thread)
