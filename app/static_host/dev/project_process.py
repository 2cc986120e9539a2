"""The process of the project's interpreter, and the reload channel to it (docs/frames.md)."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from static_host.conf.settings import Settings
from static_host.workers.exchange import WorkerLostError
from static_host.workers.interpreter import find_interpreter
from static_host.workers.worker_process import Message, Overlay, WorkerProcess
from static_host_django.frames import FrameError, FrameReader, Kind, encode

ANSWER_SECONDS = 10.0
"""Time limit for the answer to a question."""


class FinderError(Exception):
    """A finder of the project raised an exception; the message is its traceback."""


class ProjectProcess(WorkerProcess):
    """The process, which waits until it is told to load the project.

    `reloads` is the front's end of the reload channel, `facts` are those of the project's settings, `loaded` what it
    said once the project was loaded.
    """

    settings: Settings
    reloads: socket.socket
    facts: Message
    loaded: Message

    @classmethod
    def start(cls, settings: Settings, *, is_spare: bool = False) -> ProjectProcess:
        """Start a process; a spare one imports Django while it waits. Raises StaticHostError."""
        reloads, theirs = socket.socketpair()
        more = {"reload": theirs.fileno(), "is_spare": is_spare, "workers": 1}
        try:
            with theirs:
                process = cls.spawn(settings, find_interpreter(settings), "dev", more, (theirs.fileno(),))
        except BaseException:
            reloads.close()
            raise
        process.settings, process.reloads = settings, reloads
        return process

    def import_settings(self) -> Message:
        """Have the settings module imported; wait for its facts. Raises StaticHostError."""
        self.send(type="load")
        self.facts = self.expect("settings")
        return self.facts

    def load(self, overlay: Overlay) -> None:
        """Have the settings overridden and the project loaded; wait until it can serve. Raises StaticHostError."""
        self.send(type="overlay", **asdict(overlay))
        self.loaded = self.expect("loaded")
        self.expect("ready")


class ReloadLink(asyncio.Protocol):
    """The front's end of the reload channel. `on_report` is called with each message that answers no question."""

    def __init__(self, on_report: Callable[[Message], None]) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the process has closed the channel, and everything that it sent was read."""
        self._on_report = on_report
        self._reader = FrameReader()
        self._questions: dict[int, asyncio.Future[Message]] = {}
        self._next_id = 0
        self._transport: Any = None

    async def ask(self, kind: str, **question: Any) -> Any:
        """Return the answer to a question. Raises WorkerLostError, TimeoutError, FinderError."""
        if self._transport is None or self.closed.done():
            raise WorkerLostError
        self._next_id += 1
        number = self._next_id
        answer = self._questions[number] = asyncio.get_running_loop().create_future()
        self._transport.write(encode(Kind.CONTROL, json.dumps({"type": kind, "id": number, **question}).encode()))
        try:
            message = await asyncio.wait_for(answer, ANSWER_SECONDS)
        finally:
            del self._questions[number]
        if message.get("error"):
            raise FinderError(message["error"])
        return message["value"]

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take answers and reports; whatever else the process sends closes the channel."""
        try:
            for frame in self._reader.feed(data):
                self._take(json.loads(frame.payload))
        except (FrameError, ValueError, KeyError, TypeError):
            self._transport.abort()

    def _take(self, message: Message) -> None:
        if message["type"] != "answer":
            self._on_report(message)
        elif (question := self._questions.get(message["id"])) and not question.done():
            question.set_result(message)

    def connection_lost(self, _: Exception | None) -> None:
        """Fail the questions that have no answer."""
        for question in self._questions.values():
            if not question.done():
                question.set_exception(WorkerLostError())
        if not self.closed.done():
            self.closed.set_result(None)

    def close(self) -> None:
        """Close the channel, whereupon the process ends at once."""
        if self._transport is not None:
            self._transport.abort()
