"""References in SVG: what its elements load by ``href``, its styles, its processing instructions for stylesheets.

Rule: links (``<a href>``) lead to pages and stay as they are. A browser loads any of this only where the SVG is a
document of its own or stands inline; in ``<img>`` it loads nothing (SVG 2 §2.6.5).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from static_build.references.reference import Reference
from static_build.references.stylesheet import find_references as find_in_stylesheet

_MARKUP = re.compile(
    r"""<(?:(?P<skipped>!--|!\[CDATA\[|!DOCTYPE[^\[>]*+(?:\[[^\]]*+\])?)|\?(?P<instruction>[^?>]*+)\?>
        |(?P<name>[^\s/>!?<"'=]++)(?P<attributes>(?:[^"'<>]++|"[^"<]*+"|'[^'<]*+')*+)>)""",
    re.VERBOSE,
)
_ATTRIBUTE = re.compile(r"""(?P<name>[^\s=/"'<>]++)\s*+=\s*+(?P<value>"[^"]*+"|'[^']*+')""")
_CDATA = re.compile(r"<!\[CDATA\[((?:[^\]]++|\](?!\]>))*+)\]\]>")
_ENDS = {"!--": "-->", "![CDATA[": "]]>"}
_LOADING = frozenset(
    {"animate", "animateMotion", "animateTransform", "feImage", "filter", "image", "linearGradient", "mpath"}
    | {"pattern", "radialGradient", "script", "set", "textPath", "use"}
)


def find_references(text: str) -> list[Reference]:
    """Return the references in an SVG document, in order."""
    references: list[Reference] = []
    position = 0
    while match := _MARKUP.search(text, position):
        position = match.end()
        if match["skipped"]:
            end = _ENDS.get(match["skipped"], ">")
            found = text.find(end, position)
            position = found + len(end) if found >= 0 else len(text)
        elif match["instruction"] is not None:
            if match["instruction"].startswith("xml-stylesheet"):
                references += _in_attributes(text, *match.span("instruction"), loads=True)
        else:
            name = match["name"].rpartition(":")[2]
            references += _in_attributes(text, *match.span("attributes"), loads=name in _LOADING)
            if name == "style" and not match["attributes"].endswith("/"):
                end_of_style = text.find("</", position)
                end_of_style = len(text) if end_of_style < 0 else end_of_style
                references += _in_style(text, position, end_of_style)
                position = end_of_style
    return references


def _in_attributes(text: str, start: int, end: int, *, loads: bool) -> Iterator[Reference]:
    for match in _ATTRIBUTE.finditer(text, start, end):
        value, offset = match["value"][1:-1], match.start("value") + 1
        if match["name"].rpartition(":")[2] == "href":
            if loads and value:
                yield Reference(offset, offset + len(value), html.unescape(value), escape=html.escape)
        elif "&" not in value and "url(" in value.lower():
            yield from (reference.moved(offset, html.escape) for reference in find_in_stylesheet(value))


def _in_style(text: str, start: int, end: int) -> Iterator[Reference]:
    """Yield the references in a style sheet: in its CDATA sections, or in all of it where it has none."""
    sections = [section.span(1) for section in _CDATA.finditer(text, start, end)]
    for begin, stop in sections or [(start, end)]:
        escape = str if sections else html.escape
        yield from (reference.moved(begin, escape) for reference in find_in_stylesheet(text[begin:stop]))
