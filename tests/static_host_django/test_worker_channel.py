"""A worker's end of a channel."""

from __future__ import annotations

import os
import socket

from static_host_django.frames import Kind, encode
from static_host_django.worker_channel import Channel


def test_programs_that_a_view_starts_get_no_descriptor_that_arrived() -> None:
    front, worker = socket.socketpair()
    channel = Channel(worker)
    with front:
        socket.send_fds(front, [encode(Kind.CONTROL, b"{}")], [front.fileno()])
        assert channel.read() is not None
        assert [os.get_inheritable(each) for each in channel.descriptors] == [False]
    channel.close()
