"""The processes of the project that run at a time: the worker, one that loads the project, a spare one, and old ones.

Rule: a spare process waits for the next load, and has imported Django by then. It is of no use after a change of
variables.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from static_host.conf.settings import Settings
from static_host.dev.pool import DevWorker
from static_host.dev.project_process import ProjectProcess, ReloadLink
from static_host.errors import StaticHostError
from static_host.workers.interpreter import find_interpreter

log = logging.getLogger("static_host")

SPARE_DELAY_SECONDS = 0.5
"""Seconds after a load, until the process of the next one is started: the page that is waited for comes first."""
END_SECONDS = 5.0
"""Seconds for the project's own end: its lifespan, and what it registered with atexit."""


class Processes:
    """Starts the processes, and ends them. `on_end` is called after each end, `first` is the first spare one."""

    def __init__(self, first: ProjectProcess, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._running = {first}
        self._spare: ProjectProcess | None = first
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closing = False

    def take(self, settings: Settings) -> ProjectProcess:
        """Return a process that is to load the project. Raises StaticHostError."""
        interpreter = find_interpreter(settings)
        spare, self._spare = self._spare, None
        if spare is not None and ((spare.settings, spare.interpreter) != (settings, interpreter) or spare.wait(0)):
            self.abandon(spare)
            spare = None
        return spare or self._start(settings)

    def prepare(self, settings: Settings) -> None:
        """Start the process of the next load, soon."""
        self.run(self._prepare(settings))

    async def _prepare(self, settings: Settings) -> None:
        await asyncio.sleep(SPARE_DELAY_SECONDS)
        if self._spare is None and not self._is_closing:
            with suppress(StaticHostError):  # the next load reports it
                self._spare = self._start(settings, is_spare=True)

    def _start(self, settings: Settings, *, is_spare: bool = False) -> ProjectProcess:
        process = ProjectProcess.start(settings, is_spare=is_spare)
        self._running.add(process)
        return process

    def abandon(self, process: ProjectProcess) -> None:
        """Kill a process that has not loaded the project."""
        process.kill()
        self.run(self.bury(process))

    def retire(self, worker: DevWorker) -> None:
        """Let a worker end in order."""
        self.run(self._retire(worker))

    async def _retire(self, worker: DevWorker) -> None:
        await worker.stop()
        if not await asyncio.to_thread(worker.process.wait, END_SECONDS):
            log.warning("the project's process did not end within %g s, and was killed", END_SECONDS)
        worker.link.close()
        await self.bury(worker.process)

    async def bury(self, process: ProjectProcess, link: ReloadLink | None = None) -> str:
        """Take leave of a process that has ended, or should have; returns how it ended."""
        if link is not None:
            with suppress(TimeoutError):  # it sends what is to be watched before its end
                await asyncio.wait_for(asyncio.shield(link.closed), 1)
            link.close()
        process.kill()
        how = await asyncio.to_thread(process.describe_end)
        process.close()
        self._running.discard(process)
        self._on_end()
        return how

    def run(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something in a task of its own, which `close` waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finish)
        return task

    def _finish(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("this is an error of static-host:", exc_info=task.exception())

    def kill(self) -> None:
        """End all processes at once."""
        for process in self._running:
            process.kill()

    async def close(self) -> None:
        """Wait until all processes have ended; a spare one is killed."""
        self._is_closing = True
        if self._spare is not None:
            self.abandon(self._spare)
        while self._tasks:  # one that ends may begin another
            await asyncio.gather(*self._tasks, return_exceptions=True)
