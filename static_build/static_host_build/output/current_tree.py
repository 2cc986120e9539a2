"""The tree at the static root before a build: whether a build made it, whether it is complete, what it has."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

from static_host.origin import index
from static_host.origin.representation import Resource
from static_host.origin.tree import TreeUnusableError, load_tree
from static_host_build.output.index_file import read_index


def find_current_tree(root: Path) -> Path | None:
    """Return the real directory of the tree at `root`; None if there is no tree."""
    has_index = (root / index.INDEX_FILE_NAME).exists()
    return Path(os.path.realpath(root)) if has_index else None  # resolve() raises for a loop


def find_changed_immutables(before: Path | None, resources: Mapping[str, Resource]) -> list[str]:
    """Return the immutable names that were immutable in the tree `before`, too, but with other bytes."""
    old = read_index(before) if before else None
    if old is None:
        return []
    both = {name: old[name] for name, new in resources.items() if new.immutable and name in old}
    changed = {name for name, was in both.items() if was.identity.digest != resources[name].identity.digest}
    return sorted(name for name in changed if both[name].immutable)


def is_complete(tree: Path) -> bool:
    """Whether every file of the tree has the length in the index, and the other files exist."""
    with suppress(TreeUnusableError):
        loaded = load_tree(tree)
        try:
            loaded.check_lengths(math.inf)
        finally:
            loaded.close()
        return all((tree / name).exists() for name in loaded.index.other_files)
    return False


def is_ours(root: Path) -> bool:
    """Whether a directory is a release, a copy of one without other files, or empty."""
    if root.is_symlink() and Path(os.path.realpath(root)).parent == Path(
        os.path.realpath(find_releases_directory(root))
    ):
        return True
    try:
        tree = index.parse_index((root / index.INDEX_FILE_NAME).read_bytes())
    except OSError:
        return not any(root.iterdir())
    except index.InvalidIndexError:
        return not any(path.name != index.INDEX_FILE_NAME for path in root.iterdir())
    known = {r.file for resource in tree.values() for r in resource.representations}
    known |= {index.INDEX_FILE_NAME, *tree.other_files, *(tree.manifest[:1] if tree.manifest else ())}
    found = {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()}
    return not tree.adopted and found <= known


def find_free_name(root: Path) -> Path:
    """Return an unused name beside the static root, for what the new tree replaces."""
    names = (root.with_name(f"{root.name}.before{f'-{number}' if number > 1 else ''}") for number in count(1))
    return next(name for name in names if not os.path.lexists(name))


def find_releases_directory(root: Path) -> Path:
    """Return the directory of all releases of a static root, beside it."""
    return root.parent / f".{root.name}.releases"
