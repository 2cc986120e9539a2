"""The project's templates, as its engines find them, and their literal text, as these engines read it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

_MAX_TEMPLATE_BYTES = 1 << 20  # a larger file is not a template


class TemplateFile(NamedTuple):
    """A template: its path, if it has one, and its text. `environment` is that of Jinja's, None for Django's."""

    path: str
    text: str
    environment: Any = None

    def read_literals(self, replace: Callable[[str], str]) -> str:
        """Return its literal text; `replace` gives what stands for a tag of Django's."""
        if self.environment is None:
            return keep_literals(self.text, replace)
        with suppress(Exception):  # it has a syntax error: no page is made of it
            return "".join([text for _, kind, text in self.environment.lex(self.text) if kind == "data"])
        return ""


def read_templates() -> dict[str, TemplateFile]:
    """Return the templates by name: those of all engines, and of Django's forms."""
    from django.forms.renderers import get_default_renderer
    from django.template import engines

    found: dict[str, TemplateFile] = {}
    backends: list[Any] = [*engines.all()]
    with suppress(Exception):  # FORM_RENDERER names nothing
        backends.append(getattr(get_default_renderer(), "engine", None))
    for backend in backends:
        if hasattr(backend, "engine"):
            for name, path, text in iterate_templates(backend.engine):
                found.setdefault(name, TemplateFile(path, text))
        elif hasattr(backend, "env"):
            for name, template in _iterate_jinja_templates(backend.env):
                found.setdefault(name, template)
    return found


def keep_literals(text: str, replace: Callable[[str], str]) -> str:
    """Return the literal text of a template of Django's; `replace` gives what stands for a tag."""
    from django.template.base import Lexer, TokenType

    parts = []
    is_comment = False
    for token in Lexer(text).tokenize():
        name = token.contents.split(" ", 1)[0].strip() if token.token_type == TokenType.BLOCK else ""
        if is_comment:
            is_comment = name != "endcomment"
        elif name == "comment":
            is_comment = True
        elif token.token_type == TokenType.TEXT:
            parts.append(token.contents)
        elif name:
            parts.append(replace(token.contents))
    return "".join(parts)


def iterate_templates(engine: Any) -> Iterator[tuple[str, str, str]]:
    """Yield name, path and text of each template of an engine of Django's; of several with a name, the first counts."""
    for loader in _flatten_loaders(engine.template_loaders):
        for name, text in getattr(loader, "templates_dict", {}).items():
            yield name, "", text
        for folder in map(Path, filter(None, _list_folders(loader))):
            for name in _list_files(folder):
                yield name, str(folder / name), _read_text(folder / name)


def _iterate_jinja_templates(environment: Any) -> Iterator[tuple[str, TemplateFile]]:
    names: list[str] = []
    with suppress(Exception):  # a loader that lists none
        names = environment.list_templates()
    for name in names:
        with suppress(Exception):  # not a template
            text, path, _ = environment.loader.get_source(environment, name)
            yield name, TemplateFile(path or "", text, environment)


def _flatten_loaders(loaders: Any) -> Iterator[Any]:
    for loader in loaders:
        yield from _flatten_loaders(loader.loaders) if hasattr(loader, "loaders") else (loader,)


def _list_folders(loader: Any) -> Iterator[str]:
    """Yield the directories of a loader: its list, or else its sources for an empty name."""
    if hasattr(loader, "get_dirs"):
        yield from map(str, loader.get_dirs())
        return
    with suppress(Exception):
        yield from (str(origin.name) for origin in loader.get_template_sources(""))


def _list_files(folder: Path) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(parent, name) for name in names if not name.startswith(".")):
            if path.is_file() and path.stat().st_size <= _MAX_TEMPLATE_BYTES:
                yield path.relative_to(folder).as_posix()


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
