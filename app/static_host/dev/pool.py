"""The one worker of `static-host dev`, and who gets one of its channels.

Rule: a request that comes while the project is loaded waits for it, at most `LOAD_TIMEOUT_SECONDS`. A worker whose code
has changed gets no further requests; those that it has may end within `GRACE_SECONDS`, then it is told to end, and runs
what the project has registered for that. Meanwhile the next worker loads the project.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from static_host.dev.project_process import ProjectProcess, ReloadLink
from static_host.errors import StaticHostError
from static_host.workers.channel import Channel, open_sockets
from static_host.workers.exchange import Buffered, WorkerLostError

log = logging.getLogger("static_host")

LOAD_TIMEOUT_SECONDS = 60.0
"""Seconds for which a request waits while the project is loaded."""
GRACE_SECONDS = 1.0
"""Seconds for requests in flight to end before a worker is told to end; streams may never end."""
_DISCONNECT_SECONDS = 0.02
"""Seconds in which the project learns of clients that it has lost, before it is told to end."""


class ProjectUnavailableError(Exception):
    """The project is not served now. `error` is what it failed with, or None if it is still being loaded."""

    def __init__(self, error: StaticHostError | None) -> None:
        super().__init__()
        self.error = error


class DevWorker:
    """A worker that has loaded the project: its process and its channels."""

    def __init__(
        self, process: ProjectProcess, link: ReloadLink, max_channels: int, on_idle: Callable[[], None]
    ) -> None:
        self.process = process
        self.link = link
        self.is_asgi = bool(process.facts["is_asgi"])
        self._max_channels = max_channels
        self._on_idle = on_idle
        self._free: list[Channel] = []
        self._channels: dict[int, Channel] = {}
        self._buffered = Buffered()
        self._number = 0
        self._is_retiring = False
        self._idle = asyncio.Event()

    @property
    def has_room(self) -> bool:
        """Whether it can take another request."""
        return self.is_asgi or bool(self._free) or len(self._channels) < self._max_channels

    @property
    def busy_count(self) -> int:
        """The requests that it serves."""
        return len(self._channels) - len(self._free)

    async def open_channel(self) -> Channel:
        """Return a free channel; there must be room."""
        if self._free:
            return self._free.pop()
        ours, theirs = open_sockets()
        self._number += 1
        channel = Channel(self._number, *ours, self._buffered, self.give_back, self._forget)
        self._channels[channel.number] = channel
        with theirs[0], theirs[1]:
            self.process.send(theirs[0].fileno(), theirs[1].fileno(), type="channel", number=channel.number)
        await asyncio.get_running_loop().create_unix_connection(lambda: channel, sock=ours[0])
        return channel

    def give_back(self, channel: Channel) -> None:
        """Take back a channel that is free, or was not used."""
        if self._channels.get(channel.number) is channel:
            self._free.append(channel)
        self._check_idle()

    def _forget(self, channel: Channel) -> None:
        if self._channels.pop(channel.number, None) and channel in self._free:
            self._free.remove(channel)
        self._check_idle()

    def _check_idle(self) -> None:
        if self._is_retiring and not self.busy_count:
            self._idle.set()
        self._on_idle()

    def close_channels(self) -> None:
        """End the requests that it serves: their clients get 502, or an incomplete response."""
        for channel in list(self._channels.values()):
            if channel.exchange is not None and not channel.exchange.is_complete:
                channel.exchange.fail(WorkerLostError())
            else:
                channel.close()

    async def stop(self) -> None:
        """Let its requests end, then tell the process to end."""
        self._is_retiring = True
        self._check_idle()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), GRACE_SECONDS)
        self.close_channels()
        await asyncio.sleep(_DISCONNECT_SECONDS)
        self.process.send(type="stop")


class DevPool:
    """Gives channels of the current worker to requests, as `static_host.workers.gateway.Gateway` wants it."""

    def __init__(self) -> None:
        self.worker: DevWorker | None = None
        self.error: StaticHostError | None = None
        """What the project failed with, after it was loaded in vain, or after its process has ended."""
        self.number = 0
        """Counts the changes between loading, serving and failure."""
        self._change: asyncio.Future[None] | None = None

    def set_state(self, worker: DevWorker | None = None, error: StaticHostError | None = None) -> None:
        """Note that a worker serves, or that there is an error, or that the project is being loaded."""
        self.worker, self.error = worker, error
        self.number += 1
        self.wake()

    def wake(self) -> None:
        """Have all requests that wait look again."""
        if self._change is not None and not self._change.done():
            self._change.set_result(None)
        self._change = None

    def describe_obstacle(self) -> str:
        """Return why requests are not served now, or ""; a different text after each change."""
        if self.worker is not None:
            return ""
        return f"the project {'cannot be' if self.error else 'is being'} loaded ({self.number})"

    async def wait_for_worker(self) -> DevWorker:
        """Return the worker, once there is one. Raises ProjectUnavailableError."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOAD_TIMEOUT_SECONDS):
                while self.worker is None and self.error is None:
                    await self._wait_for_change()
        if self.worker is None:
            raise ProjectUnavailableError(self.error)
        return self.worker

    async def _wait_for_change(self) -> None:
        if self._change is None:
            self._change = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._change)

    # What a gateway calls

    @property
    def has_free_channel(self) -> bool:
        """Whether a request would not have to wait."""
        return self.worker is not None and self.worker.has_room

    async def acquire(self) -> Channel:
        """Return a free channel, which is busy from now on; waits for one. Raises ProjectUnavailableError."""
        while True:
            worker = await self.wait_for_worker()
            if worker.has_room:
                return await worker.open_channel()
            await self._wait_for_change()

    def give_back(self, channel: Channel) -> None:
        """Take back a channel that was not used; that of an earlier worker is closed with it."""
        if self.worker is not None:
            self.worker.give_back(channel)
