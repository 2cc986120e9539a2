"""``make bench-workers``: what a second worker adds.

Rule: if each worker has a core and wrk has one too, requests per second show how two workers scale. With only two
cores, wrk takes part of them, so the scaling is computed from the CPU time of a request with one worker and with two.
If clients never pause, all workers with connections can be busy at once. If each connection sends equally many
requests, the worker with the most connections is the first that cannot keep up.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.goals import Goal, Result
from benchmarks.load import (
    Load,
    Request,
    find_median,
    list_tree_pids,
    measure_tree_cpu,
    parse_wrk_output,
    run_server,
    start_wrk,
)
from benchmarks.measure import format_table, print_progress
from benchmarks.pss import count_sockets
from benchmarks.servers import CLOUDFRONT, ROWS, Place, select_installed
from benchmarks.trees import SMALL, Tree

CONNECTIONS = 64
NAMES = ("ours", "nginx")
TURNS = 3
LOAD_SECONDS = 2
MIN_SCALING = 1.8


@dataclass(frozen=True, slots=True)
class Shared:
    """A load, and the busiest worker's share of the connections."""

    load: Load
    largest: float


Loads = dict[tuple[str, int], list[Shared]]


def measure_part(tree: Tree, work: Path, rounds: int) -> Result:
    """Start each server with one and with two workers, in turns."""
    found: Loads = defaultdict(list)
    names = select_installed(NAMES)
    for number in range(rounds * TURNS):
        for name in names if number % 2 == 0 else names[::-1]:
            for workers in (1, 2) if number % 2 == 0 else (2, 1):
                found[name, workers].append(_measure_load(name, Place(tree, work, workers=workers)))
                load, largest = found[name, workers][-1].load, found[name, workers][-1].largest
                shown = f"{load.cost * 1e6:6.1f} µs, {load.rate:8,.0f} requests/s, {largest:.0%} at one"
                print_progress(f"{name:6} {workers} workers: {shown}")
    figures = {f"{name} {workers}": [asdict(each) for each in loads] for (name, workers), loads in found.items()}
    return Result("Workers", _table(found, Place(tree, work)), _goals(found), figures)


def _measure_load(name: str, place: Place) -> Shared:
    """Return a load of a server that has a core for each worker, if there are that many."""
    cores = sorted(os.sched_getaffinity(0))
    request = Request(place.tree.path(SMALL), CLOUDFRONT)
    with run_server(ROWS[name](place), place.work, set(cores[: place.workers])) as server:
        server.load(request, 1, CONNECTIONS, cores[-1])
        before = {pid: count_sockets(pid) for pid in list_tree_pids(server.pid)}
        url = f"http://127.0.0.1:{server.port}{request.path}"
        cpu = measure_tree_cpu(server.pid)
        wrk = start_wrk(url, request, LOAD_SECONDS, CONNECTIONS, cores[-1])
        time.sleep(LOAD_SECONDS / 2)
        taken = [max(0, count_sockets(pid) - count) for pid, count in before.items()]
        load = parse_wrk_output(url, request, wrk.communicate()[0])
        return Shared(replace(load, cpu=measure_tree_cpu(server.pid) - cpu), max(taken) / sum(taken))


def _scaling(loads: Loads, name: str) -> tuple[float, float]:
    """Return the throughput of two workers relative to one: for clients that never pause, and for even ones."""
    one, two = ([each.load for each in loads[name, workers]] for workers in (1, 2))
    largest = median(each.largest for each in loads[name, 2])
    for_each = find_median(one, "cost") / find_median(two, "cost")
    if len(os.sched_getaffinity(0)) > 2:
        return find_median(two, "rate") / find_median(one, "rate"), for_each / largest
    return for_each * (2 if largest < 1 else 1), for_each / largest


def _table(loads: Loads, place: Place) -> str:
    head = ("server", "workers", "CPU per request", "lowest to highest", "requests/s", "connections at the busiest")
    return format_table(
        head, [_line(ROWS[name](place).title, workers, each) for (name, workers), each in loads.items()]
    )


def _line(title: str, workers: int, each: Sequence[Shared]) -> tuple[str, ...]:
    costs = sorted(shared.load.cost * 1e6 for shared in each)
    return (
        title,
        str(workers),
        f"{median(costs):,.1f} µs",
        f"{costs[0]:,.1f} to {costs[-1]:,.1f}",
        f"{find_median([shared.load for shared in each], 'rate'):,.0f}",
        f"{median(shared.largest for shared in each):.0%}",
    )


def _goals(loads: Loads) -> list[Goal]:
    count = len(os.sched_getaffinity(0))
    how = "requests/s" if count > 2 else f"by CPU per request: {count} cores, `wrk` on one of them"
    ours, its = (_scaling(loads, name) if (name, 2) in loads else None for name in ("ours", "nginx"))
    assert ours
    titles = (f"two workers to one, {how}", "the same, if each connection asks equally often")
    others = [f"nginx {times:.2f} times" for times in its] if its else ["", ""]
    return [
        Goal(title, f"{times:.2f} times", other, "", f"≥ {MIN_SCALING:g} times", times >= MIN_SCALING)
        for title, times, other in zip(titles, ours, others, strict=True)
    ]
