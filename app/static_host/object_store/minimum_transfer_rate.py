"""Reads an object from the store, as long as it arrives fast enough.

Rule: a read is given up when it is too slow, never because the object is long.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

MIN_BYTES_PER_SECOND = 10_000
"""The slowest acceptable rate of a transfer, from its first byte."""
RATE_GRACE_SECONDS = 2.0
"""Seconds that a transfer may lag behind that rate."""

BoundedWait = Callable[[Awaitable[Any]], Awaitable[Any]]
"""Awaits a call to the store within a time limit. Raises TimeoutError."""


async def read_at_min_rate(answer: Any, max_bytes: int, wait: BoundedWait) -> AsyncIterator[bytes]:
    """Yield the chunks of obstore's `answer`; end with the chunk that exceeds `max_bytes`. Raises TimeoutError."""
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
            raise TimeoutError(f"fewer than {MIN_BYTES_PER_SECOND:,} bytes a second arrived")
        yield chunk
