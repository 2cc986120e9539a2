"""Puts a finished tree in place of the old one, and removes releases that no server uses.

Rule: the static root is a symbolic link, so one rename replaces the old tree with the new one. Until then the old tree
is untouched, and the new one is already flushed to disk. (Replacing a plain directory, such as a copied tree, takes two
renames.) A server locks the release that it uses, and a locked release is not removed.

    staticfiles -> .staticfiles.releases/3f9a…    the static root, a symbolic link to the current release
    .staticfiles.releases/3f9a…/                  a release's tree, named after it (3f9a…-x2 if the name is taken)
    .staticfiles.releases/building-…/             a build in progress, or a killed one
    .staticfiles.releases/record.json             the build stamp of the current release
"""

from __future__ import annotations

import ctypes
import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from static_host.origin import index
from static_host_build.output.current_tree import find_free_name, is_ours

log = logging.getLogger("static_host.build")


def swap(directory: Path, root: Path, is_intact: Callable[[Path], bool], keep: Callable[[Path], None]) -> bool:
    """Replace the tree at `root` with the finished one in `directory`, by one rename. Raises OSError.

    An equal tree for which `is_intact` is true stays. Returns whether the tree was replaced. `keep` gets the old tree
    before its removal, to move unknown files out of it.
    """
    data = (directory / index.INDEX_FILE_NAME).read_bytes()
    release = index.parse_index(data).releases[0].digest
    before = Path(os.path.realpath(root))
    if before.name[:16] == release and _has_index(before, data) and is_intact(before):
        return False
    target = directory.with_name(release)
    if target.exists():  # an older release again, or this one: damaged, or with other carried releases
        target = Path(tempfile.mkdtemp(prefix=f"{release}-", dir=directory.parent))
        target.rmdir()
    _flush(directory)
    directory.rename(target)
    _link(root, target)
    with suppress(OSError):  # the new tree is in place
        _flush_one(root.parent)
    keep(before)
    _remove_unused(target)
    return True


def _has_index(tree: Path, data: bytes) -> bool:
    """Whether the tree's index has exactly these bytes."""
    with suppress(OSError):
        return (tree / index.INDEX_FILE_NAME).read_bytes() == data
    return False


def _flush(directory: Path) -> None:
    """Flush all files and directories to disk: after a power cut, the link must not name an incomplete tree."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        if _sync_file_system(descriptor) == 0:
            return
    finally:
        os.close(descriptor)
    with ThreadPoolExecutor() as threads:
        list(threads.map(_flush_one, [directory, *directory.rglob("*")]))


def _sync_file_system(descriptor: int) -> int:
    """Call syncfs(2), which Python lacks: one call for all files. Returns 0, or -1 on failure."""
    syncfs = getattr(ctypes.CDLL(None), "syncfs", None)
    return int(syncfs(descriptor)) if syncfs else -1


def _flush_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link(root: Path, target: Path) -> None:
    link = target.with_name("next")
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(target, root.parent))
    if root.is_dir() and not root.is_symlink():  # a rename cannot replace a directory with a link
        aside = target.with_name(f"replaced-{os.getpid()}") if is_ours(root) else find_free_name(root)
        root.rename(aside)
        if aside.parent == root.parent:
            log.warning("%s was a directory with files of other tools: it is kept as %s", root, aside)
    link.rename(root)


def _remove_unused(current: Path) -> None:
    for other in current.parent.iterdir():
        if other.is_dir() and other != current:
            _remove_if_unused(other)


def _remove_if_unused(directory: Path) -> None:
    """Remove a release that no server has locked; hold a lock meanwhile that keeps servers from opening it."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        log.warning("an old release cannot be removed: %s: %s", error.strerror, directory)
        return
    with suppress(OSError):  # in use
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory, ignore_errors=True)
    os.close(descriptor)
