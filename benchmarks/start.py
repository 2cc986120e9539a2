"""``make bench-start``: the time from the start of the process to its first response to a static request.

Rule: the clock starts at exec and stops at the first 200; a client tries every few milliseconds. The project is the
bundled site, Django's admin included, for WhiteNoise too. All files are in the page cache.
"""

from __future__ import annotations

import http.client
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

from benchmarks.goals import Goal, Result
from benchmarks.load import Request, Running, Server, find_free_port, select_cores, spawn_server
from benchmarks.measure import format_table, print_progress
from benchmarks.servers import ROWS, Place, select_installed
from benchmarks.trees import build_generated_tree

COUNTS = (10, 10_000, 100_000)
NAMES = ("ours", "gunicorn")
RUNS, RUNS_THAT_TAKE_LONG = 5, 3
"""Starts of each server with each tree; WhiteNoise takes half a minute with the largest."""
MAX_SPREAD_SECONDS = 1.0
"""Limit of the time between the fastest and the slowest count."""

_POLL_SECONDS = 0.003
_START_TIMEOUT_SECONDS = 120.0

Times = dict[tuple[str, int], list[float]]


def measure_part(work: Path, rounds: int) -> Result:
    """Start each server with each tree, in turns."""
    times: Times = defaultdict(list)
    places = {count: Place(build_generated_tree(work, count), work, site=True) for count in COUNTS}
    names = select_installed(NAMES)
    for number in range(RUNS if rounds > 1 else 1):
        for count, place in places.items():
            for name in names if number % 2 == 0 else names[::-1]:
                if name != "ours" and count == COUNTS[-1] and number >= RUNS_THAT_TAKE_LONG:
                    continue
                times[name, count].append(_measure_first_answer(ROWS[name](place), place))
                print_progress(f"{count:>7,} files, {name:9} {times[name, count][-1]:7.3f} s")
    figures = {f"{name} {count}": seconds for (name, count), seconds in times.items()}
    heading = "From the start of the process to the first static answer"
    return Result(heading, _table(times, places[COUNTS[0]]), _goals(times), figures)


def _measure_first_answer(server: Server, place: Place) -> float:
    """Return the seconds from exec to the first 200."""
    request = Request(place.tree.path(min(place.tree.names)), ("Host: localhost", "Accept-Encoding: gzip"))
    port = find_free_port()
    began = time.perf_counter()
    with spawn_server(server, port, place.work, {select_cores()[0]}) as process:
        running = Running(port, process.pid)
        while time.perf_counter() - began < _START_TIMEOUT_SECONDS and process.poll() is None:
            with suppress(OSError, http.client.HTTPException):
                if running.ask(request).status == 200:
                    return time.perf_counter() - began
            time.sleep(_POLL_SECONDS)
    raise SystemExit(f"{server.title} did not answer {request.path}")


def _table(times: Times, place: Place) -> str:
    head = ("server", *(f"{count:,} files" for count in COUNTS), "most to least")
    names = dict.fromkeys(name for name, _ in times)
    return format_table(
        head, [_line(ROWS[name](place).title, [times[name, count] for count in COUNTS]) for name in names]
    )


def _line(title: str, times: Sequence[Sequence[float]]) -> tuple[str, ...]:
    middles = [median(each) for each in times]
    cells = (
        f"{middle:.2f} s ({min(each):.2f} to {max(each):.2f})" for middle, each in zip(middles, times, strict=True)
    )
    return (title, *cells, f"{max(middles) - min(middles):.2f} s")


def _goals(times: Mapping[tuple[str, int], Sequence[float]]) -> list[Goal]:
    middles = [median(times["ours", count]) for count in COUNTS]
    apart = max(middles) - min(middles)
    shown = ", ".join(f"{middle:.2f}" for middle in middles)
    its = times.get(("gunicorn", COUNTS[-1]))
    other = f"WhiteNoise with the most {median(its):.2f} s" if its else ""
    title = f"process start to first static answer, {', '.join(f'{count:,}' for count in COUNTS)} files"
    return [
        Goal(
            title,
            f"{shown} s",
            other,
            f"{apart:.2f} s apart",
            f"≤ {MAX_SPREAD_SECONDS:g} s apart",
            apart <= MAX_SPREAD_SECONDS,
        )
    ]
