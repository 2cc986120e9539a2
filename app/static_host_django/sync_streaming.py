"""Sends responses that stream from a synchronous iterator through ASGI piece by piece.

Rule: Django's own handler reads such an iterator to its end, into memory, before it sends anything. Here the thread
that iterates hands over each piece, and waits while the client does not read. When the client disconnects, the
iteration ends. Asynchronous iterators are left to Django.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any

from static_host_django.thread_stream import RequestAbandonedError, Stream


def patch_sync_streaming() -> None:
    """Patch Django's StreamingHttpResponse to give each piece of a synchronous iterator when it is yielded."""
    from django.http import StreamingHttpResponse

    own = StreamingHttpResponse.__aiter__

    def pieces(response: Any) -> AsyncIterator[bytes]:
        return own(response) if response.is_async else iter_in_thread(response.streaming_content)

    StreamingHttpResponse.__aiter__ = pieces  # type: ignore[assignment, method-assign]  # Django has no hook for it


async def iter_in_thread(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yield the pieces as a thread makes them."""
    from asgiref.sync import sync_to_async

    stream = Stream(asyncio.get_running_loop())

    def hand_over() -> None:
        try:
            for piece in pieces:
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
