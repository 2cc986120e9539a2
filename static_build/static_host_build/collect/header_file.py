"""The file `_headers` at the top of the static files: header fields of the project's own.

Rule: the first such file that the finders list holds, as of all files of one name. It is not served, nor is a file of
that name in a folder. The fields of a fingerprinted file are those of its logical name, too.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from static_host.origin.header_rules import FILE_NAME, HeaderRules, InvalidHeaderRulesError
from static_host.origin.index import ROOT_FOLDER
from static_host.origin.own_fields import sort_fields
from static_host.origin.representation import Resource
from static_host_build.build_errors import BuildError, list_problems
from static_host_build.collect.sources import Source

log = logging.getLogger("static_host.build")

_TOP_NAMES = (FILE_NAME, ROOT_FOLDER + FILE_NAME)
"""Where the file may be: at the top of the static files, else at that of WHITENOISE_ROOT."""


@dataclass(frozen=True, slots=True)
class ResourcePaths:
    """The URL paths of a tree's files: below `prefixes`, and at ``/`` for `root_files`.

    `logical` has the logical names of fingerprinted files.
    """

    prefixes: tuple[str, ...]
    root_files: tuple[str, ...]
    logical: Mapping[str, str]

    def list_paths(self, name: str) -> list[str]:
        """Return the decoded URL paths of a file."""
        if name.startswith(ROOT_FOLDER):
            return [f"/{name.removeprefix(ROOT_FOLDER)}"]
        folders = tuple(folder for folder in self.root_files if folder.endswith("/"))
        is_at_root = name in self.root_files or name.startswith(folders)
        return [*(prefix + name for prefix in self.prefixes), *([f"/{name}"] if is_at_root else [])]

    def list_unversioned_paths(self, name: str) -> list[str]:
        """Return the paths that a fingerprinted file has without its fingerprint."""
        return self.list_paths(self.logical[name]) if name in self.logical else []


class HeaderFile:
    """The file at `path`, with its rules. Raises BuildError, which names all lines that cannot be used."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        try:
            self._rules = HeaderRules(data.decode())
        except InvalidHeaderRulesError as error:
            raise self._make_error(error) from None
        except UnicodeDecodeError:
            raise BuildError(f"{path} is not UTF-8.", remedy="Save it as UTF-8.") from None

    @classmethod
    def find(cls, sources: Iterable[Source]) -> HeaderFile | None:
        """Return the file that holds, if there is one; warn of all others."""
        found = [source for source in sources if source.name.rpartition("/")[2] == FILE_NAME and source.is_file]
        used = next((source for top in _TOP_NAMES for source in found if source.name == top), None)
        for source in found:
            if source is not used:
                why = f"that of {used.file} holds" if used else "only one at the top of the static files holds"
                log.warning("%s has no effect: %s", source.file or source.name, why)
        return cls(used.file or used.name, used.read()) if used else None

    @classmethod
    def read(cls, root: Path) -> HeaderFile | None:
        """Return the file of a directory, if there is one. Raises OSError."""
        path = root / FILE_NAME
        return cls(str(path), path.read_bytes()) if path.is_file() else None

    def apply(self, resources: Mapping[str, Resource], paths: ResourcePaths) -> dict[str, Resource]:
        """Return the resources with their fields. Raises BuildError."""
        try:
            return {name: self._apply_to(name, resource, paths) for name, resource in resources.items()}
        except InvalidHeaderRulesError as error:
            raise self._make_error(error) from None

    def list_warnings(self) -> list[str]:
        """Return a line for each rule that has matched no file."""
        return [f"{self.path}, line {line}: no file matches {text}" for line, text in self._rules.list_unmatched()]

    def _apply_to(self, name: str, resource: Resource, paths: ResourcePaths) -> Resource:
        chosen = self._rules.select(paths.list_paths(name), paths.list_unversioned_paths(name))
        media_type = chosen.pop("content-type", None) or resource.media_type
        return replace(resource, media_type=media_type, fields=sort_fields({**dict(resource.fields), **chosen}))

    def _make_error(self, error: InvalidHeaderRulesError) -> BuildError:
        lines = [f"{self.path}, line {line}: {problem}." for line, problem in error.problems]
        return BuildError(lines[0] if len(lines) == 1 else list_problems("these lines cannot be used:", lines))
