"""The channels of all workers: who gets a request, and who waits.

Rule: a request gets a free channel of the worker with the fewest requests. Without one it waits, and at most `queue`
requests wait. `supervisor` starts workers, and replaces them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from static_host.workers.busy_watch import BusyWatch
from static_host.workers.channel import Channel, open_sockets
from static_host.workers.exchange import Buffered
from static_host.workers.pool_options import PoolOptions
from static_host.workers.reloader import Reloader
from static_host.workers.supervisor import Supervisor
from static_host.workers.worker import Worker, WorkerGoneError, describe_request
from static_host.workers.worker_factory import StartingProcesses, WorkerFactory
from static_host.workers.worker_process import WorkerProcess

log = logging.getLogger("static_host.workers")


class QueueFullError(Exception):
    """As many requests wait as may wait, or no worker can be expected."""


class MigrationQueryError(Exception):
    """The migrations cannot be read, or the databases not asked for those that are applied."""


class WorkerPool:
    """The workers of one project: `processes` that `factory` has started, and those that replace them."""

    def __init__(
        self,
        factory: WorkerFactory,
        processes: list[WorkerProcess],
        options: PoolOptions,
        starting: StartingProcesses | None = None,
        load_anew: Callable[[], WorkerFactory] | None = None,
    ) -> None:
        self.workers: list[Worker] = []
        """All workers that have requests or may get some, also those that are being replaced."""
        self.options = options
        self.grace_ends_at: float | None = None
        self.supervisor = Supervisor(self, factory, processes, starting or StartingProcesses())
        self.reloader = Reloader(self.supervisor, load_anew or (lambda: factory))
        self.busy_watch = BusyWatch(self)
        self._waiting: deque[asyncio.Future[Channel]] = deque()
        self._next_number = 0
        self._buffered = Buffered()

    @property
    def waiting_count(self) -> int:
        """The requests that wait for a channel."""
        return len(self._waiting)

    def gauges(self) -> dict[str, float]:
        """Return how many workers and threads there are and how many work, how much work may wait and how much does."""
        return {
            "workers": sum(slot.worker is not None for slot in self.supervisor.slots),
            "threads_limit": sum(worker.max_channels for worker in list(self.workers)),
            "threads_busy": sum(worker.busy_count for worker in list(self.workers)),
            "requests_waiting_limit": self.options.queue,
            "requests_waiting": len(self._waiting),
        }

    def read_worker_metrics(self) -> list[dict[str, float]]:
        """Return the metrics of each slot, in the order of their numbers; from any thread."""
        return [slot.read_metrics() for slot in self.supervisor.slots]

    def open(self) -> None:
        """Listen to the workers. Call it in the event loop."""
        self.supervisor.open()
        self.reloader.open()

    def request_reload(self) -> None:
        """Replace all workers, by new code and the new tree. Call it from any thread, or from a signal's handler."""
        self.reloader.request()

    def find_obstacle(self) -> str:
        """Return why requests cannot be served, or an empty string."""
        if self.supervisor.is_hopeless:
            return "no worker can be started"
        return self.busy_watch.find_obstacle()

    async def acquire(self) -> Channel:
        """Return a free channel, which is busy from now on; waits for one. Raises QueueFullError."""
        channel = await self._find_channel()
        if channel is not None:
            return channel
        waiting = self.join_queue()
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():
                self.give_back(waiting.result())
            raise
        finally:
            self.leave_queue(waiting)

    def join_queue(self) -> asyncio.Future[Channel]:
        """Return a future that has a channel when the request's turn has come. Raises QueueFullError."""
        if len(self._waiting) >= self.options.queue or self.supervisor.is_hopeless:
            raise QueueFullError
        waiting: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self.busy_watch.note_waiting(len(self._waiting))
        return waiting

    def leave_queue(self, waiting: asyncio.Future[Channel]) -> None:
        """Take a request out of the queue, if it is there."""
        if waiting in self._waiting:
            self._waiting.remove(waiting)

    def take_free(self) -> Channel | None:
        """Return a free channel of the worker with the fewest requests; None if it has none, or has to open one."""
        chosen: Worker | None = None
        for worker in self.workers:
            if worker.has_room and (chosen is None or worker.busy_count < chosen.busy_count):
                chosen = worker
        if chosen is None or not chosen.free:
            return None
        channel = chosen.free.pop()
        if not chosen.has_room and not self.has_free_channel:
            self.busy_watch.note_all_busy()
        return channel

    @property
    def has_free_channel(self) -> bool:
        """Whether a request would not have to wait."""
        return any(worker.has_room for worker in self.workers)

    async def _find_channel(self) -> Channel | None:
        while able := [worker for worker in self.workers if worker.has_room]:
            channel = self.take_free()
            if channel is not None:
                return channel
            worker = min(able, key=lambda each: each.busy_count)
            channel = await self._open_channel(worker)
            if channel is not None:
                if not self.has_free_channel:
                    self.busy_watch.note_all_busy()
                return channel
        return None

    async def _open_channel(self, worker: Worker) -> Channel | None:
        """Return a new channel, or None if the worker was lost meanwhile. Raises QueueFullError without descriptors."""
        try:
            ours, theirs = open_sockets()
        except OSError as error:
            log.error("no channel to a worker can be opened: %s", error.strerror)  # noqa: TRY400 - no fault of ours
            raise QueueFullError from None
        self._next_number += 1
        channel = Channel(
            self._next_number,
            *ours,
            self._buffered,
            lambda each: self._note_idle(worker, each),
            lambda each: self._forget(worker, each),
        )
        worker.channels[channel.number] = channel
        with theirs[0], theirs[1]:
            worker.process.send(theirs[0].fileno(), theirs[1].fileno(), type="channel", number=channel.number)
        await asyncio.get_running_loop().create_unix_connection(lambda: channel, sock=ours[0])
        if channel.number in worker.channels and worker in self.workers:
            return channel
        channel.close()
        return None

    def _find_worker(self, channel: Channel) -> Worker | None:
        return next((worker for worker in self.workers if channel.number in worker.channels), None)

    def _note_idle(self, worker: Worker, channel: Channel) -> None:
        worker.served_count += 1
        worker.slot.requests += 1
        worker.hanging.discard(channel.number)
        self.give_back(channel)
        if worker.request_limit is not None and worker.served_count >= worker.request_limit:
            self.supervisor.recycle(worker)

    def give_back(self, channel: Channel) -> None:
        """Take back a channel that is free, or was not used: it goes to the next request."""
        worker = self._find_worker(channel)
        if worker is None:
            return
        while self._waiting and not worker.is_retiring:
            waiting = self._waiting.popleft()
            if not waiting.done():
                self.busy_watch.note_answer()
                waiting.set_result(channel)
                return
        worker.free.append(channel)
        if worker.is_retiring:
            self.supervisor.end_if_done(worker)
        else:
            self.busy_watch.note_free()

    def _forget(self, worker: Worker, channel: Channel) -> None:
        """Note that a channel is closed: unless the front has closed it, its worker is not trusted any more."""
        if worker.channels.pop(channel.number, None) is None or worker not in self.workers:
            return
        worker.hanging.discard(channel.number)
        if channel.is_busy and not channel.is_answered:
            worker.lost_heads.append(channel.head)
        if channel in worker.free:
            worker.free.remove(channel)
        self.supervisor.distrust(worker)

    def add(self, worker: Worker) -> None:
        """Have a worker that is ready serve requests."""
        self.workers.append(worker)
        self.busy_watch.note_free()

    async def serve_waiting(self, worker: Worker) -> None:
        """Give a worker that was added the requests that wait."""
        while self._waiting and worker.has_room:
            channel = await self._open_channel(worker)
            if channel is None:
                return
            self.give_back(channel)

    def remove(self, worker: Worker) -> None:
        """Forget a worker that is gone, and close its channels: their requests fail."""
        self.workers.remove(worker)
        for channel in list(worker.channels.values()):
            channel.close()

    def refuse_waiting(self) -> None:
        """Refuse the requests that wait, since no worker can be expected."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(QueueFullError())

    def retire(self, channel: Channel) -> asyncio.Task[None]:
        """Replace the worker of a channel whose request hangs; the task ends when its stack is in the log."""
        return self.supervisor.begin(self._retire(channel))

    async def _retire(self, channel: Channel) -> None:
        worker = self._find_worker(channel)
        if worker is not None and channel.is_busy:  # else its response came at the last moment
            worker.hanging.add(channel.number)
            await self.supervisor.replace_hanging(worker, channel.number)

    def check_times(self) -> None:
        """Fail requests whose response has not begun in time; replace workers whose views go on without a client."""
        seconds, now = self.options.request_seconds, asyncio.get_running_loop().time()
        for worker in self.workers if seconds else ():
            for channel in worker.list_busy():
                if not channel.is_timed or channel.number in worker.hanging:
                    continue
                if channel.exchange is None:
                    self._check_end(channel, now)
                elif now - channel.began_at >= seconds and not channel.exchange.head.done():
                    channel.exchange.fail(TimeoutError())

    def _check_end(self, channel: Channel, now: float) -> None:
        """Retire a channel whose view has gone on for too long after its response, or after its client left.

        A task on an event loop may go on after its response: it keeps no thread from others.
        """
        if channel.unwanted_since is None:
            channel.unwanted_since = now
        elif now - channel.unwanted_since >= self.options.request_seconds and (
            not self.options.is_unlimited or channel.is_abandoned
        ):
            line = describe_request(channel.head)
            log.error("%s: its view has gone on for %g s without a client", line, self.options.request_seconds)
            self.retire(channel)

    async def query_databases(self, aliases: tuple[str, ...]) -> str:
        """Have a worker query databases; returns why one does not respond, or an empty string."""
        try:
            answer = await self.supervisor.ask_any("databases", aliases=list(aliases))
        except WorkerGoneError:
            return "WorkerGoneError\0no worker could be asked"
        return str(answer.get("obstacle", ""))

    async def list_unapplied_migrations(self) -> list[str]:
        """Have a worker list the migrations that are not applied. Raises WorkerGoneError, MigrationQueryError."""
        answer = await self.supervisor.ask_any("migrations")
        if answer.get("error"):
            raise MigrationQueryError(str(answer["error"]))
        return [str(name) for name in answer.get("names") or ()]

    def begin_grace(self) -> None:
        """Note that the server's grace time begins. Call it in the event loop."""
        self.grace_ends_at = asyncio.get_running_loop().time() + self.options.grace_seconds

    async def close(self) -> None:
        """Stop all workers; kills those that do not end in what is left of the grace time, or in 2 s."""
        await self.supervisor.close()
