"""Clocks that a test sets: of a server process, or of a module in the test's own."""

from __future__ import annotations

from pathlib import Path


class Clock:
    """What the time is for some modules of a server, in seconds; it stands still until it is set.

    `tests.support.fork_server` reads the variables.
    """

    def __init__(self, directory: Path, *modules: str) -> None:
        self._path = directory / "clock"
        self.variables = {"TEST_CLOCK": str(self._path), "TEST_CLOCK_MODULES": " ".join(modules)}
        self.set(0)

    def set(self, seconds: float) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._path)


class ManualClock:
    """In place of a module's `time`: its monotonic times in seconds, one after the other; then it stands still."""

    def __init__(self, *times: float) -> None:
        *self._first, self.now = times

    def monotonic(self) -> float:
        return self._first.pop(0) if self._first else self.now
