"""Formats an audit: the table of files, and the JSON document.

Rule: a cell is one word, and the words are those of the findings, so that a reader finds them there. On a narrow
terminal, columns in which all files agree become one line, and names lose their middle, never their end.
"""

from __future__ import annotations

from textwrap import wrap
from typing import Any

from static_host.findings import Finding, build_document, format_findings
from static_host.text_table import COLUMN_GAP, format_row, measure_columns
from static_host.verify import caching, cdn, codings
from static_host.verify.audit_findings import AuditResult, shorten_url
from static_host.verify.probe import ACCEPT_ENCODINGS, FileProbe
from static_host.verify.received_response import ReceivedResponse

COLUMNS = (
    *("file", "browser", "status", "br", "zstd", "gzip", "cache", "cache-control"),
    *("vary", "etag", "cors", "range", "304", "dictionary", "http"),
)
MIN_NAME_CHARACTERS = 24
"""Characters of a file's name that are always shown."""

_CODING_LABELS = {"as built": "built", "none": "-"}
_FIXED_COLUMNS = ("file", "browser")


def format_tables(audit: AuditResult, findings: list[Finding], width: int | None = None) -> str:
    """Return both tables, for a terminal of `width` characters; None: nothing is shortened."""
    rows = [_format_row(each, audit.page.url) for each in audit.files]
    return "\n\n".join(part for part in (_format_table(rows, width), format_findings(findings, width)) if part)


def build_audit_document(audit: AuditResult, findings: list[Finding]) -> dict[str, Any]:
    """Return what ``verify --json`` prints."""
    document = build_document(findings)
    return {
        "ok": document["ok"],
        "page": {"url": audit.page.url, "status": audit.page.first.status},
        "static_prefixes": list(audit.scope.prefixes),
        "hosts": {origin: _describe_host(response) for origin, response in audit.hosts.items()},
        "files": [_describe_file(each) for each in audit.files],
        "not_found": [
            {"url": each.url, "answers": list(map(_describe_response, each.responses))} for each in audit.not_found
        ],
        "not_examined": [each.url for each in audit.not_examined],
        "findings": document["findings"],
    }


def build_unanswered_document(url: str, findings: list[Finding]) -> dict[str, Any]:
    """Return what ``verify --json`` prints if there was no response for the page."""
    document = build_document(findings)
    nothing: dict[str, Any] = {"static_prefixes": [], "hosts": {}, "files": [], "not_found": [], "not_examined": []}
    return {"ok": document["ok"], "page": {"url": url, "status": None}, **nothing, "findings": document["findings"]}


def _describe_host(response: ReceivedResponse) -> dict[str, Any]:
    offered = response.headers.get("alt-svc", "")
    return {"cdn": list(cdn.identify_cdns(response)), "http": response.http_version, "alt_svc": offered}


def _format_row(each: FileProbe, page: str) -> list[str]:
    name = shorten_url(each.url, page)
    if each.failure or not each.is_available:
        status = str(each.browser_response.status) if "browser" in each.first else "none"
        return [name, "", status, *[""] * (len(COLUMNS) - 3)]
    usual = each.browser_response
    return [
        name,
        f"{usual.coding} {usual.size:,}" if usual.is_complete else usual.coding,
        str(usual.status),
        *(_format_coding(each, asked) for asked in ("br", "zstd", "gzip")),
        caching.format_cache_states(each) or "?",
        _format_lifetime(usual),
        "yes" if "accept-encoding" in usual.vary_names else "-" if not each.is_compressible else "no",
        usual.etag_strength,
        each.second["browser"].headers.get("access-control-allow-origin", "no"),
        "-" if each.partial_response is None else "yes" if each.partial_response.status == 206 else "no",
        "-" if each.revalidation is None else "yes" if each.revalidation.status == 304 else "no",
        _format_dictionary(each),
        usual.http_version.removeprefix("HTTP/"),
    ]


def _format_coding(each: FileProbe, asked: str) -> str:
    if asked not in each.first:
        return "-"
    way = codings.classify_coding(each.first[asked], asked)
    return "lost" if way == "none" else _CODING_LABELS.get(way, way)


def _format_lifetime(response: ReceivedResponse) -> str:
    if "immutable" in response.directives:
        return "immutable"
    return "none" if response.max_age is None else f"{response.max_age} s"


def _format_dictionary(each: FileProbe) -> str:
    if not each.deltas:
        return "-"
    return each.deltas[0].coding if each.deltas[0].coding in ("dcb", "dcz") else "offered"


def _format_table(rows: list[list[str]], width: int | None) -> str:
    if not rows:
        return ""
    lines, agreed = [list(COLUMNS), *rows], []
    widths = measure_columns(lines)
    if width and _measure_first_column(widths, width) < min(widths[0], MIN_NAME_CHARACTERS):
        same = [
            place for place in range(len(_FIXED_COLUMNS), len(lines[0])) if len({line[place] for line in rows}) == 1
        ]
        agreed = wrap("all: " + ", ".join(f"{lines[0][place]} {rows[0][place]}" for place in same), width)
        lines = [[cell for place, cell in enumerate(line) if place not in same] for line in lines]
        widths = measure_columns(lines)
    if width:
        widths[0] = min(widths[0], max(_measure_first_column(widths, width), MIN_NAME_CHARACTERS))
    return "\n".join([*(_format_line(line, widths) for line in lines), *agreed])


def _measure_first_column(widths: list[int], width: int) -> int:
    """Return the characters that are left for the first column."""
    return width - sum(widths[1:]) - len(COLUMN_GAP) * (len(widths) - 1)


def _format_line(cells: list[str], widths: list[int]) -> str:
    return format_row([_shorten_name(cells[0], widths[0]), *cells[1:]], widths)


def _shorten_name(name: str, size: int) -> str:
    if len(name) <= size:
        return name
    end = size * 2 // 3
    return f"{name[: size - end - 1]}…{name[-end:]}"


def _describe_file(each: FileProbe) -> dict[str, Any]:
    asked = {
        name: {"accept_encoding": ACCEPT_ENCODINGS[name], "first": _describe_response(response, name)}
        | ({"again": _describe_response(each.second[name], name)} if name in each.second else {})
        for name, response in each.first.items()
    }
    return {
        "url": each.url,
        "kind": each.reference.kind,
        "cors_mode": each.reference.is_cors,
        "fingerprint": each.is_immutable,
        "cdn": cdn.find_nearest_cdn(each.browser_response) if "browser" in each.first else "",
        "failure": each.failure,
        "asked": asked,
        "range": _describe_response(each.partial_response) if each.partial_response else None,
        "revalidation": _describe_response(each.revalidation) if each.revalidation else None,
        "dictionary": [_describe_response(response) for response in each.deltas],
    }


def _describe_response(response: ReceivedResponse, asked: str = "") -> dict[str, Any]:
    fields = ("cache-control", "vary", "etag", "access-control-allow-origin", "content-type", "age")
    return {
        "status": response.status,
        "http": response.http_version,
        "coding": response.coding,
        "bytes": response.size,
        "whole": response.is_complete,
        **({"way": codings.classify_coding(response, asked)} if asked else {}),
        "cache": cdn.parse_cache_state(response),
        "headers": {name: response.headers[name] for name in fields if name in response.headers},
    }
