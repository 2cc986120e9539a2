"""``static-host dev``: the project without a build, loaded again when its code changes. For development only.

Rule: one process, this one, has the address and looks for changes, and never imports the project; another one serves
(dev_server.py), and is replaced. When that one ends by itself, a third stands in for it and answers 503 until the next
change: nobody waits for an answer that does not come.
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
from static_host.dev.file_watcher import Changes
from static_host.dev.reload_reporter import Report
from static_host.dev.worker import WRONG, Start, serve
from static_host.errors import Stop
from static_host.server.listener import listening

log = logging.getLogger("static_host")

GRACE = 1
"""Seconds that requests in flight get to end before the process that serves them is replaced: streams never do."""
ANSWER = 2.0
"""Seconds that the project's receivers of `file_changed` may take before the project is loaded again."""
MOST = 500
"""Changes that the project is asked about at once: of more, the pipe might not hold the names."""
_SPAWN = multiprocessing.get_context("spawn")


class DirectoryGone(Stop):
    """The working directory has been removed."""

    exit_code = 2


def dev(settings: Settings) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP. Raises Stop; SystemExit when the settings module cannot be found."""
    misspelled.warn(settings)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, signal.default_int_handler)
    with listening(settings.host, settings.port) as listener, suppress(KeyboardInterrupt):
        _Supervisor(Start(listener, (settings.host, settings.port))).run()
    log.info("stopped")


class _Server:
    """The process that serves, and what it has told."""

    def __init__(self, start: Start) -> None:
        self.stands_in = start.stands_in
        self._reports: list[Report] = []
        self._is_loaded = False
        self._pipe, its = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=serve, args=(start, its))
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it, too: it would print a traceback
        try:
            self._process.start()
        except FileNotFoundError:
            raise DirectoryGone("the working directory has been removed: start `static-host dev` again.") from None
        finally:
            signal.signal(signal.SIGINT, before)
            its.close()

    @property
    def exitcode(self) -> int | None:
        """Its exit code, when it has ended."""
        return self._process.exitcode

    def reports(self) -> list[Report]:
        """Return what it has reported since it was last asked."""
        with suppress(EOFError, OSError):
            while self._pipe.poll():
                self._receive()
        reports, self._reports = self._reports, []
        return reports

    def deals_with(self, paths: list[str]) -> bool:
        """Whether the project needs no reload for these changes: Django's receivers say so."""
        if not self._is_loaded or len(paths) > MOST or any(path.endswith("/.env") for path in paths):
            return False
        end = time.monotonic() + ANSWER
        with suppress(EOFError, OSError):
            self._pipe.send(paths)
            while self._pipe.poll(max(0, end - time.monotonic())):
                answer = self._receive()
                if answer is not None:
                    return answer
        return False

    def end(self) -> None:
        """End it, within `GRACE`."""
        self._process.terminate()
        self._process.join(GRACE)
        self._process.kill()
        self._process.join()

    def _receive(self) -> bool | None:
        message = self._pipe.recv()
        if not isinstance(message, Report):
            return bool(message)
        self._is_loaded |= message.is_loaded
        self._reports.append(message)
        return None


class _Supervisor:
    """Who looks for changes, and starts one server after the other."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._changes = Changes(Path.cwd())
        self._restore = _terminal()
        self._server = _Server(start)

    def run(self) -> NoReturn:
        """Look for changes until a signal ends it. Raises SystemExit for a mistake that was there from the start."""
        try:
            while True:
                time.sleep(self._changes.pause)
                self._look()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)  # it is ending, within seconds
            self._end()

    def _look(self) -> None:
        self._hear()
        server, new = self._server, self._changes.new()
        if new and not server.deals_with(new):
            log.info("%s: loading the project again", self._changes.summary(new))
            self._end()
            self._start = replace(self._start, is_first=False)
            self._server = _Server(self._start)
        elif server.exitcode == WRONG and self._start.is_first:
            raise SystemExit(WRONG)
        elif server.exitcode is not None and not server.stands_in:
            log.warning("the server ended (exit %s); it is started again when a file changes", server.exitcode)
            self._end()
            self._server = _Server(replace(self._start, stands_in=True))

    def _hear(self) -> None:
        for report in self._server.reports():
            self._changes.watch(report.places, report.since)
            self._start = replace(self._start, is_told=self._start.is_told or report.is_loaded)

    def _end(self) -> None:
        self._server.end()
        self._hear()  # its last words
        self._restore()


def _terminal() -> Callable[[], None]:
    """Return what brings the terminal back to what it is now: a debugger that is ended leaves it without an echo."""
    try:
        import termios

        terminal = sys.stdin.fileno()
        attributes = termios.tcgetattr(terminal)
    except (ImportError, AttributeError, ValueError, OSError, termios.error):
        return lambda: None

    def restore() -> None:
        with suppress(OSError, termios.error):
            if os.tcgetpgrp(terminal) == os.getpgrp():  # else it is another's now
                termios.tcsetattr(terminal, termios.TCSANOW, attributes)

    return restore
