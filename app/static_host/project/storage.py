"""Django's static files storage for a built tree: logical names in, fingerprinted URLs out.

The build writes the manifest with a subclass of this; a running project only reads it. A name that the manifest lacks
gets a URL without a fingerprint, and is logged once. Django's own storage would fail the whole page
(``manifest_strict``).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote, unquote, urljoin

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

log = logging.getLogger("static_host.storage")

_QUERY_OR_FRAGMENT = re.compile(r"[?#]")
_SAFE_CHARACTERS = "/~!*()'"
_MOST_ENDS = 16
"""The largest number of ``?`` and ``#`` at which a name is split. Bounded, because a name may be a visitor's input."""
_MAX_LOGGED_NAMES = 1000
"""The largest number of missing names that are logged. Bounded, because a name may be a visitor's input."""


def iter_candidates(name: str) -> Iterator[tuple[str, str]]:
    """Yield the file names that ``{% static name %}`` may mean, the likeliest first, each with the rest of the URL.

    First the whole name, then the name up to a ``?`` or ``#``, the last one first. After these come the same names
    percent-decoded, as Django's own storage reads them, and with backslashes as slashes.
    """
    yield name, ""
    ends = [match.start() for match in islice(_QUERY_OR_FRAGMENT.finditer(name), _MOST_ENDS)] or [len(name)]
    parts = [(name[:end], name[end:]) for end in reversed(ends)]
    yield from parts
    yield from ((unquote(path).strip(), rest) for path, rest in parts)
    yield from ((path.replace("\\", "/"), rest) for path, rest in parts)


def find_stored(name: str, hashed_files: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the fingerprinted name of the file that ``{% static name %}`` means, and the rest of the URL; or None."""
    found = ((hashed_files.get(candidate), rest) for candidate, rest in iter_candidates(name))
    return next(((stored, rest) for stored, rest in found if stored is not None), None)


def build_static_url(base_url: str, stored: str) -> str:
    """Return the URL of a stored file. Django's ``filepath_to_uri`` would turn backslashes into slashes."""
    return urljoin(base_url, quote(stored, safe=_SAFE_CHARACTERS).lstrip("/"))


class StaticHostStorage(ManifestStaticFilesStorage):
    """A ManifestStaticFilesStorage that does not fail a page because of a missing name.

    URLs have fingerprints with `DEBUG`, too, because the server serves the built tree in any case.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._logged_names: set[str] = set()

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
        if (
            name
            and not name.endswith("/")
            and name not in self._logged_names
            and len(self._logged_names) < _MAX_LOGGED_NAMES
        ):
            self._logged_names.add(name)
            log.warning("{%% static %r %%} is not in the manifest; its URL has no fingerprint", name)
        return name, ""
