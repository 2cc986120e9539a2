"""``make bench-large``: a film of 100 MB, for eight fast clients and for 200 slow ones.

Rule: the figures are throughput, CPU time per gigabyte, and the growth of the server's memory (PSS). The slow clients
limit their throughput themselves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.goals import Goal, Result, label_gigabyte, label_throughput, make_ratio_goal
from benchmarks.load import Load, Request, Running, find_median, measure_tree_cpu, run_server, select_cores
from benchmarks.measure import HERE, format_megabytes, format_table, make_environment, print_progress
from benchmarks.pss import watch_memory
from benchmarks.servers import ROWS, Place, select_installed
from benchmarks.trees import FILM, Tree

NAMES = ("nginx", "ours", "gunicorn", "waitress", "starlette")
CLOSELY_COMPARED = ("nginx", "ours")
MAX_GROWTH_BYTES = 32e6


@dataclass(frozen=True, slots=True)
class Work:
    """Clients that download the film for so many seconds, and the bytes per second of each; 0 is unlimited."""

    title: str
    clients: int
    rate: int
    seconds: int


WORKS = {
    "fast": Work("100 MB, 8 clients", 8, 0, 3),
    "slow": Work("100 MB, 200 clients that take 200 kB/s each", 200, 200_000, 6),
}


class Bench:
    """Collects the rounds."""

    def __init__(self, tree: Tree, work: Path, names: Sequence[str]) -> None:
        self.loads: dict[tuple[str, str], list[Load]] = defaultdict(list)
        self.growths: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.place = Place(tree, work)
        self._names = names
        self._request = Request(tree.path(FILM), ("Host: 127.0.0.1",))

    def run_round(self, number: int) -> None:
        """Start all servers; the two closely compared ones have two turns of each work, the others one."""
        core, _ = select_cores()
        closely = [name for name in CLOSELY_COMPARED if name in self._names]
        order = closely if number % 2 == 0 else closely[::-1]
        with ExitStack() as stack:
            servers = {
                name: stack.enter_context(run_server(ROWS[name](self.place), self.place.work, {core}))
                for name in self._names
            }
            for server in servers.values():
                server.ask(self._request)
            for work in WORKS:
                for name in (*order, *order[::-1], *(name for name in self._names if name not in CLOSELY_COMPARED)):
                    self._measure(work, name, servers[name])

    def _measure(self, work: str, name: str, server: Running) -> None:
        with watch_memory(server.pid) as growth:
            took = run_downloads(server, self._request.path, WORKS[work])
        self.loads[work, name].append(took)
        self.growths[work, name].append(growth.size)
        rate = f"{format_megabytes(took.throughput)}/s, {took.cost_of_a_gigabyte * 1e3:7,.0f} ms/GB"
        print_progress(f"{work} {name:10} {rate}, {format_megabytes(growth.size)} more")


def run_downloads(server: Running, path: str, work: Work) -> Load:
    """Run the clients; return their figures and the server's CPU time."""
    before = measure_tree_cpu(server.pid)
    load = finish_downloads(start_downloads(server, path, work))
    return replace(load, cpu=measure_tree_cpu(server.pid) - before)


def start_downloads(server: Running, path: str, work: Work) -> subprocess.Popen[bytes]:
    """Start the clients on their core."""
    figures = (server.port, path, work.clients, work.rate, work.seconds)
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.downloads", *map(str, figures)],
        cwd=HERE.parent,
        env=make_environment(),
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {select_cores()[1]}),
    )


def finish_downloads(clients: subprocess.Popen[bytes]) -> Load:
    """Return the figures of the clients when they have ended. Exits if the server did not answer as it should."""
    output = clients.communicate()[0]
    if clients.returncode:
        raise SystemExit("a download failed")
    return Load(**json.loads(output))


def measure_part(tree: Tree, work: Path, rounds: int) -> Result:
    """Run the rounds."""
    bench = Bench(tree, work, select_installed(NAMES))
    for number in range(rounds):
        bench.run_round(number)
    text = "\n\n".join(f"{work.title}:\n\n{_costs(key, bench)}" for key, work in WORKS.items())
    figures = {f"{key} {name}": [asdict(load) for load in loads] for (key, name), loads in bench.loads.items()}
    growths = {f"{key} {name} growth": sizes for (key, name), sizes in bench.growths.items()}
    return Result("A large file", text, _goals(bench), figures | growths)


def _costs(work: str, bench: Bench) -> str:
    head = ("server", "throughput", "CPU per GB", "lowest to highest", "memory's growth")
    return format_table(head, [_line(work, name, bench) for name in NAMES if bench.loads[work, name]])


def _line(work: str, name: str, bench: Bench) -> tuple[str, ...]:
    loads = bench.loads[work, name]
    costs = sorted(load.cost_of_a_gigabyte * 1e3 for load in loads)
    return (
        ROWS[name](bench.place).title,
        _rate("", loads)[1],
        _gigabyte("", loads)[1],
        f"{costs[0]:,.0f} to {costs[-1]:,.0f}",
        format_megabytes(median(bench.growths[work, name])),
    )


def _goals(bench: Bench) -> list[Goal]:
    found = []
    for key, work in WORKS.items():
        title = work.title
        ours, its = bench.loads[key, "ours"], bench.loads[key, "nginx"]
        if its:
            found += [
                make_ratio_goal(f"{title}: throughput", _rate("", ours), _rate("nginx ", its), 1.0, least=True),
                make_ratio_goal(f"{title}: CPU per GB", _gigabyte("", ours), _gigabyte("nginx ", its), 2.0),
            ]
        growth = max(bench.growths[key, "ours"])
        found.append(
            Goal(
                f"{title}: memory",
                format_megabytes(growth),
                "",
                "",
                f"< {format_megabytes(MAX_GROWTH_BYTES)}",
                growth < MAX_GROWTH_BYTES,
            )
        )
    return found


def _rate(name: str, loads: Sequence[Load]) -> tuple[float, str]:
    rate, text = label_throughput(find_median(loads, "throughput"))
    return rate, f"{name}{text}"


def _gigabyte(name: str, loads: Sequence[Load]) -> tuple[float, str]:
    cost, text = label_gigabyte(find_median(loads, "cost_of_a_gigabyte"))
    return cost, f"{name}{text}"
