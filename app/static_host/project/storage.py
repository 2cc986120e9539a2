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

_REST = re.compile(r"[?#]")
_KEPT = "/~!*()'"
_MOST_ENDS = 16
"""Places at which a name may end and a query or a fragment begin: a name may be a visitor's."""
_MOST_MISSED = 1000
"""Names that are logged as missing, each once: a name may be a visitor's."""


def candidates(name: str) -> Iterator[tuple[str, str]]:
    """Yield the files that ``{% static name %}`` may mean, the likeliest first, each with what follows it in the URL.

    A name is that of a file, whatever characters it has; else it ends before a query or a fragment, as late as there is
    such a file; else it is percent-encoded, as Django's own storage takes it; else its backslashes are slashes.
    """
    yield name, ""
    ends = [match.start() for match in islice(_REST.finditer(name), _MOST_ENDS)] or [len(name)]
    parts = [(name[:end], name[end:]) for end in reversed(ends)]
    yield from parts
    yield from ((unquote(path).strip(), rest) for path, rest in parts)
    yield from ((path.replace("\\", "/"), rest) for path, rest in parts)


def find_stored(name: str, hashed_files: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the fingerprinted name of what ``{% static name %}`` means, and what follows it in the URL."""
    found = ((hashed_files.get(candidate), rest) for candidate, rest in candidates(name))
    return next(((stored, rest) for stored, rest in found if stored is not None), None)


def url_of(base_url: str, stored: str) -> str:
    """Return the URL of a stored file. Django's ``filepath_to_uri`` would make slashes of its backslashes."""
    return urljoin(base_url, quote(stored, safe=_KEPT).lstrip("/"))


class StaticHostStorage(ManifestStaticFilesStorage):
    """ManifestStaticFilesStorage that never breaks a page over a missing name.

    What is served is the built tree, whatever `DEBUG` says, so URLs have their fingerprints with `DEBUG` too.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._missed: set[str] = set()

    def url(self, name: str | None, force: bool = True) -> str:  # noqa: ARG002 - Django's signature
        """Return the URL of the fingerprinted file, with the query and the fragment of `name`."""
        stored, rest = self._find(name or "")
        return url_of(self.base_url, stored) + rest

    def stored_name(self, name: str) -> str:
        """Return the fingerprinted name of `name`, or `name` itself when the manifest does not have it."""
        stored, rest = self._find(name)
        return stored + rest

    def _find(self, name: str) -> tuple[str, str]:
        found = find_stored(name, self.hashed_files)
        if found:
            return found
        if name and not name.endswith("/") and name not in self._missed and len(self._missed) < _MOST_MISSED:
            self._missed.add(name)
            log.warning("{%% static %r %%} is not in the manifest; its URL has no fingerprint", name)
        return name, ""
