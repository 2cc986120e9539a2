"""``make bench-scale``: the cost per file, with a thousand, ten thousand and a hundred thousand small ones.

Rule: a build and a server's start are linear in the number of files; the column "per file" shows it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.generated import generate
from benchmarks.measure import (
    HERE,
    Run,
    collect_facts,
    find_median_run,
    format_facts,
    format_megabytes,
    format_table,
    print_progress,
    run_module,
)

LOADS = 5

_LOAD = """
import sys, time
from pathlib import Path
from static_host.origin.tree import load
began = time.perf_counter()
load(Path(sys.argv[1]))
print(time.perf_counter() - began)
"""


@dataclass(frozen=True, slots=True)
class Result:
    """The cost of `files` sources of `size` bytes; `load` is the server's time to load the tree, in seconds."""

    files: int
    size: int
    cold: Run
    unchanged: Run
    load: float


def measure_build(work: Path, count: int, rounds: int) -> Result:
    """Generate the files, build them cold and once more, and load the tree."""
    size = generate(work / "sources", count)
    variables = {
        "DJANGO_SETTINGS_MODULE": "scale_settings",
        "DJANGO_STATIC_ROOT": str(work / "tree"),
        "DJANGO_STATIC_CACHE": str(work / "cache"),
        "BENCH_SOURCES": str(work / "sources"),
    }
    cold, unchanged = [], []
    for _ in range(rounds):
        (work / "tree").unlink(missing_ok=True)
        for made in (work / ".tree.releases", work / "cache"):
            shutil.rmtree(made, ignore_errors=True)
        cold.append(run_module("static_host_build", **variables))
        unchanged.append(run_module("static_host_build", **variables))
        print_progress(f"{count:>8,} files: {cold[-1].wall:.2f} s cold, {unchanged[-1].wall:.2f} s unchanged")
    return Result(
        count,
        size,
        find_median_run(cold),
        find_median_run(unchanged),
        median(_load(work / "tree") for _ in range(LOADS)),
    )


def _load(root: Path) -> float:
    """Return the seconds that a new process takes to load the tree."""
    command = [sys.executable, "-c", _LOAD, str(root)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def format_costs(results: list[Result]) -> str:
    """Return the table."""
    timed = ("cold", "CPU", "peak memory", "unchanged", "index load")
    head = ["files", "bytes", *(cell for figure in timed for cell in (figure, "per file"))]
    return format_table(head, [_line(result) for result in results])


def _line(result: Result) -> tuple[str, ...]:
    cold, files = result.cold, result.files
    return (
        f"{files:,}",
        format_megabytes(result.size),
        f"{cold.wall:.2f} s",
        f"{cold.wall / files * 1e3:.2f} ms",
        f"{cold.cpu:.2f} s",
        f"{cold.cpu / files * 1e3:.2f} ms",
        format_megabytes(cold.peak),
        f"{cold.peak / files / 1e3:.1f} kB",
        f"{result.unchanged.wall:.2f} s",
        f"{result.unchanged.wall / files * 1e3:.2f} ms",
        f"{result.load * 1e3:.1f} ms",
        f"{result.load / files * 1e6:.1f} µs",
    )


def main() -> None:
    """Run all sizes and print Markdown."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--all", action="store_true", help="also 100,000 files; it takes several minutes")
    options.add_argument("--json", type=Path, metavar="FILE")
    chosen = options.parse_args()
    results = []
    for count in (1_000, 10_000, 100_000) if chosen.all else (1_000, 10_000):
        with tempfile.TemporaryDirectory(prefix="work-", dir=HERE) as work:
            results.append(measure_build(Path(work), count, chosen.rounds))
    known = collect_facts()
    print(f"Median of {chosen.rounds}, index load of {LOADS}; {format_facts(known)}\n\n{format_costs(results)}")
    if chosen.json:
        figures = [asdict(result) for result in results]
        chosen.json.write_text(json.dumps({"facts": known, "sizes": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
