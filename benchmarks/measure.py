"""Measures a command: wall seconds, CPU seconds of its process tree, and its peak memory.

Rule: runs that are compared take turns within one run of the benchmark. Each is a new process that starts when the disk
is at rest, and a figure is the median of all rounds. This process stays small, because Linux counts a parent's memory
towards the peak of the program that it starts.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
PROJECT = HERE / "project"

_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
_READ_BY_A_BUILD = ("DJANGO_", "BENCH_", "PYTHON", "XDG_")
_READ_BY_A_SERVER = (
    "HOST",
    "PORT",
    "WEB_CONCURRENCY",
    "FORWARDED_ALLOW_IPS",
    "ACCESS_LOG",
    "LOG_FORMAT",
    "METRICS_PORT",
    "UVICORN_",
    "GUNICORN_",
)
_OF_A_BUILD = ("django", "whitenoise", "brotli", "wagtail")


@dataclass(frozen=True, slots=True)
class Run:
    """The cost of one run in seconds; `peak` is in bytes, of the largest process of the tree."""

    wall: float
    cpu: float
    peak: int


def run_module(*command: str, **variables: str) -> Run:
    """Run a Python module in the benchmark's project, with a clean environment and these variables."""
    os.sync()
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=PROJECT,
            env=make_environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}\n{output.read().decode()}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _UNIT)


def make_environment(**variables: str) -> dict[str, str]:
    """Return this process's environment; of the variables that a build or a server reads, only these."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith((*_READ_BY_A_BUILD, *_READ_BY_A_SERVER))
    }
    return {**clean, **variables}


def find_median_run(runs: Sequence[Run]) -> Run:
    """Return the median of each figure."""
    return Run(
        median(run.wall for run in runs),
        median(run.cpu for run in runs),
        round(median(run.peak for run in runs)),
    )


def collect_facts(*packages: str) -> dict[str, str]:
    """Return date, machine and versions (of the build's packages, unless others are named)."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "CPU": _cpu(),
        "cores": str(os.cpu_count()),
        "Python": platform.python_version(),
        **{package: version(package) for package in packages or _OF_A_BUILD},
    }


def format_facts(known: dict[str, str]) -> str:
    """Return the facts as one line."""
    return ", ".join(f"{name} {value}" for name, value in known.items())


def format_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table: the first column is text, the others are figures."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def format_megabytes(size: float) -> str:
    """Return bytes as MB."""
    return f"{size / 1e6:,.1f} MB"


def print_progress(line: str) -> None:
    """Print a line of progress to standard error."""
    print(line, file=sys.stderr, flush=True)


def _cpu() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:  # not Linux
        found = None
    return found[1] if found else platform.processor() or platform.machine()
