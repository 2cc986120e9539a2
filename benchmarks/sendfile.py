"""``.venv/bin/python -m benchmarks.sendfile``: the length from which sendfile(2) is cheaper than a copy of the body.

Rule: one process writes responses to a socket on the loopback, another one reads them. *copy* joins head and body and
sends both. *sendfile* sends the head, then the body from a file in memory (memfd_create(2)), as `static-host serve`
does. A figure is the writer's CPU time for one response, the least of all rounds; the two take turns. Linux only.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from multiprocessing import Process

from benchmarks.measure import collect_facts, format_facts, format_table

SIZES = (4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10)
BYTES = 400_000_000
"""Bytes that each row sends, so that a row takes at least a tenth of a second."""
ROUNDS = 7
HEAD = b"HTTP/1.1 200 OK\r\n" + b"x-field: some value of a length that fields have\r\n" * 8 + b"\r\n"


def read_all(address: tuple[str, int]) -> None:
    """Read from the server until it closes the connection."""
    buffer = bytearray(1 << 20)
    with socket.create_connection(address) as client:
        while client.recv_into(buffer):
            pass


def send_copy(connection: socket.socket, body: bytes) -> None:
    """Send a response in one call."""
    connection.sendall(HEAD + body)


def send_from_file(connection: socket.socket, descriptor: int, size: int) -> None:
    """Send the head, then the body without reading it."""
    connection.sendall(HEAD, socket.MSG_MORE)
    at = 0
    while at < size:
        at += os.sendfile(connection.fileno(), descriptor, at, size - at)


def measure_microseconds(send: Callable[[], None], count: int) -> float:
    """Return the CPU time of one response."""
    began = time.process_time()
    for _ in range(count):
        send()
    return (time.process_time() - began) / count * 1e6


def measure_size(connection: socket.socket, size: int) -> tuple[float, float]:
    """Return the CPU time of a response of this size, copied and by sendfile."""
    body = os.urandom(size)
    descriptor = os.memfd_create("body")
    os.write(descriptor, body)
    copied, sent = [], []
    for _ in range(ROUNDS):
        copied.append(measure_microseconds(lambda: send_copy(connection, body), BYTES // size // ROUNDS))
        sent.append(measure_microseconds(lambda: send_from_file(connection, descriptor, size), BYTES // size // ROUNDS))
    os.close(descriptor)
    return min(copied), min(sent)


def main() -> None:
    """Measure all sizes and print Markdown."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        reader = Process(target=read_all, args=(server.getsockname(),))
        reader.start()
        connection, _ = server.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    rows = []
    for size in SIZES:
        copied, sent = measure_size(connection, size)
        rows.append([f"{size >> 10} KiB", f"{copied:.1f} µs", f"{sent:.1f} µs", f"{sent / copied:.2f}"])
    connection.close()
    reader.join()
    print(f"{format_facts(collect_facts('uvloop'))}\n")
    print(format_table(["body", "copy", "sendfile", "sendfile to copy"], rows))


if __name__ == "__main__":
    main()
