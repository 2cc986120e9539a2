"""WHITENOISE_ROOT: a directory of the project whose files are served at ``/``.

Rule: they are files of the tree like all others, in a folder of their own, under their own names; references in them
stay as they are. Hidden files are left out, except those below ``.well-known`` (RFC 8615).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from static_host.findings import format_names
from static_host_build.build_errors import BuildError

log = logging.getLogger("static_host.build")

_SHOWN_FOLDER = ".well-known"
_REMEDY = (
    "Put the files that belong at `/` into a directory of their own, or name files of the static tree in "
    "DJANGO_STATIC_ROOT_FILES, and remove the setting."
)


def check_root(directory: str, static_roots: tuple[Path, ...]) -> None:
    """Warn of what is left out of WHITENOISE_ROOT; `static_roots` are where collections are written.

    Raises BuildError if one of them lies in it: each build would collect the previous one. Raises OSError.
    """
    nested = next((each for each in static_roots if each.is_relative_to(directory)), None)
    if nested is not None:
        raise BuildError(f"WHITENOISE_ROOT = {directory} contains the static root {nested}.", remedy=_REMEDY)
    if not Path(directory).is_dir():
        log.warning("WHITENOISE_ROOT = %s is no directory", directory)
        return
    hidden = sorted(filter(_is_hidden, _walk(directory, "", ())))
    if hidden:
        log.warning("hidden files of WHITENOISE_ROOT = %s are left out: %s", directory, format_names(hidden))


def list_root_files(directory: str) -> dict[str, Path]:
    """Return the files of WHITENOISE_ROOT by name, sorted. Raises OSError."""
    names = sorted(_walk(directory, "", ())) if Path(directory).is_dir() else []
    return {name: Path(directory, name) for name in names if not _is_hidden(name)}


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") and part != _SHOWN_FOLDER for part in name.split("/"))


def _walk(folder: str, prefix: str, above: tuple[str, ...]) -> Iterator[str]:
    """Yield the names of all files, also below links to folders, unless such a link leads to a folder above it."""
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _walk(entry.path, f"{prefix}{entry.name}/", (*above, real))
            else:
                yield prefix + entry.name
