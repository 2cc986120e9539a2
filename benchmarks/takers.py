"""Clients that take a large file: ``python -m benchmarks.takers PORT PATH CLIENTS RATE SECONDS``.

Rule: with a RATE each client reads at most so many bytes per second, evenly, into a receive buffer that is small, so
that the server waits for it as it waits for a client on a slow line. With RATE 0 all read what they can get, and the
kernel drops the bytes instead of copying them (MSG_TRUNC, tcp(7)): a client that is cheaper than its server is needed
to find out how fast the server is. One line of JSON tells what was received.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time

TICK_SECONDS = 0.02
"""Seconds from one reading of all slow clients to the next."""
_RECEIVE_BUFFER_BYTES = 64 << 10
_SCRATCH_BUFFER = bytearray(4 << 20)


class DownloadClient:
    """One connection, on which the file is asked for again when it has come; `received` counts bodies' bytes."""

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
        """Read so many bytes at most, or what there is for now."""
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
            chunk = self.socket.recv(1)  # of the body nothing is to be read yet
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


def take(clients: list[DownloadClient], until: float) -> None:
    """Read all that comes."""
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)
    while time.monotonic() < until:
        for key, _ in selector.select(1):
            key.data.read(len(_SCRATCH_BUFFER))


def take_slowly(clients: list[DownloadClient], rate: float, until: float) -> None:
    """Read at the rate from now on."""
    began = time.monotonic()
    while (now := time.monotonic()) < until:
        for client in clients:
            client.read(int((now - began) * rate) - client.received)
        time.sleep(max(0.0, TICK_SECONDS - (time.monotonic() - now)))


def main() -> None:
    """Read, and print the figures of a `Load`."""
    port, path, count, rate, seconds = sys.argv[1:]
    began = time.monotonic()
    clients = [DownloadClient(int(port), path, slow=float(rate) > 0) for _ in range(int(count))]
    if float(rate):
        take_slowly(clients, float(rate), began + float(seconds))
    else:
        take(clients, began + float(seconds))
    elapsed, size = time.monotonic() - began, sum(client.received for client in clients)
    print(json.dumps({"seconds": elapsed, "requests": len(clients), "size": size, "p50": 0.0, "p99": 0.0}))


if __name__ == "__main__":
    main()
