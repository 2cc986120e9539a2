"""Forms of JavaScript and CSS with their references marked: what a reader of references must find, and what it must not.

Rule: one text is source and expectation at once. ``«./a.js»`` is a reference, ``«.\\x2fa.js→./a.js»`` one whose escapes
stand for ``./a.js``, ``‹lodash›`` a name that may be reported but is never rewritten. All that is not marked is nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_MARK = re.compile(r"«(?P<raw>.*?)(?:→(?P<target>.*?))?»|‹(?P<kept>.*?)›", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Form:
    """A text with marks. A module or script prints `prints` when it is evaluated, beside the files that it names."""

    name: str
    marked: str
    prints: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    entry: str = "main.js"
    is_script: bool = False

    @property
    def source(self) -> str:
        """The text without its marks."""
        return _MARK.sub(lambda mark: mark["kept"] if mark["raw"] is None else mark["raw"], self.marked)

    @property
    def references(self) -> list[tuple[int, int, str]]:
        """Start and end of each reference in `source`, and what it stands for."""
        found = []
        dropped = 0
        for mark in _MARK.finditer(self.marked):
            text = mark["kept"] if mark["raw"] is None else mark["raw"]
            start = mark.start() - dropped
            dropped += len(mark[0]) - len(text)
            if mark["kept"] is None:
                found.append((start, start + len(text), mark["raw"] if mark["target"] is None else mark["target"]))
        return found

    @property
    def kept(self) -> list[str]:
        """What may be reported, but is never rewritten."""
        return [mark["kept"] for mark in _MARK.finditer(self.marked) if mark["kept"] is not None]

    @property
    def built(self) -> re.Pattern[str]:
        """What the text looks like when each of its references, and nothing else, names a fingerprinted file."""
        source, position, parts = self.source, 0, []
        for start, end, _ in self.references:
            parts += [re.escape(source[position:start]), r"""[^"'`\n]*\.[0-9a-f]{12}[^"'`\n]*"""]
            position = end
        return re.compile("".join([*parts, re.escape(source[position:])]))
