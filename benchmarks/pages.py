"""``make bench-pages``: a page of 20 kB in each content coding, beside Django's GZipMiddleware and nginx in front.

Rule: as for ``bench-proxy``: all processes of a contender share one core, access logs are on, and each is as shipped.
The same page without a coding is measured, too: what is above it is the cost of the coding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

from benchmarks import proxy
from benchmarks.django import Bench
from benchmarks.goals import Goal, Result, label_microseconds, make_ratio_goal
from benchmarks.load import Load, Request, find_median, select_cores
from benchmarks.measure import format_table, print_progress
from benchmarks.servers import select_installed

PATH = "/table"
CONNECTIONS = 16
LOAD_SECONDS = 3
WARM_UP_SECONDS = 1
MIDDLEWARE = {"BENCH_GZIP_MIDDLEWARE": "1"}
_OURS, _PROXIED = proxy.ROWS[proxy.OURS], proxy.ROWS[proxy.PROXIED]
SERVERS = {
    "ours": _OURS,
    "middleware": replace(_OURS, variables={**_OURS.variables, **MIDDLEWARE, "DJANGO_PAGE_CODINGS": ""}),
    "nginx": replace(_PROXIED, variables={**_PROXIED.variables, "BENCH_GZIP": "on"}),
    "nginx-middleware": replace(_PROXIED, variables={**_PROXIED.variables, **MIDDLEWARE}),
}


class Row(NamedTuple):
    """A server, what its clients accept, and how the table calls both."""

    server: str
    coding: str
    title: str


ROWS = (
    Row("ours", "", "this project, no coding"),
    Row("ours", "zstd", "this project, zstd"),
    Row("ours", "br", "this project, br"),
    Row("ours", "gzip", "this project, gzip"),
    Row("middleware", "gzip", "this project, GZipMiddleware"),
    Row("nginx", "", "nginx and gunicorn, no coding"),
    Row("nginx", "gzip", "nginx (gzip on) and gunicorn"),
    Row("nginx-middleware", "gzip", "nginx and gunicorn, GZipMiddleware"),
)
MAX_CPU_RATIO = 1.0
"""Our goal: the CPU time of the preferred coding, relative to GZipMiddleware's in the same server."""
BLOCK = "pages"
INTRO = "A page of 20 kB in each content coding, with access logs; the CPU time of all processes, which share one core:"

Loads = Mapping[Row, Sequence[Load]]


def measure_part(work: Path, rounds: int) -> Result:
    """Start each server anew, in turns, and ask it for the page in its codings."""
    heading = f"A page of 20 kB in each content coding, access logs on, {CONNECTIONS} connections"
    if len(select_installed(("nginx", "gunicorn"))) < 2:
        return Result(heading, "Not measured.", [])
    place = work / "pages"
    place.mkdir(exist_ok=True)
    bench = Bench(place, LOAD_SECONDS, CONNECTIONS, servers=SERVERS)
    loads: dict[Row, list[Load]] = defaultdict(list)
    for number in range(rounds):
        for name in SERVERS if number % 2 == 0 else reversed(SERVERS):
            _measure_server(bench, name, loads)
    table = _tabulate(loads)
    figures = {row.title: [asdict(load) for load in each] for row, each in loads.items()}
    return Result(heading, table, _make_goals(loads), figures, block=BLOCK, summary=f"{INTRO}\n\n{table}")


def _measure_server(bench: Bench, name: str, loads: dict[Row, list[Load]]) -> None:
    core, core_of_wrk = select_cores()
    with bench.run(name, {core}) as running:
        for row in (each for each in ROWS if each.server == name):
            request = Request(PATH, (f"Accept-Encoding: {row.coding}",) if row.coding else ())
            running.load(request, WARM_UP_SECONDS, CONNECTIONS, core_of_wrk)
            load = running.load(request, LOAD_SECONDS, CONNECTIONS, core_of_wrk)
            loads[row].append(load)
            print_progress(f"{row.title:40} {load.cost * 1e6:7.1f} µs, {load.size / load.requests:8,.0f} bytes")


def _tabulate(loads: Loads) -> str:
    head = ("server, with its access log", "CPU per page, all processes", "of that, the coding", "bytes", "requests/s")
    return format_table(head, [_format_line(row, loads) for row in ROWS])


def _format_line(row: Row, loads: Loads) -> tuple[str, ...]:
    is_proxied = row.server.startswith("nginx")
    plain = next(each for each in ROWS if not each.coding and each.server.startswith("nginx") is is_proxied)
    its = loads[row]
    cost, without = find_median(its, "cost"), find_median(loads[plain], "cost")
    size = sum(load.size for load in its) / sum(load.requests for load in its)
    of_coding = f"{(cost - without) * 1e6:,.0f} µs" if row.coding else ""
    return (row.title, f"{cost * 1e6:,.0f} µs", of_coding, f"{size:,.0f}", f"{find_median(its, 'rate'):,.0f}")


def _make_goals(loads: Loads) -> list[Goal]:
    costs = {row.title: find_median(loads[row], "cost") for row in ROWS}
    ours, its = costs["this project, zstd"], costs["this project, GZipMiddleware"]
    other = (its, f"GZipMiddleware {label_microseconds(its)[1]}")
    return [make_ratio_goal("a page of 20 kB, zstd", label_microseconds(ours), other, MAX_CPU_RATIO)]
