"""What the kernel knows of a process, and what it says of one that has ended."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time

import pytest

from static_host.workers.process_metrics import read_process_metrics
from static_host.workers.worker import Slot

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")


def test_the_metrics_of_a_process_are_those_of_the_kernel() -> None:
    with open(os.devnull):  # noqa: PTH123
        metrics = read_process_metrics(os.getpid())
    used = resource.getrusage(resource.RUSAGE_SELF)
    assert set(metrics) == {"memory_bytes", "cpu_seconds", "start_time_seconds", "open_fds"}
    assert 10_000_000 < metrics["memory_bytes"] <= used.ru_maxrss * 1024
    assert 0 < metrics["cpu_seconds"] <= used.ru_utime + used.ru_stime + 0.1
    assert metrics["open_fds"] >= 4
    assert metrics["start_time_seconds"] < time.time()


def test_the_name_of_a_program_is_no_field(tmp_path: os.PathLike[str]) -> None:
    program = os.path.join(tmp_path, "a) 1 (b c")  # noqa: PTH118
    os.symlink("/bin/cat", program)  # noqa: PTH211
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"a")
        process.stdin.flush()
        assert process.stdout.read(1) == b"a"  # so the program runs
        metrics = read_process_metrics(process.pid)
        process.stdin.close()
    assert 0 < metrics["memory_bytes"] < 1 << 30
    assert metrics["open_fds"] >= 3


def test_a_process_that_has_ended_has_no_metrics() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert read_process_metrics(process.pid) == {}


def test_a_place_without_a_worker_has_its_totals_alone() -> None:
    slot = Slot(0)
    slot.lose_worker()
    assert slot.read_metrics() == {"threads_busy": 0, "requests": 0, "restarts": 0, "crashes": 1}
