"""The dictionaries of a tree's releases, for pages that are sent as a difference to one (RFC 9842).

Rule: a browser that opens a document learns of the dictionary of this release (`Link`), fetches it when it is idle, and
names it from then on. Those of earlier releases count as long as the tree has them.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import quote

from static_host.origin.negotiation import parse_available_dictionary
from static_host.origin.page_dictionary import is_page_dictionary
from static_host.origin.tree import Tree
from static_host.pages.encoders import PageDictionary

log = logging.getLogger("static_host")


class PageDictionaries:
    """The dictionaries, by SHA-256 in Base64; `current` is the key of this release's, and `path` its URL's path."""

    def __init__(self, dictionaries: Mapping[str, PageDictionary], current: str = "", path: str = "") -> None:
        self._dictionaries = dictionaries
        self._current = current
        self._link = f'<{quote(path)}>; rel="compression-dictionary"'.encode()

    @classmethod
    def read(cls, tree: Tree, prefix: str) -> PageDictionaries:
        """Read them from a tree, which is served below `prefix` on the pages' own host."""
        found: dict[str, PageDictionary] = {}
        current = path = ""
        for name in sorted(filter(is_page_dictionary, tree.index)):
            try:
                with tree.open(tree.index[name].identity) as file:
                    content = file.readall()
            except OSError as error:
                log.warning("pages are not encoded with %s: %s", name, error)
                continue
            key = b64encode(sha256(content).digest()).decode()
            found[key] = PageDictionary(content)
            if not tree.index[name].carried:
                current, path = key, prefix + name
        return cls(found, current, path)

    def find(self, field: bytes | None) -> PageDictionary | None:
        """Return the dictionary that an Available-Dictionary field names, if it is one of these."""
        return self._dictionaries.get(parse_available_dictionary(field))

    def find_link(self, field: bytes | None) -> bytes:
        """Return the Link to the current dictionary; empty if there is none, or the client has it."""
        return self._link if self._current and parse_available_dictionary(field) != self._current else b""


NO_DICTIONARIES = PageDictionaries({})
