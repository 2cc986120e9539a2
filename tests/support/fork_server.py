"""An interpreter that has imported what a command imports, and forks for each command.

Most of what a short command costs is its imports. So each test process has one server of this kind, whose children run
commands: real processes with arguments, an environment, a directory and streams of their own. What needs an interpreter
that starts in another way (PYTHONPATH, a locale) is started anew, and so are a server's workers.

A keeper, forked for each command, tells its process id, waits for its end and tells the exit code.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile

_MODULES = (
    *("django.contrib.staticfiles.storage", "django.core.management.commands.check"),
    *("django.db.backends.sqlite3.base", "django.db.models", "django.template.backends.django", "django.test.client"),
    *("static_host.cli.main", "static_host.checks.command", "static_host.server.serve"),
    *("static_host_build.adopt", "static_host_build.pipeline"),
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


if __name__ == "__main__":
    for name in _MODULES:
        import_module(name)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    runpy.run_path(_next_command(socket.socket(fileno=int(sys.argv[1])))[0], run_name="__main__")
