"""All checks, in the order in which `serve` starts.

Strategy: a generator yields findings until an error ends it that would also stop `serve`; the error is a finding, too.
If the tree is missing or damaged, everything that does not need it is checked first. The build package checks the files
of the tree. It comes by entry point, because an image that only serves may lack it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path

from static_host.asgi import Front, create_app, find_path_conflicts
from static_host.checks import project_settings, system_checks, whitenoise
from static_host.checks.csp import check_csp
from static_host.checks.migrations import check_migrations
from static_host.conf.misspelled import find_misspelled
from static_host.conf.settings import InvalidSettingsError, Settings
from static_host.conf.validators import STORE_SCHEMES
from static_host.errors import StaticHostError
from static_host.findings import Finding, format_exception_line, is_ok
from static_host.installed_packages import find_conflicts, format_remedy
from static_host.origin.index import Index
from static_host.origin.tree import TreeDamagedError, TreeUnusableError, load_tree
from static_host.project.errors import wrap_project_errors
from static_host.project.project import DJANGO_STORAGE, UNSET_SETTINGS_MODULE_MESSAGE, Project
from static_host.telemetry.log_configuration import log_error

HEALTH_PATH_REMEDY = "Set DJANGO_HEALTH_PATH or DJANGO_READY_PATH to a path of its own."


def iter_findings() -> Iterator[Finding]:
    """Yield all findings. Raises StaticHostError for an error that stops `serve`."""
    settings = Settings.read()
    yield from _check_variables(settings)
    yield from _check_packages(settings)
    project = Project.from_settings(settings)
    if project.is_other_project_unnamed:
        yield Finding("warning", "project", UNSET_SETTINGS_MODULE_MESSAGE, "Set DJANGO_SETTINGS_MODULE.")
    with wrap_project_errors(project.name):
        own = list(_check_settings(project))  # before static-host overrides them
    yield from own
    app = _try_create_app(settings)
    if isinstance(app, TreeUnusableError):
        yield from _check_without_tree(app, project)
        raise app
    yield from _check_project(project, app.state.path_conflicts, app.state.summary[1:])
    yield Finding("ok", "tree", app.state.summary[0])
    yield from _check_tree(project, app.state.root)
    yield from _check_django(project)
    yield from _check_files(app.state.root)


def _check_variables(settings: Settings) -> Iterator[Finding]:
    found = list(find_misspelled(settings))
    for each in found:
        yield Finding("warning" if each.is_sure else "info", "settings", each.found, each.remedy)
    if not any(each.is_sure for each in found):
        yield Finding("ok", "settings", "all environment variables are understood")


def _check_packages(settings: Settings) -> Iterator[Finding]:
    """Find packages that contradict the requirements, also of extras, although `serve` can be imported with them."""
    required = find_conflicts()
    for each in find_conflicts(*_iter_used_extras(settings)):
        is_needed = not each.version and each not in required  # a setting asks for it
        yield Finding("error" if is_needed else "warning", "packages", str(each), format_remedy([each]))


def _iter_used_extras(settings: Settings) -> Iterator[str]:
    """Yield the extras of this distribution that the settings need."""
    stores = [place for place in settings.static_previous if place.partition("://")[0] in STORE_SCHEMES]
    if settings.metrics_port:
        yield "metrics"
    if settings.static_store or stores:
        yield "store"
    if "zopfli" in settings.static_codings:
        yield "zopfli"


def _try_create_app(settings: Settings) -> Front | TreeUnusableError:
    """Return the application of `serve`, or the error of its tree.

    It is returned so that later exceptions of the project do not have it as their context.
    """
    try:
        return create_app(settings, length_check_seconds=math.inf)
    except TreeUnusableError as unusable:
        return unusable


def _check_without_tree(unusable: TreeUnusableError, project: Project) -> Iterator[Finding]:
    """Yield the findings that need no tree, or work with a damaged one. Raises TreeDamagedError with all files."""
    try:
        if isinstance(unusable, TreeDamagedError):
            app = create_app(project.settings, length_check_seconds=0)
            yield from _check_project(project, app.state.path_conflicts, app.state.summary[1:])
            yield from _check_tree(project, unusable.root)
        else:
            _load_without_tree(project)
            conflicts = list(find_path_conflicts(project))
            yield from _check_project(project, conflicts, [project.summary])
        yield from _check_django(project)
    except StaticHostError as error:
        yield make_error_finding(error)
    if isinstance(unusable, TreeDamagedError):
        list(_check_files(unusable.root))  # names all damaged files; the boot names one


def _load_without_tree(project: Project) -> None:
    """Load the project as `serve` does, but with Django's own storage, which needs no tree."""
    with wrap_project_errors(project.name):
        project.apply_overlay(project.host + project.prefix, project.static_root.resolve(), DJANGO_STORAGE)
    project.load_application()
    project.refuse_missing_databases(project.settings.ready_database)


def _check_project(project: Project, conflicts: list[str], loaded: list[str]) -> Iterator[Finding]:
    yield from (Finding("ok", "project", line) for line in loaded if line not in conflicts)
    yield from (Finding("warning", "health", line, HEALTH_PATH_REMEDY) for line in conflicts)
    with wrap_project_errors(project.name):
        from django.conf import settings as django

        yield from whitenoise.check_static_servers(django, is_asgi=project.is_asgi)


def _check_django(project: Project) -> Iterator[Finding]:
    with wrap_project_errors(project.name):
        found = list(system_checks.run_deployment_checks())
    yield from sorted(found, key=lambda finding: (finding.check, finding.found))
    if is_ok(found):
        yield Finding("ok", "django", "Django's system checks find no error")
    yield from check_migrations(project)


def _check_settings(project: Project) -> Iterator[Finding]:
    from django.conf import settings as django

    yield project_settings.check_debug(project, django)
    yield project_settings.check_allowed_hosts(project, django)
    yield from project_settings.check_proxy(django, project.settings)
    yield from project_settings.check_static_root(project, django)
    yield from project_settings.check_media_url(project, django, _find_prefix(project))
    yield from whitenoise.check_whitenoise(django)
    yield from whitenoise.check_cache_middleware(django)


def _find_prefix(project: Project) -> str:
    """Return the prefix of static files: of the tree, or of a new build if there is no tree."""
    with suppress(TreeUnusableError):
        return project.settings.static_prefix or _load_index(project.static_root.resolve()).prefix
    return project.prefix


def _check_tree(project: Project, root: Path) -> Iterator[Finding]:
    with wrap_project_errors(project.name):
        from django.conf import settings as django
        from django.contrib.staticfiles.storage import staticfiles_storage

        index = _load_index(root)
        yield from check_csp(django, project.host, project.settings.static_prefix or index.prefix, index)
        yield from project_settings.check_static_url(project, index)
        yield from project_settings.check_compressor(django, root)
        # read it again: the storage may have added names
        read = getattr(staticfiles_storage, "load_manifest", None)
        yield project_settings.check_manifest(index, read()[0] if read else {})


def _load_index(root: Path) -> Index:
    tree = load_tree(root)
    tree.close()
    return tree.index


def _check_files(root: Path) -> Iterator[Finding]:
    for point in entry_points(group="static_host.checks"):
        yield Finding("ok", point.name, str(point.load()(root)))


def make_error_finding(error: StaticHostError) -> Finding:
    """Return the finding for an error that ends the checks."""
    if error.__cause__:
        log_error(error)
        found = f"{error.message} {format_exception_line(error.__cause__)}"
        remedy = error.remedy.rstrip(".") or "Correct the project"
        return Finding("error", "project", found, f"{remedy}: standard error has the whole traceback.")
    if isinstance(error, InvalidSettingsError):
        remedy = error.remedy or "Correct what is set in the environment, in .env or in /run/secrets."
        return Finding("error", "settings", error.message, remedy)
    return Finding("error", "tree" if isinstance(error, TreeUnusableError) else "project", error.message, error.remedy)
