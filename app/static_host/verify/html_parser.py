"""Parses HTML into elements (WHATWG HTML, §13.2.5, as far as URLs depend on it).

Rule: an unclosed construct extends to the end of the text, as in a browser, so that no byte is read many times.
Python's own parser starts again at every `<`, which takes hours for a hostile page of a megabyte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

_MARKUP = re.compile(
    r"<(?:!--(?:-?>|.*?(?:--!?>|\Z))"  # a comment
    r"|(?:[!?]|/(?![A-Za-z]))[^>]*+"  # what is taken for one
    r"|(?P<end>/?)(?P<name>[A-Za-z][^\s/>]*+))",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(
    r"[\s/]*+(?P<name>[^\s/>][^\s/>=]*+)"
    r"(?:\s*+=\s*+(?:\"(?P<double>[^\"]*+)(?:\"|\Z)|'(?P<single>[^']*+)(?:'|\Z)|(?P<bare>[^\s>\"'][^\s>]*+))?)?+"
)
_TAG_END = re.compile(r"[\s/]*+>")
_RAW_TEXT_ENDS = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in ("script", "style", "title", "textarea", "iframe", "xmp", "noembed", "noframes")
}
"""Elements that contain only text, and the patterns of their end tags."""


@dataclass(frozen=True, slots=True)
class Element:
    """A start tag: name and attribute names in lower case; `text` is the content of a script or a stylesheet."""

    name: str
    attributes: dict[str, str]
    text: str


def parse_elements(html: str) -> Iterator[Element]:
    """Yield the elements of a page in their order."""
    at = html.find("<")
    while at >= 0:
        markup = _MARKUP.match(html, at)
        at = markup.end() if markup else at + 1
        if markup and markup["name"]:
            attributes, end = _parse_attributes(html, at)
            if end is None:
                return
            at = end
            if not markup["end"]:
                name = markup["name"].lower()
                text, at = _parse_raw_text(name, html, at)
                yield Element(name, attributes, text)
        at = html.find("<", at)


def _parse_attributes(html: str, at: int) -> tuple[dict[str, str], int | None]:
    """Return the attributes of a tag (the first of each name) and the index of its end, or None without an end."""
    own: dict[str, str] = {}
    while match := _ATTRIBUTE.match(html, at):
        own.setdefault(
            match["name"].lower(), _unescape_value(match["double"] or match["single"] or match["bare"] or "")
        )
        at = match.end()
    end = _TAG_END.match(html, at)
    return own, end.end() if end else None


def _parse_raw_text(name: str, html: str, at: int) -> tuple[str, int]:
    if name not in _RAW_TEXT_ENDS:
        return "", at
    end = _RAW_TEXT_ENDS[name].search(html, at)
    until = end.start() if end else len(html)
    return html[at:until], until


def _unescape_value(value: str) -> str:
    try:
        return unescape(value)
    except ValueError:  # a character reference with thousands of digits
        return value
