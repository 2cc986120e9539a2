"""A worker that serves: its process, its channels, its place, and what it is asked over its control channel."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from static_host.telemetry.request_record import format_target, truncate_text
from static_host.workers.channel import Channel
from static_host.workers.process_metrics import read_process_metrics
from static_host.workers.worker_factory import WorkerFactory
from static_host.workers.worker_process import Message, WorkerProcess
from static_host_django.frames import FrameError, decode_head

log = logging.getLogger("static_host.workers")

MAX_FREE_CHANNELS = 64
"""Free channels that stay open, each with four descriptors: an ASGI project has as many as requests at a time."""
_MAX_LISTED_REQUESTS = 10
_MAX_LINE_CHARACTERS = 200
_STACK_SECONDS = 5.0
"""Time within which a worker has to tell a stack, before it may end."""
_MAX_STACK_CHARACTERS = 32 << 10
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(eq=False)
class Slot:
    """The place of one worker, which a replacement takes over. `number` counts from 0."""

    number: int
    worker: Worker | None = None
    """Who serves in it."""
    task: asyncio.Task[None] | None = None
    """Starts the next worker for it."""
    requests: int = 0
    """The requests that all of its workers have served."""
    restarts: int = 0
    crashes: int = 0
    """The workers that it has lost before another one was ready."""
    delay_seconds: float = 0.0
    """The time until its next worker is started: the former one ended soon."""

    def lose_worker(self) -> None:
        """Note that its worker has ended, or is about to, without another one."""
        self.worker = None
        self.crashes += 1

    def read_metrics(self) -> dict[str, float]:
        """Return figures of its worker, as far as it has one, and totals of all that it has had."""
        worker = self.worker
        return {
            "threads_busy": worker.busy_count if worker else 0,
            "requests": self.requests,
            "restarts": self.restarts,
            "crashes": self.crashes,
            **(read_process_metrics(worker.process.pid) if worker else {}),
        }


class WorkerGoneError(Exception):
    """The worker ended before it answered."""


class Worker:
    """A worker that serves in a slot, started by a factory."""

    def __init__(self, process: WorkerProcess, slot: Slot, factory: WorkerFactory, max_channels: int) -> None:
        self.process = process
        self.slot = slot
        self.factory = factory
        self.max_channels = max_channels
        self.free: list[Channel] = []
        self.channels: dict[int, Channel] = {}
        self.started_at = time.monotonic()
        self.served_count = 0
        self.request_limit: int | None = None
        """The number of requests after which it is replaced."""
        self.memory_limit: int | None = None
        """The bytes of memory above which it is replaced."""
        self.is_outdated = False
        """Whether another worker is to take its place; until that is ready, it gets requests."""
        self.is_retiring = False
        """Whether it gets no more requests."""
        self.is_ending = False
        """Whether the front has told it to end, or has ended it."""
        self.hanging: set[int] = set()
        """The numbers of channels whose views hang: it does not wait for them before it ends."""
        self.lost_heads: list[bytes] = []
        """The heads of requests whose channel the worker closed: it is about to end, or has sent garbage."""
        self.telling_count = 0
        """The stacks of its views that it is to tell before it ends."""
        self._ping: asyncio.Future[Message] | None = None
        self._pinged_at = 0.0
        self._questions: dict[int, asyncio.Future[Message]] = {}
        self._next_question = 0

    @property
    def busy_count(self) -> int:
        """The requests that it serves."""
        return len(self.channels) - len(self.free)

    @property
    def is_done(self) -> bool:
        """Whether it serves no request but those that hang."""
        return self.busy_count <= len(self.hanging)

    @property
    def has_room(self) -> bool:
        """Whether it can take another request."""
        return not self.is_retiring and (bool(self.free) or len(self.channels) < self.max_channels)

    def close_surplus(self) -> None:
        """Close a part of the channels that a peak has opened: those that were free for longest."""
        surplus = len(self.free) - MAX_FREE_CHANNELS
        for channel in self.free[: -(-surplus // 2)] if surplus > 0 else ():
            self.free.remove(channel)
            del self.channels[channel.number]
            channel.close()

    def list_busy(self) -> list[Channel]:
        """Return the channels that have a request, the longest first."""
        return sorted((each for each in self.channels.values() if each.is_busy), key=lambda each: each.began_at)

    def list_heads(self) -> list[bytes]:
        """Return the heads of all requests that it served when it ended."""
        return [*self.lost_heads, *(channel.head for channel in self.list_busy() if not channel.is_answered)]

    def ask(self, kind: str, **fields: Any) -> asyncio.Future[Message]:
        """Ask the worker; the future has its answer, or WorkerGoneError."""
        self._next_question += 1
        question: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._questions[self._next_question] = question
        number = self._next_question
        question.add_done_callback(lambda _: self._questions.pop(number, None))
        self.process.send(type=kind, id=number, **fields)
        return question

    def ping(self) -> None:
        """Ask the event loop of an ASGI project for a sign of life, unless it is asked already."""
        if self._ping is None or self._ping.done():
            self._ping, self._pinged_at = self.ask("ping"), time.monotonic()

    @property
    def blocked_seconds(self) -> float:
        """The time for which the event loop has not answered `ping`."""
        return 0.0 if self._ping is None or self._ping.done() else time.monotonic() - self._pinged_at

    async def log_stack(self, channel_number: int) -> None:
        """Log the stack of the view of a channel; until that is done, the worker does not end."""
        self.telling_count += 1
        with suppress(WorkerGoneError, TimeoutError):
            async with asyncio.timeout(_STACK_SECONDS):
                answer = await self.ask("stack", number=channel_number)
            line, _, stack = str(answer.get("text", ""))[:_MAX_STACK_CHARACTERS].partition("\n")
            log.error("the view of %r hangs here:\n%s", line, stack)
        self.telling_count -= 1

    def take_answer(self, message: Message) -> None:
        """Give an answer to who waits for it, if anybody does."""
        number = message.get("id")
        question = self._questions.get(number) if isinstance(number, int) else None
        if question is not None and not question.done():
            question.set_result(message)

    def drop_questions(self) -> None:
        """Let those who wait for an answer know that none will come."""
        for question in list(self._questions.values()):
            if not question.done():
                question.set_exception(WorkerGoneError())
                question.exception()  # marks it as retrieved

    def read_memory(self) -> int:
        """Return the resident memory in bytes, also what it shares with others; 0 where /proc does not have it."""
        with suppress(OSError, ValueError, IndexError):
            return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * _PAGE_BYTES
        return 0


def describe_request(head: bytes) -> str:
    """Return a request's line for the log, from its encoded head: secrets masked, at most 200 characters."""
    try:
        decoded = decode_head(head)
    except FrameError:
        return "?"
    line = f"{decoded.method.decode('latin-1')} {format_target(decoded.path, decoded.query)}"
    return truncate_text(line, _MAX_LINE_CHARACTERS)


def list_lines(lines: Iterable[str]) -> str:
    """Return the first ten lines, each on its own line, and how many more there are."""
    lines = list(lines)
    more = len(lines) - _MAX_LISTED_REQUESTS
    listed = [*lines[:_MAX_LISTED_REQUESTS], *([f"and {more} more"] if more > 0 else [])]
    return "".join(f"\n  {line}" for line in listed)
