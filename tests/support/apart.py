"""Bytes that reach a server in pieces: each one when the server has read the one before.

The kernel says how many bytes lie unread in the server's end of a connection of this machine (sock_diag(7)).
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable

from tests.support.waiting import wait_until

_SOCK_DIAG_BY_FAMILY = 20
_NETLINK_SOCK_DIAG = 4
_NO_COOKIE = 0xFFFFFFFF


def send_apart(connection: socket.socket, pieces: Iterable[bytes]) -> None:
    """Send each piece when the server has read the one before, or waits itself until this client reads."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for piece in pieces:
        connection.sendall(piece)
        wait_until_read(connection)


def wait_until_read(connection: socket.socket) -> None:
    """Wait until the server has read all that was sent on an IPv4 connection, or is itself held up by this client."""

    def is_read() -> bool:
        unread, unsent = _count_queued_bytes(connection)
        return not unread or bool(unsent)

    for _ in range(100):  # it usually takes less time than one look of wait_until
        if is_read():
            return
        time.sleep(0)
    wait_until(is_read, "the server does not read")


def _count_queued_bytes(connection: socket.socket) -> tuple[int, int]:
    """Return how many bytes the server's end has not read, and how many this end has not taken from it."""
    (own_host, own_port), (host, port) = connection.getsockname(), connection.getpeername()
    ports = struct.pack("!HH", port, own_port)
    hosts = b"".join(socket.inet_aton(each).ljust(16, b"\0") for each in (host, own_host))
    body = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
    body += ports + hosts + struct.pack("=III", 0, _NO_COOKIE, _NO_COOKIE)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as diagnosis:
        diagnosis.send(struct.pack("=IHHII", 16 + len(body), _SOCK_DIAG_BY_FAMILY, 1, 0, 0) + body)
        answer = diagnosis.recv(4096)
    if struct.unpack_from("=H", answer, 4) != (_SOCK_DIAG_BY_FAMILY,):  # the server's end is closed
        return 0, 0
    return struct.unpack_from("=II", answer, 16 + 56)
