"""Finds the URLs of a page's files in HTML (WHATWG HTML) and in stylesheets (CSS Values 4).

Rule: a URL counts if a browser fetches it for the page; hyperlinks do not count. URLs that scripts compose or import
are not followed, except those of a modulepreload or an import map. `is_cors` means that browsers request the file in
CORS mode, so that another host has to allow it: modules, fonts, and elements with `crossorigin`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from static_host.verify.html_parser import Element, parse_elements

LINK_KINDS = {
    "stylesheet": "style",
    "icon": "image",
    "apple-touch-icon": "image",
    "mask-icon": "image",
    "modulepreload": "module",
    "manifest": "manifest",
    "compression-dictionary": "dictionary",
}
"""Link relation → kind. The kind of a preload or prefetch is its `as`."""
URL_ATTRIBUTES = {
    "img": (("src", "image"),),
    "source": (("src", "media"),),
    "video": (("src", "media"), ("poster", "image")),
    "audio": (("src", "media"),),
    "track": (("src", "other"),),
    "embed": (("src", "other"),),
    "object": (("data", "other"),),
    "input": (("src", "image"),),
    "image": (("href", "image"), ("xlink:href", "image")),
    "use": (("href", "image"), ("xlink:href", "image")),
}
"""Element → its URL attributes, each with the kind of the file."""
CORS_KINDS = {"module", "font", "manifest", "dictionary"}

MAX_URL_CHARACTERS = 4096
"""The longest URL that is followed, together with its base, in characters."""

_PRELOAD_KINDS = {"video": "media", "audio": "media", "track": "other", "fetch": "other"}
_SRCSET_CANDIDATE = re.compile(r"[\s,]*+(\S*+)(?:(?<=,)|[^,]*+)")
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_URL = re.compile(r"""(@import\s++)?url\(\s*+(?:"([^"]*+)"|'([^']*+)'|([^()"'\s]++))\s*+\)""", re.IGNORECASE)
_IMPORT = re.compile(r"""@import\s++(?:"([^"]*+)"|'([^']*+)')""", re.IGNORECASE)
_FONT = re.compile(r"\.(?:woff2?|ttf|otf|eot)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PageReference:
    """A URL without its fragment.

    `kind` is style, script, module, font, image, media, manifest, dictionary or other.
    """

    url: str
    kind: str
    is_cors: bool = False


def parse_page(html: str, url: str) -> list[PageReference]:
    """Return the references of a page at `url`, each URL once, in the order of the page."""
    page = _ReferenceCollector(url)
    for element in parse_elements(html):
        page.read_element(element)
    return _deduplicate(page.references)


def parse_stylesheet(css: str, url: str) -> list[PageReference]:
    """Return the references of a stylesheet at `url`, each URL once."""
    return _deduplicate(list(_parse_css(css, url)))


def _deduplicate(references: list[PageReference]) -> list[PageReference]:
    """Keep the first reference of each URL; it is in CORS mode if one of them is."""
    cors = {each.url for each in references if each.is_cors}
    kept = {each.url: PageReference(each.url, each.kind, each.url in cors) for each in reversed(references)}
    return list(reversed(kept.values()))


def resolve_url(base: str, url: str) -> str | None:
    """Return the absolute URL without its fragment, or None if it is not an http(s) URL."""
    if len(base) + len(url) > MAX_URL_CHARACTERS:
        return None
    try:
        absolute = urldefrag(urljoin(base, url)).url
        parts = urlsplit(absolute)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return None
    return absolute if usable else None


def _resolve_reference(base: str, url: str, kind: str, cors: bool = False) -> Iterator[PageReference]:
    """Yield the reference, if it is an http(s) URL."""
    absolute = resolve_url(base, url.strip()) if url.strip() and not url.strip().startswith("#") else None
    if absolute is not None:
        yield PageReference(absolute, kind, cors or kind in CORS_KINDS)


def _parse_css(css: str, base: str) -> Iterator[PageReference]:
    text = _COMMENT.sub(" ", css)
    for match in _URL.finditer(text):
        url = next((part for part in match.groups()[1:] if part), "")
        yield from _resolve_reference(base, url, "style" if match[1] else _guess_css_kind(url))
    for match in _IMPORT.finditer(text):
        yield from _resolve_reference(base, match[1] or match[2] or "", "style")


def _guess_css_kind(url: str) -> str:
    return "font" if _FONT.search(re.split("[?#]", url)[0]) else "image"


class _ReferenceCollector:
    """Collects the references of a page's elements; a base element changes `base_url`."""

    def __init__(self, url: str) -> None:
        self.base_url = url
        self.references: list[PageReference] = []
        self._has_base = False

    def read_element(self, element: Element) -> None:
        """Add the references of an element."""
        tag, own = element.name, element.attributes
        if tag == "base" and own.get("href") and not self._has_base:
            self.base_url, self._has_base = resolve_url(self.base_url, own["href"]) or self.base_url, True
        self.references += self._parse_element(tag, own)
        if tag == "style":
            self.references += _parse_css(element.text, self.base_url)
        elif tag == "script" and own.get("type", "").lower() == "importmap":
            self.references += self._parse_import_map(element.text)

    def _parse_element(self, tag: str, own: dict[str, str]) -> Iterator[PageReference]:
        cors = "crossorigin" in own
        if tag == "link":
            yield from self._parse_link(own, cors)
        elif tag == "script" and "src" in own:
            yield from _resolve_reference(
                self.base_url, own["src"], "module" if own.get("type") == "module" else "script", cors
            )
        for name, kind in URL_ATTRIBUTES.get(tag, ()):
            yield from _resolve_reference(self.base_url, own.get(name, ""), kind, cors)
        for name in ("srcset", "imagesrcset"):
            for match in _SRCSET_CANDIDATE.finditer(own.get(name, "")):
                yield from _resolve_reference(self.base_url, match[1].rstrip(","), "image", cors)
        if "style" in own:
            yield from _parse_css(own["style"], self.base_url)

    def _parse_link(self, own: dict[str, str], cors: bool) -> Iterator[PageReference]:
        relations = own.get("rel", "").lower().split()
        kinds = [LINK_KINDS[each] for each in relations if each in LINK_KINDS]
        if {"preload", "prefetch"} & set(relations):
            kinds.append(_PRELOAD_KINDS.get(own.get("as", ""), own.get("as", "")) or "other")
        for kind in kinds[:1]:
            yield from _resolve_reference(self.base_url, own.get("href", ""), kind, cors)

    def _parse_import_map(self, text: str) -> Iterator[PageReference]:
        try:
            document: Any = json.loads(text)
            maps = [document.get("imports", {}), *document.get("scopes", {}).values()]
            urls = [url for each in maps for url in each.values() if isinstance(url, str)]
        except (ValueError, AttributeError):
            return  # a browser ignores it, too
        for url in urls:
            if not url.endswith("/"):
                yield from _resolve_reference(self.base_url, url, "module")
