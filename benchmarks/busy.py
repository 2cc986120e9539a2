"""``make bench-busy``: static files while 64 clients hold sleeping views and four clients hold computing views.

Rule: a few clients request the stylesheet without a pause. Their 99th percentile is measured twice on one server, at
rest and with the views; every round starts each server anew. With ten threads the views wait for each other. With as
many threads as clients all views run at once, which is the hardest case for static files in the same process.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from math import isinf
from pathlib import Path

from benchmarks.goals import Goal, Result, label_milliseconds, make_ratio_goal
from benchmarks.load import Load, Request, Running, find_median, run_server, select_cores, start_wrk
from benchmarks.measure import format_table, print_progress
from benchmarks.servers import CLOUDFRONT, ROWS, THREADS, Place, select_installed
from benchmarks.trees import SMALL, Tree

STATIC_CLIENTS = 8
"""Clients of the stylesheet."""
SLOW, BUSY = 64, 4
LOAD_SECONDS = 4
MAX_P99_RATIO = 3.0
SETTINGS = (
    *(("ours", THREADS), ("ours", SLOW + BUSY)),
    *(("gunicorn", THREADS), ("gunicorn", SLOW + BUSY)),
    *(("waitress", THREADS), ("uvicorn", THREADS)),
)
"""Servers and their threads."""

Loads = dict[tuple[str, int], list[tuple[Load, Load]]]


def measure_part(tree: Tree, work: Path, rounds: int) -> Result:
    """Run the rounds."""
    loads: Loads = defaultdict(list)
    names = select_installed(dict.fromkeys(name for name, _ in SETTINGS))
    settings = [(name, threads) for name, threads in SETTINGS if name in names]
    for number in range(rounds):
        for name, threads in settings if number % 2 == 0 else settings[::-1]:
            rest, busy = _measure_pair(name, Place(tree, work, threads=threads))
            loads[name, threads].append((rest, busy))
            print_progress(
                f"{name:8} {threads:3} threads: p99 {rest.p99 * 1e3:8.2f} ms, then {busy.p99 * 1e3:10.2f} ms"
            )
    figures = {
        f"{name} {threads}": [[asdict(load) for load in pair] for pair in pairs]
        for (name, threads), pairs in loads.items()
    }
    heading = f"Static files while Django is busy, {STATIC_CLIENTS} connections"
    return Result(heading, _latencies(loads, Place(tree, work)), _goals(loads), figures)


def _measure_pair(name: str, place: Place) -> tuple[Load, Load]:
    """Return the load of a server at rest, and of the same server while its views are busy."""
    core, core_of_wrk = select_cores()
    request = Request(place.tree.path(SMALL), CLOUDFRONT)
    with run_server(ROWS[name](place), place.work, {core}) as server:
        server.load(request, 1, STATIC_CLIENTS, core_of_wrk)
        rest = server.load(request, LOAD_SECONDS, STATIC_CLIENTS, core_of_wrk)
        with _load_views(server):
            return rest, server.load(request, LOAD_SECONDS, STATIC_CLIENTS, core_of_wrk)


@contextmanager
def _load_views(server: Running) -> Iterator[None]:
    """Keep the views busy, beginning one second before the block."""
    url = f"http://127.0.0.1:{server.port}"
    clients = [
        start_wrk(f"{url}{path}", Request(path), LOAD_SECONDS + 30, count, select_cores()[1])
        for path, count in (("/slow", SLOW), ("/busy", BUSY))
    ]
    try:
        time.sleep(1)
        yield
    finally:
        for client in clients:
            client.kill()
            client.communicate()


def _latencies(loads: Loads, place: Place) -> str:
    head = ("server", "requests/s at rest", "p50", "p99", "and with busy views", "p50", "p99", "p99 to p99")
    rows = []
    for (name, threads), pairs in loads.items():
        title = ROWS[name](replace(place, threads=threads)).title
        title = title if f"{threads} threads" in title or name == "uvicorn" else f"{title}, {threads} threads"
        rest, busy = ([pair[place] for pair in pairs] for place in (0, 1))
        rows.append((title, *_figures(rest), *_figures(busy), f"{_ratio(pairs):,.1f}"))
    return format_table(head, rows)


def _figures(loads: Sequence[Load]) -> tuple[str, ...]:
    latencies = (find_median(loads, figure) for figure in ("p50", "p99"))
    shown = ("no answer" if isinf(latency) else label_milliseconds(latency)[1] for latency in latencies)
    return (f"{find_median(loads, 'rate'):,.0f}", *shown)


def _ratio(pairs: Sequence[tuple[Load, Load]]) -> float:
    return find_median([busy for _, busy in pairs], "p99") / find_median([rest for rest, _ in pairs], "p99")


def _goals(loads: Loads) -> list[Goal]:
    found = []
    for (name, threads), pairs in loads.items():
        if name == "ours":
            rest, busy = (find_median([pair[place] for pair in pairs], "p99") for place in (0, 1))
            title = f"static p99 while Django is busy, {threads} threads"
            found.append(
                make_ratio_goal(
                    title, label_milliseconds(busy), (rest, f"at rest {label_milliseconds(rest)[1]}"), MAX_P99_RATIO
                )
            )
    return found
