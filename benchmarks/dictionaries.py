"""``make bench-dictionaries``: what a returning visitor downloads of the next version, as br, as zstd and as a delta.

Rule: the files are consecutive patch releases of real packages. The build makes each tree from the one before, and
every figure is a file's length in a tree. Only the seconds depend on the machine. The goal is for all of the next
versions together; the table shows each row beside it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.measure import (
    HERE,
    PROJECT,
    collect_facts,
    format_facts,
    format_table,
    make_environment,
    print_progress,
)

MAX_DELTA_PERCENT = 10
"""Limit of the deltas against the version before, in percent of br."""
VERSIONS = HERE / "versions"
FILES = {
    "jquery": ("dist/jquery.min.js",),
    "bootstrap": ("dist/css/bootstrap.min.css", "dist/js/bootstrap.bundle.min.js"),
    "react-dom": ("cjs/react-dom-client.production.js",),
    "htmx.org": ("dist/htmx.min.js",),
    "vue": ("dist/vue.global.prod.js",),
    "alpinejs": ("dist/cdn.min.js",),
}
"""The published files that a page loads, by package."""
RELEASES = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Step:
    """One file, from a visitor's cached version to a newer one; lengths are in bytes."""

    file: str
    before: str
    after: str
    behind: int
    identity: int
    br: int
    zstd: int
    dcz: int | None

    @property
    def sent(self) -> int:
        """Bytes for a browser that has the dictionary."""
        return self.br if self.dcz is None else self.dcz


def main() -> None:
    """Build the releases and print the tables."""
    parser = argparse.ArgumentParser(prog="make bench-dictionaries BENCH=…")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="work-", dir=HERE) as work:
        steps, seconds = measure_deltas(Path(work))
    known = collect_facts()
    print(format_report(steps, seconds, format_facts(known)))
    if options.json:
        document = {"facts": known, "seconds": seconds, "steps": [asdict(read_step) for read_step in steps]}
        options.json.write_text(json.dumps(document, indent=2))


def measure_deltas(work: Path) -> tuple[list[Step], list[float]]:
    """Return every step, and the seconds that each build took for its deltas."""
    steps: list[Step] = []
    seconds = []
    for release in RELEASES:
        print_progress(f"release {release} of {len(RELEASES)}")
        lay_out(release, work / "sources")
        document = build(work, release)
        seconds.append(float(document["deltas"]["seconds"]))
        shutil.copytree((work / "tree").resolve(), work / f"tree-{release}")
        steps += list_steps(work, release)
    return steps, seconds


def lay_out(release: int, sources: Path) -> None:
    """Copy the files of that version of every package, under names without the version."""
    shutil.rmtree(sources, ignore_errors=True)
    for package, names in FILES.items():
        for name in names:
            target = sources / package / Path(name).name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(VERSIONS / "node_modules" / f"{package}-{release}" / name, target)


def build(work: Path, release: int) -> dict[str, Any]:
    """Build one release with deltas to the ones before, without a cache; return the build's JSON document."""
    shutil.rmtree(work / "cache", ignore_errors=True)
    variables = {
        "DJANGO_SETTINGS_MODULE": "scale_settings",
        "DJANGO_STATIC_ROOT": str(work / "tree"),
        "DJANGO_STATIC_CACHE": str(work / "cache"),
        "DJANGO_STATIC_PREVIOUS": str(work / f"tree-{release - 1}"),
        "DJANGO_STATIC_PREVIOUS_PROBLEMS": "warn" if release == RELEASES[0] else "error",
        "BENCH_SOURCES": str(work / "sources"),
    }
    command = [sys.executable, "-m", "static_host_build", "--json", "--verify"]
    done = subprocess.run(
        command, cwd=PROJECT, env=make_environment(**variables), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def list_steps(work: Path, release: int) -> list[Step]:
    """Return the steps to this release, from the one before and from the ones before that."""
    found = []
    for package, names in FILES.items():
        for name in names:
            for before in range(release - 1, 0, -1):
                old = (VERSIONS / "node_modules" / f"{package}-{before}" / name).read_bytes()
                new = (VERSIONS / "node_modules" / f"{package}-{release}" / name).read_bytes()
                if old != new:
                    found.append(read_step(work, package, Path(name).name, before, release, old, new))
    return found


def read_step(work: Path, package: str, name: str, before: int, release: int, old: bytes, new: bytes) -> Step:
    """Return one step, with the lengths from the tree."""
    tree = work / f"tree-{release}"
    hashed = json.loads((tree / "staticfiles.json").read_text())["paths"][f"{package}/{name}"]
    assert (tree / hashed).read_bytes() == new, hashed
    delta = tree / f"{hashed}.{sha256(old).hexdigest()[:12]}.dcz"
    return Step(
        f"{package}: {name}",
        read_version(package, before),
        read_version(package, release),
        release - before,
        len(new),
        (tree / f"{hashed}.br").stat().st_size,
        (tree / f"{hashed}.zst").stat().st_size,
        delta.stat().st_size if delta.exists() else None,
    )


def read_version(package: str, release: int) -> str:
    """Return the version of a package."""
    document = json.loads((VERSIONS / "node_modules" / f"{package}-{release}" / "package.json").read_text())
    return str(document["version"])


def format_report(steps: list[Step], seconds: list[float], known: str) -> str:
    """Return the tables: from the version before, and from two before."""
    parts = [known + f"; deltas took {', '.join(f'{each:.1f} s' for each in seconds)} of a core in the three builds"]
    for behind, heading in ((1, "from the version before"), (2, "from two versions before")):
        chosen = [each for each in steps if each.behind == behind]
        rows = [
            format_row(f"{each.file} {each.before} → {each.after}", each.identity, each.br, each.zstd, each.sent)
            for each in chosen
        ]
        sums = [sum(getattr(each, part) for each in chosen) for part in ("identity", "br", "zstd", "sent")]
        head = (heading, "bytes", "br", "zstd", "dcz", "of br", f"≤ {MAX_DELTA_PERCENT} %")
        parts.append(format_table(head, [*rows, format_row("**all**", *sums)]))
    return "\n\n".join(parts)


def format_row(what: str, identity: int, br: int, zstd: int, dcz: int) -> tuple[str, ...]:
    """Return a row of the table."""
    share = 100 * dcz / br
    lengths = (f"{each:,}" for each in (identity, br, zstd, dcz))
    return (what, *lengths, f"{share:.1f} %", "yes" if share <= MAX_DELTA_PERCENT else "**no**")


if __name__ == "__main__":
    main()
