"""An object of the store as it comes.

Rule: silence is what a store is given up for, not length: what arrives at `MIN_BYTES_PER_SECOND` or faster goes on
arriving.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

MIN_BYTES_PER_SECOND = 10_000
"""Bytes a second that an object has to come at, once it comes."""
RATE_GRACE_SECONDS = 2.0
"""Seconds that it may be behind that."""

BoundedWait = Callable[[Awaitable[Any]], Awaitable[Any]]
"""Awaits something of the store's, for as long as one may. Raises TimeoutError."""


async def read_at_min_rate(answer: Any, max_bytes: int, wait: BoundedWait) -> AsyncIterator[bytes]:
    """Give what obstore's `answer` has, `most` bytes of it and what came with them. Raises TimeoutError."""
    length, began = 0, None
    stream = answer.stream(min_chunk_size=1)
    while length <= max_bytes:
        try:
            chunk = bytes(await wait(anext(stream)))
        except StopAsyncIteration:
            break
        length += len(chunk)
        began = began or time.monotonic()
        if time.monotonic() - began > RATE_GRACE_SECONDS + length / MIN_BYTES_PER_SECOND:
            raise TimeoutError(f"fewer than {MIN_BYTES_PER_SECOND:,} bytes a second came")
        yield chunk
