"""Finds what a project still has from a time when Django, or WhiteNoise inside it, served static files.

Rule: none of this does harm, but it has no effect, which its reader may not expect.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from static_host_django.findings import Finding
from static_host_django.overlay import WHITENOISE_MIDDLEWARE

RUNSERVER_NOSTATIC_APP = "whitenoise.runserver_nostatic"

SETTING_REPLACEMENTS = {
    "ADD_HEADERS_FUNCTION": "The header fields of static answers are fixed here; add others at the CDN.",
    "ALLOW_ALL_ORIGINS": "Static answers always say Access-Control-Allow-Origin: *.",
    "AUTOREFRESH": "`static-host dev` serves files as they are.",
    "CHARSET": "Text is always served as UTF-8.",
    "IMMUTABLE_FILE_TEST": "DJANGO_STATIC_IMMUTABLE_PATTERN takes its place, as a regular expression.",
    "INDEX_FILE": "Directories have no index file here; a view can answer for one.",
    "MAX_AGE": "DJANGO_STATIC_MAX_AGE takes its place.",
    "MIMETYPES": "The build has a table of media types: WhiteNoise's own.",
    "ROOT": "DJANGO_STATIC_ROOT_FILES serves files of the tree at `/`.",
    "STATIC_PREFIX": "DJANGO_STATIC_PREFIX takes its place.",
    "USE_FINDERS": "`static-host dev` serves files as the finders find them.",
}
STORAGE_SETTING_REPLACEMENTS = {
    "KEEP_ONLY_HASHED_FILES": "The build keeps the names without a fingerprint, too.",
    "MANIFEST_STRICT": "A name that the manifest lacks is served without a fingerprint, and logged.",
    "SKIP_COMPRESS_EXTENSIONS": "The build keeps an encoded file only where it saves enough.",
}
"""Settings of WhiteNoise → what replaces them. WhiteNoise's storages read these, its middleware reads the others."""
_KNOWN_STORAGE_PREFIXES = ("django.", "whitenoise.", "static_host.")


def check_whitenoise(django_settings: Any) -> Iterator[Finding]:
    """Find WhiteNoise, and each of its settings that has no effect."""
    root = getattr(django_settings, "WHITENOISE_ROOT", None)
    replacements = dict(SETTING_REPLACEMENTS)
    if WHITENOISE_MIDDLEWARE in django_settings.MIDDLEWARE and root:
        replacements = {}
        found = (
            f"{WHITENOISE_MIDDLEWARE} stays in MIDDLEWARE for "
            f"WHITENOISE_ROOT = {str(root)!r}: it walks the tree at every start"
        )
        remedy = "Put these files among the static files, name them in DJANGO_STATIC_ROOT_FILES, and remove both."
        yield Finding("warning", "whitenoise", found, remedy)
    elif WHITENOISE_MIDDLEWARE in django_settings.MIDDLEWARE:
        found = f"MIDDLEWARE has {WHITENOISE_MIDDLEWARE}: static-host removes it; static requests do not reach Django"
        yield Finding("info", "whitenoise", found, "Remove it.")
    if RUNSERVER_NOSTATIC_APP in django_settings.INSTALLED_APPS:
        found = f"INSTALLED_APPS has {RUNSERVER_NOSTATIC_APP}: it only affects `manage.py runserver`"
        yield Finding("info", "whitenoise", found, "Remove it; `static-host dev` is for development.")
    storage = str(django_settings.STORAGES.get("staticfiles", {}).get("BACKEND", _KNOWN_STORAGE_PREFIXES[0]))
    if storage.startswith(_KNOWN_STORAGE_PREFIXES):  # a project's own may be a subclass of WhiteNoise's
        replacements |= STORAGE_SETTING_REPLACEMENTS
    for name, replacement in sorted(replacements.items()):
        if hasattr(django_settings, f"WHITENOISE_{name}"):
            yield Finding("warning", "whitenoise", f"WHITENOISE_{name} has no effect here", replacement)


def check_static_servers(django_settings: Any, *, is_asgi: bool) -> Iterator[Finding]:
    """Find subclasses of WhiteNoise's or ServeStatic's middleware, and a WSGI application that one of them wraps.

    They walk the tree at every start. Call it after static-host has overridden the settings and thereby removed
    WhiteNoise's own middleware.
    """
    from django.utils.module_loading import import_string

    for name in django_settings.MIDDLEWARE:
        if name != WHITENOISE_MIDDLEWARE and any(map(_is_static_server, getattr(import_string(name), "__mro__", ()))):
            found = f"MIDDLEWARE has {name}, which walks the tree at every start and gets no request"
            yield Finding("warning", "whitenoise", found, "Remove it.")
    path = None if is_asgi else django_settings.WSGI_APPLICATION
    wrapper = type(import_string(path)) if path else object
    if any(map(_is_static_server, wrapper.__mro__)):
        found = f"{path} is wrapped by {wrapper.__name__}, which walks its files at every start and gets no request"
        yield Finding("warning", "whitenoise", found, "Use what get_wsgi_application() returns, without a wrapper.")


def _is_static_server(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in ("whitenoise", "servestatic", "dj_static")


def check_cache_middleware(django_settings: Any) -> Iterator[Finding]:
    """Find cache middleware, and say that it does not affect static files."""
    names = [name for name in django_settings.MIDDLEWARE if "cach" in str(name).rpartition(".")[2].lower()]
    if names:
        found = f"MIDDLEWARE has {', '.join(names)}: pages pass through it, static answers do not"
        yield Finding("info", "cache-middleware", found)
