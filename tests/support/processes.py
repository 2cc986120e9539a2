"""Real processes: a command that is run to its end, and a server that is started, used and stopped."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

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
    return subprocess.run(
        [SCRIPTS / command[0], *command[1:]],
        cwd=cwd,
        env=make_environment(variables),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@dataclass
class Running:
    """A server process; `lines` grows as it writes to standard output and standard error."""

    process: subprocess.Popen[str]
    lines: list[str]
    url: str = ""

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def output(self) -> str:
        return "".join(self.lines)

    @property
    def workers(self) -> list[int]:
        """The process ids of its workers."""
        of = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        children = map(int, Path(of).read_text().split())
        return [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def wait_for(self, text: str, seconds: float = 10, *, times: int = 1) -> None:
        """Wait until the output contains the text so many times."""
        deadline = time.monotonic() + seconds
        while self.output.count(text) < times:
            assert time.monotonic() < deadline, f"{text!r} was not printed:\n{self.output}"
            time.sleep(0.02)


@contextmanager
def run_server(*command: str, cwd: Path, ready: str = READY_PATTERN, **variables: str) -> Iterator[Running]:
    """Start a server (by default ``static-host serve`` on a free port); give it when it prints what matches `ready`."""
    arguments = command or ("static-host", "serve")
    process = subprocess.Popen(
        [SCRIPTS / arguments[0], *arguments[1:]],
        cwd=cwd,
        env=make_environment({"PORT": "0", **variables}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that its children can be ended with it
        preexec_fn=_reset_signals,
    )
    running = Running(process, [])
    reader = Thread(target=_read, args=(running,), daemon=True)
    reader.start()
    try:
        running.url = _wait_for_url(running, ready)
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reader.join(5)
        assert process.stdout
        process.stdout.close()


def _reset_signals() -> None:
    """Have the signals that end a program end it, whatever nohup, or a shell in the background, has set before."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def find_free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on, and that no one gets who asks the system for any port."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _read(running: Running) -> None:
    assert running.process.stdout
    for line in running.process.stdout:
        running.lines.append(line)


def _wait_for_url(running: Running, ready: str) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        match = re.search(ready, running.output)
        if match:
            return match[1] if match.groups() else ""
        if running.process.poll() is not None:
            break
        time.sleep(0.02)
    raise AssertionError(f"the server did not get ready:\n{running.output}")
