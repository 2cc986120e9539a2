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

from static_host.errors import Stop
from static_host.findings import Finding, is_ok, table
from static_host.telemetry import log_configuration
from static_host.verify import report
from static_host.verify.client import Client, Unreachable
from static_host.verify.crawler import absences, examined, page_at
from static_host.verify.remedies import remedy
from static_host.verify.scope import Scope, origin_of
from static_host.verify.verdict import Verified, findings


class UrlWrong(Stop):
    """A URL that nothing can be asked at; the message names it, and what would be right."""

    exit_code = 2


def verify(url: str, max_files: int, static_prefixes: Sequence[str] = (), as_json: bool = False) -> int:
    """Examine the page at this URL and at most `max_files` of its static files; print it, and return the exit code.

    `static_prefixes` are URLs below which static files lie, where that is not to be found out. Raises UrlWrong.
    """
    page, prefixes = address(url), [_prefix(each) for each in static_prefixes]
    try:
        seen = _seen(page, max_files, prefixes)
    except Unreachable as error:
        told = [Finding("error", "page", f"{page} is not answered: {error}", remedy("unreachable", ""))]
        click.echo(json.dumps(report.unanswered(page, told), indent=2) if as_json else table(told, _width()))
        return 1
    told = findings(seen)
    click.echo(json.dumps(report.data(seen, told), indent=2) if as_json else report.text(seen, told, _width()))
    return 0 if is_ok(told) else 1


def address(url: str) -> str:
    """Return the URL, if it is one of a page. Raises UrlWrong."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or any(character.isspace() for character in url):
        raise UrlWrong(f"{url!r} is not the URL of a page: give one that begins with https:// or http:// and a host")
    return url


def _prefix(url: str) -> str:
    path = urlsplit(address(url)).path
    return f"{origin_of(url)}{path if path.endswith('/') else f'{path}/'}"


def _seen(url: str, most: int, below: Sequence[str]) -> Verified:
    with Client() as client:
        page = page_at(client, url)
        scope = Scope.of(page.references, page.url, below)
        number = min(most, sum(scope.covers(each.url) for each in page.references))
        with click.progressbar(length=number, file=sys.stderr, hidden=not log_configuration.draws()) as bar:
            files, beside = examined(client, page, scope, most, lambda: bar.update(1))
        return Verified(page, scope, files, absences(client, scope) if files else [], beside)


def _width() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
