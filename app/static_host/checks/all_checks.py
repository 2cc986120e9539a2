"""All checks, in the order in which `serve` starts.

Strategy: a generator yields findings until an error ends it that would also stop `serve`; the error is a finding, too.
The project is checked in a process of its interpreter, which loads it as a worker does. If the tree is missing or
damaged, everything that does not need it is checked first. The build package checks the files of the tree. It comes by
entry point, because an image that only serves may lack it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

from static_host.asgi import create_fallback, find_path_conflicts, summarize_project
from static_host.checks.checked_project import CheckedProject, start_checks
from static_host.checks.csp import check_csp
from static_host.checks.media import check_media
from static_host.checks.tree import check_manifest, check_static_url
from static_host.conf.misspelled_variables import find_misspelled
from static_host.conf.settings import InvalidSettingsError, Settings
from static_host.conf.validators import STORE_SCHEMES
from static_host.errors import StaticHostError
from static_host.files.media_files import MediaFiles
from static_host.findings import Finding
from static_host.installed_packages import find_conflicts, format_remedy
from static_host.origin.tree import TreeDamagedError, TreeUnusableError
from static_host.served_tree import ServedTree, load_served_tree
from static_host.server.tls_files import CertificateError, TlsFiles
from static_host.telemetry.log_configuration import log_error
from static_host.workers.load_errors import WorkerProjectError

HEALTH_PATH_REMEDY = "Set DJANGO_HEALTH_PATH or DJANGO_READY_PATH to a path of its own."


def iter_findings() -> Iterator[Finding]:
    """Yield all findings. Raises StaticHostError for an error that stops `serve`."""
    settings = Settings.read()
    yield from _check_variables(settings)
    yield from _check_packages(settings)
    yield from _check_sendfile_roots(settings)
    yield from _check_certificate(settings)
    with start_checks(settings) as project:
        served, unusable = _load_tree(project)
        project.request_checks(served)
        try:
            yield from project.read_findings()  # of its own settings
            yield from _check_loaded(project, served, is_intact=unusable is None)
        except StaticHostError as error:
            if unusable is None:
                raise
            yield make_error_finding(error)
    if served:
        yield from _check_files(served.tree.root)  # if it is damaged, this names all files; the boot names one
    if unusable:
        raise unusable


def _load_tree(project: CheckedProject) -> tuple[ServedTree | None, TreeUnusableError | None]:
    """Return the tree, if it can be loaded, and the error that `serve` would end with."""
    try:
        return load_served_tree(project.settings, project, math.inf), None
    except TreeDamagedError as damaged:
        return load_served_tree(project.settings, project, 0), damaged
    except TreeUnusableError as unusable:
        return None, unusable


def _check_variables(settings: Settings) -> Iterator[Finding]:
    found = list(find_misspelled(settings))
    for each in found:
        yield Finding("warning" if each.is_sure else "info", "settings", each.found, each.remedy)
    if not any(each.is_sure for each in found):
        yield Finding("ok", "settings", "all environment variables are understood")


def _check_sendfile_roots(settings: Settings) -> Iterator[Finding]:
    for pair in settings.sendfile_roots:
        prefix, _, directory = pair.partition("=")
        if Path(directory).is_dir():
            yield Finding("ok", "sendfile", f"X-Accel-Redirect below {prefix} names files of {directory}")
        else:
            found = f"DJANGO_SENDFILE_ROOTS: there is no directory {directory}, so files below {prefix} are 404"
            yield Finding("warning", "sendfile", found, "Create it, mount it, or correct the path.")


def _check_packages(settings: Settings) -> Iterator[Finding]:
    """Find packages that contradict the requirements, also of extras, although `serve` can be imported with them."""
    required = find_conflicts()
    for each in find_conflicts(*_iter_used_extras(settings)):
        is_needed = not each.version and each not in required  # a setting asks for it
        yield Finding("error" if is_needed else "warning", "packages", str(each), format_remedy([each]))


def _check_certificate(settings: Settings) -> Iterator[Finding]:
    """Find what clients will refuse. Raises CertificateError."""
    files = TlsFiles.from_settings(settings)
    if files:
        served = files.load()
        found = f"TLS_CERTIFICATE={files.certificate}: clients will refuse it: {served.fault}"
        fault = Finding("warning", "tls", found, "Renew the certificate.")
        yield fault if served.fault else Finding("ok", "tls", served.description)


def _iter_used_extras(settings: Settings) -> Iterator[str]:
    """Yield the extras of this distribution that the settings need."""
    stores = [place for place in settings.static_previous if place.partition("://")[0] in STORE_SCHEMES]
    if settings.metrics_port:
        yield "metrics"
    if settings.static_store or stores:
        yield "store"
    if "zopfli" in settings.static_codings:
        yield "zopfli"


def _check_loaded(project: CheckedProject, served: ServedTree | None, *, is_intact: bool) -> Iterator[Finding]:
    """Yield the findings of the loaded project, and of the tree together with it."""
    changes = project.wait_until_loaded()
    project.refuse_missing_databases(project.settings.ready_database)
    if served:
        create_fallback(project.settings, served.responder, None)
    lines = summarize_project(project.settings, project, changes) if served else [project.summary]
    yield from (Finding("ok", "project", line) for line in lines)
    media = MediaFiles.from_settings(project.settings)
    yield from check_media(project, media, served)
    conflicts = find_path_conflicts(project, served.responder if served else None, media)
    yield from (Finding("warning", "health", line, HEALTH_PATH_REMEDY) for line in conflicts)
    yield from project.read_findings()  # of servers of static files
    if served:
        if is_intact:
            yield Finding("ok", "tree", served.summary[0])
        yield from _check_tree(project, served)
    yield from project.read_findings()  # of Django's system checks
    yield from project.read_findings()  # of migrations


def _check_tree(project: CheckedProject, served: ServedTree) -> Iterator[Finding]:
    index = served.tree.index
    facts = project.receive("tree")
    yield from check_csp(facts["policies"], served.static_url, facts["allowed_hosts"], index)
    yield from check_static_url(project, index)
    yield from project.read_findings()  # of django-compressor
    yield check_manifest(index, facts["manifest"])


def _check_files(root: Path) -> Iterator[Finding]:
    for point in entry_points(group="static_host.checks"):
        yield Finding("ok", point.name, str(point.load()(root)))


def make_error_finding(error: StaticHostError) -> Finding:
    """Return the finding for an error that ends the checks."""
    if isinstance(error, WorkerProjectError):
        log_error(error)
        found = f"{error.message} {error.exception_line}"
        remedy = error.remedy.rstrip(".") or "Correct the project"
        return Finding("error", "project", found, f"{remedy}: standard error has the whole traceback.")
    if isinstance(error, CertificateError):
        return Finding("error", "tls", error.message, error.remedy)
    if isinstance(error, InvalidSettingsError):
        remedy = error.remedy or "Correct what is set in the environment, in .env or in /run/secrets."
        return Finding("error", "settings", error.message, remedy)
    check = "tree" if isinstance(error, TreeUnusableError) else "project"
    return Finding("error", check, "\n".join([error.message, *error.notes]), error.remedy)
