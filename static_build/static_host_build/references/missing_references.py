"""Reports all references that do not resolve, with file, line and the nearest name.

Rule: a reference in the project's own file is an error, or a warning if DJANGO_STATIC_MISSING_REFERENCES=warn. In files
that the project's authors cannot change (of installed packages), and for source maps, it is always a warning.
"""

from __future__ import annotations

import difflib
import heapq
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from unicodedata import normalize

from static_host_build.build_errors import BuildError

log = logging.getLogger("static_host.build")

_REMEDY = "  DJANGO_STATIC_MISSING_REFERENCES=warn turns these errors into warnings."  # indented as the references
DOES_NOT_EXIST = "does not exist"
_MAX_TARGET_CHARACTERS = 200
"""Characters of a target that a message shows."""
_MAX_COMPARISONS = 2_000_000
"""The budget for comparing names with missing ones, in units of about a microsecond: a tree may have 100,000 names."""
_ENDINGS = (".js", ".mjs", "/index.js", "/index.mjs", ".css")


@dataclass(frozen=True, slots=True, order=True)
class MissingReference:
    """A reference in a file or a template that does not resolve.

    `target` is the text in the file, `name` its name in the tree. If it `is_optional`, it is only a warning.
    `problem` is the predicate of the message.
    """

    file: str
    line: int
    target: str
    name: str = ""
    is_optional: bool = False
    problem: str = DOES_NOT_EXIST


def report_missing(references: Iterable[MissingReference], known: Collection[str], *, is_fatal: bool) -> None:
    """Log the references that are warnings, and raise one BuildError for all others.

    `known` are the existing names.
    """
    messages: dict[bool, list[str]] = {True: [], False: []}
    hints = _Hints(known)
    for reference in sorted(set(references)):
        hint = _format_hint(hints.find_nearest(reference), reference.name)
        target = _escape_unprintable(reference.target[:_MAX_TARGET_CHARACTERS]) + "…" * (
            len(reference.target) > _MAX_TARGET_CHARACTERS
        )
        message = f"{_escape_unprintable(reference.file)}, line {reference.line}: {target} {reference.problem}.{hint}"
        messages[is_fatal and not reference.is_optional].append(message)
    for message in messages[False]:
        log.warning("%s", message)
    if messages[True]:
        lines = "\n  ".join(["references that do not resolve:", *messages[True]])
        raise BuildError(lines, remedy=_REMEDY)


def _escape_unprintable(text: str) -> str:
    """Return a text with escapes for bytes that are not UTF-8 and for unprintable characters."""
    readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in readable)


def _format_hint(near: str, name: str) -> str:
    """Return a hint to the nearest name; it explains two Unicode spellings of one accent."""
    is_spelling = bool(near) and normalize("NFC", near) == normalize("NFC", name)
    how = " Its accents have another spelling (Unicode NFC, NFD)." if is_spelling else ""
    return f" Did you mean {_escape_unprintable(near)}?{how}" if near else ""


class _Hints:
    """The existing names, by their last part."""

    def __init__(self, known: Collection[str]) -> None:
        self._left = _MAX_COMPARISONS
        self._known = frozenset(known)
        self._names: dict[str, list[str]] = {}
        for name in sorted(known):
            self._names.setdefault(name.rpartition("/")[2], []).append(name)

    def find_nearest(self, reference: MissingReference) -> str:
        """Return the name with an ending that a bundler would add, else the most similar name; it may be empty."""
        wanted = reference.name or reference.target
        complete = (wanted + ending for ending in _ENDINGS if wanted + ending in self._known)
        return next(complete, "") or (
            self._find_similar(wanted, reference) if reference.problem == DOES_NOT_EXIST else ""
        )

    def _find_similar(self, wanted: str, reference: MissingReference) -> str:
        """Return the name with the most similar last part, in the most similar folder."""
        last = wanted.rpartition("/")[2]
        names = self._list_others(last, reference)
        for part in [] if names else self._rank_similar(last, self._names, count=2, cutoff=0.75):
            names = names or self._list_others(part, reference)
        return next(iter(self._rank_similar(wanted, names, count=1, cutoff=0.0)), "")

    def _list_others(self, part: str, reference: MissingReference) -> list[str]:
        return [name for name in self._names.get(part, ()) if name != reference.file]

    def _rank_similar(self, wanted: str, names: Collection[str], *, count: int, cutoff: float) -> list[str]:
        """Return the result of ``difflib.get_close_matches``; nothing if the budget is used up."""
        matcher = difflib.SequenceMatcher(b=wanted)
        found: list[tuple[float, str]] = []
        self._left -= len(names)
        for name in names if self._left > 0 else ():
            matcher.set_seq1(name)
            if matcher.real_quick_ratio() >= cutoff and matcher.quick_ratio() >= cutoff:
                self._left -= len(wanted) * len(name) // 50
                found.append((matcher.ratio(), name))
            if self._left <= 0:
                return []
        return [name for ratio, name in heapq.nlargest(count, found) if ratio >= cutoff]
