"""``make bench-workers``: what a second Django worker adds.

Rule: clients that never pause ask for the view "rows" of `benchmarks.django`. If the front, each worker and wrk have a
core each, requests per second show how two workers scale. With fewer cores, wrk and the front take part of them, so the
scaling is computed from the CPU time of a request with one worker and with two.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from benchmarks.django import Bench
from benchmarks.goals import Goal, Result
from benchmarks.load import Load, find_median
from benchmarks.measure import format_table, print_progress

NAMES = ("ours", "gunicorn")
CONNECTIONS = 64
TURNS = 3
LOAD_SECONDS = 2
MIN_SCALING = 1.8
_ENOUGH_CORES = 4

Loads = dict[tuple[str, int], list[Load]]


def measure_part(work: Path, rounds: int) -> Result:
    """Start each server with one and with two workers, in turns."""
    found: Loads = defaultdict(list)
    benches = {}
    for workers in (1, 2):
        place = work / f"workers-{workers}"
        place.mkdir(exist_ok=True)
        benches[workers] = Bench(place, LOAD_SECONDS, CONNECTIONS, workers)
    for number in range(rounds * TURNS):
        for name in NAMES if number % 2 == 0 else NAMES[::-1]:
            for workers in (1, 2) if number % 2 == 0 else (2, 1):
                load = benches[workers].measure(name, ["rows"], set(os.sched_getaffinity(0)))["rows"]
                found[name, workers].append(load)
                print_progress(f"{name:8} {workers} workers: {load.cost * 1e6:6.1f} µs, {load.rate:8,.0f} requests/s")
    figures = {f"{name} {workers}": [asdict(each) for each in loads] for (name, workers), loads in found.items()}
    return Result("Workers", _table(found), _goals(found), figures)


def _scaling(loads: Loads, name: str) -> float:
    """Return the throughput of two workers relative to one."""
    one, two = loads[name, 1], loads[name, 2]
    if len(os.sched_getaffinity(0)) >= _ENOUGH_CORES:
        return find_median(two, "rate") / find_median(one, "rate")
    return 2 * find_median(one, "cost") / find_median(two, "cost")


def _table(loads: Loads) -> str:
    head = ("server", "workers", "CPU per request", "lowest to highest", "requests/s")
    return format_table(head, [_line(name, workers, each) for (name, workers), each in loads.items()])


def _line(name: str, workers: int, loads: Sequence[Load]) -> tuple[str, ...]:
    costs = sorted(load.cost * 1e6 for load in loads)
    span = f"{costs[0]:,.1f} to {costs[-1]:,.1f}"
    return name, str(workers), f"{median(costs):,.1f} µs", span, f"{find_median(loads, 'rate'):,.0f}"


def _goals(loads: Loads) -> list[Goal]:
    count = len(os.sched_getaffinity(0))
    how = "requests/s" if count >= _ENOUGH_CORES else f"by CPU per request, on {count} cores"
    ours, its = (_scaling(loads, name) for name in NAMES)
    shown, limit = f"{ours:.2f} times", f"≥ {MIN_SCALING:g} times"
    return [
        Goal(f"`rows`, two workers to one, {how}", shown, f"{NAMES[1]} {its:.2f} times", "", limit, ours >= MIN_SCALING)
    ]
