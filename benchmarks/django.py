"""``make bench-django``: what a request to a synchronous Django costs in this project's server, and in four others.

Rule: the figure is CPU time per request, user and system, of the server's whole process tree: on a machine that does
other things it is disturbed less than requests per second. The servers take turns, every round starts each of them
anew, and a round's order is the reverse of the one before. The server has one core, `wrk` the other one; nothing
writes an access log.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.measure import HERE, environment, facts, progress, run, table, told

PACKAGE = "benchmarks.project_django"
VIEWS = ("hello", "rows")
PACKAGES = ("django", "uvicorn", "uvloop", "httptools", "starlette", "gunicorn", "waitress", "granian")

_THREADS = "10"
_WARM_UP = 1
_START = 20.0
_TICK = os.sysconf("SC_CLK_TCK")
_LATENCY = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True, slots=True)
class Server:
    """A row: the module that is run with these arguments, and its targets.

    `targets` are, by view, what our CPU time per request may be at most in proportion to this server's; `of_p99` is
    the same for our 99th percentile of the latency.
    """

    title: str
    command: Callable[[int], tuple[str, ...]]
    targets: Mapping[str, float] = field(default_factory=dict)
    of_p99: float | None = None
    variables: Mapping[str, str] = field(default_factory=lambda: {"BENCH_CONN_MAX_AGE": "60"})


SERVERS = {
    "ours": Server(
        "this project, `uvicorn app.asgi:app`, 10 threads",
        lambda port: ("uvicorn", "app.asgi:app", "--http", "httptools", "--no-access-log", "--port", str(port)),
    ),
    "gunicorn": Server(
        "gunicorn, gthread, 1 worker, 10 threads",
        lambda port: (
            *("gunicorn", "--worker-class", "gthread", "--workers", "1", "--threads", _THREADS),
            *("--bind", f"127.0.0.1:{port}", f"{PACKAGE}.wsgi:application"),
        ),
        {"hello": 0.6, "rows": 1.0},
        1.0,
    ),
    "asgi": Server(
        "uvicorn, Django's ASGI handler",
        lambda port: (
            *("uvicorn", f"{PACKAGE}.asgi:application"),
            *("--http", "httptools", "--no-access-log", "--lifespan", "off", "--port", str(port)),
        ),
        {"hello": 0.25},
        variables={},  # under ASGI, Django's documentation says, persistent connections should be disabled
    ),
    "waitress": Server(
        "waitress, 10 threads",
        lambda port: ("waitress", f"--threads={_THREADS}", f"--listen=127.0.0.1:{port}", f"{PACKAGE}.wsgi:application"),
    ),
    "granian": Server(
        "granian, WSGI, 1 worker, 10 blocking threads",
        lambda port: (
            *("granian", "--interface", "wsgi", "--workers", "1", "--blocking-threads", _THREADS, "--no-ws"),
            *("--port", str(port), f"{PACKAGE}.wsgi:application"),
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Load:
    """What `wrk` counted, and what the server took for one of the requests; times are in seconds."""

    cpu: float
    rate: float
    p50: float
    p99: float


class Bench:
    """The rounds so far, of a server on one core and its load on the other."""

    def __init__(self, work: Path, seconds: int, connections: int) -> None:
        self.loads: dict[tuple[str, str], list[Load]] = defaultdict(list)
        self._work = work
        self._seconds = seconds
        self._connections = connections
        self._core, self._core_of_wrk = sorted(os.sched_getaffinity(0))[:2]
        self._variables = {
            "DJANGO_SETTINGS_MODULE": f"{PACKAGE}.settings",
            "DJANGO_STATIC_ROOT": str(work / "tree"),
            "DJANGO_STATIC_CACHE": str(work / "cache"),
            "DJANGO_THREADS": _THREADS,
            "BENCH_DATABASE": str(work / "rows.sqlite3"),
            "PYTHONPATH": str(HERE.parent),
        }
        _fill(work / "rows.sqlite3")
        run("static_build", **self._variables)

    def round(self, names: Sequence[str]) -> None:
        """Start each server anew, and load both of its views."""
        for name in names:
            with self._running(SERVERS[name]) as (port, process):
                for view in VIEWS:
                    self._wrk(f"http://127.0.0.1:{port}/{view}", _WARM_UP)
                    self.loads[view, name].append(self._load(f"http://127.0.0.1:{port}/{view}", process.pid))
                    took = self.loads[view, name][-1]
                    progress(f"{name:>10} {view:6} {took.cpu * 1e6:7.1f} µs, {took.rate:8,.0f} requests/s")

    @contextmanager
    def _running(self, server: Server) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
        port = _free_port()
        with (self._work / "output").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *server.command(port)],
                cwd=self._work,
                env=environment(**self._variables, **server.variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: os.sched_setaffinity(0, {self._core}),
            )
        try:
            _wait_for(port, process, self._work / "output")
            yield port, process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _load(self, url: str, pid: int) -> Load:
        before = cpu_of_tree(pid)
        output = self._wrk(url, self._seconds)
        after = cpu_of_tree(pid)
        return Load((after - before) / requests_of(output), rate_of(output), latency(output, 50), latency(output, 99))

    def _wrk(self, url: str, seconds: int) -> str:
        command = ["wrk", "--threads=1", f"--connections={self._connections}", f"--duration={seconds}s", "--latency"]
        output = subprocess.run(
            [*command, url],
            capture_output=True,
            text=True,
            check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {self._core_of_wrk}),
        ).stdout
        if "Non-2xx" in output or "Socket errors" in output:
            raise SystemExit(f"{url}: not every request was answered:\n{output}")
        return output


def cpu_of_tree(root: int) -> float:
    """Return the seconds of CPU time that the process and everything below it have taken; proc(5), `stat`."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                continue
            pid = int(entry.name)
            parents[pid], ticks[pid] = int(fields[1]), int(fields[11]) + int(fields[12])

    def is_below(pid: int) -> bool:
        return pid == root or (pid in parents and is_below(parents[pid]))

    return sum(count for pid, count in ticks.items() if is_below(pid)) / _TICK


def requests_of(output: str) -> int:
    """Return how many requests `wrk` saw answered."""
    return int(_found(r"^\s*(\d+) requests in ", output)[1])


def rate_of(output: str) -> float:
    """Return the requests per second."""
    return float(_found(r"^Requests/sec:\s*([\d.]+)", output)[1])


def latency(output: str, percentile: int) -> float:
    """Return a percentile of the latency, in seconds."""
    found = _found(rf"^\s*{percentile}%\s+([\d.]+)(us|ms|s|m)$", output)
    return float(found[1]) * _LATENCY[found[2]]


def _found(pattern: str, output: str) -> re.Match[str]:
    found = re.search(pattern, output, re.MULTILINE)
    if found is None:
        raise SystemExit(f"wrk said something unexpected:\n{output}")
    return found


def _fill(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT, country TEXT, inhabitants INTEGER)")
        cities = [(f"City {number}", f"Country {number % 7}", 1000 * number) for number in range(1, 21)]
        connection.executemany("INSERT INTO city (name, country, inhabitants) VALUES (?, ?, ?)", cities)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"{process.args!r} does not listen:\n{output.read_text()}")


def middle(loads: Sequence[Load]) -> Load:
    """Return the median of each figure."""
    return Load(
        median(load.cpu for load in loads),
        median(load.rate for load in loads),
        median(load.p50 for load in loads),
        median(load.p99 for load in loads),
    )


def costs(view: str, results: Mapping[str, Load]) -> str:
    """Return the table of one view; the ratios are ours to the row's."""
    head = ("server", "CPU per request", "requests/s", "p50", "p99")
    ratios = ("our CPU to its", "target", "reached", "our p99 to its", "target", "reached")
    return table((*head, *ratios), [_line(view, name, results) for name in results])


def _line(view: str, name: str, results: Mapping[str, Load]) -> tuple[str, ...]:
    server, took = SERVERS[name], results[name]
    figures = (f"{took.cpu * 1e6:,.0f} µs", f"{took.rate:,.0f}", f"{took.p50 * 1e3:.2f} ms", f"{took.p99 * 1e3:.2f} ms")
    if name == "ours" or "ours" not in results:
        return (server.title, *figures, *[""] * 6)
    ours = results["ours"]
    of_cpu = _verdict(ours.cpu / took.cpu, server.targets.get(view))
    return (server.title, *figures, *of_cpu, *_verdict(ours.p99 / took.p99, server.of_p99))


def _verdict(ratio: float, target: float | None) -> tuple[str, str, str]:
    if target is None:
        return (f"{ratio:.3f}", "", "")
    return (f"{ratio:.3f}", f"{target:g}", "yes" if ratio <= target else "no")


def missing() -> str:
    """Return why this machine cannot run the benchmark, or nothing."""
    if sys.platform != "linux":
        return "CPU time comes from /proc, and the cores are Linux's to give: Linux only"
    if shutil.which("wrk") is None:
        return "wrk is not installed (apt-get install wrk)"
    return "" if len(os.sched_getaffinity(0)) > 1 else "one core for the server and one for wrk are needed"


def main() -> None:
    """Run it all, and print Markdown."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=int, default=3, help="of load, for each view and server in each round")
    options.add_argument("--connections", type=int, default=16)
    options.add_argument("--servers", nargs="+", choices=SERVERS, default=list(SERVERS), metavar="SERVER")
    options.add_argument("--json", type=Path, metavar="FILE")
    chosen = options.parse_args()
    if reason := missing():
        print(f"skipped: {reason}")
        return
    with tempfile.TemporaryDirectory(prefix="work-", dir=HERE) as work:
        bench = Bench(Path(work), chosen.seconds, chosen.connections)
        for number in range(chosen.rounds):
            bench.round(chosen.servers if number % 2 == 0 else chosen.servers[::-1])
    known = facts(*PACKAGES)
    print(f"Median of {chosen.rounds}, {chosen.connections} connections, {chosen.seconds} s; {told(known)}")
    views = {view: {name: middle(bench.loads[view, name]) for name in chosen.servers} for view in VIEWS}
    for view, results in views.items():
        print(f"\n`{view}`:\n\n{costs(view, results)}")
    if chosen.json:
        rounds = {
            view: {name: [asdict(load) for load in bench.loads[view, name]] for name in views[view]} for view in VIEWS
        }
        chosen.json.write_text(json.dumps({"facts": known, "rounds": rounds}, indent=2) + "\n")


if __name__ == "__main__":
    main()
