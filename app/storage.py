"""Django's static files storage for a built tree: logical names in, fingerprinted URLs out.

The build makes the manifest with a subclass of this; a running project only reads it. A name that the manifest
lacks is served without a fingerprint, and logged once, where Django's own storage would answer the whole page with a
500 (``manifest_strict``).
"""

from __future__ import annotations

import logging

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

log = logging.getLogger("static_host.storage")


class StaticHostStorage(ManifestStaticFilesStorage):
    """ManifestStaticFilesStorage that never breaks a page over a missing name.

    What is served is the built tree, whatever `DEBUG` says, so URLs have their fingerprints with `DEBUG` too.
    """

    def url(self, name: str | None, force: bool = True) -> str:  # noqa: ARG002 - Django's signature
        """Return the URL of the fingerprinted file."""
        return super().url(name or "", force=True)

    def stored_name(self, name: str) -> str:
        """Return the fingerprinted name of `name`, or `name` itself when the manifest does not have it."""
        try:
            return super().stored_name(name)
        except ValueError:
            log.warning("{%% static %r %%} is not in the manifest; its URL has no fingerprint", name)
            key = self.hash_key(self.clean_name(name))
            self.hashed_files[key] = name  # once is enough in the log
            return name
