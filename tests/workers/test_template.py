"""The front's side of a template, against a process made of literal bytes."""

from __future__ import annotations

import gc
import json
import os
import random
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from static_host.errors import StaticHostError
from static_host.workers.process_handle import SpawnedProcess
from static_host.workers.template import ForkedProcess, Template, TemplateLostError
from static_host.workers.worker_process import WorkerProcess
from tests.support.waiting import wait_until


def make_frame(**message: Any) -> bytes:
    payload = json.dumps(message).encode()
    return b"\x01\x0c\x00\x00" + len(payload).to_bytes(4, "big") + payload


@contextmanager
def start_template() -> Iterator[tuple[Template, socket.socket]]:
    """Give a template, and the socket of its process, which is a program that waits."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(["sleep", "600"])
    template = Template(WorkerProcess("mysite.settings", "python", SpawnedProcess(process), ours))
    with theirs:
        yield template, theirs
    template.close()
    process.wait(30)  # it was killed, since its control channel is closed


def count_descriptors() -> int:
    gc.collect()  # what earlier tests left
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def fork_with(*replies: tuple[bytes, list[int]], is_end: bool = False) -> WorkerProcess:
    """Have a template fork, which replies with these bytes and descriptors, and closes its channel at the end."""
    with start_template() as (template, theirs):

        def reply() -> None:
            _, descriptors, _, _ = socket.recv_fds(theirs, 1000, 1)
            for descriptor in descriptors:
                os.close(descriptor)
            with suppress(OSError):
                for data, sent in replies:
                    socket.send_fds(theirs, [data], sent)
            if is_end or not replies:
                theirs.shutdown(socket.SHUT_RDWR)

        thread = threading.Thread(target=reply)
        thread.start()
        try:
            return template.fork()
        finally:
            thread.join()


def test_a_worker_is_known_by_its_pid_and_a_descriptor() -> None:
    process = subprocess.Popen(["sleep", "600"])
    descriptor = os.pidfd_open(process.pid)
    worker = fork_with((make_frame(type="forked", pid=process.pid), [descriptor]))
    os.close(descriptor)
    assert worker.pid == process.pid
    assert not worker.wait(0)
    worker.kill()
    assert worker.wait()
    assert process.wait() == -9
    worker.close()
    worker.kill()  # does nothing, whoever has the descriptor's number now


def test_an_end_that_the_template_tells_is_that_of_this_worker() -> None:
    with start_template() as (template, theirs):
        theirs.sendall(make_frame(type="ended", pid=5, code=-11) + make_frame(type="ended", pid=6, code=3))
        assert template.take_code(6) == 3
        descriptor = os.open("/dev/null", os.O_RDONLY)  # as a process that has ended: it is readable
        ended = ForkedProcess(5, descriptor, template)
        os.close(descriptor)
        ended.wait = lambda _=None: True  # type: ignore[method-assign, assignment]
        assert ended.describe_end() == "signal SIGSEGV"
        theirs.shutdown(socket.SHUT_RDWR)
        assert template.take_code(7) is None


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        make_frame(type="forked", pid=1),
        make_frame(type="forked", pid="one"),
        make_frame(type="other"),
        make_frame(type="ended", pid="x", code=1),
        make_frame(type="ended"),
        b"\x01\x0c\x00\x00\x00\x00\x00\x02[]",
        b"\x01\x0c\x00\x00\x00\x01\x00\x00" + b"[" * 65536,
        make_frame(type="failed", kind="fork", what="Resource temporarily unavailable"),
        make_frame(type="failed"),
    ],
)
def test_garbage_is_an_error_and_leaves_nothing_open(reply: bytes) -> None:
    before = count_descriptors()
    with pytest.raises(StaticHostError):
        fork_with((reply, []))
    wait_until(lambda: count_descriptors() <= before, lambda: (count_descriptors(), before))


def test_descriptors_that_nobody_asked_for_are_closed() -> None:
    before = count_descriptors()
    with pytest.raises(TemplateLostError), open("/dev/null", "rb") as file:  # noqa: PTH123
        fork_with((make_frame(type="other"), [file.fileno()] * 4), (b"\0" * 8, [file.fileno()] * 4))
    wait_until(lambda: count_descriptors() <= before, lambda: (count_descriptors(), before))


def test_a_template_that_ends_raises_an_error() -> None:
    with pytest.raises(TemplateLostError):
        fork_with()


def test_random_bytes_raise_nothing_else() -> None:
    source = random.Random(5)
    before = count_descriptors()
    for _ in range(50):
        data = bytearray(make_frame(type="forked", pid=1) + make_frame(type="ended", pid=1, code=0))
        for _ in range(3):
            data[source.randrange(len(data))] = source.randrange(256)
        with pytest.raises(StaticHostError):
            fork_with((bytes(data), []), (b"\xff" * 8, []), is_end=True)  # a length may be what is wrong
    wait_until(lambda: count_descriptors() <= before, lambda: (count_descriptors(), before))
