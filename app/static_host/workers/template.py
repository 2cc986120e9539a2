"""The front's side of a template: the process that has loaded the project and forks workers.

Rule: a thread reads what the template says, so any thread may wait for it. The template is the parent of its workers,
so it tells how each one ended; the front has a descriptor of each (pidfd_open(2)), which never means another process.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from collections import deque
from contextlib import suppress
from threading import Condition, Lock, Thread

from static_host.errors import StaticHostError
from static_host.workers.load_errors import make_load_error
from static_host.workers.process_handle import describe_status
from static_host.workers.worker_process import Message, WorkerProcess
from static_host_django.frames import FrameError, FrameReader, Kind

_FORK_TIMEOUT_SECONDS = 60.0
_STATUS_TIMEOUT_SECONDS = 5.0
"""Time in which the template tells how a worker ended, once it has."""
_MAX_DESCRIPTORS = 4
_MAX_CODES = 10_000


class TemplateLostError(StaticHostError):
    """The template has ended, or has sent garbage."""


class Template:
    """A process that forks workers."""

    def __init__(self, process: WorkerProcess) -> None:
        self.is_lost = False
        """Whether it has ended, so that it forks no more."""
        self._process = process
        self._forking = Lock()
        self._changed = Condition()
        self._is_forking = False
        self._reply: tuple[Message, int | None] = {}, None
        self._codes: dict[int, int] = {}
        process.control.settimeout(None)
        self._reader = Thread(target=self._read, name="template", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process's identifier."""
        return self._process.pid

    def fork(self) -> WorkerProcess:
        """Return a new worker, which will say that it is ready. Raises TemplateLostError, ProjectLoadError."""
        ours, theirs = socket.socketpair()
        with self._forking, theirs:
            message, descriptor = self._request_fork(theirs)
        pid = message.get("pid")
        if message.get("type") == "forked" and descriptor is not None and isinstance(pid, int):
            handle = ForkedProcess(pid, descriptor, self)
            return WorkerProcess(self._process.settings_module, self._process.interpreter, handle, ours)
        ours.close()
        if descriptor is not None:
            os.close(descriptor)
        if message.get("type") == "failed":
            raise make_load_error(message, self._process.settings_module, self._process.interpreter)
        self._process.kill()
        raise TemplateLostError("the process that forks workers has ended, or does not respond.")

    def _request_fork(self, control: socket.socket) -> tuple[Message, int | None]:
        """Return the template's reply, and the descriptor of the process; an empty message without a reply."""
        with self._changed:
            self._is_forking, self._reply = True, ({}, None)
        self._process.send(control.fileno(), type="fork")
        with self._changed:
            self._changed.wait_for(lambda: not self._is_forking or self.is_lost, _FORK_TIMEOUT_SECONDS)
            self._is_forking = False
            return self._reply

    def take_code(self, pid: int) -> int | None:
        """Return the exit code of a worker that has ended, or None if that is not known."""
        with self._changed:
            self._changed.wait_for(lambda: pid in self._codes or self.is_lost, _STATUS_TIMEOUT_SECONDS)
            return self._codes.pop(pid, None)

    def close(self) -> None:
        """Let the process end."""
        with suppress(OSError):
            self._process.control.shutdown(socket.SHUT_RDWR)

    def _read(self) -> None:
        descriptors: deque[int] = deque()
        try:
            with suppress(OSError, FrameError, ValueError, LookupError, TypeError, RecursionError):  # gone, or garbage
                self._read_messages(descriptors)
        finally:
            with self._changed:
                self.is_lost = True
                self._changed.notify_all()
            for descriptor in descriptors:
                os.close(descriptor)
            self._process.kill()
            self._process.wait()
            self._process.close()

    def _read_messages(self, descriptors: deque[int]) -> None:
        frames = FrameReader()
        while len(descriptors) <= _MAX_DESCRIPTORS:
            data, arrived, _, _ = socket.recv_fds(self._process.control, 1 << 16, _MAX_DESCRIPTORS)
            descriptors += arrived
            if not data:
                return
            for frame in frames.feed(data):
                if frame.kind != Kind.CONTROL:
                    raise FrameError(f"an unexpected frame of kind {frame.kind}")
                self._take(dict(json.loads(frame.payload)), descriptors)

    def _take(self, message: Message, descriptors: deque[int]) -> None:
        with self._changed:
            if message.get("type") == "ended":
                self._codes[int(message["pid"])] = int(message["code"])
            elif not self._is_forking:
                raise FrameError("a reply to no question")
            else:
                self._is_forking = False
                self._reply = message, descriptors.popleft() if descriptors else None
            if len(self._codes) > _MAX_CODES:
                raise FrameError("more workers have ended than were forked")
            self._changed.notify_all()


class ForkedProcess:
    """A worker that a template has forked; `descriptor` is that of the process."""

    def __init__(self, pid: int, descriptor: int, template: Template) -> None:
        self.pid = pid
        self._descriptor: int | None = descriptor
        self._template = template

    def kill(self) -> None:
        """End the process at once."""
        if self._descriptor is not None and hasattr(signal, "pidfd_send_signal"):  # else there is no template
            with suppress(OSError):
                signal.pidfd_send_signal(self._descriptor, signal.SIGKILL)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the process has ended; return whether it has."""
        if self._descriptor is None:
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(None if seconds is None else seconds * 1000))

    def describe_end(self) -> str:
        """Wait for the end of the process, and return how it ended."""
        self.wait()
        code = self._template.take_code(self.pid)
        if code is None:
            code = self._take_own_code()
        return "an unknown status" if code is None else describe_status(code)

    def _take_own_code(self) -> int | None:
        """Return the exit code of a worker whose template has ended, if the front is its parent now.

        Process 1 becomes the parent then, which the front is in a container.
        """
        with suppress(ChildProcessError):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return os.waitstatus_to_exitcode(status) if pid else None
        return None

    def close(self) -> None:
        """Release the descriptor."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
