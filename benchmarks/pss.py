"""Memory of processes as PSS, the proportional set size.

That is what a process has to itself, and its share of what it has in common with others (proc_pid_smaps(5),
`smaps_rollup`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.load import pids_of_tree

_SAMPLE_SECONDS = 0.1


def pss_of(pid: int) -> int:
    """Return the proportional set size of a process in bytes, 0 when it has ended."""
    try:
        found = re.search(r"^Pss:\s+(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(found[1]) * 1024 if found else 0


def memory_files_of(pid: int, processes: Collection[int]) -> int:
    """Return what the files in memory that a process holds (memfd_create(2)) take in bytes beside what PSS has of them.

    PSS has their mapped pages, which are few where bodies go to sockets by sendfile(2). A file that several of the
    processes hold counts in equal parts.
    """
    files = {each: _memory_files(each) for each in processes}
    mappings = re.findall(r"/memfd:.*\n(?:\w+:.*\n)*?Pss: +(\d+) kB", Path(f"/proc/{pid}/smaps").read_text())
    parts = (size // sum(inode in held for held in files.values()) for inode, size in files[pid].items())
    return sum(parts) - sum(map(int, mappings)) * 1024


def _memory_files(pid: int) -> dict[int, int]:
    """Return the bytes of the files in memory that a process holds, by inode."""
    sizes: dict[int, int] = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            if str(entry.readlink()).startswith("/memfd:"):
                facts = entry.stat()
                sizes[facts.st_ino] = facts.st_blocks * 512
    return sizes


def sockets_of(pid: int) -> int:
    """Return how many sockets a process has open."""
    count = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            count += str(entry.readlink()).startswith("socket:")
    return count


class Growth:
    """The highest memory of a server that was seen, beyond what it had at first; in bytes."""

    def __init__(self, pid: int) -> None:
        self._pids = pids_of_tree(pid)
        self.first = self.highest = self._now()

    def sample(self) -> None:
        """Look again."""
        self.highest = max(self.highest, self._now())

    @property
    def size(self) -> int:
        """The growth."""
        return self.highest - self.first

    def _now(self) -> int:
        return sum(map(pss_of, self._pids))


@contextmanager
def watch_memory(pid: int) -> Iterator[Growth]:
    """Watch the memory of a server and what it has started, ten times a second."""
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
