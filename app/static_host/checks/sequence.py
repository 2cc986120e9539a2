"""What `check` looks at, in the order of a start.

Strategy: one examination gives findings until something stops it, as it would stop `serve`; that is a finding, too. A
tree that is missing or damaged is a finding that ends nothing: what can be examined without it, is. The tree is
examined whole by the package that builds it, which nothing here imports: it comes by entry point, and an image that
only serves can do without.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path

from static_host.asgi import Front, create_app, in_the_way
from static_host.checks import settings, system_checks, whitenoise
from static_host.checks.csp import refusals
from static_host.checks.migrations import migrations
from static_host.conf.misspelled import misspelt
from static_host.conf.settings import Settings, SettingsWrong
from static_host.conf.validators import STORE_SCHEMES
from static_host.errors import Stop
from static_host.findings import Finding, is_ok, named
from static_host.installed_packages import contradictions, remedy
from static_host.origin.index import Index
from static_host.origin.tree import TreeDamaged, TreeUnusable, load
from static_host.project.project import DJANGO_STORAGE, FORGOTTEN, Project, configured
from static_host.project.project import explained as explaining
from static_host.telemetry.log_configuration import tell

ELSEWHERE = "Set DJANGO_HEALTH_PATH or DJANGO_READY_PATH to a path of its own."


def examination() -> Iterator[Finding]:
    """Give all findings. Raises Stop, which is a finding, too."""
    settings = Settings.read()
    yield from _of_variables(settings)
    yield from _of_packages(settings)
    project = configured(settings)
    if project.seems_forgotten:
        yield Finding("warning", "project", FORGOTTEN, "Set DJANGO_SETTINGS_MODULE.")
    with explaining(project.name):
        own = list(_of_settings(project))  # before ours are laid over them
    yield from own
    app = _application(settings)
    if isinstance(app, TreeUnusable):
        yield from _all_the_same(app, project)
        raise app
    yield from _of_project(project, app.state.in_the_way, app.state.summary[1:])
    yield Finding("ok", "tree", app.state.summary[0])
    yield from _of_tree(project, app.state.root)
    yield from _of_django(project)
    yield from _of_files(app.state.root)


def _of_variables(settings: Settings) -> Iterator[Finding]:
    found = list(misspelt(settings))
    for each in found:
        yield Finding("warning" if each.is_sure else "info", "settings", each.found, each.remedy)
    if not any(each.is_sure for each in found):
        yield Finding("ok", "settings", "all environment variables are understood")


def _of_packages(settings: Settings) -> Iterator[Finding]:
    """Find packages that contradict the requirements, though `serve` can be loaded with them; those of extras, too."""
    required = contradictions()
    for each in contradictions(*_extras(settings)):
        is_needed = not each.version and each not in required  # a setting asks for it
        yield Finding("error" if is_needed else "warning", "packages", str(each), remedy([each]))


def _extras(settings: Settings) -> Iterator[str]:
    """Give the extras of this distribution that the settings make use of."""
    stores = [place for place in settings.static_previous if place.partition("://")[0] in STORE_SCHEMES]
    if settings.metrics_port:
        yield "metrics"
    if settings.static_store or stores:
        yield "store"
    if "zopfli" in settings.static_codings:
        yield "zopfli"


def _application(settings: Settings) -> Front | TreeUnusable:
    """Return what `serve` would serve, or why its tree cannot be: what the project raises then has no context."""
    try:
        return create_app(settings, comparing=math.inf)
    except TreeUnusable as unusable:
        return unusable


def _all_the_same(unusable: TreeUnusable, project: Project) -> Iterator[Finding]:
    """Give what can be found out without a tree, or with a damaged one. Raises TreeDamaged, naming all files."""
    try:
        if isinstance(unusable, TreeDamaged):
            app = create_app(project.settings, comparing=0)
            yield from _of_project(project, app.state.in_the_way, app.state.summary[1:])
            yield from _of_tree(project, unusable.root)
        else:
            _load(project)
            conflicts = list(in_the_way(project))
            yield from _of_project(project, conflicts, [project.summary])
        yield from _of_django(project)
    except Stop as stop:
        yield stopped(stop)
    if isinstance(unusable, TreeDamaged):
        list(_of_files(unusable.root))  # it names all files, where the boot names one


def _load(project: Project) -> None:
    """Load the project as `serve` does, but with Django's own storage, which needs no tree."""
    with explaining(project.name):
        project.lay_over(project.host + project.prefix, project.static_root.resolve(), DJANGO_STORAGE)
    project.application()
    project.refuse_missing_databases(project.settings.ready_database)


def _of_project(project: Project, conflicts: list[str], loaded: list[str]) -> Iterator[Finding]:
    yield from (Finding("ok", "project", line) for line in loaded if line not in conflicts)
    yield from (Finding("warning", "health", line, ELSEWHERE) for line in conflicts)
    with explaining(project.name):
        from django.conf import settings as django

        yield from whitenoise.walkers(django, is_asgi=project.is_asgi)


def _of_django(project: Project) -> Iterator[Finding]:
    with explaining(project.name):
        found = list(system_checks.findings())
    yield from sorted(found, key=lambda finding: (finding.check, finding.found))
    if is_ok(found):
        yield Finding("ok", "django", "Django's system checks find no error")
    yield from migrations(project)


def _of_settings(project: Project) -> Iterator[Finding]:
    from django.conf import settings as django

    yield settings.debug(project, django)
    yield settings.allowed_hosts(project, django)
    yield from settings.proxy(django, project.settings)
    yield from settings.static_root(project, django)
    yield from settings.media_url(project, django, _prefix(project))
    yield from whitenoise.whitenoise(django)
    yield from whitenoise.caching(django)


def _prefix(project: Project) -> str:
    """Return the prefix of the static files that `serve` would serve, or that a build would make."""
    with suppress(TreeUnusable):
        return project.settings.static_prefix or _index(project.static_root.resolve()).prefix
    return project.prefix


def _of_tree(project: Project, root: Path) -> Iterator[Finding]:
    with explaining(project.name):
        from django.conf import settings as django
        from django.contrib.staticfiles.storage import staticfiles_storage

        index = _index(root)
        yield from refusals(django, project.host, project.settings.static_prefix or index.prefix, index)
        yield from settings.static_url(project, index)
        yield from settings.django_compressor(django, root)
        # anew: names that were asked for may have been added
        read = getattr(staticfiles_storage, "load_manifest", None)
        yield settings.manifest(index, read()[0] if read else {})


def _index(root: Path) -> Index:
    tree = load(root)
    tree.close()
    return tree.index


def _of_files(root: Path) -> Iterator[Finding]:
    for point in entry_points(group="static_host.checks"):
        yield Finding("ok", point.name, str(point.load()(root)))


def stopped(stop: Stop) -> Finding:
    """Return what ended the examination as a finding: nothing of the message is left out."""
    if stop.__cause__:
        tell(stop)
        found = f"{stop} {named(stop.__cause__)}"
        remedy = stop.remedy.rstrip(".") or "Correct the project"
        return Finding("error", "project", found, f"{remedy}: standard error has the whole traceback.")
    if isinstance(stop, TreeUnusable):
        found, begin, rest = str(stop).rpartition("Build it ")
        return Finding("error", "tree", found.rstrip() or str(stop), begin + rest if begin else "")
    if isinstance(stop, SettingsWrong):
        remedy = "Correct what is set in the environment, in .env or in /run/secrets."
        return Finding("error", "settings", str(stop), remedy)
    return Finding("error", "project", str(stop))  # the project is not found; the message says what to do
