"""What the project's settings of WhiteNoise make of the tree's resources.

Rule: a file's path and URL are those that WhiteNoise gives to a function. Only the project's process can call one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from static_host.conf.settings import Settings
from static_host.origin.index import ROOT_FOLDER
from static_host.origin.own_fields import explain_invalid_field, sort_fields
from static_host.origin.representation import CODING_SUFFIXES, Resource
from static_host_build.build_errors import BuildError
from static_host_build.collect.collection import CollectionResult
from static_host_build.collect.project_process import BuiltProject
from static_host_build.encode.media_types import assign_media_types, parse_media_types


@dataclass(frozen=True, slots=True)
class WhiteNoiseResources:
    """Applies the settings to the files of `directory`."""

    project: BuiltProject
    settings: Settings
    directory: Path

    def remove_unhashed(self, names: list[str], collected: CollectionResult) -> list[str]:
        """Return the names without those that have a fingerprinted copy, whose files are removed.

        Files at ``/`` and manifests stay. (KEEP_ONLY_HASHED_FILES)
        """
        if not self.project.built_settings.keeps_only_hashed:
            return names
        folders = tuple(name for name in self.settings.static_root_files if name.endswith("/"))
        kept = {*self.settings.static_root_files, *collected.bundler_manifests}
        copied = {name for name, hashed in collected.names.items() if hashed != name and name not in kept}
        removed = {name for name in names if name in copied and not name.startswith(folders)}
        for name in removed:
            for suffix in CODING_SUFFIXES.values():
                (self.directory / (name + suffix)).unlink(missing_ok=True)
        return [name for name in names if name not in removed]

    def find_immutable(self, names: Iterable[str]) -> frozenset[str]:
        """Return the names that IMMUTABLE_FILE_TEST says are immutable. Raises StaticHostError."""
        if not self.project.built_settings.immutable_test or self.settings.static_immutable_pattern:
            return frozenset()
        files = {name: (self._find_path(name), self._make_url(name)) for name in names}
        found = self.project.process.call("find_immutable", files=list(files.values()))
        return frozenset(name for name, is_immutable in zip(files, found, strict=True) if is_immutable)

    def apply(self, resources: Mapping[str, Resource], logical: Mapping[str, str]) -> dict[str, Resource]:
        """Return the resources with their media types, header fields, and names of folders. Raises StaticHostError.

        `logical` has the logical names of fingerprinted files.
        """
        wanted = self.project.built_settings
        own = {**wanted.media_types, **parse_media_types(self.settings.static_media_types)}
        made = assign_media_types(resources, own, wanted.charset, logical)
        if not wanted.allows_all_origins:
            closed = (("access-control-allow-origin", None),)
            made = {name: replace(has, fields=closed) for name, has in made.items()}
        if wanted.headers_function:
            made = self._call_headers_function(dict(sorted(made.items())))
        return {self._name_folder(name): has for name, has in made.items()}

    def _call_headers_function(self, resources: Mapping[str, Resource]) -> dict[str, Resource]:
        files = [
            (self._find_path(name), self._make_url(name), has.media_type, has.immutable)
            for name, has in resources.items()
        ]
        changed = self.project.process.call("change_headers", files=files)
        return {
            name: self._change_headers(name, has, dict(changes))
            for (name, has), changes in zip(resources.items(), changed, strict=True)
        }

    def _change_headers(self, name: str, resource: Resource, changes: dict[str, Any]) -> Resource:
        problem = next(filter(None, (explain_invalid_field(*change) for change in changes.items())), "")
        if problem:
            function = self.project.built_settings.headers_function
            raise BuildError(f"{function}, for {self._make_url(name)}: {problem}.", remedy="Change the function.")
        media_type = changes.pop("content-type", resource.media_type)
        return replace(resource, media_type=media_type, fields=sort_fields({**dict(resource.fields), **changes}))

    def _find_path(self, name: str) -> str:
        """Return the absolute path of a file: in the tree, or in WHITENOISE_ROOT."""
        root = self.project.built_settings.root
        is_at_root = root is not None and name.startswith(ROOT_FOLDER)
        return f"{root}/{name.removeprefix(ROOT_FOLDER)}" if is_at_root else str(self.directory / name)

    def _make_url(self, name: str) -> str:
        """Return the decoded URL path of a file; that of a folder's index file is the folder's."""
        path = self._name_folder(name)
        return f"/{path.removeprefix(ROOT_FOLDER)}" if path.startswith(ROOT_FOLDER) else self.project.prefix + path

    def _name_folder(self, name: str) -> str:
        """Return the name of the folder of an index file (INDEX_FILE); else the name itself."""
        file = self.project.built_settings.index_file
        is_index = file and name.rpartition("/")[2] == file and name not in self.settings.static_root_files
        return name.removesuffix(file) if is_index else name
