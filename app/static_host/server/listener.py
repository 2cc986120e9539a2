"""The address that is listened on, what may be wrong with it, and how it is given up without a loss.

Rule: the kernel completes connections by itself, and resets those that nobody has taken when the last socket that
listens is closed. So a server that ends has the kernel ignore who asks for a connection, whose client asks again after
a second (RFC 6298 §2.1), takes those there are, and closes then. Some may be reset where there is no such filter.
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
    + struct.pack("HBBI", 0x45, 0, 1, 0x02)  # is it SYN, which only asks for a connection?
    + struct.pack("HBBI", 0x06, 0, 0, 0)  # then drop the segment,
    + struct.pack("HBBI", 0x06, 0, 0, 0xFFFFFFFF)  # else keep all of it
)


def open_listener(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address. Raises AddressUnavailableError."""
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
    """Have the kernel ignore who asks for a new connection, for all processes that share the socket."""
    program = array("B", _SYN_FILTER)
    _set_option(listener, _ATTACH_FILTER, struct.pack("HP", len(_SYN_FILTER) // 8, program.buffer_info()[0]))


def let_in(listener: socket.socket) -> None:
    """Undo `turn_away`."""
    _set_option(listener, _DETACH_FILTER, bytes(4))


def count_pending_connections(listener: socket.socket) -> int:
    """Return the number of connections that the kernel has completed and nobody has taken, where it tells."""
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
