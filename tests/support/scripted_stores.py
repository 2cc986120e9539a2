"""An object store that a test writes as a script, with the interface of obstore's asynchronous calls.

What obstore itself does is tested with its own stores (tests/object_store/test_fallback.py and test_providers.py). This
one is for what no real store does when asked to: chunks of certain bytes, and an answer that stops or fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

Part = bytes | BaseException | Callable[[], Awaitable[object] | None]
"""A part of an object: a chunk, an error that is raised there, or what is called there, and awaited."""


class ScriptedStore:
    """The objects by path, each as the parts that arrive; or the error that reading it raises.

    `lengths` are those objects whose stated length differs from what arrives; `asked` are the calls, in order: a path,
    or a prefix with a ``*``. A call waits while `gate` is not set.
    """

    def __init__(self, objects: dict[str, tuple[Part, ...] | BaseException] | None = None) -> None:
        self.objects = objects or {}
        self.lengths: dict[str, int] = {}
        self.written: dict[str, datetime] = {}
        self.asked: list[str] = []
        self.listing_error: BaseException | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    def put(self, path: str, *script: Part, written: int = 0) -> None:
        """Add an object that was written so many seconds after 2026 began."""
        self.objects[path] = script
        self.written[path] = datetime.fromtimestamp(1_767_225_600 + written, UTC)

    async def get_async(self, path: str) -> _Answer:
        self.asked.append(path)
        await self.gate.wait()
        script = self.objects.get(path, FileNotFoundError(path))
        if isinstance(script, BaseException):
            raise script
        return _Answer(self._measure(path), script)

    def list(self, prefix: str) -> _Listing:
        self.asked.append(f"{prefix}*")
        return _Listing(self, prefix)

    def describe(self, path: str) -> dict[str, Any]:
        """Return what obstore tells of an object."""
        return {"path": path, "last_modified": self.written[path], "size": self._measure(path)}

    def _measure(self, path: str) -> int:
        script = self.objects[path]
        assert not isinstance(script, BaseException)
        return self.lengths.get(path, sum(len(part) for part in script if isinstance(part, bytes)))


class _Listing:
    def __init__(self, store: ScriptedStore, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    async def collect_async(self) -> list[dict[str, Any]]:
        await self._store.gate.wait()
        if self._store.listing_error:
            raise self._store.listing_error
        return [self._store.describe(path) for path in self._store.objects if path.startswith(self._prefix)]


class _Answer:
    def __init__(self, size: int, script: tuple[Part, ...]) -> None:
        self.meta = {"size": size}
        self._script = script

    def stream(self, *, min_chunk_size: int) -> AsyncIterator[memoryview]:
        assert min_chunk_size == 1, "a chunk comes as it arrives"
        return self._play()

    async def _play(self) -> AsyncIterator[memoryview]:
        for part in self._script:
            if isinstance(part, BaseException):
                raise part
            if isinstance(part, bytes):
                yield memoryview(part)
            elif (pause := part()) is not None:
                await pause
