"""An object of the store as it comes.

Rule: silence is what a store is given up for, not length: what arrives at `SLOWEST` or faster goes on arriving.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

SLOWEST = 10_000
"""Bytes a second that an object has to come at, once it comes."""
HESITATION = 2.0
"""Seconds that it may be behind that."""

Waited = Callable[[Awaitable[Any]], Awaitable[Any]]
"""Awaits something of the store's, for as long as one may. Raises TimeoutError."""


async def arriving(answer: Any, most: int, waited: Waited) -> AsyncIterator[bytes]:
    """Give what obstore's `answer` has, `most` bytes of it and what came with them. Raises TimeoutError."""
    length, began = 0, None
    stream = answer.stream(min_chunk_size=1)
    while length <= most:
        try:
            chunk = bytes(await waited(anext(stream)))
        except StopAsyncIteration:
            break
        length += len(chunk)
        began = began or time.monotonic()
        if time.monotonic() - began > HESITATION + length / SLOWEST:
            raise TimeoutError(f"fewer than {SLOWEST:,} bytes a second came")
        yield chunk
