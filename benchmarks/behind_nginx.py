"""Runs gunicorn on a Unix socket, and nginx in front of it on a port, until SIGTERM: one process tree for a benchmark.

Usage, in the work directory: ``python -m benchmarks.behind_nginx PORT PATH GUNICORN…``. nginx starts once gunicorn has
answered a request for the path.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.load import START_TIMEOUT_SECONDS
from benchmarks.measure import HERE
from benchmarks.servers import NGINX


def main() -> None:
    """Start both; end both on SIGTERM, nginx first."""
    port, path, *gunicorn = sys.argv[1:]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    listener = f"gunicorn-{port}.sock"  # relative: a socket's path may have 107 bytes
    processes = [_start(*gunicorn, "--bind", f"unix:{listener}")]
    _wait_for_answer(listener, path)
    configuration = _write_configuration(port)
    processes.append(_start(str(NGINX), "-c", str(configuration), "-e", str(Path.cwd() / f"nginx-{port}.log")))
    signal.sigwait({signal.SIGTERM})
    for process in reversed(processes):
        process.terminate()
        process.wait()


def _start(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM}))


def _wait_for_answer(listener: str, path: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as connection, suppress(FileNotFoundError, ConnectionRefusedError):
            connection.connect(listener)
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
            if connection.recv(1):
                return
        time.sleep(0.05)
    raise SystemExit("gunicorn does not answer")


def _write_configuration(port: str) -> Path:
    work = Path.cwd()
    configuration = work / f"nginx-{port}.conf"
    user = "user root;" if os.getuid() == 0 else ""  # only its owner may read the benchmark's directory
    names = {"user": user, "port": port, "work": work, "files": os.environ["BENCH_FILES"]}
    names["gzip"] = os.environ.get("BENCH_GZIP", "off")
    configuration.write_text((HERE / "nginx-gunicorn.conf").read_text().format(**names))
    return configuration


if __name__ == "__main__":
    main()
