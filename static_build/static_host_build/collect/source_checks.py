"""Checks of the sources before a build collects them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.apps import apps
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.utils import matches_patterns

from static_host.origin.index import INDEX_FILE_NAME
from static_host_build.collect.sources import Source
from static_host_build.errors import BuildError


def refuse_clashes(sources: Iterable[Source]) -> None:
    """Raise BuildError if a source is named like the index, or if one name is both a file and a folder."""
    sources = list(sources)
    for source in sources:
        if source.name == INDEX_FILE_NAME:
            raise BuildError(f"{source.file or source.path} has the name of the tree's own index. Remove or rename it.")
    first: dict[str, Source] = {}
    folders: dict[str, Source] = {}
    for source in sources:
        if first.setdefault(source.name, source) is source:
            for folder in _list_parents(source.name):
                if folder in folders:
                    break
                folders[folder] = source
    clashing = first.keys() & folders.keys()
    for name in sorted(clashing):
        inside = (each for each in first.values() if each.name.startswith(f"{name}/") and _is_collected(each))
        other = next(inside, None)
        if other and _is_collected(first[name]):
            raise BuildError(
                f"{name} is a file ({first[name].file}), and also the folder of {other.name} ({other.file}). "
                "Rename one of the two in its static folder."
            )


def _list_parents(name: str) -> Iterator[str]:
    """Yield the folders that a name lies in, the innermost first."""
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _is_collected(source: Source) -> bool:
    """Whether it is a file that collectstatic does not ignore."""
    patterns = getattr(apps.get_app_config("staticfiles"), "ignore_patterns", ())
    parts = (*source.path.split("/"), source.path)
    return source.is_file and not any(matches_patterns(part, patterns) for part in parts)


def refuse_nested_root(root: Path) -> None:
    """Raise BuildError if the static root lies in a static folder: each build would collect the previous one."""
    storages_of_finders = (getattr(finder, "storages", {}) for finder in finders.get_finders())
    for storage in (storage for group in storages_of_finders for storage in group.values()):
        folder = Path(os.path.abspath(storage.location))  # noqa: PTH100 - as root is
        if root.is_relative_to(folder):
            raise BuildError(
                f"the static root {root} lies in the static folder {folder}: set DJANGO_STATIC_ROOT to a directory "
                "outside of it."
            )
