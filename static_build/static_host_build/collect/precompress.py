"""Encodes sources while collectstatic runs.

Strategy: collecting and fingerprinting take one core. Meanwhile the other cores encode the sources' own contents into
the cache, since these are needed whatever the fingerprints will be. If the cache has most of them already, this stops
at once. It delays the next step by one short file at most.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event

from static_host_build.collect.sources import Source
from static_host_build.encode.cached_encoder import CachedEncoder

_FILE_BYTES_RANGE = range(2 << 10, 128 << 10)
"""Bytes of a file that is long enough to be worth a task, and short enough to wait for."""
_MAX_CONSECUTIVE_CACHE_HITS = 8
"""Consecutive cache hits after which all sources count as cached."""


@contextmanager
def precompress(sources: Iterable[Source], encoder: CachedEncoder) -> Iterator[None]:
    """Encode sources into the cache, in threads, while the block runs."""
    files: SimpleQueue[str] = SimpleQueue()
    for source in sources:
        if source.file and encoder.encoder.should_compress(source.name):
            files.put(source.file)
    others = max(1, (os.cpu_count() or 1) - 1)
    enough = Event()
    with ThreadPoolExecutor(others) as threads:
        for _ in range(others):
            threads.submit(_encode, files, encoder, enough)
        try:
            yield
        finally:
            enough.set()


def _encode(files: SimpleQueue[str], encoder: CachedEncoder, enough: Event) -> None:
    known = 0
    with suppress(Empty):
        while known < _MAX_CONSECUTIVE_CACHE_HITS and not enough.is_set():
            data = _read(Path(files.get_nowait()))
            if data and encoder.cache.has(data):
                known += 1
            elif data:
                known = 0
                encoder.encode(data)


def _read(path: Path) -> bytes | None:
    with suppress(OSError):  # collectstatic reports it
        return path.read_bytes() if path.stat().st_size in _FILE_BYTES_RANGE else None
    return None
