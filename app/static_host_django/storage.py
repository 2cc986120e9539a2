"""Django's static files storage for a built tree: logical names in, fingerprinted URLs out.

A running project reads the manifest, and the build has a subclass of this that makes it. A name that the manifest lacks
gets a URL without a fingerprint, and is logged once. Django's own storage would fail the whole page
(``manifest_strict``), and so does this one with ``WHITENOISE_MANIFEST_STRICT = True``.
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

from static_host_django.static_names import build_static_url, find_stored
from static_host_django.whitenoise_settings import read_setting

log = logging.getLogger("static_host.storage")

_MAX_LOGGED_NAMES = 1000
"""The largest number of missing names that are logged. Bounded, because a name may be a visitor's input."""


class StaticHostStorage(ManifestStaticFilesStorage):
    """A ManifestStaticFilesStorage that does not fail a page because of a missing name.

    URLs have fingerprints with `DEBUG`, too, because the server serves the built tree in any case.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.manifest_strict = bool(read_setting(settings, "MANIFEST_STRICT", default=False))
        self._logged_names: set[str] = set()

    def read_manifest(self) -> str:
        """Return the manifest, and keep it: `static_host_django.script_facts` parses it when a page needs it."""
        self.manifest_text = super().read_manifest()
        return self.manifest_text

    def url(self, name: str | None, force: bool = True) -> str:  # noqa: ARG002 - Django's signature
        """Return the URL of the fingerprinted file, with the query and the fragment of `name`."""
        stored, rest = self._find(name or "")
        return build_static_url(self.base_url, stored) + rest

    def stored_name(self, name: str) -> str:
        """Return the fingerprinted name of `name`, or `name` itself if the manifest lacks it."""
        stored, rest = self._find(name)
        return stored + rest

    def _find(self, name: str) -> tuple[str, str]:
        found = find_stored(name, self.hashed_files)
        if found:
            return found
        is_file = name and not name.endswith("/")
        if is_file and self.manifest_strict:
            raise ValueError(f"Missing staticfiles manifest entry for {name!r}")  # as Django's storage does
        if is_file and name not in self._logged_names and len(self._logged_names) < _MAX_LOGGED_NAMES:
            self._logged_names.add(name)
            log.warning("{%% static %r %%} is not in the manifest; its URL has no fingerprint", name)
        return name, ""
