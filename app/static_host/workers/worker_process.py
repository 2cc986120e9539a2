"""One worker: its process, its start in step with the front, and its control channel.

Rule: the start blocks, so the server calls it before its event loop runs, or in a thread. When the front is gone, the
worker reads the end of its control channel, and ends.
"""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

from static_host.conf.settings import Settings
from static_host.project.errors import ProjectLoadError
from static_host.workers.interpreter import InterpreterError, spawn
from static_host.workers.load_errors import make_load_error
from static_host.workers.process_handle import ProcessHandle, SpawnedProcess
from static_host_django.frames import MAX_MESSAGE_BYTES, FrameError, FrameReader, Kind, MessageJoiner, encode

FRONT_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
START_TIMEOUT_SECONDS = 600.0
"""Time limit for each step of a start. Large projects take a minute on a busy machine."""
Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Overlay:
    """What the front tells a worker to override, and the paths whose routes it wants to know."""

    static_url: str
    root: str
    paths: tuple[str, ...] = ()


class WorkerProcess:
    """A process that runs the project, and the front's end of its control channel."""

    def __init__(self, settings_module: str, interpreter: str, handle: ProcessHandle, control: socket.socket) -> None:
        self.control = control
        self.settings_module = settings_module
        self.interpreter = interpreter
        self._handle = handle
        self._reader = FrameReader()
        self._joiner = MessageJoiner(MAX_MESSAGE_BYTES)
        self._messages: list[Message] = []

    @classmethod
    def spawn(
        cls,
        settings: Settings,
        interpreter: str,
        module: str = "worker",
        more: Mapping[str, Any] = MappingProxyType({}),
        descriptors: tuple[int, ...] = (),
    ) -> Self:
        """Start a process of the project's interpreter, which runs a module of our side.

        It gets `more` options, and inherits the `descriptors`. Raises InterpreterError.
        """
        control, theirs = socket.socketpair()
        options = {
            "control": theirs.fileno(),
            "settings_module": settings.settings_module,
            "interface": settings.interface,
            "threads": settings.threads,
            "workers": settings.workers,
            "log_format": settings.log_format,
            "serve_media": settings.serve_media,
            **more,
        }
        try:
            with _block_signals():
                process = spawn(interpreter, module, options, pass_fds=(theirs.fileno(), *descriptors))
        except InterpreterError:
            control.close()
            raise
        finally:
            theirs.close()
        return cls(settings.settings_module, interpreter, SpawnedProcess(process), control)

    @property
    def pid(self) -> int:
        """The process's identifier."""
        return self._handle.pid

    def kill(self) -> None:
        """End the process at once."""
        self._handle.kill()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the process has ended; return whether it has. None: without a limit."""
        return self._handle.wait(seconds)

    def describe_end(self) -> str:
        """Wait for the end of the process, and return how it ended."""
        return self._handle.describe_end()

    def send(self, *descriptors: int, **message: Any) -> None:
        """Send a message, with descriptors; the control channel takes it at once. Nothing happens without a worker."""
        frame = encode(Kind.CONTROL, json.dumps(message).encode())
        with suppress(OSError):
            socket.send_fds(self.control, [frame], descriptors)

    def receive(self) -> list[Message] | None:
        """Return the messages that have arrived; None if the worker has closed the channel, or sent garbage.

        Raises TimeoutError.
        """
        try:
            data = self.control.recv(1 << 16)
            frames = list(self._reader.feed(data))
            payloads = [self._joiner.join(frame) for frame in frames if frame.kind == Kind.CONTROL]
            messages = [dict(json.loads(payload)) for payload in payloads if payload is not None]
        except (BlockingIOError, InterruptedError):
            return []
        except TimeoutError:
            raise
        except (OSError, FrameError, ValueError, TypeError, RecursionError):  # gone, or garbage
            return None
        return messages if data else None

    def expect(self, *wanted: str, activity: str = "loaded") -> Message:
        """Return the next message, which must be of one of these types. Raises StaticHostError.

        `activity` is what the process does until then.
        """
        with suppress(OSError):
            self.control.settimeout(START_TIMEOUT_SECONDS)
        while not self._messages:
            try:
                arrived = self.receive()
            except TimeoutError:
                self.kill()
                limit = f"within {START_TIMEOUT_SECONDS:g} s"
                raise ProjectLoadError(f"{self.settings_module} could not be {activity} {limit}.") from None
            if arrived is None:
                end = self.describe_end() if self.wait(5) else "it sent no message"
                self.kill()
                raise ProjectLoadError(
                    f"a worker ended while it {activity} {self.settings_module} ({end}); its own output is above."
                )
            self._messages += arrived
        message = self._messages.pop(0)
        if message.get("type") == "failed":
            self.wait(5)
            raise make_load_error(message, self.settings_module, self.interpreter)
        if message.get("type") not in wanted:
            self.kill()
            raise ProjectLoadError(f"a worker sent {message.get('type')!r} instead of {wanted[0]!r}.")
        return message

    def close(self) -> None:
        """Close the control channel, whereupon the worker ends."""
        self.control.close()
        self._handle.close()


@contextmanager
def _block_signals() -> Iterator[None]:
    """Start a process with the signals blocked that end the front: it unblocks them when it has its own handlers."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, FRONT_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
