"""Real processes: a command that is run to its end, and a server that is started, used and stopped."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from tests.support.fork_server import Forked, can_fork, forked
from tests.support.waiting import wait_until

SCRIPTS = Path(sys.executable).parent
READY_PATTERN = r"ready on (http://[^\s\"]+)"

_OWN_VARIABLES = (
    "MAKE",
    "MFLAGS",
    "DJANGO_",
    "HOST",
    "PORT",
    "WEB_CONCURRENCY",
    "FORWARDED_ALLOW_IPS",
    "XDG_CACHE_HOME",
    "PYTEST_",  # some packages behave otherwise in tests
)
_BUILD_VARIABLES = ("SOURCE_DATE_EPOCH", "AWS_", "AZURE_", "GOOGLE_")


def make_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without any variable that the program or make reads, plus `variables`."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(_OWN_VARIABLES + _BUILD_VARIABLES)
    }
    return {**clean, "PYTHONUNBUFFERED": "1", **variables}


def run(*command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the virtual environment to its end; output is captured, nothing is checked."""
    arguments, own = [str(SCRIPTS / command[0]), *command[1:]], make_environment(variables)
    if command[0] == "static-host" and can_fork(own):
        return forked(arguments, cwd, own, 300)
    return subprocess.run(arguments, cwd=cwd, env=own, capture_output=True, text=True, timeout=300, check=False)


@dataclass
class Running:
    """A server process.

    Its standard output and standard error are one file, not a pipe that a thread reads: what it wrote before it
    responded is there when the response is.
    """

    process: subprocess.Popen[bytes] | Forked
    written: BinaryIO
    url: str = ""
    final: str | None = None  # its output, after its end

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def output(self) -> str:
        if self.final is not None:
            return self.final
        return os.pread(self.written.fileno(), os.fstat(self.written.fileno()).st_size, 0).decode(errors="replace")

    @property
    def lines(self) -> list[str]:
        """The lines of its output that are complete."""
        return [f"{line}\n" for line in self.output.split("\n")[:-1]]

    @property
    def workers(self) -> list[int]:
        """The process ids of its workers: its children, or those of the process that forks them."""
        children = _list_children(self.process.pid)
        return [worker for child in children for worker in _list_children(child) or [child]]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def wait_for(self, text: str, *, times: int = 1) -> None:
        """Wait until the output contains the text so many times."""
        wait_until(lambda: self.output.count(text) >= times, lambda: f"{text!r} was not printed:\n{self.output}")


def _list_children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


@contextmanager
def run_server(*command: str, cwd: Path, ready: str = READY_PATTERN, **variables: str) -> Iterator[Running]:
    """Start a server (by default ``static-host serve`` on a free port); give it when it prints what matches `ready`."""
    name, *arguments = command or ("static-host", "serve")
    program, own = [str(SCRIPTS / name), *arguments], make_environment({"PORT": "0", **variables})
    process: subprocess.Popen[bytes] | Forked
    with TemporaryFile("ab+") as output:
        if name == "static-host" and can_fork(own):
            process = Forked(program, cwd, own, output.fileno(), output.fileno())
        else:
            process = subprocess.Popen(
                program,
                cwd=cwd,
                env=own,
                stdout=output,
                stderr=output,
                start_new_session=True,  # so that its children can be ended with it
                preexec_fn=minding_signals,
            )
        running = Running(process, output)
        try:
            running.url = _wait_for_url(running, ready)
            yield running
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            running.final = running.output


def minding_signals() -> None:
    """Have the signals that end a program end it, whatever nohup, or a shell in the background, has set before."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def find_free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on, and that no one gets who asks the system for any port."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _wait_for_url(running: Running, ready: str) -> str:
    def found() -> re.Match[str] | None:
        return re.search(ready, running.output)

    wait_until(
        lambda: found() or running.process.poll() is not None, lambda: f"it did not get ready:\n{running.output}"
    )
    match = found()
    assert match, f"the server did not get ready:\n{running.output}"
    return match[1] if match.groups() else ""
