"""Measures the memory of processes as PSS, the proportional set size.

That is a process's private memory, plus its share of memory that others share (proc_pid_smaps(5), `smaps_rollup`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.load import list_tree_pids

_SAMPLE_SECONDS = 0.1


def read_pss(pid: int) -> int:
    """Return the proportional set size of a process in bytes, 0 when it has ended."""
    try:
        found = re.search(r"^Pss:\s+(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(found[1]) * 1024 if found else 0


def measure_memory_files(pid: int) -> int:
    """Return what the files in memory that a process holds (memfd_create(2)) take in bytes beside what PSS has of them.

    PSS has their mapped pages, which are few where bodies go to sockets by sendfile(2).
    """
    mappings = re.findall(r"/memfd:.*\n(?:\w+:.*\n)*?Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps").read_text())
    return sum(_memory_files(pid).values()) - sum(map(int, mappings)) * 1024


def _memory_files(pid: int) -> dict[int, int]:
    """Return the sizes of a process's files in memory (memfd_create(2)) in bytes, by inode."""
    sizes: dict[int, int] = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            if str(entry.readlink()).startswith("/memfd:"):
                facts = entry.stat()
                sizes[facts.st_ino] = facts.st_blocks * 512
    return sizes


def count_sockets(pid: int) -> int:
    """Return the number of a process's open sockets."""
    count = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            count += str(entry.readlink()).startswith("socket:")
    return count


class Growth:
    """The largest growth of a server's memory since the first sample, in bytes."""

    def __init__(self, pid: int) -> None:
        self._pids = list_tree_pids(pid)
        self.first = self.highest = self._now()

    def sample(self) -> None:
        """Take a sample."""
        self.highest = max(self.highest, self._now())

    @property
    def size(self) -> int:
        """The growth in bytes."""
        return self.highest - self.first

    def _now(self) -> int:
        return sum(map(read_pss, self._pids))


@contextmanager
def watch_memory(pid: int) -> Iterator[Growth]:
    """Sample the memory of a server and its children ten times a second."""
    growth, over = Growth(pid), threading.Event()

    def watch() -> None:
        while not over.wait(_SAMPLE_SECONDS):
            growth.sample()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield growth
    finally:
        over.set()
        watcher.join()
        growth.sample()
