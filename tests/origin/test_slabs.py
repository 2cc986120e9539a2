"""Slabs: what a process writes and another one reads, and what there is when the system has no file to give."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from static_host.origin.slabs import Slab

WRITER = """
import os, sys
from static_host.origin.slabs import Slab
slab = Slab(int(sys.argv[1]), 400_000, 3)
for number in range(6_000):
    assert slab.add(f"{number:024}", bytes(number % 30 + 1)) is not None
slab.finish()
"""


def test_a_body_that_is_being_written_is_not_found_before_it_is_whole() -> None:
    for _ in range(8):
        descriptor = os.memfd_create("slab")
        os.ftruncate(descriptor, 400_000)
        slab = Slab.received(descriptor)
        with subprocess.Popen([sys.executable, "-c", WRITER, str(descriptor)], pass_fds=[descriptor]) as writer:
            found: list[tuple[str, int]] = []
            while writer.poll() is None:
                found += ((digest, length) for digest, _, length in slab.found())
            found += ((digest, length) for digest, _, length in slab.found())
        assert writer.returncode == 0
        assert found == [(f"{number:024}", number % 30 + 1) for number in range(6_000)]


def test_a_descriptor_that_cannot_become_a_slab_is_closed_once() -> None:
    descriptor = os.memfd_create("empty")
    with pytest.raises(ValueError, match="empty"):
        Slab.received(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
