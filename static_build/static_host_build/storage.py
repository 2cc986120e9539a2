"""The build's fingerprints for projects that run ``collectstatic`` themselves.

Rule: this is the only module of the build with Django, and no other one imports it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.files.base import ContentFile
from django.core.management import CommandError

from static_host.conf.settings import Settings
from static_host.errors import StaticHostError
from static_host_build import bundler_manifests
from static_host_build.collect.sources import Source
from static_host_build.fingerprints import Fingerprinter, Fingerprints
from static_host_build.references.missing_references import report_missing
from static_host_django.collect.errors import CollectionError
from static_host_django.collect.found_files import find_local_path, list_configured_manifests, list_found_files
from static_host_django.static_names import build_static_url, find_stored


class FingerprintStorage(ManifestStaticFilesStorage):
    """A staticfiles storage for ``collectstatic``.

    With this in ``STORAGES["staticfiles"]["BACKEND"]``, ``manage.py collectstatic`` makes the same names as
    ``static-host build``. References to missing files stay unchanged, and are all reported at the end.
    DJANGO_STATIC_MISSING_REFERENCES decides whether they fail the command.
    """

    def post_process(
        self, paths: Mapping[str, Any], dry_run: bool = False, **_: Any
    ) -> Iterator[tuple[str, str, bool]]:
        """Fingerprint the collected files `paths`, and yield (name, fingerprinted name, True) for each.

        Raises CommandError for references that do not resolve.
        """
        if dry_run:
            return
        sources = {name: find_local_path(*paths[name]) for name in paths}
        try:
            bundled = bundler_manifests.find_hashed_outputs(_read_manifests(), set(sources))
            prefix = urlsplit(str(self.base_url)).path
            made = Fingerprinter(Path(self.location), self, sources, bundled, prefix).run()
            is_fatal = Settings.read().static_missing_references == "error"
            report_missing(made.dangling, made.names, is_fatal=is_fatal)
        except (StaticHostError, CollectionError) as stop:
            raise CommandError(str(stop)) from None
        self.hashed_files = made.names
        self._replace_manifest(made)
        yield from ((name, hashed, True) for name, hashed in made.names.items())

    def write(self, name: str, body: bytes) -> None:
        """Write a file with rewritten references under its fingerprinted name."""
        path = Path(self.path(name))
        path.unlink(missing_ok=True)
        path.write_bytes(body)
        path.chmod(self.file_permissions_mode or path.stat().st_mode)

    def link(self, name: str, existing: str) -> None:
        """Copy a collected file, unchanged, to its fingerprinted name."""
        Path(self.path(name)).unlink(missing_ok=True)
        shutil.copy(self.path(existing), self.path(name))

    def url(self, name: str | None, force: bool = False) -> str:
        """Return the URL of a file, for a name with any characters: Django would parse the name as a URL."""
        found = find_stored(name or "", self.hashed_files) if force or not django_settings.DEBUG else None
        return build_static_url(self.base_url, found[0]) + found[1] if found else super().url(name or "", force)

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Return the name unchanged if it is free: Django would turn its backslashes into slashes."""
        return super().get_available_name(name, max_length) if self.exists(name) else name

    def _replace_manifest(self, made: Fingerprints) -> None:
        storage: Any = self.manifest_storage
        if storage.exists(self.manifest_name):
            storage.delete(self.manifest_name)
        storage._save(self.manifest_name, ContentFile(made.dump_manifest()))


def _read_manifests() -> dict[str, bytes]:
    """Return the bundlers' manifests, by name. Raises BuildError, CollectionError."""
    sources = [Source(each.name, each.path, each.file, each.is_plain, each.read) for each in list_found_files()]
    return bundler_manifests.read_manifests(sources, list_configured_manifests(django_settings))
