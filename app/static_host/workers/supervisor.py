"""Keeps a worker in each slot: starts them, replaces them, notices their end.

Rule: the next worker of a slot is ready before the former one goes, unless that is gone already. Those that the log has
no fault of (too many requests, too much memory, new code) are replaced one after the other. A worker that is replaced
gets no more requests; it ends when the last of them does, or after `retirement_seconds`. A start that fails is repeated
with a growing delay where a slot is empty; where it is not, the former worker serves on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from static_host.errors import StaticHostError
from static_host.workers.recycling import Recycling
from static_host.workers.worker import Slot, Worker, WorkerGoneError, describe_request, list_lines
from static_host.workers.worker_factory import StartingProcesses, WorkerFactory
from static_host.workers.worker_process import Message, WorkerProcess

if TYPE_CHECKING:
    from static_host.workers.pool import WorkerPool

T = TypeVar("T")
log = logging.getLogger("static_host.workers")

_MAX_RESTART_DELAY_SECONDS = 30.0
_FAILURES_UNTIL_NOT_READY = 3
_WATCH_SECONDS = 1.0
_YOUNG_SECONDS = 1.0
"""A worker that ends sooner is replaced after this time, so that workers that all end at once take no whole CPU."""


class Supervisor:
    """The slots of a pool, and the factory of their next workers."""

    def __init__(
        self,
        pool: WorkerPool,
        factory: WorkerFactory,
        processes: list[WorkerProcess],
        starting: StartingProcesses,
    ) -> None:
        self.factory = factory
        self.slots = [Slot(number) for number in range(len(processes))]
        self.failures = 0
        """Starts in a row that failed."""
        self._pool = pool
        self._processes = processes
        self._starting = starting
        self._recycling = Recycling(pool.options)
        self._tasks: set[asyncio.Task[None]] = set()
        self._no_recycling_before = 0.0
        self._threads = ThreadPoolExecutor(2 * len(processes) + 2, "workers")
        self.is_stopping = False

    @property
    def is_hopeless(self) -> bool:
        """Whether there is no worker, and none can be expected."""
        return self.failures >= _FAILURES_UNTIL_NOT_READY and not any(slot.worker for slot in self.slots)

    def open(self) -> None:
        """Listen to the workers. Call it in the event loop."""
        for slot, process in zip(self.slots, self._processes, strict=True):
            self._install(slot, process, self.factory)
        self.begin(self._watch())

    # Replacement

    def recycle(self, worker: Worker) -> None:
        """Replace a worker that has served long enough, unless another one is being replaced."""
        is_busy = any(slot.task for slot in self.slots) or time.monotonic() < self._no_recycling_before
        reason = ""
        if not is_busy and not worker.is_retiring:
            reason = (
                "there is newer code" if worker.factory is not self.factory else self._recycling.find_reason(worker)
            )
        if reason:
            log.info("worker %d is being replaced: %s", worker.process.pid, reason)
            self.replace(worker)

    async def replace_hanging(self, worker: Worker, channel_number: int) -> None:
        """Replace a worker one of whose views hangs, and log the stack of that view."""
        self.replace(worker)
        await worker.log_stack(channel_number)
        self.end_if_done(worker)

    def distrust(self, worker: Worker) -> None:
        """Give no more requests to a worker that has closed a channel: it is about to end, or has sent garbage."""
        if worker.is_retiring or self.is_stopping:
            return
        worker.slot.lose_worker()
        self._retire(worker)
        self._fill(worker.slot)

    def replace(self, worker: Worker) -> None:
        """Start another worker in the slot of one, which serves on until that is ready."""
        if not worker.is_retiring:
            worker.is_outdated = True
            self._fill(worker.slot)

    def _fill(self, slot: Slot) -> None:
        if slot.task is None and not self.is_stopping:
            slot.task = self.begin(self._keep_filled(slot))

    async def _keep_filled(self, slot: Slot) -> None:
        try:
            while slot.worker is None or slot.worker.is_outdated:
                await self._start_next(slot)
        finally:
            slot.task = None

    async def _start_next(self, slot: Slot) -> None:
        """Start a worker for a slot, or wait for the next attempt."""
        await asyncio.sleep(slot.delay_seconds)
        slot.delay_seconds = 0.0
        factory = self.factory
        try:
            process = await self.run_in_thread(factory.start)
        except StaticHostError as error:
            if factory is self.factory:
                await self._note_failure(slot, error)
            return
        if factory is not self.factory:
            self.begin(self._discard(process))
            return
        self.failures = 0
        await self.put(slot, process)

    async def put(self, slot: Slot, process: WorkerProcess) -> None:
        """Have a process that is ready serve in a slot; the former one gets no more requests."""
        slot.restarts += 1
        log.info("worker %d is ready", process.pid)
        former = slot.worker
        worker = self._install(slot, process, self.factory)
        if former is not None:
            self._retire(former)
        await self._pool.serve_waiting(worker)

    async def _note_failure(self, slot: Slot, error: StaticHostError) -> None:
        self.failures += 1
        log.error("a worker could not start: %s", error.format_report())
        if slot.worker is not None:
            slot.worker.is_outdated = False  # it serves on
            self._no_recycling_before = time.monotonic() + _MAX_RESTART_DELAY_SECONDS
            return
        if self.is_hopeless:
            self._pool.refuse_waiting()
        await asyncio.sleep(min(2.0 ** (self.failures - 1), _MAX_RESTART_DELAY_SECONDS))

    def _install(self, slot: Slot, process: WorkerProcess, factory: WorkerFactory) -> Worker:
        worker = Worker(process, slot, factory, self._pool.options.max_channels)
        slot.worker = worker
        factory.worker_count += 1
        self._recycling.set_limits(worker)
        process.control.setblocking(False)
        asyncio.get_running_loop().add_reader(process.control.fileno(), self._hear, worker)
        self._pool.add(worker)
        return worker

    # The end of a worker

    def _retire(self, worker: Worker) -> None:
        """Give a worker no more requests, and let it end when it has none."""
        worker.is_retiring = True
        seconds = self._pool.options.retirement_seconds
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self._cut_short, worker)
        self.end_if_done(worker)

    def end_if_done(self, worker: Worker) -> None:
        """Let a worker that gets no more requests end, if it has none; what hangs in it ends with it."""
        if worker.is_retiring and worker.is_done and not worker.is_ending and not worker.telling_count:
            worker.is_ending = True
            worker.process.send(type="stop")
            asyncio.get_running_loop().call_later(self._pool.options.grace_seconds, worker.process.kill)

    def _cut_short(self, worker: Worker) -> None:
        if worker in self._pool.workers and not worker.is_ending:
            worker.is_ending = True
            lines = list_lines(map(describe_request, worker.list_heads()))
            log.warning("worker %d, which was replaced, is ended with its last requests:%s", worker.process.pid, lines)
            worker.process.kill()

    def _hear(self, worker: Worker) -> None:
        messages = worker.process.receive()
        if messages is None:
            self._lose(worker)
            return
        for message in messages:
            worker.take_answer(message)

    def _lose(self, worker: Worker) -> None:
        """Note that a worker is gone: its requests fail, and another one takes its place."""
        asyncio.get_running_loop().remove_reader(worker.process.control.fileno())
        if worker not in self._pool.workers:
            return
        heads = worker.list_heads()
        self._pool.remove(worker)
        worker.drop_questions()
        self.begin(self._bury(worker, heads))
        is_young = time.monotonic() - worker.started_at < _YOUNG_SECONDS
        worker.slot.delay_seconds = _YOUNG_SECONDS if is_young and not worker.is_ending else 0.0
        if worker.slot.worker is worker:
            worker.slot.lose_worker()
            self._fill(worker.slot)

    async def _bury(self, worker: Worker, heads: list[bytes]) -> None:
        worker.process.kill()
        how = await self.run_in_thread(worker.process.describe_end)
        worker.process.close()
        if not worker.is_ending:
            count = "1 request" if len(heads) == 1 else f"{len(heads)} requests"
            lines = list_lines(map(describe_request, heads))
            log.error(
                "worker %d ended with %s while it served %s%s", worker.process.pid, how, count, lines and f":{lines}"
            )

        worker.factory.worker_count -= 1
        self.dispose_if_unused(worker.factory)

    async def _discard(self, process: WorkerProcess) -> None:
        """End a process that is not needed any more, before it has served."""
        process.kill()
        await self.run_in_thread(process.wait)
        process.close()

    def dispose_if_unused(self, factory: WorkerFactory) -> None:
        """Dispose of a factory that newer code has taken the place of, once its last worker has ended."""
        if factory is not self.factory and not factory.worker_count:
            factory.dispose()

    # Questions

    async def ask_any(self, kind: str, **fields: Any) -> Message:
        """Ask a worker that serves, and return its answer. Raises WorkerGoneError."""
        worker = next((slot.worker for slot in self.slots if slot.worker), None)
        if worker is None:
            raise WorkerGoneError
        return await worker.ask(kind, **fields)

    # The clock, and the end of the server

    async def _watch(self) -> None:
        limit = self._pool.options.request_seconds
        seconds = min(_WATCH_SECONDS, limit / 4) if limit else _WATCH_SECONDS
        while True:
            await asyncio.sleep(seconds)
            self._pool.busy_watch.check()
            self._pool.check_times()
            for slot in self.slots:
                if slot.worker is not None:
                    slot.worker.close_surplus()
                    if self._pool.options.is_unlimited:
                        slot.worker.ping()
                    self.recycle(slot.worker)

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine until its end, or that of the server."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._note_end)
        return task

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an unexpected exception", exc_info=error)

    async def run_in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run what blocks in a thread of our own: those of the event loop write bodies to the disk."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def close(self) -> None:
        """Stop all workers; kills those that do not end in time."""
        self.is_stopping = True
        self._starting.stop()
        for task in self._tasks:
            task.cancel()
        workers = list(self._pool.workers)
        for worker in workers:
            asyncio.get_running_loop().remove_reader(worker.process.control.fileno())
            worker.process.send(type="stop")
        seconds = self._pool.options.find_end_seconds(self._pool.grace_ends_at, asyncio.get_running_loop().time())
        await asyncio.gather(*(self.run_in_thread(worker.process.wait, seconds) for worker in workers))
        for worker in workers:
            worker.process.kill()
            worker.process.close()
            for channel in list(worker.channels.values()):
                channel.close()
        await asyncio.sleep(0)  # in which the channels learn that they are closed
        self.factory.close()
        self._threads.shutdown(wait=False)
