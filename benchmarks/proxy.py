"""``make bench-proxy``: the view "hello" in this project's server, and in gunicorn behind nginx, the usual set-up.

Rule: each is as shipped, or as its documentation says, with access logs in files: this project's text on standard
output, nginx's and gunicorn's. All processes of a contender share one core. The figures are the CPU time of all of them
for a request, and the 99th percentile. nginx opens a connection to gunicorn's socket for each request, its default.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.django import PACKAGE, SERVERS, THREADS, Bench
from benchmarks.goals import Goal, Result, label_microseconds, label_milliseconds, make_ratio_goal
from benchmarks.load import Load, Server, find_median, select_cores
from benchmarks.measure import format_table, print_progress
from benchmarks.servers import select_installed

VIEW = "hello"
CONNECTIONS = 16
LOAD_SECONDS = 3
TURNS = 2
MAX_CPU_RATIO = 0.6
OURS, PROXIED = "ours-text", "nginx-gunicorn"
ROWS = {
    OURS: Server(
        "this project, `static-host serve`, 10 threads",
        SERVERS["ours"].command,
        {"ACCESS_LOG": "true"},
        SERVERS["ours"].ready,
        ("output-{port}",),
    ),
    PROXIED: Server(
        "nginx in front of gunicorn, gthread, 1 worker, 10 threads",
        lambda port: (
            *(sys.executable, "-m", "benchmarks.behind_nginx", str(port), f"/{VIEW}"),
            *(sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--threads", THREADS),
            *("--access-logfile", f"access-gunicorn-{port}.log", f"{PACKAGE}.wsgi:application"),
        ),
        logs=("access-{port}.log", "access-gunicorn-{port}.log"),
    ),
}
BLOCK = "proxy"

Loads = Mapping[str, Sequence[Load]]


def measure_part(work: Path, rounds: int) -> Result:
    """Start both servers anew, in turns."""
    if len(select_installed(("nginx", "gunicorn"))) < 2:
        return Result("nginx in front of gunicorn", "Not measured.", [])
    place = work / "proxy"
    place.mkdir(exist_ok=True)
    bench = Bench(place, LOAD_SECONDS, CONNECTIONS, servers=ROWS)
    loads: dict[str, list[Load]] = defaultdict(list)
    for number in range(rounds * TURNS):
        for name in ROWS if number % 2 == 0 else reversed(ROWS):
            load = bench.measure(name, [VIEW], {select_cores()[0]})[VIEW]
            loads[name].append(load)
            print_progress(f"{name:15} {load.cost * 1e6:7.1f} µs, {load.rate:8,.0f} requests/s")
    table = _tabulate(loads)
    figures = {name: [asdict(load) for load in each] for name, each in loads.items()}
    intro = "A Django view that does nothing, with access logs; the CPU time of all processes, which share one core:"
    heading = f"`{VIEW}` with access logs, {CONNECTIONS} connections"
    return Result(heading, table, _make_goals(loads), figures, block=BLOCK, summary=f"{intro}\n\n{table}")


def _tabulate(loads: Loads) -> str:
    head = ("server, with its access log", "CPU per request, all processes", "lowest to highest", "requests/s")
    latencies = ("p50", "p99", "our CPU to its", "our p99 to its")
    return format_table((*head, *latencies), [_format_line(name, loads) for name in ROWS])


def _format_line(name: str, loads: Loads) -> tuple[str, ...]:
    its, ours = loads[name], loads[OURS]
    costs = sorted(load.cost * 1e6 for load in its)
    ratios = [f"{find_median(ours, figure) / find_median(its, figure):.2f}" for figure in ("cost", "p99")]
    return (
        ROWS[name].title,
        f"{find_median(its, 'cost') * 1e6:,.0f} µs",
        f"{costs[0]:,.0f} to {costs[-1]:,.0f}",
        f"{find_median(its, 'rate'):,.0f}",
        label_milliseconds(find_median(its, "p50"))[1],
        label_milliseconds(find_median(its, "p99"))[1],
        *(["", ""] if name == OURS else ratios),
    )


def _make_goals(loads: Loads) -> list[Goal]:
    ours, its = (find_median(loads[name], "cost") for name in (OURS, PROXIED))
    other = (its, f"nginx and gunicorn {label_microseconds(its)[1]}")
    return [make_ratio_goal(f"`{VIEW}`, access logs on, as shipped", label_microseconds(ours), other, MAX_CPU_RATIO)]
