"""``make bench-memory``: what a worker weighs with ten files and with ten thousand, before and after all are asked for.

Rule: memory is PSS, the proportional set size: what a process has to itself, and its share of what it has in common
with others (proc_pid_smaps(5), `smaps_rollup`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.load import pids_of_tree

FEW, MANY = 10, 10_000
BUDGETS = ("64MB", "4MB")
_EVERY = 0.1


def pss_of(pid: int) -> int:
    """Return the proportional set size of a process in bytes, 0 when it has ended."""
    try:
        found = re.search(r"^Pss:\s+(\d+) kB$", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(found[1]) * 1024 if found else 0


def pss_of_tree(root: int) -> int:
    """Return the sum for a process and everything below it."""
    return sum(pss_of(pid) for pid in pids_of_tree(root))


class Growth:
    """The highest memory of a server that was seen, beyond what it had at first; in bytes."""

    def __init__(self, pid: int) -> None:
        self._pids = pids_of_tree(pid)
        self.first = self.highest = self._now()

    def look(self) -> None:
        """Look again."""
        self.highest = max(self.highest, self._now())

    @property
    def size(self) -> int:
        """The growth."""
        return self.highest - self.first

    def _now(self) -> int:
        return sum(map(pss_of, self._pids))


@contextmanager
def watched(pid: int) -> Iterator[Growth]:
    """Watch the memory of a server and what it has started, ten times a second."""
    growth, over = Growth(pid), threading.Event()

    def watch() -> None:
        while not over.wait(_EVERY):
            growth.look()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield growth
    finally:
        over.set()
        watcher.join()
        growth.look()
