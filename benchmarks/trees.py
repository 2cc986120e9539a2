"""Builds the static trees that every server of ``make bench`` serves.

The requested files are a stylesheet of Django's admin, a script of Wagtail's, and a film of random bytes, which no
coding makes smaller. Trees of many files are generated (`generated.py`), and have only gzip siblings: br would take
minutes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from benchmarks.generated import generate
from benchmarks.measure import HERE, run_module

SMALL, LARGE, FILM = "base.css", "vendor.js", "film.mp4"
FILM_SIZE = 100_000_000

_COPIED = {
    SMALL: ("django.contrib.admin", "static/admin/css/base.css"),
    LARGE: ("wagtail.admin", "static/wagtailadmin/js/vendor.js"),
}


@dataclass(frozen=True, slots=True)
class Tree:
    """A built tree; `names` maps names to fingerprinted names."""

    root: Path
    names: Mapping[str, str]

    def path(self, name: str) -> str:
        """Return the URL path of a file."""
        return f"/static/{self.names[name]}"


@contextmanager
def open_work_directory(kept: Path | None) -> Iterator[Path]:
    """Open a directory for trees: `kept` with the trees that it has, or a temporary one."""
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
    else:
        with TemporaryDirectory(prefix="work-", dir=HERE) as work:
            yield Path(work)


def build_sample_tree(work: Path) -> Tree:
    """Return the tree of the three files; build it once per work directory."""
    if (work / "tree-three").exists():
        return _read_tree(work, "three")
    sources = _make_sources_directory(work, "three")
    for name, (package, path) in _COPIED.items():
        spec = find_spec(package)
        assert spec
        assert spec.origin
        shutil.copy(Path(spec.origin).parent / path, sources / name)
    random = Random(1)
    with (sources / FILM).open("wb") as film:
        for _ in range(FILM_SIZE // 1_000_000):
            film.write(random.randbytes(1_000_000))
    return _build_tree(work, "three", "br,gzip")


def build_generated_tree(work: Path, count: int) -> Tree:
    """Return a tree of generated files; build it once per work directory."""
    if not (work / f"tree-{count}").exists():
        generate(_make_sources_directory(work, str(count)), count)
        _build_tree(work, str(count), "gzip")
    return _read_tree(work, str(count))


def build_site_tree(work: Path) -> Tree:
    """Return the tree of the bundled site, Django's admin included; build it once per work directory."""
    if not (work / "tree-site").exists():
        _build_tree(work, "site", "br,gzip", "static_host_site.settings")
    return _read_tree(work, "site")


def build_image_tree(work: Path, count: int) -> Tree:
    """Return a tree of images of 500 kB each; build it once per work directory."""
    if not (work / "tree-images").exists():
        sources = _make_sources_directory(work, "images")
        random = Random(2)
        for number in range(count):
            (sources / f"{number:03}.jpg").write_bytes(random.randbytes(500_000))
        _build_tree(work, "images", "gzip")
    return _read_tree(work, "images")


def _make_sources_directory(work: Path, name: str) -> Path:
    """Return an empty directory for the sources of a tree, without remains of an interrupted run."""
    sources = work / f"sources-{name}"
    shutil.rmtree(sources, ignore_errors=True)
    sources.mkdir()
    return sources


def _build_tree(work: Path, name: str, codings: str, settings_module: str = "scale_settings") -> Tree:
    run_module(
        "static_host_build",
        DJANGO_SETTINGS_MODULE=settings_module,
        DJANGO_STATIC_ROOT=str(work / f"tree-{name}"),
        DJANGO_STATIC_CACHE=str(work / f"cache-{name}"),
        DJANGO_STATIC_CODINGS=codings,
        DJANGO_STATIC_MISSING_REFERENCES="warn",
        BENCH_SOURCES=str(work / f"sources-{name}"),
    )
    return _read_tree(work, name)


def _read_tree(work: Path, name: str) -> Tree:
    root = (work / f"tree-{name}").resolve()
    return Tree(root, json.loads((root / "staticfiles.json").read_text())["paths"])
