"""Workers whose threads, or whose event loop, are in this process: the frames between them and the front are the same.

Rule: such a worker ends as one in a process of its own does, but it ends no process, and leaves signals alone.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from threading import Thread
from typing import Any

from static_host.workers.worker_process import WorkerProcess
from static_host_django import asgi_worker, control_channel, worker
from static_host_django.asgi_adapter import adapt_asgi_application
from static_host_django.asgi_types import ASGIApp
from static_host_django.control_channel import Control

Application = Callable[..., Any]
OPTIONS = {"threads": 4, "workers": 1}


def start_wsgi_worker(application: Application) -> WorkerProcess:
    """Start a worker for a WSGI application."""
    return _start(lambda control: worker._serve_threads(application, control, OPTIONS))


def start_asgi_worker(application: ASGIApp) -> WorkerProcess:
    """Start a worker for an ASGI application."""

    def serve(control: Control) -> None:  # as `asgi_worker.serve`, on an event loop that handles no signals
        with asyncio.Runner(loop_factory=EventLoop) as runner:
            runner.run(asgi_worker._serve(adapt_asgi_application(application), control))

    return _start(serve)


def _start(serve: Callable[[Control], None]) -> WorkerProcess:
    control_channel._end_soon = lambda: None  # it would end this process
    ours, theirs = socket.socketpair()
    thread = Thread(target=serve, args=(Control(theirs.detach()),), daemon=True)
    thread.start()
    process = WorkerProcess("", "", ThreadHandle(thread), ours)
    process.expect("ready")
    return process


class EventLoop(asyncio.SelectorEventLoop):
    """An event loop for a thread: only the main thread can handle signals."""

    def add_signal_handler(self, *_: object) -> None:
        """Do nothing."""


class ThreadHandle:
    """A handle of what would be a process; the thread ends with its control channel."""

    def __init__(self, thread: Thread) -> None:
        self.pid = os.getpid()
        self._thread = thread

    def kill(self) -> None:
        """Do nothing."""

    def wait(self, seconds: float | None = None) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def describe_end(self) -> str:
        return "the end of a thread"

    def close(self) -> None:
        """Do nothing."""


class NoFactory:
    """Starts no other worker."""

    worker_count = 0

    def start(self) -> WorkerProcess:
        raise AssertionError("the worker has ended")

    def close(self) -> None:
        """Do nothing."""
