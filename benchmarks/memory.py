"""``make bench-memory``: memory of the process that serves files, with ten of them and with ten thousand.

Rule: it gets one request for every file, and is measured before and after. This project keeps long bodies in files in
memory (memfd_create(2)). PSS counts only their mapped pages, so their other pages are added.
"""

from __future__ import annotations

import http.client
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.goals import Goal, Result
from benchmarks.load import Request, Running, list_tree_pids, run_server, select_cores
from benchmarks.measure import format_megabytes, format_table, print_progress
from benchmarks.pss import count_sockets, measure_memory_files, read_pss
from benchmarks.servers import ROWS, Place, select_installed
from benchmarks.trees import build_generated_tree, build_image_tree

FEW, MANY, IMAGES = 10, 10_000, 150


@dataclass(frozen=True, slots=True)
class Row:
    """A server with its number of files, and its budget for bodies in memory."""

    title: str
    name: str
    files: int
    budget: str = "64MB"


BASELINE_ROW = Row("this project, 10 files", "ours", FEW)
ROWS_OF_MEMORY = (
    BASELINE_ROW,
    Row("this project, 10,000 files", "ours", MANY),
    Row("this project, 10,000 files, 4 MB for bodies", "ours", MANY, "4MB"),
    Row("this project, 150 images of 500 kB, 8 MB for bodies", "ours", IMAGES, "8MB"),
    Row("this project, 150 images of 500 kB", "ours", IMAGES),
    Row("WhiteNoise on gunicorn, 10 files", "gunicorn", FEW),
    Row("WhiteNoise on gunicorn, 10,000 files", "gunicorn", MANY),
)


@dataclass(frozen=True, slots=True)
class Weight:
    """PSS of the process in bytes, before the first request and at the end."""

    first: int
    last: int


def measure_part(work: Path, rounds: int) -> Result:
    """Measure each row, in new processes."""
    names = select_installed(("ours", "gunicorn"))
    weights: dict[Row, list[Weight]] = defaultdict(list)
    for _ in range(rounds):
        for row in ROWS_OF_MEMORY:
            if row.name in names:
                weights[row].append(_measure_row(row, work))
                first, last = format_megabytes(weights[row][-1].first), format_megabytes(weights[row][-1].last)
                print_progress(f"{row.title}: {first}, then {last}")
    figures = {row.title: [asdict(weight) for weight in each] for row, each in weights.items()}
    return Result("Memory (PSS)", _table(weights), _goals(weights), figures)


def _measure_row(row: Row, work: Path) -> Weight:
    """Return the process's memory before and after it got a request for every file."""
    tree = build_image_tree(work, IMAGES) if row.files == IMAGES else build_generated_tree(work, row.files)
    place = Place(tree, work)
    server = ROWS[row.name](place)
    server = replace(server, variables={**server.variables, "DJANGO_STATIC_MEMORY": row.budget})
    with run_server(server, work, set(select_cores())) as started:
        pid, connection = _connect(started, place.tree.path(min(place.tree.names)))
        first = _measure_process(pid)
        for name in place.tree.names:
            connection.request("GET", place.tree.path(name), headers={"Accept-Encoding": "gzip"})
            connection.getresponse().read()
        return Weight(first, _measure_process(pid))


def _measure_process(pid: int) -> int:
    return read_pss(pid) + measure_memory_files(pid)


def _connect(server: Running, path: str) -> tuple[int, http.client.HTTPConnection]:
    """Return a connection and the process that serves it: after a request, that has one more socket."""
    server.ask(Request(path))
    while True:
        time.sleep(0.05)  # until ended connections are closed
        before = {pid: count_sockets(pid) for pid in list_tree_pids(server.pid)}
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", path)
        connection.getresponse().read()
        for pid, sockets in before.items():
            if count_sockets(pid) > sockets:
                return pid, connection


def _table(weights: Mapping[Row, Sequence[Weight]]) -> str:
    head = ("server", "when it takes requests", "after all files were asked for", "more")
    return format_table(head, [(row.title, *map(format_megabytes, _middle(each))) for row, each in weights.items()])


def _middle(weights: Sequence[Weight]) -> tuple[float, float, float]:
    first, last = median(weight.first for weight in weights), median(weight.last for weight in weights)
    return first, last, last - first


def _goals(weights: Mapping[Row, Sequence[Weight]]) -> list[Goal]:
    few = _middle(weights[BASELINE_ROW])[1]
    found = []
    for row, each in weights.items():
        if row.name == "ours" and row is not BASELINE_ROW:
            last, limit = _middle(each)[1], 1.2 * few + int(row.budget.removesuffix("MB")) * 1e6
            title = f"memory: {row.title.removeprefix('this project, ')}"
            found.append(
                Goal(
                    title,
                    format_megabytes(last),
                    f"with {FEW} files {format_megabytes(few)}",
                    "",
                    f"≤ {format_megabytes(limit)}",
                    last <= limit,
                )
            )
    return found
