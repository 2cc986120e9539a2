"""Releases on disk: a staging directory, the swap, and the removal of unused releases.

Rule: the static root is a symbolic link, so one rename replaces the old tree with the new one. Until then the old tree
is untouched, and the new one is already flushed to disk. (Replacing a plain directory, such as a copied tree, takes two
renames.) Only one build runs at a time; a second one waits. A server locks the release that it uses, and a locked
release is not removed.

    staticfiles -> .staticfiles.releases/3f9a…    the static root, a symbolic link to the current release
    .staticfiles.releases/3f9a…/                  a release's tree, named after it (3f9a…-x2 if the name is taken)
    .staticfiles.releases/building-…/             a build in progress, or a killed one
    .staticfiles.releases/record.json             the build stamp of the current release
"""

from __future__ import annotations

import ctypes
import fcntl
import logging
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from static_host.origin import index
from static_host.origin.representation import Resource
from static_host.origin.tree import TreeUnusableError, load_tree
from static_host_build.errors import BuildError
from static_host_build.output.tree_index import read_index
from static_host_build.permissions import Modes, make_folder

log = logging.getLogger("static_host.build")


@contextmanager
def open_staging_directory(root: Path, modes: Modes) -> Iterator[Path]:
    """Yield a new directory for one build at a time; remove it at the end, unless `swap` has moved it.

    Missing parents get `modes`; only the build's user can access the directory itself. Raises BuildError, OSError.
    """
    _refuse_invalid_root(root)
    home = _find_releases_directory(root)
    make_folder(home, modes)
    with (home / "lock").open("w") as lock:
        _wait_for_lock(lock.fileno(), root)
        for killed in home.glob("building-*"):
            shutil.rmtree(killed, ignore_errors=True)
        directory = Path(tempfile.mkdtemp(prefix="building-", dir=home))
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)


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


def find_free_name(root: Path) -> Path:
    """Return an unused name beside the static root, for what the new tree replaces."""
    names = (root.with_name(f"{root.name}.before{f'-{number}' if number > 1 else ''}") for number in count(1))
    return next(name for name in names if not os.path.lexists(name))


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


def _refuse_invalid_root(root: Path) -> None:
    remedy = "Remove it, or set DJANGO_STATIC_ROOT to another directory. Nothing was changed."
    if root.exists() and not root.is_dir():
        raise BuildError(f"the static root {root} is a file. {remedy}")
    if os.path.ismount(root):
        raise BuildError(f"the static root {root} is a mount point: set DJANGO_STATIC_ROOT to a directory inside it.")


def is_ours(root: Path) -> bool:
    """Whether a directory is a release, a copy of one without other files, or empty."""
    if root.is_symlink() and Path(os.path.realpath(root)).parent == Path(
        os.path.realpath(_find_releases_directory(root))
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


def _wait_for_lock(lock: int, root: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("another build of %s is running; waiting for it", root)
        fcntl.flock(lock, fcntl.LOCK_EX)


def _find_releases_directory(root: Path) -> Path:
    return root.parent / f".{root.name}.releases"
