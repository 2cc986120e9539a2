"""The listening sockets: how they are opened, and what can fail.

Rule: the kernel completes connections by itself, and resets the ones that were not accepted when the listening socket
is closed. So a server that stops accepts them first.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from static_host.conf.validators import UNIX_PREFIX
from static_host.errors import AddressUnavailableError
from static_host.server.unix_listener import open_unix_listener


@contextmanager
def open_address(host: str, port: int, socket_mode: int) -> Iterator[socket.socket]:
    """Listen on the address, or on the Unix socket that `host` names. Raises AddressUnavailableError."""
    if host.startswith(UNIX_PREFIX):
        with open_unix_listener(host.removeprefix(UNIX_PREFIX), socket_mode) as listener:
            yield listener
    else:
        with open_listener(host, port) as listener:
            yield listener


def open_listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens on the address. Raises AddressUnavailableError."""
    place = f"HOST={host} PORT={port}"
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(
            address[:2],
            family=family,
            backlog=2048,
            dualstack_ipv6=host == "::",
        )
    except socket.gaierror as error:
        remedy = "Set HOST to an address of this machine."
        raise AddressUnavailableError(f"{place}: {error.strerror}.", remedy=remedy) from None
    except PermissionError:
        remedy = "Ports below 1024 need a privilege: set PORT=8000."
        raise AddressUnavailableError(f"{place}: not permitted.", remedy=remedy) from None
    except OSError as error:
        remedy = (
            "Stop the program that has it, or set another PORT."
            if error.errno == errno.EADDRINUSE
            else "Set another HOST."
        )
        raise AddressUnavailableError(f"{place}: {os.strerror(error.errno or 0)}.", remedy=remedy) from None


def count_pending_connections(listener: socket.socket) -> int:
    """Return the number of completed connections that no process has accepted; 0 if the kernel does not report it.

    Of a Unix socket the kernel reports only whether there are any.
    """
    if listener.family == socket.AF_UNIX:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        return len(poll.poll(0))
    if sys.platform == "linux":
        with suppress(OSError):
            information = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
            return int.from_bytes(information[24:28], sys.byteorder)  # tcpi_unacked of struct tcp_info
    return 0


def format_url(listener: socket.socket, scheme: str = "http") -> str:
    """Return the URL of a listening socket; for a Unix socket ``unix:`` and its path."""
    name = listener.getsockname()
    if not isinstance(name, tuple):
        return UNIX_PREFIX + os.fsdecode(name).replace("\0", "@")  # an abstract one, as systemd writes it
    host, port = name[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
