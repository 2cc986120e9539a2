"""A real nginx on a real port, with the laptop CDN's configuration or a variation on it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.support.waiting import wait_until

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
OWN_USER = " user root;" if os.geteuid() == 0 else ""  # its workers would be nobody, who may not enter here
CONFIGURATION = (Path(__file__).parents[2] / "deploy/cdn/nginx.conf").read_text()


@contextmanager
def run_nginx(
    origin: str,
    directory: Path,
    *,
    port: int,
    also: str = "",
    without: str = "",
    listen: str = "",
    server: str = "",
) -> Iterator[None]:
    """Run nginx in front of `origin` (host and port) on that port of 127.0.0.1.

    `also` are further directives for its one location, and `without` are words of a line to leave out; `listen` are
    further parameters of the listening socket, and `server` further directives for the server.
    """
    assert NGINX
    lines = (line for line in CONFIGURATION.splitlines() if not (without and without in line))
    text = "\n".join(lines)
    changes = {
        "/tmp/": f"{directory}/",
        "listen 8080;": f"listen 127.0.0.1:{port} {listen};\n{server}",
        "server origin:8000;": f"server {origin};",
        "worker_processes auto;": f"worker_processes 1;{OWN_USER}",
        "/dev/stdout": f"{directory}/access.log",
        "location / {": f"location / {{\n{also}",
    }
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "nginx.conf").write_text(text)
    with (directory / "error.log").open("w") as log:
        process = subprocess.Popen([NGINX, "-e", "stderr", "-c", str(directory / "nginx.conf")], stderr=log)
    try:
        _wait(process, f"{'https' if 'ssl' in listen else 'http'}://127.0.0.1:{port}/healthz", directory / "error.log")
        yield
    finally:
        process.terminate()
        process.wait(10)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    def answers() -> bool:
        with suppress(httpx.TransportError):
            return bool(httpx.get(url, verify=False))
        return False

    wait_until(lambda: answers() or process.poll() is not None, log.read_text)
    assert process.poll() is None, f"nginx does not answer:\n{log.read_text()}"
