"""The address that is listened on, and what may be wrong with it."""

from __future__ import annotations

import errno
import os
import socket

from app.exits import Stop


class AddressTaken(Stop):
    """The address cannot be listened on."""

    exit_code = 4


def listening(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address. Raises AddressTaken."""
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
        raise AddressTaken(f"{place}: {error.strerror}. Set HOST to an address of this machine.") from None
    except PermissionError:
        raise AddressTaken(f"{place}: not permitted. Ports below 1024 need a privilege: set PORT=8000.") from None
    except OSError as error:
        remedy = (
            "Stop the program that has it, or set another PORT"
            if error.errno == errno.EADDRINUSE
            else "Set another HOST"
        )
        raise AddressTaken(f"{place}: {os.strerror(error.errno or 0)}. {remedy}.") from None


def url_of(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
