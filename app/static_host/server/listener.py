"""The listening socket: how it is opened, and what can fail.

Rule: the kernel completes connections by itself, and resets the ones that were not accepted when the listening socket
is closed. So a server that stops accepts them first.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from contextlib import suppress

from static_host.errors import AddressUnavailableError


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
    """Return the number of completed connections that no process has accepted; 0 if the kernel does not report it."""
    if sys.platform == "linux":
        with suppress(OSError):
            information = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
            return int.from_bytes(information[24:28], sys.byteorder)  # tcpi_unacked of struct tcp_info
    return 0


def format_url(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
