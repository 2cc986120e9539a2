"""The files of the project's templates, as its engines find them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

_MAX_TEMPLATE_BYTES = 1 << 20  # a larger file is not a template


def read_templates() -> dict[str, tuple[str, str]]:
    """Return path and text of each template by name: those of all engines, and of Django's forms."""
    from django.forms.renderers import get_default_renderer
    from django.template import engines

    found: dict[str, tuple[str, str]] = {}
    backends: list[Any] = [*engines.all(), getattr(get_default_renderer(), "engine", None)]
    for backend in backends:
        if hasattr(backend, "engine"):
            templates = iterate_templates(backend.engine)
        elif hasattr(backend, "env"):
            templates = _iterate_jinja_templates(backend.env)
        else:
            continue
        for name, path, text in templates:
            found.setdefault(name, (path, text))
    return found


def iterate_templates(engine: Any) -> Iterator[tuple[str, str, str]]:
    """Yield name, path and text of each template of an engine of Django's; of several with a name, the first counts."""
    for loader in _flatten_loaders(engine.template_loaders):
        for name, text in getattr(loader, "templates_dict", {}).items():
            yield name, "", text
        for folder in map(Path, filter(None, _list_folders(loader))):
            for name in _list_files(folder):
                yield name, str(folder / name), _read_text(folder / name)


def _iterate_jinja_templates(environment: Any) -> Iterator[tuple[str, str, str]]:
    names: list[str] = []
    with suppress(Exception):  # a loader that lists none
        names = environment.list_templates()
    for name in names:
        with suppress(Exception):  # not a template
            text, path, _ = environment.loader.get_source(environment, name)
            yield name, path or "", text


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
