"""Symbolic links in static folders that lead back: listed, and not followed.

Rule: a link to a file or a folder elsewhere is followed, as Django does. A link that leads to itself, or to a folder
that it lies in, has no end: it is left out, with a warning, like a link to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.files.storage import FileSystemStorage


@contextmanager
def skip_circular_links() -> Iterator[None]:
    """Have Django list a link that leads back to itself, or to a folder that it lies in, as a file, and not follow it.

    Its own storage stops at the one, and follows the other until a path is too long. A `Source` tells both from files.
    """
    own = FileSystemStorage.listdir
    FileSystemStorage.listdir = _list_folder  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        FileSystemStorage.listdir = own  # type: ignore[method-assign]


def _list_folder(storage: FileSystemStorage, path: str) -> tuple[list[str], list[str]]:
    """Return the names of the folders and of everything else in a folder of the storage."""
    folders: list[str] = []
    others: list[str] = []
    with os.scandir(storage.path(path)) as entries:
        for entry in entries:
            (folders if _is_folder(entry, storage, path) else others).append(entry.name)
    return folders, others


def _is_folder(entry: os.DirEntry[str], storage: FileSystemStorage, path: str) -> bool:
    try:
        is_folder = entry.is_dir()
    except OSError:
        if entry.is_symlink():
            return False
        raise
    return is_folder and not (entry.is_symlink() and _is_circular(entry.path, storage, path))


def _is_circular(link: str, storage: FileSystemStorage, path: str) -> bool:
    """Whether the link's target is, or contains, a folder on the way from the storage's root to the link."""
    target = os.path.realpath(link)
    parts = path.split("/") if path else []
    way = (storage.path("/".join(parts[:length])) for length in range(len(parts) + 1))
    return any(Path(os.path.realpath(folder)).is_relative_to(target) for folder in way)
