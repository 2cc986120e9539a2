"""``static-host dev``: the supervisor, which holds the address, watches files and replaces the worker.

Rule: the supervisor never imports the project; the worker (worker.py) serves it. When a worker ends by itself, a
stand-in worker answers 503 until the next change, so that requests do not hang.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from static_host.conf import misspelled
from static_host.conf.settings import Settings
from static_host.dev.file_watcher import FileWatcher
from static_host.dev.reload_reporter import ReloadReport
from static_host.dev.worker import USAGE_ERROR_EXIT_CODE, WorkerOptions, run_worker
from static_host.errors import StaticHostError
from static_host.server.listener import open_listener

log = logging.getLogger("static_host")

GRACE_SECONDS = 1
"""Seconds for requests in flight to end before a worker is replaced; streams may never end."""
RECEIVER_TIMEOUT_SECONDS = 2.0
"""Seconds for the project's receivers of `file_changed`; after these, the project is reloaded."""
MAX_REPORTED_CHANGES = 500
"""The largest number of changes that are sent to the receivers: the pipe might not hold more names."""
_SPAWN_CONTEXT = multiprocessing.get_context("spawn")


class WorkingDirectoryRemovedError(StaticHostError):
    """The working directory was removed."""

    exit_code = 2


def run_dev_server(settings: Settings) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP.

    Raises StaticHostError, and SystemExit if the first worker finds an operator's mistake.
    """
    misspelled.warn_misspelled(settings)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, signal.default_int_handler)
    with open_listener(settings.host, settings.port) as listener, suppress(KeyboardInterrupt):
        _Supervisor(WorkerOptions(listener, (settings.host, settings.port))).run()
    log.info("stopped")


class _WorkerProcess:
    """A worker process, and its reports."""

    def __init__(self, start: WorkerOptions) -> None:
        self.is_stand_in = start.is_stand_in
        self._reports: list[ReloadReport] = []
        self._is_loaded = False
        self._pipe, its = _SPAWN_CONTEXT.Pipe()
        self._process = _SPAWN_CONTEXT.Process(target=run_worker, args=(start, its))
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the worker, too
        try:
            self._process.start()
        except FileNotFoundError:
            raise WorkingDirectoryRemovedError(
                "the working directory was removed.", remedy="Start `static-host dev` again."
            ) from None
        finally:
            signal.signal(signal.SIGINT, before)
            its.close()

    @property
    def exitcode(self) -> int | None:
        """The exit code, or None while the process runs."""
        return self._process.exitcode

    def take_reports(self) -> list[ReloadReport]:
        """Return the new reports, and forget them."""
        with suppress(EOFError, OSError):
            while self._pipe.poll():
                self._receive()
        reports, self._reports = self._reports, []
        return reports

    def handle_changes(self, paths: list[str]) -> bool:
        """Whether Django's receivers have handled all these changes, so that the project needs no reload."""
        if not self._is_loaded or len(paths) > MAX_REPORTED_CHANGES or any(path.endswith("/.env") for path in paths):
            return False
        end = time.monotonic() + RECEIVER_TIMEOUT_SECONDS
        with suppress(EOFError, OSError):
            self._pipe.send(paths)
            while self._pipe.poll(max(0, end - time.monotonic())):
                answer = self._receive()
                if answer is not None:
                    return answer
        return False

    def end(self) -> None:
        """End the process, within about `GRACE_SECONDS`."""
        self._process.terminate()
        self._process.join(GRACE_SECONDS)
        self._process.kill()
        self._process.join()

    def _receive(self) -> bool | None:
        message = self._pipe.recv()
        if not isinstance(message, ReloadReport):
            return bool(message)
        self._is_loaded |= message.is_loaded
        self._reports.append(message)
        return None


class _Supervisor:
    """Polls for changes, and replaces the worker."""

    def __init__(self, start: WorkerOptions) -> None:
        self._start = start
        self._watcher = FileWatcher(Path.cwd())
        self._restore_terminal = _make_terminal_restorer()
        self._worker = _WorkerProcess(start)

    def run(self) -> NoReturn:
        """Poll for changes until a signal arrives. Raises SystemExit for an operator's mistake at the start."""
        try:
            while True:
                time.sleep(self._watcher.poll_seconds)
                self._check_for_changes()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)  # this process ends within seconds
            self._end_worker()

    def _check_for_changes(self) -> None:
        self._read_reports()
        server, new = self._worker, self._watcher.find_changes()
        if new and not server.handle_changes(new):
            log.info("%s: loading the project again", self._watcher.format_paths(new))
            self._end_worker()
            self._start = replace(self._start, is_first=False)
            self._worker = _WorkerProcess(self._start)
        elif server.exitcode == USAGE_ERROR_EXIT_CODE and self._start.is_first:
            raise SystemExit(USAGE_ERROR_EXIT_CODE)
        elif server.exitcode is not None and not server.is_stand_in:
            log.warning("the server ended (exit code %s); it starts again when a file changes", server.exitcode)
            self._end_worker()
            self._worker = _WorkerProcess(replace(self._start, is_stand_in=True))

    def _read_reports(self) -> None:
        for report in self._worker.take_reports():
            self._watcher.watch(report.paths, report.since_ns)
            self._start = replace(self._start, is_announced=self._start.is_announced or report.is_loaded)

    def _end_worker(self) -> None:
        self._worker.end()
        self._read_reports()  # those that it sent while it ended
        self._restore_terminal()


def _make_terminal_restorer() -> Callable[[], None]:
    """Return a function that restores the terminal's settings: a debugger that is killed leaves echo off."""
    try:
        import termios

        terminal = sys.stdin.fileno()
        attributes = termios.tcgetattr(terminal)
    except (ImportError, AttributeError, ValueError, OSError, termios.error):
        return lambda: None

    def restore() -> None:
        with suppress(OSError, termios.error):
            if os.tcgetpgrp(terminal) == os.getpgrp():  # else another program has it now
                termios.tcsetattr(terminal, termios.TCSANOW, attributes)

    return restore
