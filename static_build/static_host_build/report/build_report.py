"""The report on a build: the table on the terminal, the JSON document, the page.

Rule: each distinct content counts once, whatever its names: a file and its fingerprinted copy usually share one. A
coding's bytes are what a client downloads that reads only this coding; a content without it counts uncoded. "Over the
wire" means the smallest representation of each content. Timings appear only in reports, never in the tree.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from static_host.errors import StaticHostError
from static_host.text_table import format_rows
from static_host_build.build_errors import BuildError
from static_host_build.build_result import BuildResult
from static_host_build.carry.release_sizes import describe_release
from static_host_build.encode.tree_encoding import Content

REPORTED_CODINGS = ("br", "zstd", "gzip")
_HEADINGS = ("media type", "files", "bytes", *REPORTED_CODINGS, "saved", "time", "from cache")
_EMPTY_CELL = "\N{EN DASH}"
_SLOW_ENCODING_SECONDS = 30.0
"""Seconds of encoding after which a build advises how to be faster."""


@dataclass(frozen=True, slots=True)
class ContentTotals:
    """The totals of some contents. Sizes are in bytes."""

    contents: tuple[Content, ...]

    @property
    def identity_bytes(self) -> int:
        """The bytes of all contents without content coding."""
        return sum(content.lengths["identity"] for content in self.contents)

    @property
    def wire_bytes(self) -> int:
        """The bytes of all contents in their smallest representations."""
        return sum(map(_find_wire_bytes, self.contents))

    @property
    def seconds(self) -> float:
        """The seconds that encoding took, all threads added up."""
        return sum(content.seconds for content in self.contents)

    @property
    def compressible_count(self) -> int:
        """The number of contents whose format is worth encoding."""
        return sum(content.is_compressible for content in self.contents)

    @property
    def from_cache_count(self) -> int:
        """The number of these that an earlier build encoded."""
        return sum(content.from_cache for content in self.contents)

    @property
    def reused_count(self) -> int:
        """The number of these that come from an earlier tree, not from the cache."""
        return sum(content.reused for content in self.contents)

    def sum_bytes(self, coding: str) -> int | None:
        """Return the bytes of all contents for a client that reads only this coding; None if no content has it."""
        lengths = [content.lengths for content in self.contents]
        if not any(coding in each for each in lengths):
            return None
        return sum(each.get(coding, each["identity"]) for each in lengths)

    @property
    def facts(self) -> dict[str, Any]:
        """The figures, as in the JSON document."""
        return {
            "files": len(self.contents),
            "names": sum(len(content.names) for content in self.contents),
            "identity": self.identity_bytes,
            "wire": self.wire_bytes,
            "codings": {coding: self.sum_bytes(coding) for coding in REPORTED_CODINGS},
            "seconds": round(self.seconds, 3),
            "tried": self.compressible_count,
            "from_cache": self.from_cache_count,
        }


def total_by_media_type(contents: Iterable[Content]) -> dict[str, ContentTotals]:
    """Return the totals of each media type; the largest over the wire comes first."""
    groups: dict[str, list[Content]] = {}
    for content in contents:
        groups.setdefault(content.media_type, []).append(content)
    totals = {media_type: ContentTotals(tuple(group)) for media_type, group in groups.items()}
    return dict(sorted(totals.items(), key=lambda item: (-item[1].wire_bytes, item[0])))


def format_contents_table(built: BuildResult) -> str:
    """Return a heading and the table, with a row for each media type and one for all; without a final line feed."""
    contents = built.resource_set.contents
    totals = {**total_by_media_type(contents), "all": ContentTotals(contents)}
    rows = [_HEADINGS, *(_format_row(media_type, each) for media_type, each in totals.items())]
    names = len(built.resource_set.resources)
    heading = f"static-host: {len(contents)} distinct contents behind {names} names, each counted once"
    return "\n".join([heading, *(f"  {line}" for line in format_rows(rows, right=range(1, len(_HEADINGS))))])


def format_advice(seconds: float, effort: str) -> list[str]:
    """Return advice if encoding was slow; `seconds` is the sum over all threads."""
    if seconds <= _SLOW_ENCODING_SECONDS or effort == "fast":
        return []
    faster = "For CI and previews, DJANGO_STATIC_EFFORT=fast takes about a fifth."
    return [f"static-host: encoding took {seconds:.0f} s, all threads added up. {faster}"]


def make_document(built: BuildResult) -> dict[str, Any]:
    """Return the build as a JSON object, in seconds and bytes; the largest over the wire comes first."""
    contents = built.resource_set.contents
    types = total_by_media_type(contents).items()
    return {
        "release": built.release,
        "root": str(built.root),
        "changed": built.changed,
        "seconds": round(built.seconds, 3),
        "totals": ContentTotals(contents).facts,
        "media_types": [{"media_type": media_type, **totals.facts} for media_type, totals in types],
        "contents": [
            _describe_content(content)
            for content in sorted(contents, key=lambda each: (-_find_wire_bytes(each), each.names))
        ],
        "releases": [describe_release(size) for size in built.release_sizes],
        "dropped": [describe_release(gone) for gone in built.dropped],
        "deltas": {**asdict(built.saving), "seconds": round(built.saving.seconds, 3)},
    }


def render_page(built: BuildResult) -> str:
    """Return the build as one self-contained HTML page."""
    template = (files(__package__) / "report.html").read_text(encoding="utf-8")
    # In a script element, "<" could end the element or begin a comment; JSON can escape it.
    facts = json.dumps(make_document(built), separators=(",", ":")).replace("<", r"\u003c")
    return template.replace("{{ document }}", facts)


class ReportPathError(StaticHostError):
    """The page cannot be written to the file of --report."""

    exit_code = 2


def check_writable(path: Path) -> None:
    """Check before a long build that the page can be written. Raises ReportPathError."""
    existed = path.exists()
    try:
        path.open("ab").close()
        if not existed:
            path.unlink()
    except OSError as error:
        message = f"--report {path}: {error.strerror}."
        raise ReportPathError(message, remedy="Name a file that can be written.") from None


def write_page(path: Path, built: BuildResult) -> None:
    """Write the page. Raises BuildError."""
    try:
        path.write_text(render_page(built), encoding="utf-8")
    except OSError as error:
        raise BuildError(f"--report {path}: {error.strerror}. The tree is built; only this page is missing.") from None


def format_size(length: int) -> str:
    """Return a number of bytes with a decimal unit: ``4.3 kB``."""
    value, unit = float(length), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if round(value) < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}" if unit != "B" and value < 99.95 else f"{value:.0f} {unit}"


def _find_wire_bytes(content: Content) -> int:
    return min(content.lengths.values())


def _format_row(media_type: str, totals: ContentTotals) -> tuple[str, ...]:
    codings = [totals.sum_bytes(coding) for coding in REPORTED_CODINGS]
    return (
        media_type,
        str(len(totals.contents)),
        format_size(totals.identity_bytes),
        *(_EMPTY_CELL if length is None else format_size(length) for length in codings),
        f"{100 - 100 * totals.wire_bytes / totals.identity_bytes:.0f} %"
        if totals.wire_bytes < totals.identity_bytes
        else _EMPTY_CELL,
        f"{totals.seconds:.2f} s" if totals.compressible_count else _EMPTY_CELL,
        str(totals.from_cache_count) if totals.compressible_count else _EMPTY_CELL,
    )


def _describe_content(content: Content) -> dict[str, Any]:
    lengths = content.lengths
    return {
        "names": list(content.names),
        "media_type": content.media_type,
        "lengths": {coding: lengths[coding] for coding in ("identity", *REPORTED_CODINGS) if coding in lengths},
        "wire": _find_wire_bytes(content),
        "tried": content.is_compressible,
        "seconds": round(content.seconds, 3),
        "from_cache": content.from_cache,
    }
