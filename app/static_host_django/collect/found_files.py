"""What the project's finders find, and where."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.staticfiles import finders
from django.core.files.storage import FileSystemStorage

from static_host_django.collect.circular_symlinks import skip_circular_links
from static_host_django.collect.errors import CollectionError

DJANGO_APP = "django.contrib.staticfiles"


@dataclass(frozen=True)
class FoundFile:
    """A file that a finder lists: its `name` in the tree, and its `path` in the storage that has it."""

    name: str
    path: str
    storage: Any

    @property
    def file(self) -> str | None:
        """Its absolute path; None where the storage has no local files."""
        return find_local_path(self.storage, self.path)

    @property
    def is_plain(self) -> bool:
        """Whether its bytes are those of the local file; a storage of another class may change them."""
        return type(self.storage) is FileSystemStorage

    def read(self) -> bytes:
        """Return its content. Raises OSError."""
        with self.storage.open(self.path) as file:
            return bytes(file.read())


def find_local_path(storage: Any, path: str) -> str | None:
    """Return the absolute path of a storage's file; None where the storage has no local files."""
    try:
        return str(storage.path(path))
    except NotImplementedError:
        return None


def list_found_files() -> list[FoundFile]:
    """Return all files that the project's finders list, in their order. Django's ignore patterns do not apply.

    Raises CollectionError if a folder cannot be read.
    """
    if not apps.is_installed(DJANGO_APP):
        return []
    try:
        with skip_circular_links():
            return [
                FoundFile(f"{storage.prefix}/{path}" if getattr(storage, "prefix", None) else path, path, storage)
                for finder in finders.get_finders()
                for path, storage in finder.list([])
            ]
    except OSError as error:
        raise CollectionError(f"a static folder cannot be read: {error.strerror}: {error.filename}.") from None


def list_static_folders() -> list[str]:
    """Return the folders that the finders search."""
    storages = (getattr(finder, "storages", {}) for finder in finders.get_finders())
    return [os.path.abspath(storage.location) for group in storages for storage in group.values()]  # noqa: PTH100


def list_configured_manifests(settings: Any) -> list[tuple[str, str]]:
    """Return output folder and path of each manifest in the settings of django-webpack-loader and django-vite."""
    return [(folder, os.fspath(path)) for folder, path in _iterate_manifests(settings) if _is_path(path)]


def _iterate_manifests(settings: Any) -> Iterator[tuple[str, Any]]:
    loaders = getattr(settings, "WEBPACK_LOADER", {"": {}} if "webpack_loader" in settings.INSTALLED_APPS else {})
    for each in loaders.values():
        if isinstance(each, dict):
            yield str(each.get("BUNDLE_DIR_NAME", "webpack_bundles")), each.get("STATS_FILE", "webpack-stats.json")
    for each in getattr(settings, "DJANGO_VITE", {}).values():
        if isinstance(each, dict):
            yield str(each.get("static_url_prefix", "")), each.get("manifest_path")
    if hasattr(settings, "DJANGO_VITE_MANIFEST_PATH"):
        yield str(getattr(settings, "DJANGO_VITE_STATIC_URL_PREFIX", "")), settings.DJANGO_VITE_MANIFEST_PATH


def _is_path(value: Any) -> bool:
    return isinstance(value, str | os.PathLike)
