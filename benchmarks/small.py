"""``make bench-static``: the cost of a response: a small file and a larger one, a revalidation, an unknown name.

Rule: in every round this project and nginx take turns, with three loads each; the others have one. Every round starts
all servers anew, side by side, so that no figure depends on one process.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.chart import draw_chart
from benchmarks.goals import Goal, Result, label_microseconds, make_factor_goal, make_ratio_goal
from benchmarks.load import Load, Request, Running, find_median, run_server, select_cores
from benchmarks.measure import collect_facts, format_table, print_progress
from benchmarks.servers import CLOUDFRONT, ROWS, Place, select_installed
from benchmarks.trees import LARGE, SMALL, Tree

CONNECTIONS = 64
CLOSELY_COMPARED = ("nginx", "ours", "nginx-read")
TURNS = 3
"""Loads per round of the servers that are compared closely."""
WORKS = {
    "small": "a stylesheet of 22 kB, 4.2 kB as br",
    "revalidation": "the same, which the client has: 304",
    "missing": "an unknown name: 404",
    "large": "a script of 368 kB, 95 kB as br",
}

Loads = dict[tuple[str, str], list[Load]]


class Bench:
    """Collects the rounds."""

    def __init__(self, tree: Tree, work: Path, names: Sequence[str]) -> None:
        self.loads: Loads = defaultdict(list)
        self.other: dict[tuple[str, str], str] = {}
        self.place = Place(tree, work)
        self._names = names

    def run_round(self, number: int) -> None:
        """Start all servers, and run each one's loads of every work."""
        core, _ = select_cores()
        with ExitStack() as stack:
            all_running = {
                name: stack.enter_context(run_server(ROWS[name](self.place), self.place.work, {core}))
                for name in self._names
            }
            for work in WORKS:
                self._turns(work, all_running, number)

    def _turns(self, work: str, servers: dict[str, Running], number: int) -> None:
        core = select_cores()[1]
        requests = {name: self._request(work, server) for name, server in servers.items()}
        ready = [name for name in self._names if self._is_answered(work, name, servers[name], requests[name])]
        for name in ready:
            servers[name].load(requests[name], 1, CONNECTIONS, core)
        closely = [name for name in CLOSELY_COMPARED if name in ready]
        turns = [closely if (turn + number) % 2 == 0 else closely[::-1] for turn in range(TURNS)]
        for name in (
            *(name for turn in turns for name in turn),
            *(name for name in ready if name not in CLOSELY_COMPARED),
        ):
            load = servers[name].load(requests[name], 2 if name in CLOSELY_COMPARED else 1, CONNECTIONS, core)
            self.loads[work, name].append(load)
            print_progress(f"{work:>12} {name:12} {load.cost * 1e6:8.1f} µs, {load.rate:8,.0f} requests/s")

    def _request(self, work: str, server: Running) -> Request:
        tree = self.place.tree
        if work == "missing":
            return Request("/static/css/nothing.0123456789ab.css", CLOUDFRONT, 404)
        request = Request(tree.path(LARGE if work == "large" else SMALL), CLOUDFRONT)
        if work != "revalidation":
            return request
        tag = server.ask(request).fields["etag"]
        return replace(request, fields=(*CLOUDFRONT, f"If-None-Match: {tag}"), status=304)

    def _is_answered(self, work: str, name: str, server: Running, request: Request) -> bool:
        """Whether the server's second response has the expected status; record any difference."""
        answer = [server.ask(request) for _ in range(2)][1]
        if answer.status != request.status:
            self.other[work, name] = f"answers {answer.status}"
        elif not answer.fields.get("content-encoding") and work in ("small", "large"):
            self.other[work, name] = f"no coding: {answer.size / 1e3:,.0f} kB"
        return answer.status == request.status


def measure_part(tree: Tree, work: Path, rounds: int) -> Result:
    """Run the rounds."""
    bench = Bench(tree, work, select_installed(name for name in ROWS))
    for number in range(rounds):
        bench.run_round(number)
    text = "\n\n".join(f"{title}:\n\n{_costs(key, bench)}" for key, title in WORKS.items())
    figures = {f"{key} {name}": [asdict(load) for load in loads] for (key, name), loads in bench.loads.items()}
    return Result(
        f"Static files, {CONNECTIONS} connections", text, make_goals(bench.loads), figures, _draw_chart(bench)
    )


def _costs(work: str, bench: Bench) -> str:
    head = ("server", "CPU per request", "lowest to highest", "requests/s", "p50", "p99", "ours to it", "")
    names = [name for name in ROWS if (work, name) in bench.loads or (work, name) in bench.other]
    names.sort(
        key=lambda name: find_median(bench.loads[work, name], "cost") if bench.loads[work, name] else float("inf")
    )
    return format_table(head, [_line(work, name, bench) for name in names])


def _line(work: str, name: str, bench: Bench) -> tuple[str, ...]:
    loads, ours = bench.loads[work, name], bench.loads[work, "ours"]
    title, note = ROWS[name](bench.place).title, bench.other.get((work, name), "")
    if not loads:
        return (title, *[""] * 6, note)
    costs = sorted(load.cost * 1e6 for load in loads)
    cost = find_median(loads, "cost")
    return (
        title,
        f"{cost * 1e6:,.1f} µs",
        f"{costs[0]:,.1f} to {costs[-1]:,.1f}",
        f"{find_median(loads, 'rate'):,.0f}",
        f"{find_median(loads, 'p50') * 1e3:.2f} ms",
        f"{find_median(loads, 'p99') * 1e3:.2f} ms",
        "" if name == "ours" or not ours else f"{find_median(ours, 'cost') / cost:.3f}",
        note,
    )


def collect_costs(loads: Loads, work: str) -> dict[str, float]:
    """Return the CPU time per request of each server, in seconds, the least first."""
    figures = {name: find_median(each, "cost") for (key, name), each in loads.items() if key == work and each}
    return dict(sorted(figures.items(), key=lambda item: item[1]))


def _draw_chart(bench: Bench) -> str:
    """Return the chart of the small file."""
    named = {
        ROWS[name](bench.place).title.replace("`", ""): cost
        for name, cost in collect_costs(bench.loads, "small").items()
    }
    known = collect_facts()
    return draw_chart(
        "CPU time of one static response",
        f"a 4.2 kB brotli file, {CONNECTIONS} connections, nine header fields as CloudFront sends them",
        f"{known['CPU']}, one core, Python {known['Python']}, {known['date'][:10]}",
        named,
    )


def make_goals(loads: Loads) -> list[Goal]:
    """Return the goals for the CPU time per request."""
    limits = {"small": 1.0, "revalidation": 1.0, "missing": 1.0, "large": 1.1}
    found = []
    for work, title in WORKS.items():
        its = collect_costs(loads, work)
        if "ours" not in its:
            continue
        ours = label_microseconds(its["ours"])
        if "nginx" in its:
            found.append(make_ratio_goal(title, ours, _format_cost("nginx", its["nginx"]), limits[work]))
        if work == "small":
            found += [
                make_factor_goal(title, ours, _format_cost(f"WhiteNoise on {name}", its[name]), limit)
                for name, limit in (("uvicorn", 50), ("waitress", 8))
                if name in its
            ]
    return found


def _format_cost(name: str, cost: float) -> tuple[float, str]:
    return cost, f"{name} {label_microseconds(cost)[1]}"
