"""The project's collection, as the build sees it: what is left out, what is added, and which references lead nowhere.

Rule: all references that do not resolve are reported, with file and line.
"""

from __future__ import annotations

import glob
import json
import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from static_host.conf.settings import Settings
from static_host.origin.header_rules import FILE_NAME as HEADER_FILE_NAME
from static_host.origin.index import ROOT_FOLDER
from static_host_build import bundler_manifests
from static_host_build.build_errors import BuildError, explain_os_error
from static_host_build.collect.project_process import BuiltProject
from static_host_build.collect.sources import FoundSources, Source
from static_host_build.fingerprints import Fingerprinter
from static_host_build.references.missing_references import MissingReference, report_missing
from static_host_build.references.template_references import find_missing
from static_host_build.script_facts import describe_scripts
from static_host_django.tree_writer import TreeWriter

log = logging.getLogger("static_host.build")


@dataclass(frozen=True, slots=True)
class CollectionResult:
    """The name of Django's manifest, the fingerprinted names, and further facts about the collected files.

    `bundler_manifests` are the bundlers' manifests by name, `root_manifests` those of them that only STATIC_ROOT has.
    `dangling` are the references between files that do not resolve.
    """

    manifest_name: str
    names: dict[str, str]
    bundler_manifests: dict[str, bytes]
    dangling: tuple[MissingReference, ...]
    root_manifests: tuple[str, ...]


class Collector:
    """Collects the sources of a project into a directory, which is the project's STATIC_ROOT at this point."""

    def __init__(
        self, project: BuiltProject, settings: Settings, directory: Path, writer: TreeWriter, found: FoundSources
    ) -> None:
        self._project = project
        self._settings = settings
        self._directory = directory
        self._writer = writer
        self._found = found
        self._manifests = bundler_manifests.read_manifests(found.sources, project.manifests)
        self._dangling: tuple[MissingReference, ...] = ()
        self._manifest: bytes | None = None

    def collect(self, ignored: list[str]) -> CollectionResult:
        """Run the project's collectstatic, which skips files that match a pattern of `ignored`. Raises BuildError."""
        root = str(self._project.project_static_root)
        made = self._project.process.collect(
            self._fingerprint, ignored=ignored, root=root, root_names=self._found.root_names
        )
        name, own = made["manifest_name"], made["own_manifest"]
        if own is not None:
            facts = self._describe_scripts(made["names"])
            self._manifest = json.dumps({**json.loads(own), **facts}, sort_keys=True).encode()
        if self._manifest is not None:
            self._writer.write(name, self._manifest)
        self._add_root_files()
        check_references(self._project, self._dangling, made["names"], self._settings)
        return CollectionResult(name, made["names"], self._manifests, self._dangling, self._add_manifests())

    def _fingerprint(self, files: dict[str, str | None]) -> dict[str, str]:
        """Fingerprint the collected files. Raises BuildError."""
        bundled = bundler_manifests.find_hashed_outputs(self._manifests, set(files))
        fingerprinter = Fingerprinter(self._directory, self._writer, files, bundled, self._project.prefix)
        try:
            made = fingerprinter.run()
        except OSError as error:
            message, remedy = explain_os_error(error)
            raise BuildError(f"collectstatic: {message}", remedy=remedy) from None
        self._dangling, self._manifest = made.dangling, made.dump_manifest()
        return made.names

    def _describe_scripts(self, names: dict[str, str]) -> dict[str, object]:
        """Return the facts of scripts and stylesheets that the project's own storage has fingerprinted."""
        bundled = bundler_manifests.find_hashed_outputs(self._manifests, set(names))
        paths = {source.name: source.file for source in reversed(self._found.sources)}
        sources = {name: paths.get(name) for name in names}
        return describe_scripts(self._directory, names, sources, bundled, self._project.prefix)

    def _add_root_files(self) -> None:
        """Copy the files that are served at ``/`` and that collectstatic skips (``.well-known/…``, WHITENOISE_ROOT)."""
        root_files = (*self._settings.static_root_files, ROOT_FOLDER)
        folders = tuple(name for name in root_files if name.endswith("/"))
        for source in self._found.sources:
            target = self._directory / source.name
            is_wanted = source.name in root_files or source.name.startswith(folders)
            if is_wanted and source.is_file and not target.exists() and target.name != HEADER_FILE_NAME:
                with (
                    Path(source.file).open("rb") if source.file and source.is_plain else BytesIO(source.read()) as body
                ):
                    self._writer.copy(source.name, body)

    def _add_manifests(self) -> tuple[str, ...]:
        """Copy bundlers' manifests from STATIC_ROOT, where the project may read them; return their names."""
        taken = {
            source.name: source
            for source in self._found.sources
            if source.is_of_root and bundler_manifests.is_manifest(source.name)
        }
        for name, source in taken.items():
            if not (self._directory / name).exists():  # collectstatic skips hidden files
                self._writer.write(name, source.read())
        return tuple(sorted(taken))


def check_references(
    project: BuiltProject, dangling: Iterable[MissingReference], known: Collection[str], settings: Settings
) -> None:
    """Report `dangling`, and names in templates that are not `known`. Raises BuildError."""
    if known:
        found = find_missing(known, project.process.call("list_template_folders"))
        report_missing([*dangling, *found], known, is_fatal=settings.static_missing_references == "error")


def find_dangling_links(sources: Iterable[Source]) -> list[str]:
    """Return patterns that make collectstatic skip symbolic links that do not resolve to a file; warn of each."""
    dangling = {source.path: source.fault for source in sources if source.fault}
    for path in sorted(dangling):
        log.warning("%s %s; it is left out", path, dangling[path])
    both = sorted(source.path for source in sources if source.path in dangling and source.is_file)
    if both:
        names = ", ".join(both)
        raise BuildError(
            f"{names}: one static folder has this file, another has a symbolic link of that name that does not resolve."
        )
    return [glob.escape(path) for path in sorted(dangling)]
