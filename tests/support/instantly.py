"""An event loop whose clock jumps: where nothing is ready, the time of the next timer has come.

What sleeps and what times out does so in the order in which it would, and nobody waits. It is for a client and a server
in one loop, which between two timers have done all that they can; threads are not waited for.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Impatient(selectors.DefaultSelector):
    skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(timeout and 0)
        if not ready and timeout:
            self.skipped += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._impatient = _Impatient()
        super().__init__(self._impatient)

    def time(self) -> float:
        return super().time() + self._impatient.skipped


class _StillLoop(_Loop):
    """Its time begins at 0 and is that of its timers alone, however long anything takes."""

    def time(self) -> float:
        return self._impatient.skipped


def run(main: Coroutine[Any, Any, T], *, is_still: bool = False) -> T:
    """Run a coroutine as ``asyncio.run`` does; `is_still`: the clock moves from timer to timer alone."""
    with asyncio.Runner(loop_factory=_StillLoop if is_still else _Loop) as runner:
        return runner.run(main)
