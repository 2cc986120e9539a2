"""Which names can be those of fingerprinted files: no others are looked for in the store.

Rule: a hash has eight letters or more and is no word, which is what the build goes by, too; whoever has other names
says so by DJANGO_STATIC_IMMUTABLE_PATTERN. This says what is worth a question, not what is immutable: the index does.
"""

from __future__ import annotations

import re

_HASH = re.compile(r"(?=[a-z_-]{0,7}[0-9A-Z])[0-9A-Za-z_-]{8}")
MAX_NAME_CHARACTERS = 1024
"""Characters of a name: no object store has longer ones."""


class FingerprintMatcher:
    """Whether a name can be that of a fingerprinted file; `pattern` is DJANGO_STATIC_IMMUTABLE_PATTERN."""

    def __init__(self, pattern: str = "") -> None:
        self._pattern = re.compile(pattern) if pattern else None

    def __call__(self, name: str) -> bool:
        """Judge a name below the prefix."""
        if len(name) > MAX_NAME_CHARACTERS:
            return False
        return bool(_HASH.search(name.rpartition("/")[2]) or (self._pattern and self._pattern.search(name)))
