"""A reference from one static file to another, and its position in the text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field, replace

_BREAK = re.compile(r"\r\n?|\n")


class Lines:
    """The lines of a text, to find the line of a position."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in _BREAK.finditer(text))]

    def find_line(self, position: int) -> int:
        """Return the number of the line, counted from 1."""
        return bisect_right(self._starts, position)


class UnreadableError(Exception):
    """A text violates the grammar of its language, so its references cannot be found reliably."""

    def __init__(self, message: str, text: str, position: int) -> None:
        super().__init__(message)
        self.line = Lines(text).find_line(position)


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference: its `target`, with the language's escapes resolved, and its position.

    `start` and `end` delimit, in characters, the text that another target replaces: a literal without its quotes.
    `escape` escapes a target for that place. If `is_url`, the target is a URL, and ``x.png`` is relative to the file.
    Else it is a module specifier or the target of an ``@import``, and a bare name belongs to a bundler or an import
    map. Only developer tools read a source map. A browser loads a static import before it runs the module.
    """

    start: int
    end: int
    target: str
    is_url: bool = True
    is_source_map: bool = False
    is_static_import: bool = False
    escape: Callable[[str], str] = field(default=str, compare=False, repr=False)

    def shift(self, offset: int, escape: Callable[[str], str]) -> Reference:
        """Return the reference for a surrounding text: its own text begins there at `offset`, and is escaped again."""
        own = self.escape
        return replace(self, start=self.start + offset, end=self.end + offset, escape=lambda url: escape(own(url)))
