"""``static-host check``: what `serve` does at its start, tried without serving; and what it has no time for.

Strategy: one examination, in the order of a start, gives findings until something stops it, as it would stop `serve`;
that is a finding, too. The tree is examined whole by the package that builds it, which nothing here imports: it comes
by entry point, and an image that only serves can do without.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import entry_points
from pathlib import Path

import click

from app import inspection, leftovers, system_checks
from app.asgi import create_app
from app.content_policy import refusals
from app.exits import Stop, explained
from app.findings import Finding, document, is_ok, named, table
from app.origin.index import Index
from app.origin.tree import TreeDamaged, TreeUnusable, load
from app.project import FORGOTTEN, Project, configured
from app.project import explained as explaining
from app.settings import Settings, SettingsWrong

ELSEWHERE = "Set DJANGO_HEALTH_PATH or DJANGO_READY_PATH to a path of its own."


def check(as_json: bool = False) -> int:
    """Print what was found, and return the exit code. A traceback goes to standard error."""
    logging.getLogger("static_host").addHandler(logging.NullHandler())  # what it would say is among the findings
    with _nothing_printed() if as_json else nullcontext():
        findings, code = examined()
    if as_json:
        click.echo(json.dumps(document(findings), indent=2))
    else:
        click.echo(table(findings, shutil.get_terminal_size().columns if sys.stdout.isatty() else None))
    return code


@contextmanager
def _nothing_printed() -> Iterator[None]:
    """Send to standard error what the project, or a program that it starts, prints meanwhile."""
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(own, 1)
        os.close(own)


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
    yield from (Finding("ok", "project", line) for line in loaded if line not in app.state.in_the_way)
    yield from (Finding("warning", "health", line, ELSEWHERE) for line in app.state.in_the_way)
    yield Finding("ok", "tree", tree)
    with explaining(project.name):
        yield from _of_tree(project, app.state.root)
        found = list(system_checks.findings())
    yield from sorted(found, key=lambda finding: (finding.check, finding.found))
    if is_ok(found):
        yield Finding("ok", "django", "Django's system checks find no error")
    yield from _of_files(app.state.root)


def _of_settings(project: Project) -> Iterator[Finding]:
    from django.conf import settings as django

    yield inspection.debug(project, django)
    yield inspection.allowed_hosts(project, django)
    yield from inspection.proxy(django, project.settings)
    yield from inspection.static_root(project, django)
    yield from leftovers.whitenoise(django)
    yield from leftovers.caching(django)


def _of_tree(project: Project, root: Path) -> Iterator[Finding]:
    from django.conf import settings as django
    from django.contrib.staticfiles.storage import staticfiles_storage

    index = _index(root)
    yield from leftovers.walkers(django, is_asgi=project.is_asgi)
    yield from refusals(django, project.host, project.settings.static_prefix or index.prefix, index)
    yield from inspection.static_url(project, index)
    yield from inspection.compressor(django, root)
    read = getattr(staticfiles_storage, "load_manifest", None)  # anew: names that were asked for may have been added
    yield inspection.manifest(index, read()[0] if read else {})


def _index(root: Path) -> Index:
    tree = load(root)
    tree.close()
    return tree.index


def _of_files(root: Path) -> Iterator[Finding]:
    for point in entry_points(group="static_host.checks"):
        yield Finding("ok", point.name, str(point.load()(root)))


def _stopped(stop: Stop) -> Finding:
    """Return what ended the examination as a finding: nothing of the message is left out."""
    if stop.__cause__:
        print(explained(stop), file=sys.stderr, flush=True)
        found = f"{stop} {named(stop.__cause__)}"
        return Finding("error", "project", found, "Correct the project: standard error has the whole traceback.")
    if isinstance(stop, TreeUnusable):
        found, begin, rest = str(stop).rpartition("Build it ")
        return Finding("error", "tree", found.rstrip() or str(stop), begin + rest if begin else "")
    if isinstance(stop, SettingsWrong):
        remedy = "Correct what is set in the environment, in .env or in /run/secrets."
        return Finding("error", "settings", str(stop), remedy)
    return Finding("error", "project", str(stop))  # the project is not found; the message says what to do
