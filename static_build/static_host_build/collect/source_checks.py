"""Checks of the sources before a build collects them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from static_host.origin.index import INDEX_FILE_NAME
from static_host_build.build_errors import BuildError
from static_host_build.collect.sources import Source


def refuse_clashes(sources: Collection[Source], patterns: Collection[str]) -> None:
    """Raise BuildError if a source is named like the index, or if one name is both a file and a folder.

    collectstatic ignores files that match one of the patterns.
    """
    for source in sources:
        if source.name == INDEX_FILE_NAME:
            message = f"{source.file or source.path} has the name of the tree's own index."
            raise BuildError(message, remedy="Remove or rename it.")
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
        inside = (each for each in first.values() if each.name.startswith(f"{name}/") and _is_collected(each, patterns))
        other = next(inside, None)
        if other and _is_collected(first[name], patterns):
            raise BuildError(
                f"{name} is a file ({first[name].file}), and also the folder of {other.name} ({other.file}).",
                remedy="Rename one of the two in its static folder.",
            )


def _list_parents(name: str) -> Iterator[str]:
    """Yield the folders that a name lies in, the innermost first."""
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _is_collected(source: Source, patterns: Collection[str]) -> bool:
    parts = (*source.path.split("/"), source.path)
    return source.is_file and not any(fnmatchcase(part, pattern) for part in parts for pattern in patterns)


def refuse_nested_root(root: Path, folders: Iterable[str]) -> None:
    """Raise BuildError if the static root lies in a static folder: each build would collect the previous one."""
    for folder in folders:
        if root.is_relative_to(folder):
            raise BuildError(
                f"the static root {root} lies in the static folder {folder}: set DJANGO_STATIC_ROOT to a directory "
                "outside of it."
            )
