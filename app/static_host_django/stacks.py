"""Stacks of what runs in a worker, for the log of a request that takes too long."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from types import FrameType
from typing import Any
from weakref import WeakSet

Tasks = WeakSet["asyncio.Task[Any]"]
_tasks: ContextVar[Tasks | None] = ContextVar("tasks", default=None)
_IDLE_FILES = ("concurrent/futures/thread.py", "selectors.py")
"""Where a thread waits that has nothing to do."""


def format_thread(threads: Iterable[Any], number: int) -> str:
    """Return request line and stack of the thread that serves a channel, or an empty string."""
    thread = next((each for each in threads if each.name == f"django-{number}"), None)
    frame = sys._current_frames().get(thread.ident or 0) if thread else None
    if thread is None or frame is None:
        return ""
    return f"{thread.request_line}\n{_format_frame(frame)}"


def track_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Have the event loop add each task to those of the request that began it: Django runs a view in one."""

    def create(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coroutine, loop=loop, **options)
        tasks = _tasks.get()
        if tasks is not None:
            tasks.add(task)
        return task

    loop.set_task_factory(create)


def begin_request() -> Tasks:
    """Return the tasks of a request, to which those are added that begin in this context."""
    tasks = Tasks(filter(None, [asyncio.current_task()]))
    _tasks.set(tasks)
    return tasks


def format_tasks(line: str, tasks: Tasks) -> str:
    """Return a request line, the stacks of its tasks, and those of threads that are busy: a view may run in one."""
    chains = [traceback.StackSummary.extract(_walk_awaited(task.get_coro())) for task in list(tasks)]
    return "\n".join([line, *("".join(chain.format()).rstrip() for chain in chains), *_format_busy_threads()])


def _walk_awaited(coroutine: Any) -> Iterator[tuple[FrameType, int]]:
    """Yield the frames of a coroutine and of those that it awaits, the innermost last."""
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        yield frame, frame.f_lineno
        coroutine = coroutine.cr_await


def _format_busy_threads() -> Iterator[str]:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        if ident != threading.get_ident() and not frame.f_code.co_filename.endswith(_IDLE_FILES):
            yield f"in thread {names.get(ident, ident)!r}:\n{_format_frame(frame)}"


def _format_frame(frame: FrameType) -> str:
    return "".join(traceback.format_stack(frame)).rstrip()
