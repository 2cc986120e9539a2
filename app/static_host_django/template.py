"""A template: a process that has loaded the project, and forks workers for the front.

Rule: it serves nothing. A project that has started a thread, or opened a socket, a pipe or a database connection while
it was loaded is not to be forked: the copies would share these, and have none of the threads. `Inherited` knows what
was open before. The template tells the front the end of each worker, since it is their parent. It ends with its control
channel, and its workers with theirs: the front has the other ends of all.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from static_host_django.control_channel import Control

_SHARED_KINDS = ("socket:", "pipe:", "anon_inode:")
"""Kinds of open files that two processes must not use, as /proc/self/fd names them."""


class Inherited:
    """What this process has had open since its start: its streams and its control channel."""

    def __init__(self) -> None:
        self._targets = set(_list_open_files().values())

    def find_obstacle(self) -> str:
        """Return why this process is not to be forked, in a few words, or an empty string."""
        if not can_fork():
            return "this system has no /proc, or no pidfd_open"
        count = len(os.listdir("/proc/self/task"))  # noqa: PTH208 - names alone
        if count > 1:
            names = ", ".join(repr(each.name) for each in threading.enumerate()[1:])
            return f"it has started threads ({names or count - 1})"
        for descriptor, target in sorted(_list_open_files().items()):
            if target.startswith(_SHARED_KINDS) and target not in self._targets:
                return f"it has opened {_describe(descriptor, target)}"
        return _find_database_connection()


def can_fork() -> bool:
    """Whether this system has what a template needs, as Linux does."""
    return hasattr(os, "pidfd_open") and Path("/proc/self/task").is_dir()


def _list_open_files() -> dict[int, str]:
    found = {}
    with suppress(OSError):
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names alone
            with suppress(OSError):
                found[int(name)] = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115 - text
    return found


def _describe(descriptor: int, target: str) -> str:
    kind = target.partition(":")[0].replace("anon_inode", target.rpartition(":")[2].strip("[]"))
    if kind == "socket":
        with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
            return f"a socket to {connection.getpeername() or 'another process'}"
    return f"an {kind}" if kind[:1] in "aeiou" else f"a {kind}"


def _find_database_connection() -> str:
    from django.db import connections

    opened = [each.alias for each in connections.all(initialized_only=True) if each.connection is not None]
    return f"it has opened a connection to the database {opened[0]!r}" if opened else ""


def serve(control: Control) -> Control | None:
    """Fork workers until the front closes the control channel, then return None; in a worker, its control channel."""
    try:
        return _serve(control)
    except OSError:  # the front is gone
        return None


def _serve(control: Control) -> Control | None:
    wake, waker = socket.socketpair()
    for end in (wake, waker):
        end.setblocking(False)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    previous = signal.signal(signal.SIGCHLD, lambda *_: None)
    children: list[int] = []
    gc.collect()
    gc.freeze()  # so that no worker copies pages because it looks for garbage in them
    while True:
        has_message = _wait(control, wake)
        _report_ended(control, children)
        if not has_message:
            continue
        received = control.receive()
        if received is None:
            return None
        _, descriptors = received
        if not descriptors:
            continue
        descriptor = descriptors[0]
        pid = _fork(control, descriptor)
        if pid:
            children.append(pid)
        elif pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, previous)
            wake.close()
            waker.close()
            control.close()
            return Control(descriptor)


def _wait(control: Control, wake: socket.socket) -> bool:
    """Wait for a message of the front, or for the end of a worker; return whether there is a message."""
    if control.has_message:
        return True
    poll = select.poll()
    poll.register(control.fileno(), select.POLLIN)
    poll.register(wake.fileno(), select.POLLIN)
    ready = [descriptor for descriptor, _ in poll.poll()]
    with suppress(BlockingIOError):
        wake.recv(4096)
    return control.fileno() in ready


def _fork(control: Control, descriptor: int) -> int | None:
    """Fork, and tell the front the worker's pid, with a descriptor of it.

    Returns the pid: 0 in the worker, None if there is none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # DJANGO_PRELOAD=true forks threads, too
            pid = os.fork()
    except OSError as error:
        os.close(descriptor)
        control.send(type="failed", kind="fork", what=error.strerror, traceback="", notes=[], line="")
        return None
    if pid and hasattr(os, "pidfd_open"):  # without it, no process is forked
        os.close(descriptor)
        process = os.pidfd_open(pid)  # it is not reaped before this
        control.send(process, type="forked", pid=pid)
        os.close(process)
    return pid


def _report_ended(control: Control, children: list[int]) -> None:
    for pid in list(children):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            children.remove(pid)
            control.send(type="ended", pid=pid, code=os.waitstatus_to_exitcode(status))


def exit_now() -> Any:
    """End the template without what its project does at its end: it has not served."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
