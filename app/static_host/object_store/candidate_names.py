"""Which names can be fingerprinted: the store is searched for no others.

Rule: a hash has at least eight characters and is not a word, as in the build. A project with other names describes
them in DJANGO_STATIC_IMMUTABLE_PATTERN. A match makes a look-up worthwhile; only the index says what is immutable.
"""

from __future__ import annotations

import re

_HASH = re.compile(r"(?=[a-z_-]{0,7}[0-9A-Z])[0-9A-Za-z_-]{8}")
MAX_NAME_CHARACTERS = 1024
"""Characters of a name; no object store allows longer ones."""


class FingerprintMatcher:
    """Tells whether a file name can be fingerprinted; `pattern` is DJANGO_STATIC_IMMUTABLE_PATTERN."""

    def __init__(self, pattern: str = "") -> None:
        self._pattern = re.compile(pattern) if pattern else None

    def __call__(self, name: str) -> bool:
        """Whether a name (relative to the static prefix) can be fingerprinted."""
        if len(name) > MAX_NAME_CHARACTERS:
            return False
        return bool(_HASH.search(name.rpartition("/")[2]) or (self._pattern and self._pattern.search(name)))
