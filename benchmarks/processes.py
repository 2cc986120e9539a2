"""``make bench-memory``, second part: all processes of a project with two workers, beside gunicorn with WhiteNoise.

Rule: both are as shipped, with two workers that are forked from a process that has loaded the project (`--preload`).
Memory is the PSS of the whole process tree, after static files were requested, and again after pages were requested of
both workers at the same time. PSS shares a page's bytes among all processes that have it, so nothing is counted twice.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.goals import Goal, Result, make_ratio_goal
from benchmarks.load import Request, Running, Server, list_tree_pids, run_server, select_cores
from benchmarks.measure import format_megabytes, format_table, print_progress
from benchmarks.pss import read_pss
from benchmarks.servers import ROWS, WHITENOISE, WSGI, Place, select_installed
from benchmarks.trees import build_generated_tree, build_site_tree

WORKERS = 2
MAX_RATIO = 1.3
STATIC_REQUESTS, PAGE_REQUESTS, CONNECTIONS = 200, 48, 8
_HOST = "Host: localhost"
_SETTLE_SECONDS = 1.0
"""Time in which connections end, and what the last requests began."""
_CHANGED = ("ACCESS_LOG", "DJANGO_THREADS")
"""Variables of the other benchmarks, which compare what all servers have."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project; `page` is a path whose view both workers run."""

    title: str
    place: Place
    page: str


@dataclass(frozen=True, slots=True)
class Weight:
    """PSS of all processes in bytes, after static files and after pages; `front` is that of the first process."""

    static: int
    pages: int
    front: int


Weights = Mapping[tuple[str, str], Sequence[Weight]]


def measure_part(work: Path, rounds: int) -> Result:
    """Measure each project in each server, in turns."""
    projects = (
        Project("no database, two middlewares", Place(build_generated_tree(work, 10), work, workers=WORKERS), "/slow"),
        Project("the bundled site", Place(build_site_tree(work), work, workers=WORKERS, site=True), "/admin/login/"),
    )
    weights: dict[tuple[str, str], list[Weight]] = defaultdict(list)
    names = select_installed(("ours", "gunicorn"))
    for number in range(rounds):
        for project in projects:
            for name in names if number % 2 == 0 else names[::-1]:
                weight = _measure(project, _make_server(name, project.place))
                weights[project.title, name].append(weight)
                print_progress(
                    f"{project.title}, {name}: {format_megabytes(weight.static)}, {format_megabytes(weight.pages)}"
                )
    figures = {f"{title}, {name}": [asdict(each) for each in found] for (title, name), found in weights.items()}
    return Result("Memory of all processes (PSS)", _table(weights), _goals(weights), figures)


def _make_server(name: str, place: Place) -> Server:
    if name == "ours":
        ours = ROWS["ours"](place)
        variables = {key: value for key, value in ours.variables.items() if key not in _CHANGED}
        return Server(f"this project, `static-host serve`, {WORKERS} workers", ours.command, variables, ours.ready)
    options = ("--preload", "--workers", str(WORKERS))
    return Server(
        f"WhiteNoise on gunicorn, `{' '.join(options)}`",
        lambda port: (sys.executable, "-m", "gunicorn", *options, "--bind", f"127.0.0.1:{port}", WSGI),
        place.variables(WHITENOISE),
    )


def _measure(project: Project, server: Server) -> Weight:
    tree = project.place.tree
    file = Request(tree.path(min(tree.names)), (_HOST, "Accept-Encoding: gzip"))
    page = Request(project.page, (_HOST,))
    with run_server(server, project.place.work, set(select_cores())) as running:
        static = _measure_after(running, file, STATIC_REQUESTS)
        return Weight(static, _measure_after(running, page, PAGE_REQUESTS), read_pss(running.pid))


def _measure_after(running: Running, request: Request, count: int) -> int:
    """Return the PSS of all processes, after so many requests."""
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        responses = list(threads.map(lambda _: running.ask(request), range(count)))
    if failed := {response.status for response in responses} - {request.status}:
        raise SystemExit(f"{request.path}: status {failed.pop()}")
    time.sleep(_SETTLE_SECONDS)
    return sum(map(read_pss, list_tree_pids(running.pid)))


def _table(weights: Weights) -> str:
    head = ("project", "server", "after static files", "after pages of both workers", "of it the first process")
    titles = {"ours": "this project", "gunicorn": "WhiteNoise on gunicorn"}
    rows = [
        (title, titles[name], *(format_megabytes(_middle(each, part)) for part in ("static", "pages", "front")))
        for (title, name), each in weights.items()
    ]
    return format_table(head, rows)


def _middle(weights: Sequence[Weight], part: str) -> float:
    return float(median(getattr(weight, part) for weight in weights))


def _goals(weights: Weights) -> list[Goal]:
    found = []
    for (title, name), each in weights.items():
        other = weights.get((title, "gunicorn"))
        for part, what in (("static", "static files"), ("pages", "pages of both workers")) if name == "ours" else ():
            if other:
                ours, its = _middle(each, part), _middle(other, part)
                work = f"memory of {WORKERS} workers and the front: {title}, after {what}"
                found.append(make_ratio_goal(work, (ours, format_megabytes(ours)), (its, _describe(its)), MAX_RATIO))
    return found


def _describe(size: float) -> str:
    return f"gunicorn with WhiteNoise {format_megabytes(size)}"
