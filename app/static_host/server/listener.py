"""The listening socket: how it is opened, what can fail, and how it is closed without losing connections.

Rule: the kernel completes connections by itself, and resets the ones that no process has accepted when the last
listening socket is closed. So a server that stops first makes the kernel ignore new connection requests, which clients
repeat after a second (RFC 6298 §2.1). It then accepts the completed connections, and closes the socket. Without socket
filters some connections may be reset.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from array import array
from contextlib import suppress

from static_host.errors import AddressUnavailableError

_ATTACH_FILTER, _DETACH_FILTER = 26, 27
"""SO_ATTACH_FILTER and SO_DETACH_FILTER of Linux, socket(7)."""
_SYN_FILTER = (
    struct.pack("HBBI", 0x30, 0, 0, 13)  # load the byte of the TCP header with the flags (RFC 9293 §3.1)
    + struct.pack("HBBI", 0x45, 0, 1, 0x02)  # is it SYN alone, a request for a connection?
    + struct.pack("HBBI", 0x06, 0, 0, 0)  # yes: drop the segment
    + struct.pack("HBBI", 0x06, 0, 0, 0xFFFFFFFF)  # no: keep all of it
)


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


def turn_away(listener: socket.socket) -> None:
    """Make the kernel ignore new connection requests, for all processes that share the socket."""
    program = array("B", _SYN_FILTER)
    _set_option(listener, _ATTACH_FILTER, struct.pack("HP", len(_SYN_FILTER) // 8, program.buffer_info()[0]))


def let_in(listener: socket.socket) -> None:
    """Undo `turn_away`."""
    _set_option(listener, _DETACH_FILTER, bytes(4))


def count_pending_connections(listener: socket.socket) -> int:
    """Return the number of completed connections that no process has accepted; 0 if the kernel does not report it."""
    if sys.platform == "linux":
        with suppress(OSError):
            information = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
            return int(struct.unpack_from("I", information, 24)[0])  # tcpi_unacked of struct tcp_info
    return 0


def _set_option(listener: socket.socket, option: int, value: bytes) -> None:
    if sys.platform == "linux":
        with suppress(OSError):  # a kernel without filters, or a socket without one
            listener.setsockopt(socket.SOL_SOCKET, option, value)


def format_url(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
