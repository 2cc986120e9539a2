"""The build, from a project to a tree: collect → encode → carry → deltas → index → swap into place.

Rule: a build needs no database, and no network unless it carries earlier releases from there. It never leaves half a
tree. Two builds of the same sources give the same bytes, including the index. The sources are the project's files and
the earlier releases, with their times.
"""

from __future__ import annotations

import json
import logging
import os
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from static_host.conf.settings import Settings
from static_host.origin import index
from static_host.origin.encoding_recipes import EncodingRecipes
from static_host.origin.header_rules import FILE_NAME as HEADER_FILE_NAME
from static_host.origin.tree import TreeUnusableError
from static_host_build import bundler_manifests
from static_host_build.build_errors import BuildError, explain_os_error
from static_host_build.build_result import BuildResult
from static_host_build.carry.carrier import carry
from static_host_build.carry.carry_problems import CarryProblems
from static_host_build.carry.earlier_trees import DELTA_RECIPE, EarlierTrees, open_earlier_trees
from static_host_build.carry.release_sizes import measure_dropped, measure_releases
from static_host_build.carry.retention import RetentionPlan
from static_host_build.carry.source_discovery import EarlierReleases, open_earlier_releases
from static_host_build.collect import static_root_files
from static_host_build.collect.collection import CollectionResult, Collector, check_references, find_dangling_links
from static_host_build.collect.header_file import HeaderFile
from static_host_build.collect.precompress import precompress
from static_host_build.collect.project_process import BuiltProject, ProjectProcess
from static_host_build.collect.source_checks import refuse_clashes, refuse_nested_root
from static_host_build.collect.sources import FoundSources, find_sources, fingerprint
from static_host_build.collect.whitenoise_root import check_root
from static_host_build.compressed_blocks import BlockStep
from static_host_build.dictionary.deltas import DeltaEncoder, measure_savings
from static_host_build.dictionary.page_dictionary import fingerprint_page_dictionary, write_page_dictionary
from static_host_build.encode import dcz, tree_encoding
from static_host_build.encode.cached_encoder import CachedEncoder
from static_host_build.encode.encoder import Encoder
from static_host_build.encode.encoding_cache import EncodingCache, choose_cache_directory
from static_host_build.encode.tree_encoding import EncodingProgress, ResourceSet
from static_host_build.output import build_stamp
from static_host_build.output.current_tree import find_changed_immutables, find_current_tree, is_complete
from static_host_build.output.index_file import dump_index, read_index
from static_host_build.output.integrity import IntegrityReport, check_integrity, check_new_tree
from static_host_build.output.release_swap import swap
from static_host_build.output.staging_directory import open_staging_directory
from static_host_build.resource_step import ResourceStep
from static_host_django.tree_writer import TreeWriter

log = logging.getLogger("static_host.build")

_TREE_SETTINGS = {
    *("static_root_files", "static_directory_index", "static_immutable_pattern"),
    *("static_media_types", "static_missing_references"),
}
"""Settings that a tree depends on, beside the encoder's and the project's."""
CHANGED_IMMUTABLE_WARNING = (
    "{name} is immutable but has other bytes than in the previous release: a browser keeps the old ones for a year. "
    "Give the file another name."
)


def build(
    settings: Settings,
    process: ProjectProcess,
    progress: EncodingProgress = tree_encoding.ignore_progress,
    *,
    is_verified: bool = False,
) -> BuildResult:
    """Build the project's static tree and swap it into place. Raises StaticHostError; the old tree then stays.

    If `is_verified`, reads and decodes every file of the new tree before it replaces the old one.
    """
    began = time.monotonic()
    project = process.load()
    root = Path(os.path.abspath(project.static_root))  # noqa: PTH100 - resolves "..", keeps a symbolic link
    try:
        with open_staging_directory(root, project.modes) as directory:
            work = _Build(project, settings, root, directory, is_verified)
            made, is_changed = work.run(progress)
            for warning in made.warnings:
                log.warning("%s", warning)
    except OSError as error:
        error.filename = error.filename or str(root)
        message, remedy = explain_os_error(error)
        raise BuildError(message, remedy=f"{remedy} {root} is as it was.".lstrip()) from None
    tree = index.parse_index((root / index.INDEX_FILE_NAME).read_bytes())
    in_tree = list(tree.iter_resources())
    return BuildResult(
        root,
        tree.releases[0].digest,
        is_changed,
        made,
        measure_releases(tree.releases, in_tree),
        measure_dropped(work.plan.dropped, tree),
        measure_savings(in_tree, work.deltas.seconds),
        time.monotonic() - began,
        work.integrity,
    )


class _Build:
    """One build of a project into `directory`."""

    def __init__(
        self, project: BuiltProject, settings: Settings, root: Path, directory: Path, is_verified: bool
    ) -> None:
        self.is_verified = is_verified
        self.integrity: IntegrityReport | None = None
        self.plan = RetentionPlan()
        self.project = project
        self.modes = project.modes
        self.settings = settings
        self.root = root
        self.directory = directory
        wanted = project.built_settings
        is_variable_set = "static_codings" in settings.model_fields_set
        skipped = () if is_variable_set else wanted.skipped_codings
        codings = [coding for coding in settings.static_codings if coding not in skipped]
        self.encoder = Encoder(codings, settings.static_effort, wanted.skipped_extensions)
        self.recipes = {**self.encoder.recipes, DELTA_RECIPE: dcz.format_recipe(settings.static_effort)}
        self.cache = EncodingCache(choose_cache_directory(settings.static_cache, directory.parent), self.encoder.recipe)
        self.previous_tree = find_current_tree(root)
        previous = read_index(self.previous_tree) if self.previous_tree else None
        self.previous_release = previous.releases[0] if previous else None
        self.facts = project.process.call(
            "set_up",
            static_url=project.prefix,
            directory=str(directory),
            previous=str(self.previous_tree) if self.previous_tree else None,
            file_mode=self.modes.file,
        )
        self.blocks = BlockStep(project, self.facts["compressor"], project.host + project.prefix)
        self.writer = TreeWriter(directory, self.previous_tree, self.modes.file)
        self.deltas = DeltaEncoder(directory, self.writer, self.cache.directory, settings)

    def run(self, progress: EncodingProgress) -> tuple[ResourceSet, bool]:
        """Return what the release consists of, and whether the tree has changed."""
        found = find_sources(self.project)
        refuse_nested_root(self.root, found.folders)
        if self.project.built_settings.root:
            check_root(self.project.built_settings.root, (self.root, self.project.project_static_root))
        refuse_clashes(found.sources, self.facts["ignore_patterns"])
        own, names = self.project.project_static_root, {source.name for source in found.sources}
        unknown = static_root_files.refuse_unknown_files(self.root, own, names, self.blocks.output["folder"])
        ignored = [*find_dangling_links(found.sources), HEADER_FILE_NAME]
        header_file = HeaderFile.find(found.sources)
        resources = ResourceStep(
            self.project, self.settings, self.directory, self.writer, self.blocks.output, header_file
        )
        inputs = self._fingerprint_inputs(found)
        # the earlier releases are closed before old trees are removed
        with open_earlier_releases(self.settings, self.project.prefix) as earlier:
            known = build_stamp.read(self.directory.parent)
            if known and self.previous_tree and self._is_unchanged(known, self.previous_tree, inputs, earlier):
                made = self._load_previous(known, self.previous_tree)
                return replace(made, warnings=(*made.warnings, *earlier.warnings)), False
            with open_earlier_trees(self.previous_tree, earlier, self.encoder, self.recipes) as reuse:
                encoder = CachedEncoder(self.encoder, self.cache, reuse)
                with precompress(found.sources, encoder):
                    collected = self._collect(found, ignored)
                made = resources.make(collected, encoder, progress)
                self.cache.prune()
                problems = self._write_index(made, collected, earlier, reuse)
        made = replace(made, warnings=(*made.warnings, *problems, *self.deltas.warnings))
        self.modes.apply_to_tree(self.directory)
        if self.is_verified:
            self.integrity = check_new_tree(self.directory, self.root)
        changed = [] if self.plan.kept else find_changed_immutables(self.previous_tree, made.resources)
        warnings = [CHANGED_IMMUTABLE_WARNING.format(name=name) for name in changed]
        keep = partial(static_root_files.move_unknown_files, unknown, root=self.root)
        is_changed = swap(self.directory, self.root, self._is_intact, keep)
        if inputs and not problems and inputs == self._fingerprint_inputs(find_sources(self.project)):
            release = Path(os.path.realpath(self.root)).name  # no source has changed meanwhile
            stamp = build_stamp.BuildStamp(inputs, self.plan.digest, release, collected.dangling, made.warnings)
            build_stamp.write(self.directory.parent, stamp)
        return replace(made, warnings=(*made.warnings, *warnings, *earlier.warnings)), is_changed

    def _collect(self, found: FoundSources, ignored: list[str]) -> CollectionResult:
        """Collect the sources, with django-compressor's files. Raises StaticHostError."""
        # the project's own command or storage might write into a file that is linked
        linking = self.writer if self.facts["is_default"] else TreeWriter(self.directory, None, self.modes.file)
        collector = Collector(self.project, self.settings, self.directory, linking, found)
        collected = collector.collect(ignored)
        dangling = self.blocks.compress(self.directory, self.writer)
        write_page_dictionary(self.project, self.settings.page_dictionary, self.writer)
        is_fatal = self.settings.static_missing_references == "error"
        self.blocks.report_dangling(dangling, collected.dangling, collected.names, is_fatal=is_fatal)
        return collected

    def _is_unchanged(
        self, known: build_stamp.BuildStamp, tree: Path, inputs: str | None, earlier: EarlierReleases
    ) -> bool:
        """Whether the current tree is what this build would make, and is intact."""
        if self.previous_release is None or (known.inputs, known.release) != (inputs, tree.name):
            return False
        self.plan = earlier.plan(self.previous_release.digest)  # equal inputs make the same release
        return known.carried == self.plan.digest and self._is_intact(tree)

    def _write_index(
        self,
        made: ResourceSet,
        collected: CollectionResult,
        earlier: EarlierReleases,
        reuse: EarlierTrees,
    ) -> list[str]:
        """Carry files of earlier releases, make deltas, and write the index of the tree. Returns warnings."""
        manifest = (collected.manifest_name, (self.directory / collected.manifest_name).read_bytes())
        others = {name: (self.directory / name).read_bytes() for name in self._list_other_files(collected)}
        facts = {"other_files": others, "recipes": EncodingRecipes(self.recipes, made.supplied)}
        data = dump_index(self.project.prefix, made.resources, manifest, **facts)
        own = index.parse_index(data).releases[0].digest
        self.plan = earlier.plan(own)
        problems = CarryProblems(self.settings.static_previous_problems)
        taken = {r.file for resource in made.resources.values() for r in resource.representations}
        carried = carry(made.resources, {manifest[0], *others, *taken}, self.plan, self.writer, problems)
        problems.raise_or_warn()
        offered = self.deltas.offer_dictionaries(
            carried, manifest[1], collected.bundler_manifests, self.plan.offered_patterns
        )
        whole = self.deltas.add_deltas(offered, reuse)
        made_at = self._find_release_time(own, earlier)
        if self.deltas.budget_bytes or self.plan.kept or made_at is not None:
            releases = tuple(each.release for each in self.plan.kept)
            data = dump_index(self.project.prefix, whole, manifest, time=made_at, earlier=releases, **facts)
        self.writer.write(index.INDEX_FILE_NAME, data)
        return problems.warnings

    def _find_release_time(self, own: str, earlier: EarlierReleases) -> int | None:
        """Return when the release was first built, if that is recorded; else SOURCE_DATE_EPOCH, or None (Unix time)."""
        recorded = earlier.recorded_times.get(own)
        if recorded is None and self.previous_release and self.previous_release.digest == own:
            recorded = self.previous_release.time
        return self.settings.source_date_epoch if recorded is None else recorded

    def _list_other_files(self, collected: CollectionResult) -> list[str]:
        """Return the files that the project reads in the tree, except Django's manifest."""
        names = (self.blocks.output["manifest_name"], *collected.root_manifests)
        return [name for name in names if name and (self.directory / name).exists()]

    def _fingerprint_inputs(self, found: FoundSources) -> str | None:
        """Return the fingerprint of all inputs of this build; None if it has inputs that cannot be listed."""
        whitenoise = self.project.built_settings
        if self.facts["is_compressor_used"] or not self.facts["is_default"] or whitenoise.has_functions:
            return None
        settings = self.settings.model_dump(include=_TREE_SETTINGS)
        manifests = bundler_manifests.read_configured_manifests(self.project.manifests)
        options = (self.facts["settings"], whitenoise)
        project = (self.project.version, options, self.blocks.static_url, self.blocks.output, manifests)
        encoding = (self.encoder.recipe, dcz.format_recipe(self.settings.static_effort), self.deltas.budget_bytes)
        pages = fingerprint_page_dictionary(self.project, self.settings.page_dictionary)
        return fingerprint(found.sources, settings, *project, *encoding, self.modes, pages)

    def _is_intact(self, tree: Path) -> bool:
        """Whether a tree is undamaged: by its digests if `is_verified`, else by its lengths."""
        if not is_complete(tree) or not self.modes.is_set_on(tree, tree / index.INDEX_FILE_NAME):
            return False
        with suppress(TreeUnusableError):
            self.integrity = check_integrity(tree) if self.is_verified else None
            return True
        return False

    def _load_previous(self, known: build_stamp.BuildStamp, before: Path) -> ResourceSet:
        """Return the resources of the current tree; repeat the warnings of the build that made it."""
        tree = index.parse_index((before / index.INDEX_FILE_NAME).read_bytes())
        manifest = json.loads((before / tree.manifest[0]).read_bytes()) if tree.manifest else {"paths": {}}
        check_references(self.project, known.dangling, manifest["paths"], self.settings)
        return ResourceSet.from_index(tree, self.encoder, known.warnings)
