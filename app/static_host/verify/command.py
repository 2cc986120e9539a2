"""The command: a page's URL in, tables or a document out, and an exit code.

Rule: a URL that cannot be asked for at all is an operator's mistake (exit code 2). Whatever the
deployment answers, even nothing at all, is a finding: exit code 1 if one is an error, else 0.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

import click

from static_host.errors import StaticHostError
from static_host.findings import Finding, format_findings, is_ok
from static_host.telemetry import log_configuration
from static_host.verify import report
from static_host.verify.audit_findings import AuditResult, build_findings
from static_host.verify.client import Client, NoResponseError
from static_host.verify.crawler import fetch_page, probe_files, probe_missing_names
from static_host.verify.remedies import find_remedy
from static_host.verify.scope import Scope, parse_origin


class InvalidPageURLError(StaticHostError):
    """A URL that nothing can be asked at; the message names it, and what would be right."""

    exit_code = 2


def verify_deployment(url: str, max_files: int, static_prefixes: Sequence[str] = (), as_json: bool = False) -> int:
    """Examine the page at this URL and at most `max_files` of its static files; print it, and return the exit code.

    `static_prefixes` are URLs below which static files lie, where that is not to be found out. Raises
    InvalidPageURLError.
    """
    page, prefixes = validate_page_url(url), [_parse_prefix(each) for each in static_prefixes]
    try:
        seen = _run_audit(page, max_files, prefixes)
    except NoResponseError as error:
        told = [Finding("error", "page", f"{page} is not answered: {error}", find_remedy("unreachable", ""))]
        click.echo(
            json.dumps(report.build_unanswered_document(page, told), indent=2)
            if as_json
            else format_findings(told, _get_terminal_width())
        )
        return 1
    told = build_findings(seen)
    click.echo(
        json.dumps(report.build_audit_document(seen, told), indent=2)
        if as_json
        else report.format_tables(seen, told, _get_terminal_width())
    )
    return 0 if is_ok(told) else 1


def validate_page_url(url: str) -> str:
    """Return the URL, if it is one of a page. Raises InvalidPageURLError."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or any(character.isspace() for character in url):
        raise InvalidPageURLError(
            f"{url!r} is not the URL of a page: give one that begins with https:// or http:// and a host"
        )
    return url


def _parse_prefix(url: str) -> str:
    path = urlsplit(validate_page_url(url)).path
    return f"{parse_origin(url)}{path if path.endswith('/') else f'{path}/'}"


def _run_audit(url: str, max_files: int, static_prefixes: Sequence[str]) -> AuditResult:
    with Client() as client:
        page = fetch_page(client, url)
        scope = Scope.from_references(page.references, page.url, static_prefixes)
        number = min(max_files, sum(scope.has_url(each.url) for each in page.references))
        with click.progressbar(length=number, file=sys.stderr, hidden=not log_configuration.is_progress_shown()) as bar:
            files, beside = probe_files(client, page, scope, max_files, lambda: bar.update(1))
        return AuditResult(page, scope, files, probe_missing_names(client, scope) if files else [], beside)


def _get_terminal_width() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
