"""How the project's own settings are kept where ours take their place: the type of a path, the options of a storage."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any


def remove_location_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a storage's options without those that STATIC_ROOT and STATIC_URL are in place of."""
    return {name: value for name, value in options.items() if name not in ("location", "base_url")}


def read_built_manifest(root: Any) -> None:
    """Read the manifest of the tree, where the storage keeps its own elsewhere: that may be of another build."""
    from django.core.files.storage import FileSystemStorage, storages

    storage: Any = storages["staticfiles"]
    if getattr(storage, "manifest_storage", storage) is not storage and Path(root, storage.manifest_name).exists():
        storage.manifest_storage = FileSystemStorage(location=root)
        storage.hashed_files, storage.manifest_hash = storage.load_manifest()


def keep_type(own: Any, root: Path) -> Any:
    """Return the path `root` in the type of the project's own, with its slash at the end: projects build on both."""
    text = f"{root}/" if isinstance(own, str) and own.endswith("/") else str(root)
    try:
        path = type(own)(text)
        if os.fspath(path) == text:
            return path
    except (TypeError, ValueError):  # None, or a type that is made from more than a path
        pass
    return root if isinstance(own, PurePath) else text
