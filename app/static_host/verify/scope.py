"""Which of a page's URLs are static files of the deployment.

Rule: a page names files of others too (fonts, analytics) and things that are no static files (uploads, pictures that a
view draws), and none of these is for this origin to answer for. A fingerprint in a name, in the form that Django's
manifest gives it, gives its neighbours away: whatever lies on the same host below the same first path segment is in
scope. Where no name has one, the page's own host is. Whoever knows better says so, with prefixes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from static_host.verify.page_references import PageReference

MAX_PREFIXES = 32
"""Prefixes that are guessed from a page's names, the first ones."""
_FINGERPRINT = re.compile(r"\.[0-9a-f]{12}(?:\.|$)")


def is_fingerprinted(url: str) -> bool:
    """Whether the name has a fingerprint of Django's or django-compressor's form (``site.e8e374d844cc.css``)."""
    return bool(_FINGERPRINT.search(urlsplit(url).path.rpartition("/")[2]))


def parse_origin(url: str) -> str:
    """Return scheme, host and port of a URL, as Origin fields have them (RFC 6454 §6.1)."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, default) else "")


@dataclass(frozen=True, slots=True)
class Scope:
    """Static files are what lies below one of the prefixes. `is_guessed`: no name of the page gave one away."""

    prefixes: tuple[str, ...]
    is_guessed: bool = False

    @classmethod
    def from_references(cls, references: Iterable[PageReference], page: str, below: Sequence[str] = ()) -> Scope:
        """Return the scope of a page: below the given prefixes, if any are given."""
        if below:
            return cls(tuple(below))
        prefixes = dict.fromkeys(_extract_prefix(each.url) for each in references if is_fingerprinted(each.url))
        return cls(tuple(prefixes)[:MAX_PREFIXES]) if prefixes else cls((f"{parse_origin(page)}/",), is_guessed=True)

    def has_url(self, url: str) -> bool:
        """Whether the URL is in scope."""
        return f"{parse_origin(url)}{urlsplit(url).path}".startswith(self.prefixes)


def _extract_prefix(url: str) -> str:
    head, slash, _ = urlsplit(url).path.lstrip("/").partition("/")
    return f"{parse_origin(url)}/{head}/" if slash else f"{parse_origin(url)}/"


def count_out_of_scope(references: Iterable[PageReference], scope: Scope) -> dict[str, int]:
    """Return how many of the URLs are not in scope, by prefix."""
    return dict(Counter(_extract_prefix(each.url) for each in references if not scope.has_url(each.url)))
