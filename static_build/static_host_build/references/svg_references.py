"""References in SVG: in the ``href`` of elements that load files, in styles, and in ``<?xml-stylesheet?>``.

Rule: links (``<a href>``) point to pages and stay unchanged. A browser loads references only if the SVG is its own
document or inline; in ``<img>`` it loads nothing (SVG 2 §2.6.5).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace

from static_host_build.references.css_references import find_references as find_in_stylesheet
from static_host_build.references.reference import Reference

_MARKUP = re.compile(
    r"""<(?:(?P<skipped>!--|!\[CDATA\[|!DOCTYPE[^\[>]*+(?:\[[^\]]*+\])?)|\?(?P<instruction>[^?>]*+)\?>
        |(?P<name>[^\s/>!?<"'=]++)(?P<attributes>(?:[^"'<>]++|"[^"<]*+"|'[^'<]*+')*+)>)""",
    re.VERBOSE,
)
_ATTRIBUTE = re.compile(r"""(?P<name>[^\s=/"'<>]++)\s*+=\s*+(?P<value>"[^"]*+"|'[^']*+')""")
_ENDS = {"!--": "-->", "![CDATA[": "]]>"}
_LOADING_ELEMENTS = frozenset(
    {"animate", "animateMotion", "animateTransform", "feImage", "filter", "image", "linearGradient", "mpath"}
    | {"pattern", "radialGradient", "script", "set", "textPath", "use"}
)
_STYLED_ATTRIBUTES = frozenset(
    {"clip-path", "cursor", "fill", "filter", "marker", "marker-end", "marker-mid", "marker-start", "mask", "stroke"}
    | {"style"}
)
"""Attributes whose value is CSS and may contain ``url()`` (SVG 2 §6.6)."""
_COMMENT = re.compile(r"<!--[\s\S]*?(?:-->|\Z)")
_CHARACTER = re.compile(r"&#?\w{1,32};|[\s\S]")


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
                references += _find_in_attributes(text, *match.span("instruction"), loads=True)
        else:
            name = match["name"].rpartition(":")[2]
            references += _find_in_attributes(text, *match.span("attributes"), loads=name in _LOADING_ELEMENTS)
            if name == "style" and not match["attributes"].endswith("/"):
                end_of_style = text.find("</", position)
                end_of_style = len(text) if end_of_style < 0 else end_of_style
                references += _find_in_style(text, position, end_of_style)
                position = end_of_style
    return references


def _find_in_attributes(text: str, start: int, end: int, *, loads: bool) -> Iterator[Reference]:
    for match in _ATTRIBUTE.finditer(text, start, end):
        value, offset = match["value"][1:-1], match.start("value") + 1
        if match["name"].rpartition(":")[2] == "href":
            if loads and value:
                yield Reference(offset, offset + len(value), html.unescape(value), escape=html.escape)
        elif match["name"] in _STYLED_ATTRIBUTES and "url(" in value.lower():
            yield from _find_in_css(value, offset)


def _find_in_style(text: str, start: int, end: int) -> Iterator[Reference]:
    """Yield the references in a ``<style>`` element: in its CDATA sections, or in all of it if there are none."""
    sections = list(_find_cdata_sections(text, start, end))
    for begin, stop in sections:
        yield from (reference.shift(begin, str) for reference in find_in_stylesheet(text[begin:stop]))
    if not sections:
        yield from _find_in_css(_COMMENT.sub(lambda match: " " * len(match[0]), text[start:end]), start)


def _find_in_css(text: str, offset: int) -> Iterator[Reference]:
    """Yield the references in CSS with XML character references, which begins at `offset` in the document."""
    characters = [(html.unescape(match[0]), match.start()) for match in _CHARACTER.finditer(text)]
    positions = [start for character, start in characters for _ in character]
    positions.append(len(text))
    for reference in find_in_stylesheet("".join(character for character, _ in characters)):
        start, end = positions[reference.start], positions[reference.end]
        yield replace(reference.shift(offset, html.escape), start=offset + start, end=offset + end)


def _find_cdata_sections(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    opening, closing = "<![CDATA[", "]]>"
    while (begin := text.find(opening, start, end)) >= 0:
        begin += len(opening)
        stop = text.find(closing, begin, end)
        if stop < 0:
            return
        yield begin, stop
        start = stop + len(closing)
