"""``make bench-django``: the cost of a request to a synchronous Django, in this project's server and in others.

Rule: the figure is CPU time per request, user and system, of the server's whole process tree. Other programs on the
machine disturb it less than requests per second. The servers take turns, every round starts each of them anew, and a
round's order is the reverse of the one before. The server has one core, wrk the other. No server writes an access log.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.load import (
    Load,
    Request,
    Running,
    Server,
    compare_with_target,
    find_median,
    find_missing_tool,
    run_server,
    select_cores,
)
from benchmarks.measure import HERE, collect_facts, format_facts, format_table, print_progress, run_module

PACKAGE = "benchmarks.project_django"
VIEWS = ("hello", "rows")
PACKAGES = ("django", "uvicorn", "uvloop", "httptools", "starlette", "gunicorn", "waitress", "granian")

THREADS = "10"
_WARM_UP = 1


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *arguments)


SERVERS = {
    "ours": Server(
        "this project, `static-host serve`, 10 threads",
        lambda port: ("env", f"PORT={port}", str(Path(sys.executable).parent / "static-host"), "serve"),
        ready="ready on",
    ),
    "app": Server(
        "this project's `static_host.asgi:app` in uvicorn, 10 threads",
        lambda port: _module(
            *("uvicorn", "static_host.asgi:app", "--http", "httptools", "--no-access-log", "--port", str(port)),
        ),
    ),
    "gunicorn": Server(
        "gunicorn, gthread, 1 worker, 10 threads",
        lambda port: _module(
            *("gunicorn", "--worker-class", "gthread", "--threads", THREADS),
            *("--bind", f"127.0.0.1:{port}", f"{PACKAGE}.wsgi:application"),
        ),
    ),
    "asgi": Server(
        "uvicorn, Django's ASGI handler",
        lambda port: _module(
            *("uvicorn", f"{PACKAGE}.asgi:application"),
            *("--http", "httptools", "--no-access-log", "--lifespan", "off", "--port", str(port)),
        ),
    ),
    "waitress": Server(
        "waitress, 10 threads",
        lambda port: _module(
            *("waitress", f"--threads={THREADS}", f"--listen=127.0.0.1:{port}", f"{PACKAGE}.wsgi:application"),
        ),
    ),
    "granian": Server(
        "granian, WSGI, 1 worker, 10 blocking threads",
        lambda port: _module(
            *("granian", "--interface", "wsgi", "--workers", "1", "--blocking-threads", THREADS, "--no-ws"),
            *("--port", str(port), f"{PACKAGE}.wsgi:application"),
        ),
    ),
}

TARGETS = {
    ("hello", "gunicorn"): 0.5,
    ("hello", "granian"): 1.1,
    ("hello", "asgi"): 0.25,
    ("rows", "gunicorn"): 0.9,
    ("rows", "granian"): 1.0,
}
"""Limits of our CPU time per request, relative to another server's."""
TARGETS_OF_P99 = {"gunicorn": 1.0}
"""The same for the 99th percentile of the latency."""


class Bench:
    """Collects the rounds of a server on one core and its load on the other."""

    def __init__(
        self, work: Path, seconds: int, connections: int, workers: int = 1, servers: Mapping[str, Server] = SERVERS
    ) -> None:
        self.loads: dict[tuple[str, str], list[Load]] = defaultdict(list)
        self._work = work
        self._servers = servers
        self._seconds = seconds
        self._connections = connections
        self._variables = {
            "DJANGO_SETTINGS_MODULE": f"{PACKAGE}.settings",
            "DJANGO_STATIC_ROOT": str(work / "tree"),
            "DJANGO_STATIC_CACHE": str(work / "cache"),
            "DJANGO_THREADS": THREADS,
            "WEB_CONCURRENCY": str(workers),  # also of gunicorn
            "ACCESS_LOG": "false",
            "BENCH_DATABASE": str(work / "rows.sqlite3"),
            "BENCH_FILES": str(work / "files"),
            "TMPDIR": str(work),  # on a disk, as nginx's temporary files are
            "PYTHONPATH": str(HERE.parent),
        }
        _fill(work / "rows.sqlite3")
        run_module("static_host_build", **self._variables)

    def run_round(self, names: Sequence[str]) -> None:
        """Start each server anew, and load both of its views."""
        core, _ = select_cores()
        for name in names:
            for view, load in self.measure(name, VIEWS, {core}).items():
                self.loads[view, name].append(load)
                print_progress(f"{name:>10} {view:6} {load.cost * 1e6:7.1f} µs, {load.rate:8,.0f} requests/s")

    def measure(self, name: str, views: Sequence[str], cores: set[int]) -> dict[str, Load]:
        """Start a server anew on these cores, and load the views."""
        _, core_of_wrk = select_cores()
        loads = {}
        with self.run(name, cores) as running:
            for view in views:
                request = Request(f"/{view}")
                running.load(request, _WARM_UP, self._connections, core_of_wrk)
                loads[view] = running.load(request, self._seconds, self._connections, core_of_wrk)
        return loads

    @contextmanager
    def run(self, name: str, cores: set[int]) -> Iterator[Running]:
        """Start a server on these cores; yield it when it listens."""
        age = {} if name == "asgi" else {"BENCH_CONN_MAX_AGE": "60"}  # as Django's documentation says for ASGI
        server = self._servers[name]
        row = replace(server, variables={**self._variables, **server.variables, **age})
        with run_server(row, self._work, cores) as running:
            yield running


def _fill(database: Path) -> None:
    database.unlink(missing_ok=True)  # from an earlier run whose trees were kept
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT, country TEXT, inhabitants INTEGER)")
        cities = [(f"City {number}", f"Country {number % 7}", 1000 * number) for number in range(1, 21)]
        connection.executemany("INSERT INTO city (name, country, inhabitants) VALUES (?, ?, ?)", cities)


def format_costs(view: str, names: Sequence[str], loads: Mapping[tuple[str, str], Sequence[Load]]) -> str:
    """Return the table of one view; ratios are this project's figure to the row's."""
    head = ("server", "CPU per request", "requests/s", "p50", "p99")
    ratios = ("our CPU to its", "target", "reached", "our p99 to its", "target", "reached")
    return format_table((*head, *ratios), [_line(view, name, loads) for name in names])


def _line(view: str, name: str, loads: Mapping[tuple[str, str], Sequence[Load]]) -> tuple[str, ...]:
    its, ours = loads[view, name], loads.get((view, "ours"))
    cost, p99 = find_median(its, "cost"), find_median(its, "p99")
    figures = (f"{cost * 1e6:,.0f} µs", f"{find_median(its, 'rate'):,.0f}")
    latencies = (f"{find_median(its, 'p50') * 1e3:.2f} ms", f"{p99 * 1e3:.2f} ms")
    if name == "ours" or not ours:
        return (SERVERS[name].title, *figures, *latencies, *[""] * 6)
    of_cost = compare_with_target(find_median(ours, "cost") / cost, TARGETS.get((view, name)))
    of_p99 = compare_with_target(find_median(ours, "p99") / p99, TARGETS_OF_P99.get(name))
    return (SERVERS[name].title, *figures, *latencies, *of_cost, *of_p99)


def main() -> None:
    """Run all rounds and print Markdown."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=int, default=3, help="of load, for each view and server in each round")
    options.add_argument("--connections", type=int, default=16)
    options.add_argument("--servers", nargs="+", choices=SERVERS, default=list(SERVERS), metavar="SERVER")
    options.add_argument("--json", type=Path, metavar="FILE")
    chosen = options.parse_args()
    if reason := find_missing_tool():
        print(f"skipped: {reason}")
        return
    with tempfile.TemporaryDirectory(prefix="work-", dir=HERE) as work:
        bench = Bench(Path(work), chosen.seconds, chosen.connections)
        for number in range(chosen.rounds):
            bench.run_round(chosen.servers if number % 2 == 0 else chosen.servers[::-1])
    known = collect_facts(*PACKAGES)
    print(f"Median of {chosen.rounds}, {chosen.connections} connections, {chosen.seconds} s; {format_facts(known)}")
    for view in VIEWS:
        print(f"\n`{view}`:\n\n{format_costs(view, chosen.servers, bench.loads)}")
    if chosen.json:
        rounds = {
            view: {name: [asdict(load) for load in bench.loads[view, name]] for name in chosen.servers}
            for view in VIEWS
        }
        chosen.json.write_text(json.dumps({"facts": known, "rounds": rounds}, indent=2) + "\n")


if __name__ == "__main__":
    main()
