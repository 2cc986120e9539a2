"""Decides which of a page's URLs are static files of the deployment.

Rule: a page also refers to files of others (fonts, analytics) and to other files (uploads, generated pictures), for
which this origin is not responsible. A fingerprint in a name, in the form of Django's manifest, marks a prefix:
everything on the same host below the same first path segment is in scope. Without any fingerprint, the page's own host
is in scope. Explicit prefixes override this.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from static_host.verify.page_references import PageReference

MAX_PREFIXES = 32
"""The largest number of prefixes that are derived from a page."""
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
    """The prefixes of static files. `is_guessed` is true if no name on the page has a fingerprint."""

    prefixes: tuple[str, ...]
    is_guessed: bool = False

    @classmethod
    def from_references(
        cls, references: Iterable[PageReference], page: str, static_prefixes: Sequence[str] = ()
    ) -> Scope:
        """Return the scope of a page: the `static_prefixes`, or those of its fingerprinted names."""
        if static_prefixes:
            return cls(tuple(static_prefixes))
        prefixes = dict.fromkeys(_extract_prefix(each.url) for each in references if is_fingerprinted(each.url))
        return cls(tuple(prefixes)[:MAX_PREFIXES]) if prefixes else cls((f"{parse_origin(page)}/",), is_guessed=True)

    def has_url(self, url: str) -> bool:
        """Whether the URL is in scope."""
        return f"{parse_origin(url)}{urlsplit(url).path}".startswith(self.prefixes)


def _extract_prefix(url: str) -> str:
    head, slash, _ = urlsplit(url).path.lstrip("/").partition("/")
    return f"{parse_origin(url)}/{head}/" if slash else f"{parse_origin(url)}/"


def count_out_of_scope(references: Iterable[PageReference], scope: Scope) -> dict[str, int]:
    """Return the number of URLs out of scope, by prefix."""
    return dict(Counter(_extract_prefix(each.url) for each in references if not scope.has_url(each.url)))
