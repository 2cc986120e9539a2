"""``static-host check``: what `serve` does at its start, tried without serving; and what it has no time for.

Strategy: one examination, in the order of a start, gives findings until something stops it, as it would stop `serve`;
that is a finding, too. The tree is examined whole by the package that builds it, which nothing here imports: it comes
by entry point, and an image that only serves can do without.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Iterator
from contextlib import nullcontext, redirect_stdout
from importlib.metadata import entry_points
from pathlib import Path
from traceback import format_exception_only
from typing import Any

import click

from app import inspection, leftovers
from app.asgi import create_app
from app.content_policy import refusals
from app.exits import Stop, explained
from app.findings import Finding, Level, document, is_ok, table
from app.origin.index import Index
from app.origin.tree import TreeDamaged, TreeUnusable, load
from app.project import FORGOTTEN, Project, configured
from app.project import explained as explaining
from app.settings import Settings, SettingsWrong

COVERED = {"security.W018", "security.W020", "staticfiles.E002"}
"""Django's checks of DEBUG, ALLOWED_HOSTS and STATIC_ROOT, which have a finding of ours in their place."""


def check(as_json: bool = False) -> int:
    """Print what was found, and return the exit code. A traceback goes to standard error."""
    with redirect_stdout(sys.stderr) if as_json else nullcontext():  # a project may print
        findings, code = examined()
    if as_json:
        click.echo(json.dumps(document(findings), indent=2))
    else:
        click.echo(table(findings, shutil.get_terminal_size().columns if sys.stdout.isatty() else None))
    return code


def examined() -> tuple[list[Finding], int]:
    """Return all findings, and the exit code."""
    findings: list[Finding] = []
    try:
        for finding in _examination():
            findings.append(finding)  # noqa: PERF402 - those before a Stop count
    except Stop as stop:
        return [*findings, _stopped(stop)], stop.exit_code
    return findings, 0 if is_ok(findings) else 1


def _examination() -> Iterator[Finding]:
    settings = Settings.read()
    yield Finding("ok", "settings", "all environment variables are understood")
    project = configured(settings)
    if project.seems_forgotten:
        yield Finding("warning", "project", FORGOTTEN, "Set DJANGO_SETTINGS_MODULE.")
    with explaining(project.name):
        own = list(_of_settings(project))  # before ours are laid over them
    yield from own
    try:
        app = create_app(settings, comparing=math.inf)
    except TreeDamaged as damaged:
        list(_of_files(damaged.root))  # it names all files, where the boot names one
        raise
    tree, *loaded = app.state.summary
    yield from (Finding("ok", "project", line) for line in loaded)
    yield Finding("ok", "tree", tree)
    with explaining(project.name):
        yield from _of_tree(project, app.state.root)
        yield from _of_django()
    yield from _of_files(app.state.root)


def _of_settings(project: Project) -> Iterator[Finding]:
    from django.conf import settings as django

    yield inspection.debug(project, django)
    yield inspection.allowed_hosts(project, django)
    yield from inspection.proxy(django, project.settings)
    yield from inspection.static_root(project, django)
    yield from refusals(django, project.host)
    yield from leftovers.whitenoise(django)
    yield from leftovers.caching(django)


def _of_tree(project: Project, root: Path) -> Iterator[Finding]:
    from django.contrib.staticfiles.storage import staticfiles_storage

    index = _index(root)
    yield from inspection.static_url(project, index)
    yield inspection.manifest(index, getattr(staticfiles_storage, "hashed_files", {}))


def _index(root: Path) -> Index:
    tree = load(root)
    tree.close()
    return tree.index


def _of_django() -> list[Finding]:
    """Run Django's system checks, those for deployment too, but none that asks a database."""
    from django.core.checks import Tags
    from django.core.checks.registry import registry

    checks = [each for each in registry.get_checks(include_deployment_checks=True) if Tags.database not in each.tags]
    messages = [message for each in checks for message in each(app_configs=None, databases=[])]
    told = (message for message in messages if not message.is_silenced() and message.id not in COVERED)
    findings = sorted(map(_of_message, told), key=lambda finding: (finding.check, finding.found))
    if is_ok(findings):
        findings.append(Finding("ok", "django", "Django's system checks find no error"))
    return findings


def _of_message(message: Any) -> Finding:
    from django.core.checks import ERROR, WARNING

    level: Level = "error" if message.level >= ERROR else "warning" if message.level >= WARNING else "info"
    check = f"django.{message.id}" if message.id else "django"
    where = f"{getattr(getattr(message.obj, '_meta', None), 'label', message.obj)}: " if message.obj else ""
    remedy = message.hint or ""
    if not remedy and message.id and level != "error":
        remedy = f"Do what it says, or name {message.id} in SILENCED_SYSTEM_CHECKS."
    return Finding(level, check, f"{where}{message.msg}", remedy)


def _of_files(root: Path) -> Iterator[Finding]:
    for point in entry_points(group="static_host.checks"):
        yield Finding("ok", point.name, str(point.load()(root)))


def _stopped(stop: Stop) -> Finding:
    """Return what ended the examination as a finding: nothing of the message is left out."""
    if stop.__cause__:
        print(explained(stop), file=sys.stderr, flush=True)
        found = f"{stop} {format_exception_only(stop.__cause__)[-1].strip()}"
        return Finding("error", "project", found, "Correct the project: standard error has the whole traceback.")
    if isinstance(stop, TreeUnusable):
        found, begin, rest = str(stop).rpartition("Build it ")
        return Finding("error", "tree", found.rstrip() or str(stop), begin + rest if begin else "")
    if isinstance(stop, SettingsWrong):
        remedy = "Correct what is set in the environment, in .env or in /run/secrets."
        return Finding("error", "settings", str(stop), remedy)
    return Finding("error", "project", str(stop))  # the project is not found; the message says what to do
