"""A collected directory → the resources of the tree: encoded, with media types, lifetimes and header fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from static_host.conf.settings import Settings
from static_host.origin.index import ROOT_FOLDER
from static_host.origin.page_dictionary import is_page_dictionary
from static_host_build import bundler_manifests
from static_host_build.build_errors import BuildError
from static_host_build.collect.collection import CollectionResult
from static_host_build.collect.header_file import HeaderFile, ResourcePaths
from static_host_build.collect.project_process import BuiltProject
from static_host_build.collect.whitenoise_resources import WhiteNoiseResources
from static_host_build.encode import svgz, tree_encoding
from static_host_build.encode.cached_encoder import CachedEncoder
from static_host_build.encode.tree_encoding import EncodingProgress, ResourceSet
from static_host_django.tree_writer import TreeWriter


@dataclass(frozen=True, slots=True)
class ResourceStep:
    """Makes the resources of `directory`; `block_output` describes the files of django-compressor."""

    project: BuiltProject
    settings: Settings
    directory: Path
    writer: TreeWriter
    block_output: Mapping[str, Any]
    header_file: HeaderFile | None

    def make(self, collected: CollectionResult, encoder: CachedEncoder, progress: EncodingProgress) -> ResourceSet:
        """Encode the collected files, and return the resources. Raises BuildError, OSError."""
        manifest = self.directory / collected.manifest_name
        if not manifest.exists():
            raise BuildError(
                f"collectstatic made no manifest {manifest.name}: the project's storage does not keep one."
            )
        of_django = tree_encoding.parse_fingerprinted_names(manifest.read_bytes())
        unfolded = tuple(svgz.unfold(self.directory, self.writer, of_django))
        manifests = (collected.manifest_name, self.block_output["manifest_name"])
        root_files = (*self.settings.static_root_files, ROOT_FOLDER)
        found = tree_encoding.list_resource_names(self.directory, root_files)
        whitenoise = WhiteNoiseResources(self.project, self.settings, self.directory)
        names = whitenoise.remove_unhashed([name for name in found if name not in manifests], collected)
        if not any(not is_page_dictionary(name) for name in names):
            raise BuildError("the project has no static files: its finders find none.")
        known = set(names)
        lost = [name for name in of_django - known if not (self.directory / name).exists()]
        if lost:
            message = f"the manifest lists missing files: {', '.join(sorted(lost))}."
            raise BuildError(message, remedy="Rename their sources.")
        hashed = of_django | bundler_manifests.find_hashed_outputs(collected.bundler_manifests, known)
        hashed |= whitenoise.find_immutable(names)
        hashed |= set(filter(is_page_dictionary, names))
        patterns = [
            re.compile(self.settings.static_immutable_pattern or tree_encoding.MATCH_NOTHING),
            re.compile(self.block_output["name_pattern"] or tree_encoding.MATCH_NOTHING),
        ]
        made = tree_encoding.encode_resources(
            self.directory,
            names,
            lambda name: name in hashed or any(pattern.search(name) for pattern in patterns),
            encoder,
            self.writer,
            progress,
        )
        logical = {hashed: name for name, hashed in collected.names.items() if hashed != name}
        resources = whitenoise.apply(made.resources, logical)
        return self._add_fields(replace(made, resources=resources, warnings=(*unfolded, *made.warnings)), logical)

    def _add_fields(self, made: ResourceSet, logical: Mapping[str, str]) -> ResourceSet:
        """Return the resources with the header fields of the project's own."""
        if self.header_file is None:
            return made.use_resources(made.resources)
        prefixes = self.project.expand_prefix(self.project.prefix)
        paths = ResourcePaths(prefixes, self.settings.static_root_files, logical)
        resources = self.header_file.apply(made.resources, paths)
        made = made.use_resources(resources)
        return replace(made, warnings=(*made.warnings, *self.header_file.list_warnings()))
