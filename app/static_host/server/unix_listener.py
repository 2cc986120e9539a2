"""A Unix socket to listen on.

Rule: the socket's file of a dead server is replaced, that of a live one is an error. A stop removes the file, unless
another server has put its own there meanwhile.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from static_host.errors import AddressUnavailableError

_BACKLOG = 2048


@contextmanager
def open_unix_listener(path: str, mode: int) -> Iterator[socket.socket]:
    """Listen on a Unix socket, whose file has this mode. Raises AddressUnavailableError."""
    file = Path(path)
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            _remove_stale_file(file)
            listener.bind(path)
            file.chmod(mode)  # nothing can connect before `listen`
            listener.listen(_BACKLOG)
            identity = _identify(file)
        except OSError as error:
            is_used = error.errno == errno.EADDRINUSE
            remedy = "Stop the program that has it, or set another HOST." if is_used else "Set another HOST."
            message = f"HOST=unix:{path}: {error.strerror or error}."
            raise AddressUnavailableError(message, remedy=remedy) from None
        try:
            yield listener
        finally:
            with suppress(OSError):
                if _identify(file) == identity:
                    file.unlink()


def _remove_stale_file(file: Path) -> None:
    """Remove the file of a socket that nothing listens on. Raises OSError: EADDRINUSE for any other file."""
    if not os.path.lexists(file):
        return
    if stat.S_ISSOCK(file.lstat().st_mode):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)  # a live server whose queue is full
            try:
                probe.connect(str(file))
            except ConnectionRefusedError:
                file.unlink()
                return
            except BlockingIOError:
                pass
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    raise OSError(errno.EEXIST, "there is a file that is no socket")


def _identify(file: Path) -> tuple[int, int]:
    found = file.lstat()
    return found.st_dev, found.st_ino
