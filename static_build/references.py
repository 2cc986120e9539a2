"""References between files, and from templates, that lead nowhere: all of them, with file and line.

Rule: a source map that does not exist is a warning; every other reference is an error, or a warning where
DJANGO_STATIC_MISSING_REFERENCES says so. What stands in a comment is no reference.
"""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from static_build.releases import BuildFailed

log = logging.getLogger("static_host.build")

_COMMENT = re.compile(
    r"""/\*.*?\*/ | (?P<line>//[^\n]*) | '(?:[^'\\\n]|\\.)*' | "(?:[^"\\\n]|\\.)*" | `(?:[^`\\]|\\.)*` | \\.""",
    re.DOTALL | re.VERBOSE,
)
_IGNORED = re.compile(r"\{#.*?#\}|\{%\s*(comment|verbatim)\b.*?%\}.*?\{%\s*end\1\b.*?%\}", re.DOTALL)
_STATIC = re.compile(r"""\{%\s*static\s+(["'])(?P<name>[^"'{]+)\1[^%]*%\}""")


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
        return f"{self.file}, line {self.line}: {self.target} does not exist.{hint}"


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


def in_comment(text: str, position: int, *, script: bool) -> bool:
    """Whether a position lies in a comment of a stylesheet or, with `script`, of a script."""
    for match in _COMMENT.finditer(text):
        if match.start() > position:
            return False
        if position < match.end():
            return match.group().startswith("/*") or bool(script and match["line"])
    return False


def in_templates(known: Collection[str]) -> Iterator[Reference]:
    """Yield what ``{% static "…" %}`` names in the project's own templates and the manifest lacks."""
    for path in sorted(_templates()):
        try:
            text = _IGNORED.sub(lambda match: "\n" * match.group().count("\n"), path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            continue  # not a template that Django could render either
        for match in _STATIC.finditer(text):
            name = re.split(r"[?#]", match["name"])[0]
            if name not in known and not name.endswith("/"):
                line = text.count("\n", 0, match.start()) + 1
                yield Reference(str(path.relative_to(Path.cwd())), line, name)


def _templates() -> set[Path]:
    """Return the files in the template folders below the working directory, installed packages left out."""
    from django.template import engines

    found: set[Path] = set()
    for engine in engines.all():
        for folder in _folders(engine):
            if folder.is_relative_to(Path.cwd()) and not {"site-packages", "dist-packages"} & set(folder.parts):
                found.update(path for path in folder.rglob("*") if path.is_file())
    return found


def _folders(engine: Any) -> list[Path]:
    return [Path(folder).resolve() for folder in engine.template_dirs]
