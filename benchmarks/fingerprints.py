"""``.venv/bin/python -m benchmarks.fingerprints``: collectstatic with Django's fingerprints and with ours.

Rule: both storages collect the same generated files, compress nothing, and write Django's manifest. A figure is the CPU
time of the whole command, the median of the rounds. The last row shows each one's result for a circle of imports.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.generated import generate
from benchmarks.measure import (
    HERE,
    collect_facts,
    find_median_run,
    format_facts,
    format_table,
    print_progress,
    run_module,
)

STORAGES = {
    "Django's": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage",
    "ours": "static_host_build.storage.FingerprintStorage",
}
MODULES = "modules_storage.ModulesStorage"
"""Django's, set to follow imports of modules too."""


def measure_seconds(sources: Path, storage: str, rounds: int) -> str:
    """Return the CPU time of collectstatic, or its failure."""
    runs = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="work-", dir=HERE) as root:
            variables = {"BENCH_SOURCES": str(sources), "BENCH_STORAGE": storage, "BENCH_ROOT": root}
            command = ("django", "collectstatic", "--noinput", "--settings=scale_settings")
            try:
                runs.append(run_module(*command, **variables))
            except SystemExit as failed:
                return str(failed).strip().splitlines()[-1]
    return f"{find_median_run(runs).cpu:.2f} s"


def write_circle(sources: Path) -> None:
    """Write two modules that import each other."""
    (sources / "a.js").write_text('import "./b.js";\n')
    (sources / "b.js").write_text('import "./a.js";\n')


def main() -> None:
    """Measure all sizes and print Markdown."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    rows = []
    for count in (1_000, 5_000, 10_000):
        with tempfile.TemporaryDirectory(prefix="work-", dir=HERE) as work:
            generate(Path(work), count)
            cells = [measure_seconds(Path(work), storage, chosen.rounds) for storage in STORAGES.values()]
        rows.append([f"{count:,} files", *cells])
        print_progress(" ".join(rows[-1]))
    with tempfile.TemporaryDirectory(prefix="work-", dir=HERE) as work:
        write_circle(Path(work))
        cells = [measure_seconds(Path(work), storage, 1) for storage in (MODULES, STORAGES["ours"])]
    rows.append(["two modules that import each other", *cells])
    print(f"Median of {chosen.rounds}; {format_facts(collect_facts('django'))}\n")
    print(format_table(["collectstatic", *STORAGES], rows))


if __name__ == "__main__":
    main()
