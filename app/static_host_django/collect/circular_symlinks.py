"""Circular symbolic links in static folders: listed, but not followed.

Rule: a link to another file or folder is followed, as by Django. A link to itself, or to a folder that contains it, is
circular: the build skips it with a warning, like a link without a target.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.files.storage import FileSystemStorage


@contextmanager
def skip_circular_links() -> Iterator[None]:
    """Within the block, Django lists a circular link as a file, and does not follow it.

    Django's own storage fails at a link to itself, and follows one to a containing folder until the path is too long.
    `Source.fault` tells such links from files.
    """
    own = FileSystemStorage.listdir
    FileSystemStorage.listdir = _list_folder  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        FileSystemStorage.listdir = own  # type: ignore[method-assign]


def _list_folder(storage: FileSystemStorage, path: str) -> tuple[list[str], list[str]]:
    """Return the names of the folders, and of all other entries, in a folder of the storage."""
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
    """Whether the link's target is, or contains, a folder between the storage's root and the link."""
    target = os.path.realpath(link)
    parts = path.split("/") if path else []
    way = (storage.path("/".join(parts[:length])) for length in range(len(parts) + 1))
    return any(Path(os.path.realpath(folder)).is_relative_to(target) for folder in way)
