"""An interpreter that has imported what a command imports, and forks for each command.

Most of what a short command costs is its imports. So each test process has one server of this kind, whose children run
commands: real processes with arguments, an environment, a directory and streams of their own. What needs an interpreter
that starts in another way (PYTHONPATH, a locale) is started anew, and so are a server's workers.

A keeper, forked for each command, tells its process id, waits for its end and tells the exit code.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import json
import logging
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NoReturn

_MODULES = (
    *("django.contrib.staticfiles.storage", "django.core.management.commands.check"),
    *("django.db.backends.sqlite3.base", "django.db.models", "django.template.backends.django", "django.test.client"),
    *("static_host.cli.main", "static_host.checks.command", "static_host.server.serve"),
    *("static_host_build.external_tree_index", "static_host_build.pipeline"),
)
_STARTS_DIFFERENTLY = ("PYTHON", "LC_", "LANG", "LD_")
_LONGEST = 1 << 17


def can_fork(variables: Mapping[str, str]) -> bool:
    """Whether a program with this environment may have an interpreter that was started in this process's."""
    names = {name for name in (*variables, *os.environ) if name.startswith(_STARTS_DIFFERENTLY)}
    same = all(variables.get(name) == os.environ.get(name) for name in names - {"PYTHONUNBUFFERED"})
    return same and sys.platform == "linux"


class Forked:
    """A command that runs, with what tests use of ``subprocess.Popen``."""

    def __init__(
        self, command: Sequence[str], cwd: Path, variables: Mapping[str, str], output: int, errors: int
    ) -> None:
        message = json.dumps([command, str(cwd), dict(variables)]).encode()
        assert len(message) < _LONGEST
        self._keeper, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            socket.send_fds(_server(), [message], [theirs.fileno(), output, errors])
        self.pid = int(self._keeper.recv(100))
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            self._keeper.settimeout(timeout)
            try:
                self.returncode = int(self._keeper.recv(100))
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired("static-host", timeout or 0) from None
            self._keeper.close()
        return self.returncode

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def forked(
    command: Sequence[str], cwd: Path, variables: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run a Python script to its end, and capture its output."""
    with TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
        code = Forked(command, cwd, variables, output.fileno(), errors.fileno()).wait(seconds)
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(command, code, output.read(), errors.read())


@cache
def _server() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, __file__, str(theirs.fileno())]
    variables = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with theirs:
        server = subprocess.Popen(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        server.wait()

    atexit.register(end)
    return ours


def _next_command(control: socket.socket) -> list[str]:
    """Fork for each command that comes, and return in the process that is to run it."""
    while True:
        message, descriptors, *_ = socket.recv_fds(control, _LONGEST, 3)
        if not message:
            sys.exit()
        if not os.fork():
            if child := os.fork():
                _keep(child, *descriptors)
            control.close()
            command, cwd, variables = json.loads(message)
            return _become(command, cwd, variables, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        _bury()


def _keep(child: int, answer: int, output: int, errors: int) -> None:
    os.close(output)
    os.close(errors)
    os.write(answer, str(child).encode())
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(OSError):  # nobody waits any more
        os.write(answer, str(status).encode())
    os._exit(0)


def _bury() -> None:
    """Have no keepers left that have ended."""
    with suppress(ChildProcessError):
        while os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG):
            pass


def _become(command: list[str], cwd: str, variables: dict[str, str], descriptors: list[int]) -> list[str]:
    """Make this process one that was just started."""
    answer, output, errors = descriptors
    os.dup2(output, 1)
    os.dup2(errors, 2)
    os.closerange(3, max(answer, output, errors) + 1)
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    sys.argv, sys.orig_argv = command, [sys.executable, *command]
    sys.path[0] = str(Path(command[0]).parent)
    return command


class _Worker:
    """A process that was forked off, with what the front uses of ``subprocess.Popen``."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._descriptor = os.pidfd_open(pid)
        self._lock = threading.Lock()  # one thread may wait, another one ask or kill

    def poll(self) -> int | None:
        with self._lock:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self.returncode = os.waitstatus_to_exitcode(status) if pid else None
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            select.select([self._descriptor], [], [], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("worker", timeout or 0)
        return code

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def _fork_workers() -> None:
    """Have this process fork the project's processes off, if they are to have its interpreter."""
    from static_host.workers import interpreter

    start = interpreter.spawn

    def spawn(python: str, module: str, options: Mapping[str, Any], **more: Any) -> Any:
        if python != sys.executable:
            return start(python, module, options, **more)
        pid = os.fork()
        return _Worker(pid) if pid else _run_worker(module, json.dumps(options), more)

    for each in [module for module in sys.modules.values() if getattr(module, "spawn", None) is start]:
        each.spawn = spawn  # type: ignore[attr-defined]


def _run_worker(module: str, options: str, more: Mapping[str, Any]) -> NoReturn:
    """Run a module of the project's side as a process that was just started would."""
    gc.freeze()  # sockets that the front has dropped must not be closed here later: their numbers are other files' then
    kept = {0, 1, 2, *more.get("pass_fds", ())}
    for path in list(Path("/proc/self/fd").iterdir()):
        with suppress(OSError):
            # libuv has pipes that it closes by their numbers in each fork, whatever has these numbers by then
            if int(path.name) not in kept and not os.readlink(path).startswith("pipe:"):  # noqa: PTH115 - text
                os.close(int(path.name))
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    asyncio._set_running_loop(None)
    for name in ("static_host", "uvicorn"):
        logging.getLogger(name).handlers.clear()
    atexit._clear()
    os.environ.update(more.get("variables") or {})
    sys.argv, sys.path[0] = ["-c"], ""
    code: Any = 0
    try:
        import_module(f"static_host_django.{module}").main(options)
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _set_clock(path: Path, modules: list[str]) -> None:
    """Have the file tell these modules the time (`tests.support.clocks`)."""

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return float(path.read_text())

    for name in modules:
        import_module(name).time = Clock  # type: ignore[attr-defined]


if __name__ == "__main__":
    for name in _MODULES:
        import_module(name)
    gc.collect()
    gc.freeze()  # no child looks for garbage among what is imported, nor copies its pages for that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    program, *_ = _next_command(socket.socket(fileno=int(sys.argv[1])))
    _fork_workers()
    if "TEST_CLOCK" in os.environ:
        _set_clock(Path(os.environ["TEST_CLOCK"]), os.environ["TEST_CLOCK_MODULES"].split())
    runpy.run_path(program, run_name="__main__")
