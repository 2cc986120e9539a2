"""Clients that download a large file: ``python -m benchmarks.downloads PORT PATH CLIENTS RATE SECONDS``.

Rule: with a RATE each client reads at most so many bytes per second, evenly, into a small receive buffer. So the server
waits for it as for a client on a slow line. With RATE 0 all clients read as fast as they can, and the kernel drops the
bytes instead of copying them (MSG_TRUNC, tcp(7)): only a client cheaper than its server can measure the server's speed.
The output is one line of JSON with the figures.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time

TICK_SECONDS = 0.02
"""Interval between two readings of all slow clients."""
_RECEIVE_BUFFER_BYTES = 64 << 10
_SCRATCH_BUFFER = bytearray(4 << 20)


class DownloadClient:
    """One connection, which requests the file again after each download; `received` counts bytes of bodies."""

    def __init__(self, port: int, path: str, *, slow: bool) -> None:
        self.received = 0
        self.socket = socket.socket()
        self._drops = 0 if slow else socket.MSG_TRUNC
        self._request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        self._head = b""
        self._rest = 0
        if slow:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(self._request)
        self.socket.setblocking(False)

    def read(self, most: int) -> None:
        """Read at most so many of the available bytes."""
        end = self.received + most
        try:
            while self.received < end:
                if not self._rest:
                    self._read_head()
                self._read_body(min(end - self.received, self._rest, len(_SCRATCH_BUFFER)))
        except BlockingIOError:
            return

    def _read_head(self) -> None:
        while b"\r\n\r\n" not in self._head:
            chunk = self.socket.recv(1)  # one byte at a time, so as not to read the body yet
            if not chunk:
                raise SystemExit("the server has closed a connection")
            self._head += chunk
        found = re.match(
            rb"HTTP/1.1 200 .*^content-length: (\d+)", self._head, re.DOTALL | re.MULTILINE | re.IGNORECASE
        )
        if not found:
            raise SystemExit(f"the server has answered {self._head!r}")
        self._head, self._rest = b"", int(found[1])

    def _read_body(self, size: int) -> None:
        got = self.socket.recv_into(_SCRATCH_BUFFER, size, self._drops)
        if not got:
            raise SystemExit("the server has closed a connection")
        self.received += got
        self._rest -= got
        if not self._rest:
            self.socket.sendall(self._request)


def download(clients: list[DownloadClient], until: float) -> None:
    """Read as fast as the server sends."""
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)
    while time.monotonic() < until:
        for key, _ in selector.select(1):
            key.data.read(len(_SCRATCH_BUFFER))


def download_slowly(clients: list[DownloadClient], rate: float, until: float) -> None:
    """Read at the given rate."""
    began = time.monotonic()
    while (now := time.monotonic()) < until:
        for client in clients:
            client.read(int((now - began) * rate) - client.received)
        time.sleep(max(0.0, TICK_SECONDS - (time.monotonic() - now)))


def main() -> None:
    """Download, and print the figures of a `Load`."""
    port, path, count, rate, seconds = sys.argv[1:]
    began = time.monotonic()
    clients = [DownloadClient(int(port), path, slow=float(rate) > 0) for _ in range(int(count))]
    if float(rate):
        download_slowly(clients, float(rate), began + float(seconds))
    else:
        download(clients, began + float(seconds))
    elapsed, size = time.monotonic() - began, sum(client.received for client in clients)
    print(json.dumps({"seconds": elapsed, "requests": len(clients), "size": size, "p50": 0.0, "p99": 0.0}))


if __name__ == "__main__":
    main()
