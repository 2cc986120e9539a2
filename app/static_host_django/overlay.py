"""The overlay: the settings of the project that static-host overrides, in whatever process.

Rule: only `apply_overlay` overrides settings: `STATIC_URL`, `STATIC_ROOT`, `STORAGES["staticfiles"]`, those of
django-compressor, and `MIDDLEWARE`, from which it removes WhiteNoise. Call it after the settings module is loaded, and
before applications are. It also adds our template tags.
"""

from __future__ import annotations

import os
from functools import wraps
from pathlib import Path
from typing import Any

from static_host_django import compressor, setting_values
from static_host_django.overrides import track_overrides
from static_host_django.whitenoise_settings import MIDDLEWARE as STATIC_MIDDLEWARE

STATIC_HOST_STORAGE = "static_host_django.storage.StaticHostStorage"
DJANGO_STORAGE = "django.contrib.staticfiles.storage.StaticFilesStorage"

_REPLACED_STORAGES = (
    DJANGO_STORAGE,
    "django.contrib.staticfiles.storage.ManifestStaticFilesStorage",
    "whitenoise.storage.CompressedStaticFilesStorage",
    "whitenoise.storage.CompressedManifestStaticFilesStorage",
    "servestatic.storage.CompressedStaticFilesStorage",
    "servestatic.storage.CompressedManifestStaticFilesStorage",
    "static_host_build.storage.FingerprintStorage",
)

_TAG_LIBRARY = {"static_host": "static_host_django.templatetags.static_host"}


@track_overrides
def apply_overlay(
    own_static_url: str | None, static_url: str, root: Path, storage: str = STATIC_HOST_STORAGE
) -> list[str]:
    """Override the settings that the static tree needs. Returns a line for each one that differed.

    `own_static_url` is the project's own STATIC_URL. `storage` replaces the project's staticfiles storage, unless that
    fingerprints in its own way. `DJANGO_STORAGE`, which needs no tree, replaces any storage.
    """
    from django.conf import settings
    from django.template.backends import django as django_backend

    own = settings.STORAGES.get("staticfiles", {})
    keeps = storage != DJANGO_STORAGE and _is_fingerprinting_storage(own.get("BACKEND"))
    chosen = (
        {**own, "OPTIONS": setting_values.remove_location_options(own.get("OPTIONS", {}))}
        if keeps
        else {"BACKEND": storage}
    )
    changes = [
        ("STATIC_URL", own_static_url, static_url),
        ("STATIC_ROOT", settings.STATIC_ROOT and os.path.realpath(settings.STATIC_ROOT), str(root)),
        ("STORAGES['staticfiles']['BACKEND']", own.get("BACKEND"), chosen["BACKEND"]),
    ]
    compressor_lines = [] if storage == DJANGO_STORAGE else compressor.apply_overlay(settings, static_url, root)
    settings.STATIC_URL = static_url
    settings.STATIC_ROOT = setting_values.keep_type(settings.STATIC_ROOT, root)
    settings.STORAGES = {**settings.STORAGES, "staticfiles": chosen}
    if settings.is_overridden("STATICFILES_STORAGE"):  # before Django 5.1 it takes precedence
        settings.STATICFILES_STORAGE = chosen["BACKEND"]
    lines = [
        f"{name} = {after!r}"
        for name, before, after in changes
        if before not in (None, DJANGO_STORAGE) and str(before) != after
    ]
    add_tag_library(django_backend)
    return lines + compressor_lines + _remove_whitenoise(settings)


def add_tag_library(backend: Any) -> None:
    """Have ``{% load static_host %}`` work in the engines of Django's back end, unless the project has such a library.

    It patches `django.template.backends.django`, so the project's TEMPLATES and INSTALLED_APPS stay as they are.
    """
    find = backend.get_installed_libraries

    @wraps(find)
    def find_with_ours() -> dict[str, str]:
        return {**_TAG_LIBRARY, **find()}

    backend.get_installed_libraries = find_with_ours


def open_tree_storage(settings: Any, static_url: str, root: Path) -> Any:
    """Return a storage with the URLs of the tree, of the class that `apply_overlay` chooses; no setting changes."""
    from django.utils.module_loading import import_string

    own = settings.STORAGES.get("staticfiles", {})
    keeps = _is_fingerprinting_storage(own.get("BACKEND"))
    options = setting_values.remove_location_options(own.get("OPTIONS", {})) if keeps else {}
    make: Any = import_string(own["BACKEND"] if keeps else STATIC_HOST_STORAGE)
    try:
        storage = make(**options, location=root, base_url=static_url)
    except TypeError:  # a constructor of the project's own
        storage = make(**options)
    storage.base_location, storage.location, storage.base_url = root, str(root), static_url
    storage.hashed_files, storage.manifest_hash = storage.load_manifest()
    setting_values.read_built_manifest(storage, root)
    return storage


def _remove_whitenoise(settings: Any) -> list[str]:
    """Remove WhiteNoise and ServeStatic from MIDDLEWARE: they would walk the tree at every start.

    Static requests bypass Django, and the build has the files of WHITENOISE_ROOT.
    """
    removed = [name for name in settings.MIDDLEWARE if name in STATIC_MIDDLEWARE]
    if removed:
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name not in removed]
    return [f"MIDDLEWARE without {name}" for name in removed]


def _is_fingerprinting_storage(backend: str | None) -> bool:
    """Whether the project's staticfiles storage is kept: it fingerprints files in a directory, in its own way."""
    from django.contrib.staticfiles.storage import ManifestFilesMixin, StaticFilesStorage
    from django.utils.module_loading import import_string

    if not backend or backend in _REPLACED_STORAGES:
        return False
    storage = import_string(backend)
    return (
        isinstance(storage, type)
        and issubclass(storage, ManifestFilesMixin)
        and issubclass(storage, StaticFilesStorage)
    )
