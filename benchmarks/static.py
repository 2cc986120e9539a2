"""``make bench``: what serving static files costs, beside nginx and what Django projects use.

Rule: real servers on one core, their clients on another, in turns; figures are medians. One table has all goals, the
missed ones too; each part has its own tables below it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from benchmarks import busy, large, memory, small, start, workers
from benchmarks.goals import Result, summary
from benchmarks.load import missing
from benchmarks.measure import facts, progress, told
from benchmarks.servers import installed, nginx_version
from benchmarks.trees import of_three, workshop

PACKAGES = (
    "django",
    "uvicorn",
    "uvloop",
    "httptools",
    "starlette",
    "whitenoise",
    "gunicorn",
    "waitress",
    "servestatic",
    "blacknoise",
)

PARTS: dict[str, Callable[[Path, int], Result]] = {
    "static": lambda work, rounds: small.measured(of_three(work), work, rounds),
    "large": lambda work, rounds: large.measured(of_three(work), work, rounds),
    "busy": lambda work, rounds: busy.measured(of_three(work), work, rounds),
    "start": start.measured,
    "memory": memory.measured,
    "workers": lambda work, rounds: workers.measured(of_three(work), work, rounds),
}


def main() -> None:
    """Run all parts, or one, and print Markdown."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", choices=PARTS)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--json", type=Path, metavar="FILE")
    options.add_argument("--chart", type=Path, metavar="FILE", help="write the chart of the small file, as SVG")
    chosen = options.parse_args()
    if reason := missing():
        print(f"skipped: {reason}")
        return
    known = {**facts(*filter(find_spec, PACKAGES)), **({"nginx": nginx_version()} if installed(["nginx"]) else {})}
    began = time.monotonic()
    results: dict[str, Result] = {}
    loads = [os.getloadavg()[0]]
    with workshop() as work:
        for name in [chosen.only] if chosen.only else PARTS:
            progress(f"{name}:")
            results[name] = PARTS[name](work, chosen.rounds)
            loads.append(os.getloadavg()[0])
    minutes = (time.monotonic() - began) / 60
    print(f"Median of {chosen.rounds} rounds in {minutes:.0f} minutes; {told(known)}; load average {_load(loads)}\n")
    print(summary(goal for result in results.values() for goal in result.goals))
    for result in results.values():
        print(f"\n### {result.heading}\n\n{result.text}")
    for result in results.values():
        if chosen.chart and result.chart:
            chosen.chart.write_text(result.chart)
    if chosen.json:
        figures = {name: result.figures for name, result in results.items()}
        chosen.json.write_text(json.dumps({"facts": known, "load": loads, **figures}, indent=2) + "\n")


def _load(averages: list[float]) -> str:
    return f"{min(averages):.1f} to {max(averages):.1f}"


if __name__ == "__main__":
    main()
