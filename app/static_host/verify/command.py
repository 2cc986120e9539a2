"""``static-host verify``: runs the audit of a page, and prints tables or a document.

Rule: an invalid URL is an operator's mistake (exit code 2). Any response of the deployment, also none, is a finding:
exit code 1 if one is an error, else 0.
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
from static_host.verify import audit_report
from static_host.verify.audit_findings import AuditResult, build_findings
from static_host.verify.audit_scope import Scope, parse_origin
from static_host.verify.client import Client, NoResponseError
from static_host.verify.crawler import fetch_page, probe_files, probe_missing_names
from static_host.verify.remedies import find_remedy


class InvalidPageURLError(StaticHostError):
    """An argument is not an http(s) URL; the message names it."""

    exit_code = 2


def verify_deployment(url: str, max_files: int, static_prefixes: Sequence[str] = (), as_json: bool = False) -> int:
    """Audit the page at this URL and at most `max_files` of its static files, and print the result.

    `static_prefixes` are prefixes of the static files' URLs; without them they are found on the page. Returns the exit
    code. Raises InvalidPageURLError.
    """
    page, prefixes = validate_page_url(url), [_parse_prefix(each) for each in static_prefixes]
    try:
        audit = _run_audit(page, max_files, prefixes)
    except NoResponseError as error:
        findings = [Finding("error", "page", f"{page} gives no response: {error}", find_remedy("unreachable", ""))]
        click.echo(
            json.dumps(audit_report.build_unanswered_document(page, findings), indent=2)
            if as_json
            else format_findings(findings, _get_terminal_width())
        )
        return 1
    findings = build_findings(audit)
    click.echo(
        json.dumps(audit_report.build_audit_document(audit, findings), indent=2)
        if as_json
        else audit_report.format_tables(audit, findings, _get_terminal_width())
    )
    return 0 if is_ok(findings) else 1


def validate_page_url(url: str) -> str:
    """Return the URL if it is an http(s) URL. Raises InvalidPageURLError."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or any(character.isspace() for character in url):
        raise InvalidPageURLError(
            f"{url!r} is not the URL of a page.", remedy="Give one that begins with https:// or http:// and a host."
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
            files, not_examined = probe_files(client, page, scope, max_files, lambda: bar.update(1))
        return AuditResult(page, scope, files, probe_missing_names(client, scope) if files else [], not_examined)


def _get_terminal_width() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
