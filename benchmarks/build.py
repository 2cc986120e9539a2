"""``make bench-build``: the build against WhiteNoise's, on files of other projects.

Rule: both read the same sources and write the codings br and gzip, unless the row says otherwise. A target is a ratio
of wall times; a busy machine disturbs the ratio of CPU times less. The sums of encoded bytes are of the names that
both trees have.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measure import (
    HERE,
    PROJECT,
    Run,
    collect_facts,
    find_median_run,
    format_facts,
    format_megabytes,
    format_table,
    print_progress,
    run_module,
)

SUFFIXES = {"br": ".br", "gzip": ".gz"}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table; its ratio is relative to the row `against`."""

    title: str
    against: str = ""
    target: float | None = None


ROWS = {
    "whitenoise": Row("`collectstatic` with WhiteNoise's storage: br, gzip"),
    "cold": Row("`static-host build`, cold: br, gzip", "whitenoise", 0.5),
    "unchanged": Row("the same again, nothing changed", "cold", 0.05),
    "changed": Row("the same again, one stylesheet changed", "cold", 0.1),
    "fresh": Row("no tree, warm cache (an image's build)", "cold"),
    "default": Row("cold, default codings: br, zstd, gzip", "cold"),
    "fast": Row("cold, default codings, `DJANGO_STATIC_EFFORT=fast`", "default"),
    "zopfli": Row("cold, br, zopfli (one round)", "cold"),
}


@dataclass(frozen=True, slots=True)
class Sums:
    """Bytes that both trees send for the names that both have, by content coding; `sources` have `size` bytes."""

    sources: int
    size: int
    names: int
    ours: dict[str, int]
    whitenoise: dict[str, int]


class Bench:
    """The runs so far, in a directory of their own."""

    def __init__(self, work: Path) -> None:
        self.runs: dict[str, list[Run]] = defaultdict(list)
        self.sums: Sums | None = None
        self._work = work
        self._own = work / "own"
        shutil.copytree(PROJECT / "static", self._own)

    def run_round(self, number: int) -> None:
        """Run each row once; every other round begins with this project."""
        pair: list[Callable[[], None]] = [self._whitenoise, lambda: self._cold("cold", "br,gzip")]
        for step in pair if number % 2 == 0 else reversed(pair):
            step()
        self.sums = self.sums or compare_trees(self._work / "cold", self._work / "whitenoise")
        self._build("unchanged", "cold", "br,gzip")
        with (self._own / "site/site.css").open("a") as stylesheet:
            stylesheet.write(f".round-{number} {{ margin: 0; }}\n")
        self._build("changed", "cold", "br,gzip")
        self._remove_tree("cold")
        self._build("fresh", "cold", "br,gzip")
        self._cold("default", "br,zstd,gzip")
        self._cold("fast", "br,zstd,gzip", DJANGO_STATIC_EFFORT="fast")

    def run_zopfli(self) -> None:
        """Run the row of zopfli; it takes several minutes."""
        self._cold("zopfli", "br,zopfli")

    def _whitenoise(self) -> None:
        root = self._work / "whitenoise"
        shutil.rmtree(root, ignore_errors=True)
        took = run_module(
            "django", "collectstatic", "--noinput", "--verbosity=0", **self._project(), BENCH_ROOT=str(root)
        )
        self._note("whitenoise", took)

    def _cold(self, row: str, codings: str, **variables: str) -> None:
        self._remove_tree(row)
        shutil.rmtree(self._work / f"{row}-cache", ignore_errors=True)
        self._build(row, row, codings, **variables)

    def _build(self, row: str, tree: str, codings: str, **variables: str) -> None:
        ours = {
            "DJANGO_STATIC_ROOT": str(self._work / tree),
            "DJANGO_STATIC_CACHE": str(self._work / f"{tree}-cache"),
            "DJANGO_STATIC_CODINGS": codings,
            **variables,
        }
        self._note(row, run_module("static_host_build", **self._project(), **ours))

    def _project(self) -> dict[str, str]:
        return {"DJANGO_SETTINGS_MODULE": "settings", "BENCH_OWN": str(self._own)}

    def _remove_tree(self, name: str) -> None:
        (self._work / name).unlink(missing_ok=True)
        shutil.rmtree(self._work / f".{name}.releases", ignore_errors=True)

    def _note(self, row: str, took: Run) -> None:
        self.runs[row].append(took)
        print_progress(f"{row:>12} {took.wall:7.2f} s, {took.cpu:7.2f} s of CPU, {format_megabytes(took.peak)}")


def compare_trees(ours: Path, whitenoise: Path) -> Sums:
    """Sum the bytes of the names that both trees have: of the encoded sibling, or of the file if there is none."""
    sources, hashed = _names(ours)
    their_sources, their_hashed = _names(whitenoise)
    both = (sources | hashed) & (their_sources | their_hashed)

    def total(root: Path, suffix: str) -> int:
        paths = ((root / (name + suffix), root / name) for name in both)
        return sum((sibling if sibling.exists() else file).stat().st_size for sibling, file in paths)

    return Sums(
        len(sources),
        sum((ours / name).stat().st_size for name in sources),
        len(both),
        {coding: total(ours, suffix) for coding, suffix in SUFFIXES.items()},
        {coding: total(whitenoise, suffix) for coding, suffix in SUFFIXES.items()},
    )


def _names(root: Path) -> tuple[set[str], set[str]]:
    paths: dict[str, str] = json.loads((root / "staticfiles.json").read_bytes())["paths"]
    return set(paths), set(paths.values())


def format_times(results: dict[str, Run]) -> str:
    """Return the table of times."""
    head = ("build", "wall", "CPU", "peak memory", "of", "wall ratio", "CPU ratio", "target", "reached")
    return format_table(head, [_line(ROWS[name], took, results) for name, took in results.items()])


def _line(row: Row, took: Run, results: dict[str, Run]) -> tuple[str, ...]:
    figures = (row.title, f"{took.wall:.2f} s", f"{took.cpu:.2f} s", format_megabytes(took.peak))
    if not row.against:
        return (*figures, *[""] * 5)
    other = results[row.against]
    ratio = took.wall / other.wall
    verdict = ("", "") if row.target is None else (f"{row.target:g}", "yes" if ratio <= row.target else "no")
    of = "WhiteNoise" if row.against == "whitenoise" else row.against
    return (*figures, of, f"{ratio:.3f}", f"{took.cpu / other.cpu:.3f}", *verdict)


def format_sizes(found: Sums) -> str:
    """Return the table of encoded bytes."""
    rows = (
        (coding, f"{ours:,}", f"{theirs:,}", f"{ours / theirs:.4f}", "yes" if ours <= theirs else "no")
        for coding, ours, theirs in ((coding, found.ours[coding], found.whitenoise[coding]) for coding in SUFFIXES)
    )
    return format_table(("coding", "ours, bytes", "WhiteNoise, bytes", "ratio", "no larger"), rows)


def main() -> None:
    """Run all rows and print Markdown."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--zopfli", action="store_true", help="also one round of zopfli; it takes several minutes")
    options.add_argument("--json", type=Path, metavar="FILE")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="work-", dir=HERE) as work:
        bench = Bench(Path(work))
        for number in range(chosen.rounds):
            bench.run_round(number)
        if chosen.zopfli:
            bench.run_zopfli()
    results = {row: find_median_run(bench.runs[row]) for row in ROWS if row in bench.runs}
    known = collect_facts()
    found = bench.sums
    assert found is not None
    print(
        f"{found.sources:,} sources, {format_megabytes(found.size)}; median of {chosen.rounds}; {format_facts(known)}\n"
    )
    print(f"{format_times(results)}\n\n{found.names:,} names that both trees have:\n\n{format_sizes(found)}")
    if chosen.json:
        figures = {row: asdict(took) for row, took in results.items()}
        chosen.json.write_text(json.dumps({"facts": known, "builds": figures, "sums": asdict(found)}, indent=2) + "\n")


if __name__ == "__main__":
    main()
