"""References between files, and from templates, that lead nowhere: all of them, with file and line.

Rule: a source map that does not exist is a warning; every other reference is an error, or a warning where
DJANGO_STATIC_MISSING_REFERENCES says so. What stands in a comment or in a string is no reference.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from static_build.releases import BuildFailed

log = logging.getLogger("static_host.build")

_LEFT_ALONE = re.compile(
    r"""/\*.*?\*/ | (?P<line>//[^\n]*) | '(?:[^'\\\n]|\\.)*' | "(?:[^"\\\n]|\\.)*" | `(?:[^`\\]|\\.)*` | \\.""",
    re.DOTALL | re.VERBOSE,
)
_IGNORED = re.compile(r"\{#[^\n]*?#\}|\{%\s*(comment|verbatim)\b[^\n]*?%\}.*?\{%\s*end\1\b[^\n]*?%\}", re.DOTALL)
_STATIC = re.compile(r"""\{%\s*static\s+(["'])(?P<name>[^"'{]+)\1\s*(?:as\s+\w+\s*)?%\}""")
_SUFFIXES = {".html", ".htm", ".djhtml", ".txt", ".xml", ".svg", ".js", ".css"}
_LARGEST = 1 << 20  # bytes; what is larger was not written as a template
_SHOWN = 200  # characters of a target in a message; what is taken for one may be half a script
_NOT_OURS = {"site-packages", "dist-packages", "node_modules"}


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A reference in a file, or in a template, to something that does not exist."""

    file: str
    line: int
    target: str
    optional: bool = False

    def explained(self, known: Collection[str]) -> str:
        """Return a line for the operator, with the nearest of the `known` names where one is near."""
        names = sorted({name.rpartition("/")[2] for name in known if name != self.file})
        near = difflib.get_close_matches(self.target.rpartition("/")[2], names, n=1, cutoff=0.75)
        hint = f" Did you mean {near[0]}?" if near else ""
        target = self.target if len(self.target) <= _SHOWN else f"{self.target[:_SHOWN]}…"
        return f"{self.file}, line {self.line}: {target} does not exist.{hint}"


def report(references: Iterable[Reference], known: Collection[str], *, fatal: bool) -> None:
    """Warn of the optional references; raise BuildFailed for the others, or warn of them too."""
    errors = []
    for reference in sorted(set(references)):
        line = reference.explained(known)
        if fatal and not reference.optional:
            errors.append(line)
        else:
            log.warning("%s", line)
    if errors:
        raise BuildFailed("\n  ".join(["references that lead nowhere:", *errors]))


def is_quoted(text: str, position: int, *, script: bool) -> bool:
    """Whether a position lies in a comment or in a string of a stylesheet or, with `script`, of a script."""
    for match in _LEFT_ALONE.finditer(text):
        if match.start() > position:
            return False
        if position < match.end():
            return not match["line"] or script
    return False


def in_templates(known: Collection[str]) -> Iterator[Reference]:
    """Yield what ``{% static "…" %}`` names in the project's own templates and the manifest lacks."""
    for path in sorted(_templates()):
        try:
            text = _IGNORED.sub(lambda match: "\n" * match.group().count("\n"), path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            continue  # not a template that Django could render either
        for match in _STATIC.finditer(text):
            name = re.split(r"[?#]", unquote(match["name"]))[0]
            if name not in known and not name.endswith("/"):
                line = text.count("\n", 0, match.start()) + 1
                yield Reference(str(path.relative_to(Path.cwd())), line, match["name"])


def _templates() -> set[Path]:
    """Return the templates of Django's own engine below the working directory, installed packages left out."""
    from django.template import engines
    from django.template.backends.django import DjangoTemplates

    folders = {
        Path(folder).resolve()
        for engine in engines.all()
        if isinstance(engine, DjangoTemplates)
        for folder in engine.template_dirs
    }
    return {path for folder in folders if folder.is_relative_to(Path.cwd()) for path in _files(folder)}


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _NOT_OURS]
        if _NOT_OURS & set(Path(parent).parts):
            continue
        for path in (Path(parent) / name for name in names):
            if path.suffix in _SUFFIXES and path.is_file() and path.stat().st_size <= _LARGEST:
                yield path
