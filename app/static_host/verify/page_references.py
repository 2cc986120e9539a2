"""What a page names: the URLs of its files, from HTML (WHATWG HTML) and from stylesheets (CSS Values 4).

Rule: a URL counts where a browser would fetch it for the page: not where a link only leads. What scripts compose or
import is not followed; a modulepreload or an import map names it. `cors` says that a browser asks in CORS mode, so that
another host has to allow it: modules, fonts, and what carries `crossorigin`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from static_host.verify.html import Element, elements

RELATIONS = {
    "stylesheet": "style",
    "icon": "image",
    "apple-touch-icon": "image",
    "mask-icon": "image",
    "modulepreload": "module",
    "manifest": "manifest",
    "compression-dictionary": "dictionary",
}
"""Link relation → kind; a preload's or prefetch's kind is what its `as` says."""
SOURCES = {
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
"""Element → its attributes that are a URL, and the kind of what is there."""
IN_CORS_MODE = {"module", "font", "manifest", "dictionary"}

MAX_URL_CHARACTERS = 4096
"""Characters of a URL, with its base, that is followed: no file has a longer one."""

_AS = {"video": "media", "audio": "media", "track": "other", "fetch": "other"}
_CANDIDATE = re.compile(r"[\s,]*+(\S*+)(?:(?<=,)|[^,]*+)")
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_URL = re.compile(r"""(@import\s++)?url\(\s*+(?:"([^"]*+)"|'([^']*+)'|([^()"'\s]++))\s*+\)""", re.IGNORECASE)
_IMPORT = re.compile(r"""@import\s++(?:"([^"]*+)"|'([^']*+)')""", re.IGNORECASE)
_FONT = re.compile(r"\.(?:woff2?|ttf|otf|eot)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reference:
    """A URL without its fragment.

    `kind` is style, script, module, font, image, media, manifest, dictionary or other.
    """

    url: str
    kind: str
    cors: bool = False


def of_page(html: str, url: str) -> list[Reference]:
    """Return what a page at this URL names, each URL once, in the order of the page."""
    page = _Page(url)
    for element in elements(html):
        page.read(element)
    return _once(page.found)


def of_stylesheet(css: str, url: str) -> list[Reference]:
    """Return what a stylesheet at this URL names, each URL once."""
    return _once(list(_in_css(css, url)))


def _once(references: list[Reference]) -> list[Reference]:
    """Keep the first of each URL; it is asked for in CORS mode if one of them is."""
    cors = {each.url for each in references if each.cors}
    kept = {each.url: Reference(each.url, each.kind, each.url in cors) for each in reversed(references)}
    return list(reversed(kept.values()))


def resolved(base: str, url: str) -> str | None:
    """Return the absolute URL without its fragment, or None if it is not one over HTTP."""
    if len(base) + len(url) > MAX_URL_CHARACTERS:
        return None
    try:
        absolute = urldefrag(urljoin(base, url)).url
        parts = urlsplit(absolute)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return None
    return absolute if usable else None


def _resolved(base: str, url: str, kind: str, cors: bool = False) -> Iterator[Reference]:
    """Give the reference, if it is one over HTTP."""
    absolute = resolved(base, url.strip()) if url.strip() and not url.strip().startswith("#") else None
    if absolute is not None:
        yield Reference(absolute, kind, cors or kind in IN_CORS_MODE)


def _in_css(css: str, base: str) -> Iterator[Reference]:
    text = _COMMENT.sub(" ", css)
    for match in _URL.finditer(text):
        url = next((part for part in match.groups()[1:] if part), "")
        yield from _resolved(base, url, "style" if match[1] else _kind_in_css(url))
    for match in _IMPORT.finditer(text):
        yield from _resolved(base, match[1] or match[2] or "", "style")


def _kind_in_css(url: str) -> str:
    return "font" if _FONT.search(re.split("[?#]", url)[0]) else "image"


class _Page:
    """Collects references, element by element; `base` changes where the page says so."""

    def __init__(self, url: str) -> None:
        self.base = url
        self.found: list[Reference] = []
        self._has_base = False

    def read(self, element: Element) -> None:
        """Note what an element names."""
        tag, own = element.name, element.attributes
        if tag == "base" and own.get("href") and not self._has_base:
            self.base, self._has_base = resolved(self.base, own["href"]) or self.base, True
        self.found += self._of_element(tag, own)
        if tag == "style":
            self.found += _in_css(element.text, self.base)
        elif tag == "script" and own.get("type", "").lower() == "importmap":
            self.found += self._of_import_map(element.text)

    def _of_element(self, tag: str, own: dict[str, str]) -> Iterator[Reference]:
        cors = "crossorigin" in own
        if tag == "link":
            yield from self._of_link(own, cors)
        elif tag == "script" and "src" in own:
            yield from _resolved(self.base, own["src"], "module" if own.get("type") == "module" else "script", cors)
        for name, kind in SOURCES.get(tag, ()):
            yield from _resolved(self.base, own.get(name, ""), kind, cors)
        for name in ("srcset", "imagesrcset"):
            for match in _CANDIDATE.finditer(own.get(name, "")):
                yield from _resolved(self.base, match[1].rstrip(","), "image", cors)
        if "style" in own:
            yield from _in_css(own["style"], self.base)

    def _of_link(self, own: dict[str, str], cors: bool) -> Iterator[Reference]:
        relations = own.get("rel", "").lower().split()
        kinds = [RELATIONS[each] for each in relations if each in RELATIONS]
        if {"preload", "prefetch"} & set(relations):
            kinds.append(_AS.get(own.get("as", ""), own.get("as", "")) or "other")
        for kind in kinds[:1]:
            yield from _resolved(self.base, own.get("href", ""), kind, cors)

    def _of_import_map(self, text: str) -> Iterator[Reference]:
        try:
            document: Any = json.loads(text)
            maps = [document.get("imports", {}), *document.get("scopes", {}).values()]
            urls = [url for each in maps for url in each.values() if isinstance(url, str)]
        except (ValueError, AttributeError):
            return  # a browser ignores it, too
        for url in urls:
            if not url.endswith("/"):
                yield from _resolved(self.base, url, "module")
