"""SIGHUP: new code of the project and the new static tree, without a failed request.

Rule: a first worker is started from the new code and tree, beside all others. When it is ready, the front serves the
new tree, and it takes the first slot; then the workers of the other slots are replaced, one after the other. If the
tree cannot be served or the project does not load, nothing changes. A request that comes meanwhile is followed by
another reload.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from static_host.errors import StaticHostError
from static_host.workers.worker_factory import WorkerFactory

if TYPE_CHECKING:
    from static_host.workers.supervisor import Supervisor

log = logging.getLogger("static_host.workers")


class Reloader:
    """Reloads one after the other. `load_anew` blocks, and raises StaticHostError."""

    def __init__(self, supervisor: Supervisor, load_anew: Callable[[], WorkerFactory]) -> None:
        self._supervisor = supervisor
        self._load_anew = load_anew
        self._is_wanted = False
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Accept requests from now on. Call it in the event loop."""
        self._loop = asyncio.get_running_loop()

    def request(self) -> None:
        """Reload, or once more after the reload that is under way. Call it from any thread, or a signal's handler."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._is_wanted = True
        if (self._task is None or self._task.done()) and not self._supervisor.is_stopping:
            self._task = self._supervisor.begin(self._run())

    async def _run(self) -> None:
        while self._is_wanted:
            self._is_wanted = False
            try:
                await self._reload()
            except StaticHostError as error:
                log.error("SIGHUP: nothing changes: %s", error.format_report())  # noqa: TRY400 - no fault of ours

    async def _reload(self) -> None:
        supervisor = self._supervisor
        log.info("SIGHUP: the project and the static tree are loaded anew")
        factory = await supervisor.run_in_thread(self._load_anew)
        try:
            process = await supervisor.run_in_thread(factory.start)
        except BaseException:
            factory.dispose()
            raise
        former, supervisor.factory = supervisor.factory, factory
        factory.on_serving()
        await supervisor.put(supervisor.slots[0], process)
        for slot in supervisor.slots[1:]:
            if slot.worker is not None and slot.worker.factory is not factory:
                supervisor.replace(slot.worker)
                if slot.task is not None:
                    await asyncio.wait([slot.task])
        supervisor.dispose_if_unused(former)
        if all(slot.worker and slot.worker.factory is factory for slot in supervisor.slots):
            log.info("SIGHUP: all workers are new")
