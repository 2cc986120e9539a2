"""Handles of processes: one for a child of this process, and what both kinds have in common."""

from __future__ import annotations

import signal
import subprocess
from contextlib import suppress
from typing import Protocol


class ProcessHandle(Protocol):
    """What the front does with the process of a worker."""

    pid: int

    def kill(self) -> None:
        """End the process at once."""

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the process has ended; return whether it has. None: without a limit."""

    def describe_end(self) -> str:
        """Wait for the end of the process, and return how it ended."""

    def close(self) -> None:
        """Release what the handle holds."""


class SpawnedProcess:
    """A child process of the front's own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process

    def kill(self) -> None:
        """End the process at once."""
        with suppress(OSError):
            self._process.kill()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the process has ended; return whether it has."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.poll() is not None

    def describe_end(self) -> str:
        """Wait for the end of the process, and return how it ended."""
        return describe_status(self._process.wait())

    def close(self) -> None:
        """Do nothing: the system has no more of it than its status."""


def describe_status(code: int) -> str:
    """Return how a process ended: a signal is a negative code."""
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"
