"""A reference from one static file to another, as it stands in the file's text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field, replace

_BREAK = re.compile(r"\r\n?|\n")


class Lines:
    """The lines of a text, to tell in which one a position is."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in _BREAK.finditer(text))]

    def find_line(self, position: int) -> int:
        """Return the number of the line, from 1 on."""
        return bisect_right(self._starts, position)


class UnreadableError(Exception):
    """A text breaks the rules of its language, so that nothing in it can be told apart for sure."""

    def __init__(self, message: str, text: str, position: int) -> None:
        super().__init__(message)
        self.line = Lines(text).find_line(position)


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference: its `target`, with the language's escapes resolved, and where it stands.

    `start` and `end` delimit, in characters, what another target replaces: the contents of a literal, without its
    quotes. `escape` spells a target so that it can stand there. `is_url` says how the target is resolved: as a URL, to
    which ``x.png`` is relative, or as a module specifier or the target of an ``@import``, where a bare name belongs to
    a bundler or to an import map. A source map is only read by developer tools.
    """

    start: int
    end: int
    target: str
    is_url: bool = True
    is_source_map: bool = False
    escape: Callable[[str], str] = field(default=str, compare=False, repr=False)

    def shift(self, offset: int, escape: Callable[[str], str]) -> Reference:
        """Return the reference as it stands in a text in which its own text begins at `offset`, escaped again."""
        own = self.escape
        return replace(self, start=self.start + offset, end=self.end + offset, escape=lambda url: escape(own(url)))
