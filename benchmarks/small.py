"""``make bench-small``: the cost of a response, in this project and in nginx, with the access log and without.

A response is a small file, a larger one, a revalidation, or an unknown name. ``make bench-static`` adds the servers
that Django projects use, without an access log.

Rule: in every round this project and nginx take turns, with two loads each; the other servers have one. Every round
starts all servers anew, side by side on one core, so that no figure depends on one process. A log is a file.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.chart import draw_chart
from benchmarks.goals import Goal, Result, label_microseconds, make_factor_goal, make_ratio_goal
from benchmarks.load import Load, Request, Running, find_median, run_server, select_cores
from benchmarks.measure import collect_facts, format_table, print_progress
from benchmarks.servers import CLOUDFRONT, ROWS, Place, select_installed
from benchmarks.trees import LARGE, SMALL, Tree

CONNECTIONS = 64
TURNS = 2
"""Loads per round of the servers that are compared closely."""
LOAD_SECONDS = 2
WORKS = {
    "small": "a stylesheet of 22 kB, 4.2 kB as br",
    "revalidation": "the same, which the client has: 304",
    "missing": "an unknown name: 404",
    "large": "a script of 368 kB, 95 kB as br",
}
LOGS = {
    "ours-text": "text",
    "ours-json": "JSON",
    "ours-metrics": "JSON, and `METRICS_PORT`",
    "nginx-text": "combined",
    "nginx-json": "JSON",
    "nginx-read-text": "combined",
}
"""The access logs of those that write one."""
BLOCK = "small"
"""The name of this part's block in the documents."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row of this project and one of nginx, with the same kind of log.

    `limit` is the goal for the ratio of their CPU times, if there is one.
    """

    work: str
    ours: str
    other: str
    limit: float | None

    @property
    def title(self) -> str:
        """The work, and this project's log."""
        return f"{WORKS[self.work]}; {describe_log(self.ours)}"


COMPARISONS = (
    Comparison("small", "ours-text", "nginx-text", 1.1),
    Comparison("small", "ours-json", "nginx-json", 1.2),
    Comparison("small", "ours-metrics", "nginx-json", 1.25),
    Comparison("revalidation", "ours-text", "nginx-text", None),
    Comparison("missing", "ours-text", "nginx-text", None),
    Comparison("large", "ours-text", "nginx-text", 1.0),
    Comparison("small", "ours", "nginx", 0.9),
    Comparison("revalidation", "ours", "nginx", 1.05),
    Comparison("missing", "ours", "nginx", 1.05),
    Comparison("large", "ours", "nginx", 1.0),
)
"""As shipped first, which is with the log as text."""
FACTORS = {"uvicorn": 50.0, "waitress": 8.0}
"""How many times less than WhiteNoise there, without a log: goals for the small file."""
_READING = (("small", "nginx-read-text"), ("small", "nginx-read"))

_HEAD = (
    *("response", "access log", "CPU time of this project", "of nginx", "requests/s of this project", "of nginx"),
    *("ratio of CPU times", "goal", "ratio to nginx with its combined log"),
)
_OF_SUMMARY = len(_HEAD) - 2

Loads = dict[tuple[str, str], list[Load]]


def list_closely_compared(work: str) -> list[str]:
    """Return the servers of this project and of nginx for a work, in the order of their turns."""
    pairs = ((each.work, name) for each in COMPARISONS for name in (each.ours, each.other))
    return [name for key, name in dict.fromkeys((*pairs, *_READING)) if key == work]


CLOSELY_COMPARED = tuple(list_closely_compared("small"))


class Bench:
    """Collects the rounds."""

    def __init__(self, tree: Tree, work: Path, names: Sequence[str]) -> None:
        self.loads: Loads = defaultdict(list)
        self.other: dict[tuple[str, str], str] = {}
        self.place = Place(tree, work)
        self._names = names

    def run_round(self, number: int) -> None:
        """Start all servers, and run each one's loads of every work."""
        server_core, core = select_cores()
        with ExitStack() as stack:
            servers = {
                name: stack.enter_context(run_server(ROWS[name](self.place), self.place.work, {server_core}))
                for name in self._names
            }
            for work in WORKS:
                closely = [name for name in list_closely_compared(work) if name in self._names]
                others = [name for name in self._names if name not in CLOSELY_COMPARED]
                requests = {name: self._make_request(work, servers[name]) for name in (*closely, *others)}
                ready = [name for name in requests if self._is_answered(work, name, servers[name], requests[name])]
                for name in ready:
                    if work == "small" or name in others:
                        servers[name].load(requests[name], 1, CONNECTIONS, core)
                for name, seconds in _take_turns([name for name in ready if name in closely], ready, number):
                    load = servers[name].load(requests[name], seconds, CONNECTIONS, core)
                    self.loads[work, name].append(load)
                    print_progress(f"{work:>12} {name:15} {load.cost * 1e6:8.1f} µs, {load.rate:8,.0f} requests/s")

    def _make_request(self, work: str, server: Running) -> Request:
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


def _take_turns(closely: Sequence[str], ready: Iterable[str], number: int) -> list[tuple[str, int]]:
    """Return the servers in the order of their loads in a round, with the seconds of each."""
    turns = [closely if (turn + number) % 2 == 0 else closely[::-1] for turn in range(TURNS)]
    others = [(name, 1) for name in ready if name not in closely]
    return [*((name, LOAD_SECONDS) for turn in turns for name in turn), *others]


def measure_closely_compared(tree: Tree, work: Path, rounds: int) -> Result:
    """Run the rounds of this project and of nginx."""
    bench = _run_rounds(tree, work, rounds, CLOSELY_COMPARED)
    return _report(bench, "")


def measure_all(tree: Tree, work: Path, rounds: int) -> Result:
    """Run the rounds of all servers."""
    bench = _run_rounds(tree, work, rounds, ROWS)
    return _report(bench, _draw_chart(bench))


def _run_rounds(tree: Tree, work: Path, rounds: int, names: Iterable[str]) -> Bench:
    bench = Bench(tree, work, select_installed(names))
    for number in range(rounds):
        bench.run_round(number)
    return bench


def _report(bench: Bench, chart: str) -> Result:
    lines = [_compare(each, bench.loads) for each in COMPARISONS if _has_both(each, bench.loads)]
    tables = [f"{title}:\n\n{_tabulate_costs(key, bench)}" for key, title in WORKS.items()]
    text = "\n\n".join((format_table(_HEAD, lines), *tables))
    figures = {f"{key} {name}": [asdict(load) for load in loads] for (key, name), loads in bench.loads.items() if loads}
    heading = f"Static files, {CONNECTIONS} connections"
    summary = format_table(_HEAD[:_OF_SUMMARY], [line[:_OF_SUMMARY] for line in lines])
    intro = "CPU time of a static response on one core, as shipped and without the access log, beside nginx:"
    return Result(heading, text, make_goals(bench.loads), figures, chart, BLOCK, f"{intro}\n\n{summary}")


def describe_log(name: str) -> str:
    """Return the access log of a server."""
    shipped = ", as shipped" if name == "ours-text" else ""
    return f"access log as {LOGS[name]}{shipped}" if name in LOGS else "access log off"


def _compare(each: Comparison, loads: Loads) -> tuple[str, ...]:
    """Return a line of the table of this project beside nginx."""
    ours, its = loads[each.work, each.ours], loads[each.work, each.other]
    cost, its_cost = find_median(ours, "cost"), find_median(its, "cost")
    combined = find_median(loads[each.work, "nginx-text"], "cost") if "JSON" in LOGS.get(each.ours, "") else None
    shipped = " (as shipped)" if each.ours == "ours-text" else ""
    return (
        WORKS[each.work],
        f"{LOGS.get(each.ours, 'off')}{shipped}",
        label_microseconds(cost)[1],
        label_microseconds(its_cost)[1],
        f"{find_median(ours, 'rate'):,.0f}",
        f"{find_median(its, 'rate'):,.0f}",
        f"{cost / its_cost:.2f}",
        "" if each.limit is None else f"≤ {each.limit:g}{'' if cost / its_cost <= each.limit else ': **missed**'}",
        f"{cost / combined:.2f}" if combined else "",
    )


def _has_both(each: Comparison, loads: Loads) -> bool:
    return bool(loads.get((each.work, each.ours)) and loads.get((each.work, each.other)))


def _tabulate_costs(work: str, bench: Bench) -> str:
    head = ("server", "access log", "CPU per request", "lowest to highest", "requests/s")
    loads = bench.loads
    names = [name for name in ROWS if loads[work, name] or (work, name) in bench.other]
    names.sort(key=lambda name: find_median(loads[work, name], "cost") if loads[work, name] else math.inf)
    names.sort(key=lambda name: name not in LOGS)  # as shipped first
    lines = [_format_line(work, name, bench) for name in names]
    return format_table((*head, "p50", "p99", "ours to it", ""), lines)


def _format_line(work: str, name: str, bench: Bench) -> tuple[str, ...]:
    loads, ours = bench.loads[work, name], bench.loads[work, _find_ours(name)]
    title, log, note = ROWS[name](bench.place).title, LOGS.get(name, "off"), bench.other.get((work, name), "")
    if not loads:
        return (title, log, *[""] * 6, note)
    costs = sorted(load.cost * 1e6 for load in loads)
    cost = find_median(loads, "cost")
    return (
        title,
        log,
        f"{cost * 1e6:,.1f} µs",
        f"{costs[0]:,.1f} to {costs[-1]:,.1f}",
        f"{find_median(loads, 'rate'):,.0f}",
        f"{find_median(loads, 'p50') * 1e3:.2f} ms",
        f"{find_median(loads, 'p99') * 1e3:.2f} ms",
        "" if name.startswith("ours") or not ours else f"{find_median(ours, 'cost') / cost:.3f}",
        note,
    )


def _find_ours(name: str) -> str:
    """Return the row of this project with the same kind of log."""
    return {"combined": "ours-text", "JSON": "ours-json"}.get(LOGS.get(name, ""), "ours")


def collect_costs(loads: Loads, work: str) -> dict[str, float]:
    """Return the CPU time per request of each server, in seconds, the least first."""
    figures = {name: find_median(each, "cost") for (key, name), each in loads.items() if key == work and each}
    return dict(sorted(figures.items(), key=lambda item: item[1]))


def _draw_chart(bench: Bench) -> str:
    """Return the chart of the small file: as shipped, which is with the access log, and below that without."""
    logged: dict[str, float] = {}
    without: dict[str, float] = {}
    for name, cost in collect_costs(bench.loads, "small").items():
        if "JSON" not in LOGS.get(name, ""):
            (logged if name in LOGS else without)[ROWS[name](bench.place).title.replace("`", "")] = cost
    known = collect_facts()
    return draw_chart(
        "CPU time of one static response",
        f"a 4.2 kB brotli file, {CONNECTIONS} connections, nine header fields as CloudFront sends them",
        f"{known['CPU']}, one core, Python {known['Python']}, {known['date'][:10]}",
        {"As shipped, with the access log": logged, "Without an access log": without},
    )


def make_goals(loads: Loads) -> list[Goal]:
    """Return the goals for the CPU time per request."""
    found = []
    for each in COMPARISONS:
        if each.limit is not None and _has_both(each, loads):
            ours, its = (find_median(loads[each.work, name], "cost") for name in (each.ours, each.other))
            other = f"nginx with {LOGS[each.other]} log" if each.other in LOGS else "nginx"
            found.append(make_ratio_goal(each.title, label_microseconds(ours), _format_cost(other, its), each.limit))
    costs = collect_costs(loads, "small")
    for name, limit in FACTORS.items():
        if name in costs and "ours" in costs:
            title, whitenoise = f"{WORKS['small']}; access log off", _format_cost(f"WhiteNoise on {name}", costs[name])
            found.append(make_factor_goal(title, label_microseconds(costs["ours"]), whitenoise, limit))
    return found


def _format_cost(name: str, cost: float) -> tuple[float, str]:
    return cost, f"{name} {label_microseconds(cost)[1]}"
