"""Figures of the inspector's own files, of the whole tree and of its releases, from the tree's index.

Rule: every figure comes from the index that the build wrote; nothing is measured here. If the index has no time for the
tree's own release, the time of its file counts, as it does for a release that is carried from a directory.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage

from static_host.origin.index import INDEX_FILE_NAME, Index
from static_host.origin.page_dictionary import is_page_dictionary
from static_host.origin.representation import CODING_SUFFIXES, Resource
from static_host.origin.tree import TreeUnusableError, load_tree
from static_host_site.tree_map import MediaType, find_sent_length, lay_out_tree

PAGE_FILES = (
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
class FileFigures:
    """One file of the page: its URL, and its resource in the index (None: not in the index, or no tree)."""

    name: str
    url: str
    resource: Resource | None

    @property
    def lengths(self) -> dict[str, int | None]:
        """Bytes by content coding; None if the tree has no such representation."""
        representations = self.resource.without_deltas.representations if self.resource else ()
        return dict.fromkeys(CODING_SUFFIXES) | {r.coding: r.length for r in representations}


@dataclass(frozen=True, slots=True)
class Total:
    """Bytes of several files, as three browsers would receive them.

    `identity` is for a browser that accepts no coding, `gzip` for one that accepts gzip, `br` for one that accepts
    both. Each file counts with the smallest representation that the browser accepts.
    """

    files: int
    immutable: int
    identity: int
    gzip: int
    br: int

    @property
    def bytes_saved(self) -> int:
        """Bytes that compression saves."""
        return self.identity - self.br

    @property
    def percent_sent(self) -> float:
        """Bytes that are sent, in percent of `identity`."""
        return round(100 * self.br / self.identity, 2) if self.identity else 0.0


@dataclass(frozen=True, slots=True)
class ReleaseFigures:
    """One release in the tree. `carried_files` and `carried_bytes` (on disk) are those that no newer release has."""

    digest: str
    time: datetime | None
    files: int
    carried_files: int
    carried_bytes: int


@dataclass(frozen=True, slots=True)
class Deltas:
    """Differences of the tree's own release to earlier versions: `sent` bytes `instead` of those of whole files."""

    number: int
    sent: int
    instead: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What the page shows without its scripts. Without a tree there are the lines alone."""

    lines: tuple[FileFigures, ...]
    page: Total | None = None
    tree: Total | None = None
    dictionary: FileFigures | None = None
    media_types: tuple[MediaType, ...] = ()
    releases: tuple[ReleaseFigures, ...] = ()
    deltas: Deltas | None = None


def read_figures() -> Figures:
    """Return the figures of the tree at STATIC_ROOT. Each tree is read once."""
    try:
        return _compute_figures(Path(settings.STATIC_ROOT))
    except TreeUnusableError:
        return Figures(tuple(_iter_lines({})))


@cache
def _compute_figures(root: Path) -> Figures:
    index = _load_index(root)
    lines = tuple(_iter_lines(index))
    return Figures(
        lines,
        page=_sum_lengths(line.resource for line in lines if line.resource),
        tree=_sum_lengths(index.values()),
        dictionary=_find_page_dictionary(index),
        media_types=lay_out_tree(index),
        releases=tuple(_iter_releases(index, (root / INDEX_FILE_NAME).stat().st_mtime)),
        deltas=_sum_deltas(index),
    )


def _load_index(root: Path) -> Index:
    tree = load_tree(root)
    tree.close()  # the server serves the bodies
    return tree.index


def _iter_lines(index: Index | dict[str, Resource]) -> Iterable[FileFigures]:
    for name in PAGE_FILES:
        url = staticfiles_storage.url(name)
        stored = unquote(url.removeprefix(settings.STATIC_URL))
        yield FileFigures(name, url, index.get(stored))


def _sum_lengths(resources: Iterable[Resource]) -> Total:
    counted = list(resources)
    return Total(
        files=len(counted),
        immutable=sum(resource.immutable for resource in counted),
        identity=sum(_find_smallest_length(resource, "identity") for resource in counted),
        gzip=sum(_find_smallest_length(resource, "identity", "gzip") for resource in counted),
        br=sum(_find_smallest_length(resource, "identity", "gzip", "br") for resource in counted),
    )


def _find_smallest_length(resource: Resource, *codings: str) -> int:
    return min(r.length for r in resource.representations if r.coding in codings)


def _find_page_dictionary(index: Index) -> FileFigures | None:
    """Return the dictionary of this release's pages, if the build made one."""
    names = (name for name in index if is_page_dictionary(name) and not index[name].carried)
    name = next(names, None)
    return FileFigures(name, settings.STATIC_URL + name, index[name]) if name else None


def _iter_releases(index: Index, index_time: float) -> Iterable[ReleaseFigures]:
    resources = list(index.values())
    for number, release in enumerate(index.releases):
        time = index_time if number == 0 and release.time is None else release.time
        carried = [each for each in resources if number and min(each.releases) == number]
        yield ReleaseFigures(
            release.digest,
            None if time is None else datetime.fromtimestamp(time, UTC),
            files=sum(number in each.releases for each in resources),
            carried_files=len(carried),
            carried_bytes=sum(r.length for each in carried for r in each.representations),
        )


def _sum_deltas(index: Index) -> Deltas | None:
    pairs = [
        (r.length, find_sent_length(resource))
        for resource in index.values()
        for r in resource.representations
        if r.dictionary and not resource.carried
    ]
    return Deltas(len(pairs), *map(sum, zip(*pairs, strict=True))) if pairs else None
