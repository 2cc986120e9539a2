"""What the static tree's index says of the inspector's own files, and of the whole tree.

Rule: every figure is read from the index that the build wrote; none is measured again here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage

from static_host.origin.index import SUFFIXES, Index, Resource
from static_host.origin.tree import TreeUnusable, load

NAMES = (
    "inspector/inspector.css",
    "inspector/main.js",
    "inspector/timing.js",
    "inspector/panel.js",
    "inspector/journey.svg",
    "inspector/bytes.png",
    "inspector/instrument-sans.woff2",
)
"""The files that the page loads, by their names in the source."""


@dataclass(frozen=True, slots=True)
class Line:
    """One file of the page: its URL, and what the index holds of it (None: not in the index, or no tree)."""

    name: str
    url: str
    resource: Resource | None

    @property
    def lengths(self) -> dict[str, int | None]:
        """Bytes by content coding; None where the tree has no such representation."""
        representations = self.resource.without_deltas.representations if self.resource else ()
        return dict.fromkeys(SUFFIXES) | {r.coding: r.length for r in representations}


@dataclass(frozen=True, slots=True)
class Total:
    """Bytes of several files, as three browsers would receive them.

    `identity` is for one that takes no coding, `gzip` for one that takes gzip, `br` for one that takes both;
    a file that has no such representation counts with the smallest that its browser takes.
    """

    files: int
    immutable: int
    identity: int
    gzip: int
    br: int

    @property
    def removed(self) -> int:
        """Bytes that compression takes away."""
        return self.identity - self.br

    @property
    def share(self) -> float:
        """What remains of `identity`, in percent."""
        return round(100 * self.br / self.identity, 2) if self.identity else 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """All that the page shows without its scripts; the totals are None when there is no tree."""

    lines: tuple[Line, ...]
    page: Total | None
    tree: Total | None


def figures() -> Figures:
    """Return the figures of the tree at STATIC_ROOT, read once for each path."""
    try:
        return _figures(Path(settings.STATIC_ROOT))
    except TreeUnusable:
        return Figures(tuple(_lines({})), page=None, tree=None)


@cache
def _figures(root: Path) -> Figures:
    index = _index(root)
    lines = tuple(_lines(index))
    page = _total(line.resource for line in lines if line.resource)
    return Figures(lines, page, _total(index.values()))


def _index(root: Path) -> Index:
    tree = load(root)
    tree.close()  # the bodies are the front's to serve
    return tree.index


def _lines(index: Index | dict[str, Resource]) -> Iterable[Line]:
    for name in NAMES:
        url = staticfiles_storage.url(name)
        stored = unquote(url.removeprefix(settings.STATIC_URL))
        yield Line(name, url, index.get(stored))


def _total(resources: Iterable[Resource]) -> Total:
    counted = list(resources)
    return Total(
        files=len(counted),
        immutable=sum(resource.immutable for resource in counted),
        identity=sum(_smallest(resource, "identity") for resource in counted),
        gzip=sum(_smallest(resource, "identity", "gzip") for resource in counted),
        br=sum(_smallest(resource, "identity", "gzip", "br") for resource in counted),
    )


def _smallest(resource: Resource, *codings: str) -> int:
    return min(r.length for r in resource.representations if r.coding in codings)
