"""The names in ``{% static "…" %}`` and ``{% static_integrity "…" %}`` tags of the project's own templates.

Rule: tags are Django's (``django.template.base.tag_re``): a tag ends in its line, and comments and verbatim blocks have
none. Only literal names count, and only templates of Django's own engine are read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from static_host_build.references.missing_references import MissingReference
from static_host_django.static_names import is_of_a_package, iter_candidates

_OPENING = re.compile(r"\{[%#{]")
_CLOSINGS = {"{%": "%}", "{#": "#}", "{{": "}}"}
_STATIC = re.compile(
    r"""static(?:_integrity)?\s++(?P<quote>["'])(?P<name>(?:(?!(?P=quote))[^{\\])++)(?P=quote)(?:\s++as\s++\w++)?"""
)
_SUFFIXES = {".html", ".htm", ".djhtml", ".txt", ".xml", ".svg", ".js", ".css"}
_MAX_TEMPLATE_BYTES = 1 << 20
"""Bytes of a template; a larger file is something else."""


def find_missing(known: Collection[str], folders: Iterable[str]) -> Iterator[MissingReference]:
    """Yield the names in the project's templates, in these folders, that are not `known` to the manifest."""
    for path in sorted(_list_templates(folders)):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue  # not a template that Django could render either
        if "static" in text:
            for line, name in find_static_names(text):
                if not name.endswith("/") and not any(candidate in known for candidate, _ in iter_candidates(name)):
                    yield MissingReference(str(path.relative_to(Path.cwd())), line, name)


def find_static_names(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each of these tags in a template."""
    until = ""  # the tag that ends a comment or a verbatim block
    for number, line in enumerate(text.split("\n"), 1):
        for tag in _find_tags(line):
            words = tag.split(None, 1)
            if until:
                until = "" if tag == until else until
            elif words and words[0] in ("comment", "verbatim"):
                until = f"end{tag}" if words[0] == "verbatim" else "endcomment"
            elif match := _STATIC.fullmatch(tag):
                yield number, match["name"]


def _find_tags(line: str) -> Iterator[str]:
    """Yield the contents of the ``{% … %}`` in a line. A tag that is not closed is text."""
    position, closings = 0, dict(_CLOSINGS)
    while match := _OPENING.search(line, position):
        closing = closings.get(match[0])
        end = line.find(closing, match.end()) if closing else -1
        if end < 0:
            closings.pop(match[0], None)  # so no later one in this line is closed either
            position = match.start() + 1
            continue
        position = end + 2
        if match[0] == "{%":
            yield line[match.end() : end].strip()


def _list_templates(folders: Iterable[str]) -> set[Path]:
    """Return the templates below the working directory, except in installed packages."""
    resolved = {Path(folder).resolve() for folder in folders}
    return {path for folder in resolved if folder.is_relative_to(Path.cwd()) for path in _list_files(folder)}


def _list_files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if is_of_a_package(parent):
            folders.clear()
            continue
        for path in (Path(parent) / name for name in names):
            if path.suffix in _SUFFIXES and path.is_file() and path.stat().st_size <= _MAX_TEMPLATE_BYTES:
                yield path
