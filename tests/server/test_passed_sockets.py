"""Sockets that systemd passes: a program of a few lines takes its place, and becomes the server."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import httpx
import pytest

from tests.support.processes import SCRIPTS, Running, make_environment, minding_signals
from tests.support.projects import SETTINGS
from tests.support.wire import exchange_with, receive_all

AS_SYSTEMD = """
import os, sys
for at, number in enumerate(map(int, sys.argv[2:]), 3):
    os.dup2(number, at)
os.environ["LISTEN_PID"] = os.environ.pop("WRONG_PID", str(os.getpid()))
os.execv(sys.argv[1], [sys.argv[1], "serve"])
"""


@contextmanager
def run_with(project: Path, *passed: socket.socket | int, **variables: str) -> Iterator[Running]:
    """Start a server with descriptors from 3 on."""
    own = make_environment(
        {"LISTEN_FDS": str(len(passed)), "LISTEN_FDNAMES": "a", "PORT": "0", **SETTINGS, **variables}
    )
    # Beyond those that are to be taken, so that none is overwritten before it is duplicated.
    numbers = [fcntl.fcntl(each, fcntl.F_DUPFD, 100) for each in passed]  # free ones: the tests have many open
    with TemporaryFile("ab+") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", AS_SYSTEMD, str(SCRIPTS / "static-host"), *map(str, numbers)],
            cwd=project,
            env=own,
            stdout=output,
            stderr=output,
            pass_fds=numbers,
            start_new_session=True,
            preexec_fn=minding_signals,
        )
        for number in numbers:
            os.close(number)
        running = Running(process, output)
        try:
            yield running
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            running.final = running.output


@pytest.fixture
def tcp() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def unix() -> Iterator[socket.socket]:
    with TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{directory}/site.sock")
        listener.listen()
        yield listener


def test_tcp_and_unix_sockets_are_all_served(plain: Path, tcp: socket.socket, unix: socket.socket) -> None:
    address = f"http://127.0.0.1:{tcp.getsockname()[1]}"
    with run_with(plain, tcp, unix, HOST="192.0.2.1", PORT="1") as running:
        running.wait_for(f"ready on {address}, unix:{unix.getsockname()}\n")
        assert "static-host: systemd has passed 2 listening sockets: HOST and PORT are not used\n" in running.lines
        assert httpx.get(f"{address}/static/digits.txt").text == "0123456789"
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(unix.getsockname())
            got = exchange_with(connection, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert got.endswith(b"\r\n\r\nok\n")
        for process in running.workers:
            assert b"LISTEN_" not in Path(f"/proc/{process}/environ").read_bytes()
        assert running.stop() == 0
    assert Path(unix.getsockname()).exists(), "it is systemd's"


def test_connections_that_come_before_the_server_are_answered(plain: Path, tcp: socket.socket) -> None:
    with socket.create_connection(tcp.getsockname(), 60) as early:
        early.sendall(b"GET /static/digits.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        with run_with(plain, tcp):
            early.shutdown(socket.SHUT_WR)
            assert receive_all(early).endswith(b"\r\n\r\n0123456789")


def test_sockets_for_another_process_are_not_taken(plain: Path, tcp: socket.socket) -> None:
    with run_with(plain, tcp, WRONG_PID="1") as running:
        running.wait_for("ready on http://127.0.0.1:")
        assert f"ready on http://127.0.0.1:{tcp.getsockname()[1]}" not in running.output
        assert "LISTEN_FDS=1 is not used: the sockets are for process 1, this is " in running.output


@pytest.mark.parametrize("kind", ["datagram", "connected", "file", "closed"])
def test_what_cannot_be_served_is_an_error(plain: Path, tcp: socket.socket, kind: str) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as datagram, socket.create_connection(tcp.getsockname()) as connected:
        file = os.open(plain / "mysite/urls.py", os.O_RDONLY) if kind == "file" else -1
        passed = {"datagram": datagram, "connected": connected}.get(kind, file)
        count = "2" if kind == "closed" else str(1)
        with run_with(plain, *([tcp] if kind == "closed" else [passed]), LISTEN_FDS=count) as running:
            assert running.process.wait(60) == 4
        if file >= 0:
            os.close(file)
    reason = {
        "file": "descriptor 3: Socket operation on non-socket.",
        "closed": "descriptor 4: Bad file descriptor.",
    }.get(kind, "descriptor 3 is no stream socket that listens.")
    assert f"static-host: LISTEN_FDS: {reason} In the .socket unit use ListenStream= with" in running.output


def test_a_count_that_is_no_number_is_an_error(plain: Path) -> None:
    with run_with(plain, LISTEN_FDS="many") as running:
        assert running.process.wait(60) == 4
    assert running.output == "static-host: LISTEN_FDS='many' is no number. Let systemd set it.\n"
