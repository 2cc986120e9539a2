"""The build, from a project to a tree: collect → encode → carry → deltas → index → swap into place.

Rule: it needs no database, and no network unless earlier releases are carried from one; it never leaves half a tree.
Two builds of one source give the same bytes, the index included. The sources are the project's files and the earlier
releases, with their times.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from static_host.conf.settings import Settings
from static_host.origin import index
from static_host.origin.recipes import Recipes
from static_host.origin.representation import Release, Resource
from static_host.origin.tree import TreeDamagedError, TreeUnusableError
from static_host.project.errors import wrap_project_errors
from static_host.project.project import Project
from static_host_build import bundler_manifests
from static_host_build.build_result import BuildResult
from static_host_build.carry.carrier import carry
from static_host_build.carry.discovery import EarlierReleases
from static_host_build.carry.discovery import open_earlier_releases as earlier_releases
from static_host_build.carry.problems import Problems
from static_host_build.carry.release_sizes import measure_dropped, measure_releases
from static_host_build.carry.retention import RetentionPlan
from static_host_build.carry.reuse import DELTA_RECIPE, EarlierTrees, open_earlier_trees
from static_host_build.collect import static_root
from static_host_build.collect.collectstatic import (
    BUILD_STORAGE,
    BuildStorage,
    CollectionResult,
    check_references,
    collect,
    find_dangling_links,
)
from static_host_build.collect.precompress import precompress
from static_host_build.collect.sources import (
    Source,
    fingerprint,
    is_default_collection,
    list_sources,
    refuse_clashes,
    refuse_nested_root,
)
from static_host_build.compressor.compress import (
    MATCH_NOTHING,
    CompressionResult,
    compress,
    describe_output,
    is_compressor_used,
    report_dangling,
)
from static_host_build.dictionary.deltas import DeltaEncoder, measure_savings
from static_host_build.encode import dcz, resources, svgz
from static_host_build.encode.cache import EncodingCache
from static_host_build.encode.cache import choose_cache_directory as cache_directory
from static_host_build.encode.encoder import Encoder
from static_host_build.encode.encodings import Encodings
from static_host_build.errors import BuildError, format_os_error
from static_host_build.files import Files, Modes
from static_host_build.output import build_stamp
from static_host_build.output.integrity import IntegrityReport, check_integrity
from static_host_build.output.releases import (
    find_changed_immutables,
    find_current_tree,
    is_complete,
    open_staging_directory,
    swap,
)

log = logging.getLogger("static_host.build")

_TREE_SETTINGS = {"static_root_files", "static_immutable_pattern", "static_missing_references"}
"""Settings that a tree depends on, beside the encoder's and the project's."""
CHANGED_IMMUTABLE_WARNING = (
    "{name} is immutable and has other bytes than in the release before: a browser that has those keeps them for a "
    "year. Give it another name."
)


def build(
    settings: Settings, progress: resources.EncodingProgress = resources.ignore_progress, *, is_verified: bool = False
) -> BuildResult:
    """Build the project's static tree and swap it into place. Raises StaticHostError; the old tree then still stands.

    With `verifies`, every file of the new tree is read again and decoded before it takes the old one's place.
    """
    began = time.monotonic()
    project = Project.from_settings(settings)
    root = Path(os.path.abspath(project.static_root))  # noqa: PTH100 - it takes ".." out, and leaves the link alone
    try:
        modes = Modes.from_django_settings()
        with open_staging_directory(root, modes) as directory:
            work = _Build(project, settings, root, directory, modes, is_verified)
            made, changed = work.run(progress)
            for warning in made.warnings:
                log.warning("%s", warning)
    except OSError as error:
        error.filename = error.filename or str(root)
        raise BuildError(f"{format_os_error(error)} {root} is as it was.") from None
    tree = index.parse_index((root / index.INDEX_FILE_NAME).read_bytes())
    release = tree.releases[0].digest
    held = measure_releases(tree.releases, tree.values())
    went = measure_dropped(work.plan.dropped, tree)
    saved = measure_savings(tree.values(), work.deltas.seconds)
    return BuildResult(root, release, changed, made, held, went, saved, time.monotonic() - began, work.integrity)


class _Build:
    """One build of a project into the new directory `choose_cache_directory`."""

    def __init__(
        self, project: Project, settings: Settings, root: Path, directory: Path, modes: Modes, is_verified: bool
    ) -> None:
        self.is_verified = is_verified
        self.integrity: IntegrityReport | None = None
        self.plan = RetentionPlan()
        self.project = project
        self.settings = settings
        self.root = root
        self.directory = directory
        self.encoder = Encoder(settings.static_codings, settings.static_effort)
        self.recipes = {**self.encoder.recipes, DELTA_RECIPE: dcz.format_recipe(settings.static_effort)}
        self.cache = EncodingCache(cache_directory(settings.static_cache, directory.parent), self.encoder.recipe)
        self.previous_tree = find_current_tree(root)
        self.previous_release = _read_release(self.previous_tree)
        with wrap_project_errors(project.name):
            project.apply_overlay(project.prefix, directory, BUILD_STORAGE)
        static_root.install_finder(project.project_static_root)
        project.set_up_django()
        self.files = Files(directory, self.previous_tree, modes)
        self.deltas = DeltaEncoder(directory, self.files, self.cache.directory, settings)

    def run(self, progress: resources.EncodingProgress) -> tuple[resources.ResourceSet, bool]:
        """Return what the release consists of, and whether the tree is another one than before."""
        with wrap_project_errors(self.project.name):
            refuse_nested_root(self.root)
            found = list_sources()
            refuse_clashes(found)
            strangers = static_root.refuse_unknown_files(
                self.root, self.project.project_static_root, {source.name for source in found}
            )
        ignored = find_dangling_links(found)
        inputs = self._fingerprint_inputs(found)
        with earlier_releases(self.settings, self.project.prefix) as earlier:  # let go of before anything is removed
            known = build_stamp.read(self.directory.parent)
            if known and self.previous_tree and self._is_unchanged(known, self.previous_tree, inputs, earlier):
                made = self._load_previous(known, self.previous_tree)
                return replace(made, warnings=(*made.warnings, *earlier.warnings)), False
            with open_earlier_trees(self.previous_tree, earlier, self.encoder, self.recipes) as reuse:
                encodings = Encodings(self.encoder, self.cache, reuse)
                with wrap_project_errors(self.project.name), precompress(found, encodings):
                    collected = collect(self.directory, self.settings, found, ignored, self.files)
                    compressed = compress(self.project.host + self.project.prefix, self.directory, self.files)
                report_dangling(compressed, collected.dangling, self.settings)
                made = self._make_resources(collected, compressed, encodings, progress)
                in_the_way = self._write_index(made, collected, compressed, earlier, reuse)
        made = replace(made, warnings=(*made.warnings, *in_the_way, *self.deltas.warnings))
        self.files.modes.apply_to_tree(self.directory)
        if self.is_verified:
            self.integrity = _check_new_tree(self.directory, self.root)
        stale = (
            []
            if self.plan.kept
            else [
                CHANGED_IMMUTABLE_WARNING.format(name=name)
                for name in find_changed_immutables(self.previous_tree, made.resources)
            ]
        )
        changed = swap(
            self.directory,
            self.root,
            self._is_intact,
            partial(static_root.move_unknown_files, strangers, root=self.root),
        )
        if (
            inputs and not in_the_way and inputs == self._fingerprint_inputs(list_sources())
        ):  # nothing was changed meanwhile
            release = Path(os.path.realpath(self.root)).name
            note = build_stamp.BuildStamp(inputs, self.plan.digest, release, collected.dangling, made.warnings)
            build_stamp.write(self.directory.parent, note)
        return replace(made, warnings=(*made.warnings, *stale, *earlier.warnings)), changed

    def _is_unchanged(
        self, known: build_stamp.BuildStamp, before: Path, inputs: str | None, earlier: EarlierReleases
    ) -> bool:
        """Whether the tree that stands is the one that this build would make, and is whole."""
        if self.previous_release is None or (known.inputs, known.release) != (inputs, before.name):
            return False
        self.plan = earlier.plan(self.previous_release.digest)  # equal inputs make the same release
        return known.carried == self.plan.digest and self._is_intact(before)

    def _write_index(
        self,
        made: resources.ResourceSet,
        collected: CollectionResult,
        compressed: CompressionResult,
        earlier: EarlierReleases,
        reuse: EarlierTrees,
    ) -> list[str]:
        """Carry what is to be carried, and write the index of the whole tree. Returns warnings."""
        manifest = (collected.manifest_name, (self.directory / collected.manifest_name).read_bytes())
        others = {name: (self.directory / name).read_bytes() for name in self._list_other_files(collected, compressed)}
        resources = made.resources
        recipes = Recipes(self.recipes, made.supplied)
        data = _dump_index(self.project, resources, manifest, others, recipes)
        own = index.parse_index(data).releases[0].digest
        self.plan = earlier.plan(own)
        problems = Problems(self.settings.static_previous_problems)
        taken = {r.file for resource in resources.values() for r in resource.representations}
        carried = carry(resources, {manifest[0], *others, *taken}, self.plan, self.files, problems)
        problems.raise_or_warn()
        offered = self.deltas.offer_dictionaries(
            carried, manifest[1], collected.bundler_manifests, self.plan.offered_patterns
        )
        whole = self.deltas.add_deltas(offered, reuse)
        made_at = self._find_release_time(own, earlier)
        if self.deltas.budget_bytes or self.plan.kept or made_at is not None:
            releases = tuple(ancestor.release for ancestor in self.plan.kept)
            data = _dump_index(self.project, whole, manifest, others, recipes, made_at, releases)
        self.files.write(index.INDEX_FILE_NAME, data)
        return problems.warnings

    def _find_release_time(self, own: str, earlier: EarlierReleases) -> int | None:
        """Return when the release was first made, where that is recorded; else the time that the operator gives."""
        recorded = earlier.recorded_times.get(own)
        if recorded is None and self.previous_release and self.previous_release.digest == own:
            recorded = self.previous_release.time
        return self.settings.source_date_epoch if recorded is None else recorded

    def _list_other_files(self, collected: CollectionResult, compressed: CompressionResult) -> list[str]:
        """Return the names of files that the project reads in the tree, Django's manifest aside."""
        names = (compressed.manifest_name, *collected.root_manifests)
        return [name for name in names if name and (self.directory / name).exists()]

    def _fingerprint_inputs(self, found: Iterable[Source]) -> str | None:
        """Return the fingerprint of all that this build depends on; None if it depends on more than can be named."""
        if is_compressor_used() or not is_default_collection(BuildStorage):
            return None
        settings = self.settings.model_dump(include=_TREE_SETTINGS)
        facts = (
            settings,
            self.project.prefix,
            self.project.host,
            self.encoder.recipe,
            describe_output(),
            self.files.modes,
        )
        own = (
            dcz.format_recipe(self.settings.static_effort),
            self.deltas.budget_bytes,
            bundler_manifests.read_configured_manifests(),
        )
        return fingerprint(found, *facts, *own)

    def _is_intact(self, tree: Path) -> bool:
        """Whether a tree that was built once can stay; without `verifies` its lengths have to do."""
        if not is_complete(tree) or not self.files.modes.is_set_on(tree, tree / index.INDEX_FILE_NAME):
            return False
        with suppress(TreeUnusableError):
            self.integrity = check_integrity(tree) if self.is_verified else None
            return True
        return False

    def _load_previous(self, known: build_stamp.BuildStamp, before: Path) -> resources.ResourceSet:
        """Say again what the last build said, of the tree that still stands."""
        tree = index.parse_index((before / index.INDEX_FILE_NAME).read_bytes())
        manifest = json.loads((before / tree.manifest[0]).read_bytes()) if tree.manifest else {"paths": {}}
        check_references(known.dangling, manifest["paths"], self.settings)
        return resources.restore_from_index(tree, self.encoder, known.warnings)

    def _make_resources(
        self,
        collected: CollectionResult,
        compressed: CompressionResult,
        encodings: Encodings,
        progress: resources.EncodingProgress,
    ) -> resources.ResourceSet:
        manifest = self.directory / collected.manifest_name
        if not manifest.exists():
            message = f"collectstatic made no manifest {manifest.name}: the project's storage does not keep one."
            raise BuildError(message)
        of_django = resources.parse_fingerprinted_names(manifest.read_bytes())
        unfolded = tuple(svgz.unfold(self.directory, self.files, of_django))
        root_files = self.settings.static_root_files
        folders = tuple(name for name in root_files if name.endswith("/"))
        names = resources.list_resource_names(
            self.directory, lambda name: name in root_files or name.startswith(folders)
        )
        names = [name for name in names if name not in (collected.manifest_name, compressed.manifest_name)]
        if not names:
            raise BuildError("the project has no static files: its finders find none.")
        known = set(names)
        lost = [name for name in of_django - known if not (self.directory / name).exists()]
        if lost:
            raise BuildError(
                f"the manifest names files that are not there: {', '.join(sorted(lost))}. Rename their sources."
            )
        hashed = of_django | bundler_manifests.find_hashed_outputs(collected.bundler_manifests, known)
        patterns = [
            re.compile(self.settings.static_immutable_pattern or MATCH_NOTHING),
            re.compile(compressed.name_pattern),
        ]
        made = resources.encode_resources(
            self.directory,
            names,
            lambda name: name in hashed or any(pattern.search(name) for pattern in patterns),
            encodings,
            self.files,
            progress,
        )
        self.cache.prune()
        return replace(made, warnings=(*unfolded, *made.warnings))


def _dump_index(
    project: Project,
    resources: Mapping[str, Resource],
    manifest: tuple[str, bytes],
    others: dict[str, bytes],
    recipes: Recipes,
    time: int | None = None,
    earlier: tuple[Release, ...] = (),
) -> bytes:
    try:
        return index.dump_index(
            project.prefix, resources, manifest, others, time=time, earlier=earlier, recipes=recipes
        )
    except ValueError as error:
        raise BuildError(f"a static file has a name that cannot be served: {error}. Rename it.") from None


def _read_release(tree: Path | None) -> Release | None:
    """Return the release that a tree was built for, if there is one and its index can be read."""
    if tree:
        with suppress(OSError, index.InvalidIndexError):
            return index.parse_index((tree / index.INDEX_FILE_NAME).read_bytes()).releases[0]
    return None


def _check_new_tree(directory: Path, root: Path) -> IntegrityReport:
    try:
        return check_integrity(directory)
    except TreeDamagedError as damaged:
        lines = "\n  ".join(["files of the new tree are not what was written:", *damaged.problems])
        raise BuildError(f"{lines}\n{root} is as it was.") from None
