"""Keeps parts of the project's settings that are overridden: the type of a path, the options of a storage."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any


def remove_location_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a storage's options without its location and URL, for which STATIC_ROOT and STATIC_URL count."""
    return {name: value for name, value in options.items() if name not in ("location", "base_url")}


def read_built_manifest(storage: Any, root: Any) -> None:
    """Make a storage that keeps its manifest outside STATIC_ROOT read the tree's copy: the other may be outdated."""
    from django.core.files.storage import FileSystemStorage

    if getattr(storage, "manifest_storage", storage) is not storage and Path(root, storage.manifest_name).exists():
        storage.manifest_storage = FileSystemStorage(location=root)
        storage.hashed_files, storage.manifest_hash = storage.load_manifest()


def keep_type(own: Any, root: Path) -> Any:
    """Return `root` in the type of the project's STATIC_ROOT, with a trailing slash if that has one.

    Projects rely on both: ``settings.STATIC_ROOT / "x.json"``, ``settings.STATIC_ROOT + "x.json"``.
    """
    text = f"{root}/" if isinstance(own, str) and own.endswith("/") else str(root)
    try:
        path = type(own)(text)
        if os.fspath(path) == text:
            return path
    except (TypeError, ValueError):  # None, or a type whose constructor takes more than a path
        pass
    return root if isinstance(own, PurePath) else text
