"""A comparison as text, as Markdown for a pull request, and as a JSON document.

Rule: text and Markdown show the same sections, of which each begins with a sentence, and lists end after
`MAX_ROWS_SHOWN`; the document has everything. Names and media types are foreign text: they are shown as in URLs, so no
name breaks a table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from static_host.text_table import format_rows
from static_host_build.compare.compared_release import ComparedRelease, escape_text
from static_host_build.compare.comparison import CODINGS, WITH_DICTIONARIES, Comparison, Growth
from static_host_build.compare.limits import Limit
from static_host_build.report.build_report import format_size

MAX_ROWS_SHOWN = 20
_MEDIA_TYPE_SAFE_CHARACTERS = "/+;= "
_GROWTH_HEADINGS = ("bytes", "before", "br", "before", "growth (br)")


@dataclass(frozen=True, slots=True)
class _Section:
    sentence: str
    headings: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    is_code: bool = True
    """Whether the first column is literal text."""

    @property
    def shown(self) -> Sequence[Sequence[str]]:
        return self.rows[:MAX_ROWS_SHOWN]

    @property
    def left_out(self) -> list[str]:
        return [f"and {len(self.rows) - MAX_ROWS_SHOWN:,} more"] if len(self.rows) > MAX_ROWS_SHOWN else []


def format_text(comparison: Comparison, limits: Sequence[Limit]) -> str:
    """Return the comparison for a terminal, without a final line feed."""
    lines = [f"static-host: {_format_release(comparison.old)} → {_format_release(comparison.new)}"]
    for section in _list_sections(comparison, limits):
        lines.append(f"{section.sentence}{':' if section.rows else ''}")
        headings = [section.headings] if section.rows and len(section.headings) > 1 else []
        rows = format_rows([*headings, *section.shown], range(1, len(section.headings))) if section.rows else []
        lines += (f"  {line}" for line in (*rows, *section.left_out))
    return "\n".join(lines)


def format_markdown(comparison: Comparison, limits: Sequence[Limit]) -> str:
    """Return the comparison as Markdown with tables, as GitHub and GitLab show them, without a final line feed."""
    old, new = (f"`{each.digest}`" for each in (comparison.old, comparison.new))
    blocks = [f"### Static files: {old} → {new}"]
    for section in _list_sections(comparison, limits):
        blocks.append(f"{section.sentence[0].upper()}{section.sentence[1:]}{':' if section.rows else '.'}")
        if section.rows:
            ruler = ["---", *["---:"] * (len(section.headings) - 1)]
            quotes = "`" if section.is_code else ""
            cells = ([f"{quotes}{name}{quotes}", *figures] for name, *figures in section.shown)
            blocks.append("\n".join(f"| {' | '.join(row)} |" for row in (section.headings, ruler, *cells)))
        blocks += section.left_out
    return "\n\n".join(blocks)


def make_document(comparison: Comparison, limits: Sequence[Limit]) -> dict[str, Any]:
    """Return the comparison as a JSON object."""
    return {
        "old": _describe_release(comparison.old),
        "new": _describe_release(comparison.new),
        "vanished": comparison.vanished,
        "changed_immutables": comparison.changed_immutables,
        "changed": comparison.changed,
        "purge": comparison.purge,
        "download": dict(comparison.download),
        "growth": _describe_growth(comparison.growth),
        "media_types": [{"media_type": key, **_describe_growth(has)} for key, has in comparison.media_types.items()],
        "entry_points": [{"entry_point": key, **_describe_growth(has)} for key, has in comparison.entry_points.items()],
        "without_delta": [{"path": path, "br": length} for path, length in comparison.without_delta.items()],
        "limits": [
            {"option": each.option, "allowed": each.allowed, "measured": each.measured, "ok": each.is_kept}
            for each in limits
        ],
        "ok": all(each.is_kept for each in limits),
    }


def _list_sections(comparison: Comparison, limits: Sequence[Limit]) -> Iterator[_Section]:
    old, new = comparison.old, comparison.new
    if old.prefix != new.prefix:
        prefixes = f"old files are served below `{old.prefix}`, new ones below `{new.prefix}`"
        yield _Section(f"{prefixes}: these URLs all differ")
    yield _list_paths(comparison.vanished, "URL", "vanishes", "vanish")
    yield _list_paths(comparison.changed_immutables, "immutable URL", "has other bytes", "have other bytes")
    yield _list_paths(comparison.changed, "URL without a fingerprint", "changes", "change")
    if further := set(comparison.purge) - {*comparison.changed, *comparison.changed_immutables}:
        yield _list_paths(further, "further URL", "has to be purged", "have to be purged")
    yield _describe_download(comparison)
    yield from _describe_growths(comparison)
    yield from _describe_uncovered(comparison)
    if limits:
        rows = [
            (each.option, each.format_number(each.allowed), each.format_number(each.measured), _format_result(each))
            for each in limits
        ]
        exceeded = sum(not each.is_kept for each in limits)
        refused = f"{exceeded} of {_format_count(len(limits), 'limit')} exceeded"
        headings = ("limit", "allowed", "measured", "result")
        yield _Section(refused if exceeded else "all limits are kept", headings, rows)


def _list_paths(paths: Collection[str], noun: str, singular: str, plural: str) -> _Section:
    if not paths:
        return _Section(f"no {noun} {singular}")
    subject = _format_count(len(paths), noun, noun.replace("URL", "URLs"))
    sentence = f"{subject} {singular if len(paths) == 1 else plural}"
    return _Section(sentence, ("URL path",), [(path,) for path in sorted(paths)])


def _describe_download(comparison: Comparison) -> _Section:
    has = comparison.download
    if not has["files"]:
        return _Section("visitors of the old release download nothing")
    names = {"identity": "no coding", WITH_DICTIONARIES: "br, zstd and dictionaries"}
    rows = [(names.get(coding, coding), format_size(has[coding])) for coding in (*CODINGS, WITH_DICTIONARIES)]
    sentence = f"visitors of the old release download {_format_count(has['files'], 'file')} at most"
    return _Section(sentence, ("a browser that reads", "downloads"), rows, is_code=False)


def _describe_growths(comparison: Comparison) -> Iterator[_Section]:
    growth = comparison.growth
    sentence = f"all files of the new release have {format_size(growth.new_br)} (br), {_format_growth(growth)}"
    media_types = {escape_text(key, _MEDIA_TYPE_SAFE_CHARACTERS): has for key, has in comparison.media_types.items()}
    yield _tabulate_growths(sentence, "media type", media_types)
    if comparison.entry_points:
        grown = sum(_has_changed(each) for each in comparison.entry_points.values())
        sentence = f"{_format_count(grown, 'entry point') if grown else 'no entry point'} with other sizes"
        yield _tabulate_growths(sentence, "entry point", comparison.entry_points)


def _tabulate_growths(sentence: str, heading: str, growths: Mapping[str, Growth]) -> _Section:
    rows = [
        (
            *(name, format_size(each.new_identity), format_size(each.old_identity)),
            *(format_size(each.new_br), format_size(each.old_br), _format_growth(each)),
        )
        for name, each in growths.items()
        if _has_changed(each)
    ]
    return _Section(sentence, (heading, *_GROWTH_HEADINGS), rows)


def _describe_uncovered(comparison: Comparison) -> Iterator[_Section]:
    uncovered = comparison.without_delta
    if not comparison.download["files"]:
        return
    if not comparison.has_dictionaries:
        yield _Section("no file of the old release is a dictionary, so there is no delta")
    elif not uncovered:
        yield _Section("each new or changed file that suits a dictionary has a delta")
    else:
        sentence = f"no dictionary covers {_format_count(len(uncovered), 'new or changed file')}"
        rows = [(path, format_size(length)) for path, length in uncovered.items()]
        yield _Section(sentence, ("URL path", "br"), rows)


def _has_changed(growth: Growth) -> bool:
    return (growth.old_identity, growth.old_br) != (growth.new_identity, growth.new_br)


def _format_growth(growth: Growth) -> str:
    if not growth.br:
        return "as before"
    return f"{format_size(abs(growth.br))} {'more' if growth.br > 0 else 'less'}"


def _format_result(limit: Limit) -> str:
    return "kept" if limit.is_kept else "exceeded"


def _format_count(number: int, noun: str, plural: str = "") -> str:
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def _format_release(release: ComparedRelease) -> str:
    return f"{release.digest} ({release.place})"


def _describe_release(release: ComparedRelease) -> dict[str, str]:
    return {"place": release.place, "release": release.digest, "prefix": release.prefix}


def _describe_growth(growth: Growth) -> dict[str, dict[str, int]]:
    return {
        "old": {"identity": growth.old_identity, "br": growth.old_br},
        "new": {"identity": growth.new_identity, "br": growth.new_br},
    }
