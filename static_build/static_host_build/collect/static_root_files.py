"""Files that are only in the project's STATIC_ROOT: bundlers may write there, where no finder looks.

Rule: each build takes the files that a bundler's manifest there lists, and all other files in the manifest's folder,
unless that folder is STATIC_ROOT itself. A manifest that a finder has, or that an earlier collection copied, does not
count. The build names all other files, and never removes one: before it replaces a tree, it moves unknown files out.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from static_host.findings import format_names
from static_host.origin import index
from static_host.origin.representation import CODING_SUFFIXES
from static_host_build import bundler_manifests
from static_host_build.build_errors import BuildError
from static_host_build.output.current_tree import find_free_name, is_ours
from static_host_build.output.index_file import read_index

_FINGERPRINTED_NAME = re.compile(r"(?P<stem>[^/]*)\.[0-9a-f]{12}(?P<suffix>\.[^./]+)?")
_CODING_SUFFIXES = tuple(suffix for suffix in CODING_SUFFIXES.values() if suffix)
_MAX_NAMES_SHOWN = 5
_UNKNOWN_FILES_ERROR = (
    "{root} contains files that this program did not build. No finder has {names}. Nothing was changed."
)
_UNKNOWN_FILES_REMEDY = (
    "To serve this directory unchanged, run `static-host index {root}`. To build, put these files into a static folder "
    "(STATICFILES_DIRS), or set DJANGO_STATIC_ROOT to another directory."
)
_UNCOLLECTED_WARNING = (
    "STATIC_ROOT = %s contains files that no finder and no bundler's manifest has, so the tree lacks them: %s. "
    "Put them into a static folder (STATICFILES_DIRS), or serve that directory unchanged: `static-host index %s`"
)
_UNSERVED_WARNING = (
    "the tree at %s contains files that no finder and no bundler's manifest has: %s. They are not served. "
    "Put them into a static folder (STATICFILES_DIRS)"
)

log = logging.getLogger("static_host.build")


class RootFiles:
    """The files of a directory, and where they come from."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names = {
            Path(folder, name).relative_to(root).as_posix() for folder, _, files in os.walk(root) for name in files
        }
        self._index = _load_built_index(root)
        self._collected = {
            key: value for path in sorted(self.names) for key, value in self._read_manifest_paths(path).items()
        }
        """The names in Django's manifests there: logical name → collected name."""

    def find_bundled(self, known: Collection[str]) -> set[str]:
        """Return the files that bundlers have written here; `known` are the names that the finders have."""
        found: set[str] = set()
        own = self.names - self._generated
        for manifest in sorted(
            name for name in own if bundler_manifests.is_manifest(name) and self._is_source(name, known)
        ):
            listed = bundler_manifests.parse_outputs(manifest, (self.root / manifest).read_bytes(), own)
            folder = bundler_manifests.find_output_folder(manifest)
            if listed and str(folder) != ".":
                found |= {name for name in own if name.startswith(f"{folder}/")}
            elif listed:
                more = {name + suffix for name in listed for suffix in (".map", *_CODING_SUFFIXES)}
                found |= {manifest, *listed, *(more & own)}
        return found

    def find_unknown(self, known: Collection[str], made: str) -> list[str]:
        """Return the files that are neither `known` nor made from known files; ignores hidden files.

        `made` is the folder of django-compressor's files, with a slash at its end, or "" without it.
        """
        ours = set(self._index.other_files) | {index.INDEX_FILE_NAME} if self._index else {index.INDEX_FILE_NAME}
        ours |= {r.file for resource in (self._index or {}).values() for r in resource.representations}
        return sorted(
            name
            for name in self.names - set(known) - ours - self._generated
            if not name.startswith((".", made or "/")) and "/." not in name and not self._read_manifest_paths(name)
        )

    def _is_source(self, manifest: str, known: Collection[str]) -> bool:
        if manifest in known:
            return False
        if self._index is not None:
            return manifest in self._index.other_files or manifest not in self._index
        return manifest not in self._collected

    @cached_property
    def _generated(self) -> set[str]:
        """Names that a build or a collection has made: fingerprinted, encoded or carried files."""
        made = {value for key, value in self._collected.items() if key != value}
        made |= {
            name for name in self.names if name.endswith(_CODING_SUFFIXES) and name.rpartition(".")[0] in self.names
        }
        made |= {name for name in self.names if _strip_fingerprint(name) in self.names}
        for name, resource in (self._index or {}).items():
            made |= {r.file for r in resource.representations if r.coding != "identity" or resource.carried}
            made |= {name} if resource.carried else set()
        return made

    def _read_manifest_paths(self, name: str) -> dict[str, str]:
        """Return the names in a file, if it is one of Django's manifests at the top of the directory."""
        with suppress(OSError, ValueError, RecursionError):
            document = json.loads((self.root / name).read_bytes()) if _is_manifest_name(name) else None
            if isinstance(document, dict) and "version" in document and isinstance(document.get("paths"), dict):
                return {str(key): str(value) for key, value in document["paths"].items()}
        return {}


def refuse_unknown_files(root: Path, own: Path, known: Collection[str], made: str) -> list[str]:
    """Warn of unknown files in the static root `root` and the project's `own` one; return those in the root's tree.

    `known` are the names of all sources, and `made` is the folder of django-compressor's files, or "". Raises
    BuildError if a build did not make the static root.
    """
    in_tree: list[str] = []
    for each in {root: None, own: None}:
        names = RootFiles(each).find_unknown(known, made) if each.is_dir() else []
        if names and each == root and not is_ours(each):
            message = _UNKNOWN_FILES_ERROR.format(root=root, names=format_names(names, _MAX_NAMES_SHOWN))
            raise BuildError(message, remedy=_UNKNOWN_FILES_REMEDY.format(root=root))
        if names and is_ours(each):
            log.warning(_UNSERVED_WARNING, each, format_names(names, _MAX_NAMES_SHOWN))
        elif names:
            log.warning(_UNCOLLECTED_WARNING, each, format_names(names, _MAX_NAMES_SHOWN), each)
        in_tree += names if each == root else []
    return in_tree


def move_unknown_files(names: Iterable[str], tree: Path, root: Path) -> None:
    """Move unknown files out of `tree`, which is about to be removed, to beside the static root. Raises OSError."""
    aside = find_free_name(root)
    for name in names:
        target = aside / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (tree / name).rename(target)
    if aside.exists():
        log.warning("unknown files of the previous tree are kept in %s", aside)


def _is_manifest_name(name: str) -> bool:
    return "/" not in name and name.endswith(".json")


def _strip_fingerprint(name: str) -> str:
    """Return a name without Django's fingerprint; empty if it has none."""
    folder, slash, file = name.rpartition("/")
    match = _FINGERPRINTED_NAME.fullmatch(file)
    return f"{folder}{slash}{match['stem']}{match['suffix'] or ''}" if match else ""


def _load_built_index(root: Path) -> index.Index | None:
    """Return the index of a tree that a build has made."""
    found = read_index(root)
    return None if found is None or found.adopted else found
