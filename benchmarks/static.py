"""``make bench``: the cost of serving static files, compared with nginx and the servers that Django projects use.

Rule: real servers run on one core, their clients on another, in turns; figures are medians. One table has all goals,
the missed ones too; each part has its own tables below it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from benchmarks import busy, files, large, memory, pages, processes, proxy, small, start, workers
from benchmarks.goals import Result, format_goals
from benchmarks.load import find_missing_tool
from benchmarks.measure import collect_facts, format_facts, print_progress
from benchmarks.published import publish_result
from benchmarks.servers import read_nginx_version, select_installed
from benchmarks.trees import build_sample_tree, open_work_directory

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
    "small": lambda work, rounds: small.measure_closely_compared(build_sample_tree(work), work, rounds),
    "static": lambda work, rounds: small.measure_all(build_sample_tree(work), work, rounds),
    "large": lambda work, rounds: large.measure_part(build_sample_tree(work), work, rounds),
    "busy": lambda work, rounds: busy.measure_part(build_sample_tree(work), work, rounds),
    "start": start.measure_part,
    "memory": memory.measure_part,
    "processes": processes.measure_part,
    "workers": workers.measure_part,
    "proxy": proxy.measure_part,
    "pages": pages.measure_part,
    "files": files.measure_part,
}
PARTS_OF_OTHERS = ("small",)
"""The part "static" has it, too."""


def main() -> None:
    """Run all parts or one, and print Markdown."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", choices=PARTS)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--json", type=Path, metavar="FILE")
    options.add_argument("--publish", action="store_true", help="write figures into the READMEs, draw the chart")
    options.add_argument("--trees", type=Path, metavar="DIR", help="keep the trees there for later runs")
    chosen = options.parse_args()
    if reason := find_missing_tool():
        print(f"skipped: {reason}")
        return
    began = time.monotonic()
    results: dict[str, Result] = {}
    loads: dict[str, float] = {}
    try:
        with open_work_directory(chosen.trees) as work:
            for name in [chosen.only] if chosen.only else [name for name in PARTS if name not in PARTS_OF_OTHERS]:
                print_progress(f"{name}:")
                results[name] = PARTS[name](work, chosen.rounds)
                loads[name] = os.getloadavg()[2]
    finally:  # print what was measured before a failure, too
        if results:
            minutes = round((time.monotonic() - began) / 60)
            _report(results, loads, f"Median of {chosen.rounds} rounds, {minutes} minutes", chosen)


def _report(results: Mapping[str, Result], loads: Mapping[str, float], how: str, chosen: argparse.Namespace) -> None:
    """Print the goals, then the tables of each part; write the requested files."""
    known = {
        **collect_facts(*filter(find_spec, PACKAGES)),
        **({"nginx": read_nginx_version()} if select_installed(["nginx"]) else {}),
    }
    print(
        f"{how}; {format_facts(known)}\n\n{format_goals(goal for result in results.values() for goal in result.goals)}"
    )
    for name, result in results.items():
        print(f"\n### {result.heading}\n\nLoad average of 15 minutes at the end: {loads[name]:.1f}\n\n{result.text}")
        if chosen.publish:
            load = f"load average of 15 minutes {loads[name]:.1f}"
            where = format_facts({key: known[key] for key in ("CPU", "Python", "nginx", "date") if key in known})
            publish_result(result, f"{how}; {format_facts(known)}; {load}", f"{how}; {where}; {load}")
    if chosen.json:
        figures = {name: result.figures for name, result in results.items()}
        chosen.json.write_text(json.dumps({"facts": known, "load": loads, **figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
