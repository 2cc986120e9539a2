"""Finds what a project still has from a time when Django, or WhiteNoise inside it, served static files.

Rule: a setting that is honoured gives no finding. One that is not, or that a variable of static-host overrides, may
have another effect than its reader expects.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from static_host_django.checks.request import CheckRequest
from static_host_django.findings import Finding
from static_host_django.whitenoise_settings import (
    MIDDLEWARE,
    UnusableSettingError,
    describe_built,
    find_setting_name,
    read_setting,
)

RUNSERVER_NOSTATIC_APPS = ("whitenoise.runserver_nostatic", "servestatic.runserver_nostatic")

_DEVELOPMENT_SETTINGS = ("AUTOREFRESH", "USE_FINDERS")
"""What `static-host dev` does in any case, and `serve` never."""


def check_whitenoise(request: CheckRequest, django_settings: Any) -> Iterator[Finding]:
    """Find WhiteNoise and ServeStatic, and each of their settings that has no effect or cannot be honoured."""
    for name in django_settings.MIDDLEWARE:
        if name in MIDDLEWARE:
            found = f"MIDDLEWARE has {name}: static-host removes it; static requests do not reach Django"
            yield Finding("info", "whitenoise", found, "Remove it; its settings still count.")
    for name in django_settings.INSTALLED_APPS:
        if name in RUNSERVER_NOSTATIC_APPS:
            found = f"INSTALLED_APPS has {name}: it only affects `manage.py runserver`"
            yield Finding("info", "whitenoise", found, "Remove it; `static-host dev` is for development.")
    yield from _check_settings(request, django_settings)


def _check_settings(request: CheckRequest, django_settings: Any) -> Iterator[Finding]:
    """Find settings that cannot be honoured, and those that have no effect."""
    try:
        describe_built(django_settings)
    except UnusableSettingError as error:
        yield Finding("error", "whitenoise", f"{error}: the build fails", error.remedy)
    for name, variable in sorted(request.overriding.items()):
        if full := find_setting_name(django_settings, name):
            yield Finding("info", "whitenoise", f"{full} has no effect: {variable} is set", "Remove one of them.")
    for name in _DEVELOPMENT_SETTINGS:
        if read_setting(django_settings, name) and not django_settings.DEBUG:
            found = f"{find_setting_name(django_settings, name)} has no effect under `static-host serve`"
            yield Finding(
                "info", "whitenoise", found, "`static-host dev` always serves files as the finders find them."
            )


def check_static_servers(django_settings: Any, *, is_asgi: bool) -> Iterator[Finding]:
    """Find subclasses of WhiteNoise's or ServeStatic's middleware, and a WSGI application that one of them wraps.

    They walk the tree at every start. Call it after static-host has overridden the settings and thereby removed
    WhiteNoise's own middleware.
    """
    from django.utils.module_loading import import_string

    for name in django_settings.MIDDLEWARE:
        if name not in MIDDLEWARE and any(map(_is_static_server, getattr(import_string(name), "__mro__", ()))):
            found = f"MIDDLEWARE has {name}, which walks the tree at every start and gets no request"
            yield Finding("warning", "whitenoise", found, "Remove it.")
    path = None if is_asgi else django_settings.WSGI_APPLICATION
    wrapper = type(import_string(path)) if path else object
    if any(map(_is_static_server, wrapper.__mro__)):
        found = f"{path} is wrapped by {wrapper.__name__}, which walks its files at every start and gets no request"
        yield Finding("warning", "whitenoise", found, "Use what get_wsgi_application() returns, without a wrapper.")


def _is_static_server(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in ("whitenoise", "servestatic", "dj_static")


def check_gzip_middleware(django_settings: Any) -> Iterator[Finding]:
    """Find Django's GZipMiddleware, which keeps the server from encoding pages itself."""
    if "django.middleware.gzip.GZipMiddleware" in django_settings.MIDDLEWARE:
        found = "MIDDLEWARE has GZipMiddleware: pages go out in gzip, and the server leaves them as they are"
        remedy = "Remove it: the server encodes pages in zstd, br or gzip, and as a difference to their templates."
        yield Finding("info", "gzip-middleware", found, remedy)


def check_cache_middleware(django_settings: Any) -> Iterator[Finding]:
    """Find cache middleware, and say that it does not affect static files."""
    names = [name for name in django_settings.MIDDLEWARE if "cach" in str(name).rpartition(".")[2].lower()]
    if names:
        found = f"MIDDLEWARE has {', '.join(names)}: pages pass through it, static answers do not"
        yield Finding("info", "cache-middleware", found)
