"""Listening sockets that systemd passes (sd_listen_fds(3)).

Rule: they take the place of HOST and PORT, all of them are served, and one that cannot be is an error. The variables
are removed, and the descriptors closed in other programs: they are for this process alone.
"""

from __future__ import annotations

import logging
import os
import socket

from static_host.errors import AddressUnavailableError

log = logging.getLogger("static_host")

FIRST_DESCRIPTOR = 3
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def take_passed_sockets() -> list[socket.socket]:
    """Return the sockets that were passed to this process. Raises AddressUnavailableError."""
    pid, count, _ = (os.environ.pop(name, "") for name in _VARIABLES)
    if not count:
        return []
    if pid != str(os.getpid()):
        log.warning("LISTEN_FDS=%s is not used: the sockets are for process %s, this is %d", count, pid, os.getpid())
        return []
    if not count.isdecimal():
        raise AddressUnavailableError(f"LISTEN_FDS={count!r} is no number.", remedy="Let systemd set it.")
    return [_take_socket(FIRST_DESCRIPTOR + index) for index in range(int(count))]


def _take_socket(descriptor: int) -> socket.socket:
    place = f"LISTEN_FDS: descriptor {descriptor}"
    remedy = "In the .socket unit use ListenStream= with TCP or Unix addresses, and Accept=no."
    try:
        os.set_inheritable(descriptor, False)
        passed = socket.socket(fileno=descriptor)
        is_listening = passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise AddressUnavailableError(f"{place}: {error.strerror}.", remedy=remedy) from None
    families = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
    if passed.type != socket.SOCK_STREAM or passed.family not in families or not is_listening:
        passed.detach()
        raise AddressUnavailableError(f"{place} is no stream socket that listens.", remedy=remedy)
    return passed
