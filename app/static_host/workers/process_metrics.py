"""What the kernel knows of a worker's process: memory, processor time, descriptors, start.

Rule: Linux has it in /proc. Of a process that has ended, and on other systems, there is no figure, in place of a wrong
one. It is read when metrics are scraped, and at no other time.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def read_process_metrics(pid: int) -> dict[str, float]:
    """Return the metrics of a process by name, as far as they can be read; from any thread."""
    process, metrics = Path(f"/proc/{pid}"), {}
    with suppress(OSError, ValueError, IndexError):
        fields = (process / "stat").read_bytes().rpartition(b")")[2].split()  # the first one is field 3 of proc(5)
        metrics = {
            "memory_bytes": int(fields[21]) * _PAGE_BYTES,
            "cpu_seconds": (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND,
            "start_time_seconds": _read_boot_time() + int(fields[19]) / _TICKS_PER_SECOND,
        }
    with suppress(OSError):
        metrics["open_fds"] = len([*(process / "fd").iterdir()])
    return metrics


@cache
def _read_boot_time() -> int:
    """Return when the system has started, in seconds since 1970."""
    lines = Path("/proc/stat").read_bytes().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(b"btime "))
