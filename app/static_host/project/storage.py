"""Django's static files storage for a built tree: logical names in, fingerprinted URLs out.

The build makes the manifest with a subclass of this; a running project only reads it. A name that the manifest
lacks is served without a fingerprint, and logged once, where Django's own storage would answer the whole page with a
500 (``manifest_strict``).
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
"""Places at which a name may end and a query or a fragment begin: a name may be a visitor's."""
_MAX_LOGGED_NAMES = 1000
"""Names that are logged as missing, each once: a name may be a visitor's."""


def iter_candidates(name: str) -> Iterator[tuple[str, str]]:
    """Yield the files that ``{% static name %}`` may mean, the likeliest first, each with what follows it in the URL.

    A name is that of a file, whatever characters it has; else it ends before a query or a fragment, as late as there is
    such a file; else it is percent-encoded, as Django's own storage takes it; else its backslashes are slashes.
    """
    yield name, ""
    ends = [match.start() for match in islice(_QUERY_OR_FRAGMENT.finditer(name), _MOST_ENDS)] or [len(name)]
    parts = [(name[:end], name[end:]) for end in reversed(ends)]
    yield from parts
    yield from ((unquote(path).strip(), rest) for path, rest in parts)
    yield from ((path.replace("\\", "/"), rest) for path, rest in parts)


def find_stored(name: str, hashed_files: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the fingerprinted name of what ``{% static name %}`` means, and what follows it in the URL."""
    found = ((hashed_files.get(candidate), rest) for candidate, rest in iter_candidates(name))
    return next(((stored, rest) for stored, rest in found if stored is not None), None)


def build_static_url(base_url: str, stored: str) -> str:
    """Return the URL of a stored file. Django's ``filepath_to_uri`` would make slashes of its backslashes."""
    return urljoin(base_url, quote(stored, safe=_SAFE_CHARACTERS).lstrip("/"))


class StaticHostStorage(ManifestStaticFilesStorage):
    """ManifestStaticFilesStorage that never breaks a page over a missing name.

    What is served is the built tree, whatever `DEBUG` says, so URLs have their fingerprints with `DEBUG` too.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._logged_names: set[str] = set()

    def url(self, name: str | None, force: bool = True) -> str:  # noqa: ARG002 - Django's signature
        """Return the URL of the fingerprinted file, with the query and the fragment of `name`."""
        stored, rest = self._find(name or "")
        return build_static_url(self.base_url, stored) + rest

    def stored_name(self, name: str) -> str:
        """Return the fingerprinted name of `name`, or `name` itself when the manifest does not have it."""
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
