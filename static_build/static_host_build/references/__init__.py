"""References between static files: a lexer for each language finds them; they are resolved as by a browser.

Rule: text that is not a reference is never changed, and a target that only run time decides is ignored. Every other
reference resolves to a file of the tree or is reported. Nothing here imports Django.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from static_host_build.references import css_references, javascript_references, svg_references, webmanifest_references
from static_host_build.references.reference import Lines, Reference, UnreadableError

__all__ = ["Lines", "Reference", "UnreadableError", "find_references", "has_references"]

_LEXERS: Mapping[str, Callable[[str], list[Reference]]] = {
    ".css": css_references.find_references,
    ".js": javascript_references.find_references,
    ".mjs": javascript_references.find_references,
    ".svg": svg_references.find_references,
    ".webmanifest": webmanifest_references.find_references,
}


def _get_suffix(name: str) -> str:
    dot = name.rfind(".")
    return name[dot:].lower() if dot >= 0 else ""


def has_references(name: str) -> bool:
    """Whether a file of this name may have references."""
    return _get_suffix(name) in _LEXERS


def find_references(name: str, text: str) -> list[Reference]:
    """Return the references in the file `name`, in order. Raises UnreadableError."""
    lexer = _LEXERS.get(_get_suffix(name))
    return lexer(text) if lexer else []
