"""How it is told: the table of files, and the document.

Rule: a cell is one word, and the words are those of the findings, so that a column is read at a glance and a finding
is found again in it. Where a terminal is too narrow, columns in which all files agree become one line, and names lose
their middle, never their end.
"""

from __future__ import annotations

from textwrap import wrap
from typing import Any

from static_host.findings import Finding, document, table
from static_host.verify import caching, cdn, codings
from static_host.verify.probe import ASKED, Examination
from static_host.verify.response import Answer
from static_host.verify.verdict import Verified, network, shown

COLUMNS = (
    *("file", "browser", "status", "br", "zstd", "gzip", "cache", "cache-control"),
    *("vary", "etag", "cors", "range", "304", "dictionary", "http"),
)
LEAST = 24
"""Characters of a file's name that are shown, however narrow the terminal is."""

_WAYS = {"as built": "built", "none": "-"}
_KEPT = ("file", "browser")
_GAP = "  "


def text(seen: Verified, findings: list[Finding], width: int | None = None) -> str:
    """Return the two tables for a terminal of that width; without one nothing is shortened."""
    rows = [_row(each, seen.page.url) for each in seen.files]
    return "\n\n".join(part for part in (_aligned(rows, width), table(findings, width)) if part)


def data(seen: Verified, findings: list[Finding]) -> dict[str, Any]:
    """Return what ``verify --json`` prints."""
    told = document(findings)
    return {
        "ok": told["ok"],
        "page": {"url": seen.page.url, "status": seen.page.first.status},
        "static_prefixes": list(seen.scope.prefixes),
        "hosts": {origin: _host(answer) for origin, answer in seen.hosts.items()},
        "files": [_facts(each) for each in seen.files],
        "not_found": [{"url": each.url, "answers": list(map(_fact, each.answers))} for each in seen.absences],
        "not_examined": [each.url for each in seen.beside],
        "findings": told["findings"],
    }


def unanswered(url: str, findings: list[Finding]) -> dict[str, Any]:
    """Return what ``verify --json`` prints where not even the page was answered."""
    told = document(findings)
    nothing: dict[str, Any] = {"static_prefixes": [], "hosts": {}, "files": [], "not_found": [], "not_examined": []}
    return {"ok": told["ok"], "page": {"url": url, "status": None}, **nothing, "findings": told["findings"]}


def _host(answer: Answer) -> dict[str, Any]:
    offered = answer.headers.get("alt-svc", "")
    return {"cdn": list(cdn.recognised(answer)), "http": answer.version, "alt_svc": offered}


def _row(each: Examination, page: str) -> list[str]:
    name = shown(each.url, page)
    if each.failure or not each.is_there:
        status = str(each.usual.status) if "browser" in each.first else "none"
        return [name, "", status, *[""] * (len(COLUMNS) - 3)]
    usual = each.usual
    return [
        name,
        f"{usual.coding} {usual.size:,}" if usual.whole else usual.coding,
        str(usual.status),
        *(_way(each, asked) for asked in ("br", "zstd", "gzip")),
        caching.seen(each) or "?",
        _lifetime(usual),
        "yes" if "accept-encoding" in usual.varies_by else "-" if not each.gains else "no",
        usual.strength,
        each.again["browser"].headers.get("access-control-allow-origin", "no"),
        "-" if each.part is None else "yes" if each.part.status == 206 else "no",
        "-" if each.revalidated is None else "yes" if each.revalidated.status == 304 else "no",
        _dictionary(each),
        usual.version.removeprefix("HTTP/"),
    ]


def _way(each: Examination, asked: str) -> str:
    if asked not in each.first:
        return "-"
    way = codings.way(each.first[asked], asked)
    return "lost" if way == "none" else _WAYS.get(way, way)


def _lifetime(answer: Answer) -> str:
    if "immutable" in answer.directives:
        return "immutable"
    return "none" if answer.max_age is None else f"{answer.max_age} s"


def _dictionary(each: Examination) -> str:
    if not each.deltas:
        return "-"
    return each.deltas[0].coding if each.deltas[0].coding in ("dcb", "dcz") else "offered"


def _aligned(rows: list[list[str]], width: int | None) -> str:
    if not rows:
        return ""
    lines, agreed = [list(COLUMNS), *rows], []
    widths = _widths(lines)
    if width and _room(widths, width) < min(widths[0], LEAST):
        same = [place for place in range(len(_KEPT), len(lines[0])) if len({line[place] for line in rows}) == 1]
        agreed = wrap("all: " + ", ".join(f"{lines[0][place]} {rows[0][place]}" for place in same), width)
        lines = [[cell for place, cell in enumerate(line) if place not in same] for line in lines]
        widths = _widths(lines)
    if width:
        widths[0] = min(widths[0], max(_room(widths, width), LEAST))
    return "\n".join([*(_line(line, widths) for line in lines), *agreed])


def _widths(lines: list[list[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*lines, strict=True)]


def _room(widths: list[int], width: int) -> int:
    """Return the characters that a terminal has for the first column."""
    return width - sum(widths[1:]) - len(_GAP) * (len(widths) - 1)


def _line(cells: list[str], widths: list[int]) -> str:
    others = (f"{cell:{size}}" for cell, size in zip(cells[1:], widths[1:], strict=True))
    return _GAP.join([_short(cells[0], widths[0]), *others]).rstrip()


def _short(name: str, size: int) -> str:
    if len(name) <= size:
        return f"{name:{size}}"
    end = size * 2 // 3
    return f"{name[: size - end - 1]}…{name[-end:]}"


def _facts(each: Examination) -> dict[str, Any]:
    asked = {
        name: {"accept_encoding": ASKED[name], "first": _fact(answer, name)}
        | ({"again": _fact(each.again[name], name)} if name in each.again else {})
        for name, answer in each.first.items()
    }
    return {
        "url": each.url,
        "kind": each.reference.kind,
        "cors_mode": each.reference.cors,
        "fingerprint": each.is_fixed,
        "cdn": network(each.usual) if "browser" in each.first else "",
        "failure": each.failure,
        "asked": asked,
        "range": _fact(each.part) if each.part else None,
        "revalidation": _fact(each.revalidated) if each.revalidated else None,
        "dictionary": [_fact(answer) for answer in each.deltas],
    }


def _fact(answer: Answer, asked: str = "") -> dict[str, Any]:
    fields = ("cache-control", "vary", "etag", "access-control-allow-origin", "content-type", "age")
    return {
        "status": answer.status,
        "http": answer.version,
        "coding": answer.coding,
        "bytes": answer.size,
        "whole": answer.whole,
        **({"way": codings.way(answer, asked)} if asked else {}),
        "cache": cdn.state(answer),
        "headers": {name: answer.headers[name] for name in fields if name in answer.headers},
    }
