"""The directory in which a build makes its tree, for one build at a time; a second one waits."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from static_host_build.build_errors import BuildError
from static_host_build.output.current_tree import find_releases_directory
from static_host_build.permissions import Modes, make_folder

log = logging.getLogger("static_host.build")


@contextmanager
def open_staging_directory(root: Path, modes: Modes) -> Iterator[Path]:
    """Yield a new directory for one build at a time; remove it at the end, unless `swap` has moved it.

    Missing parents get `modes`; only the build's user can access the directory itself. Raises BuildError, OSError.
    """
    _refuse_invalid_root(root)
    home = find_releases_directory(root)
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


def _refuse_invalid_root(root: Path) -> None:
    if root.exists() and not root.is_dir():
        remedy = "Remove it, or set DJANGO_STATIC_ROOT to another directory. Nothing was changed."
        raise BuildError(f"the static root {root} is a file.", remedy=remedy)
    if os.path.ismount(root):
        raise BuildError(f"the static root {root} is a mount point: set DJANGO_STATIC_ROOT to a directory inside it.")


def _wait_for_lock(lock: int, root: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("another build of %s is running; waiting for it", root)
        fcntl.flock(lock, fcntl.LOCK_EX)
