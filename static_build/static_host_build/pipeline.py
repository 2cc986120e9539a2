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
from static_host.origin.index import Release, Resource
from static_host.origin.recipes import Recipes
from static_host.origin.tree import TreeDamaged, TreeUnusable
from static_host.project.project import Project, configured, explained
from static_host_build import bundler_manifests
from static_host_build.build_result import Built
from static_host_build.carry.carrier import carry
from static_host_build.carry.discovery import Found
from static_host_build.carry.discovery import found as earlier_releases
from static_host_build.carry.problems import Problems
from static_host_build.carry.release_sizes import gone, holdings
from static_host_build.carry.retention import Plan
from static_host_build.carry.reuse import DELTA, Reuse, reusing
from static_host_build.collect import static_root
from static_host_build.collect.collectstatic import (
    STORAGE,
    BuildStorage,
    Collected,
    check_references,
    collect,
    dangling_links,
)
from static_host_build.collect.precompress import encoding_ahead
from static_host_build.collect.sources import Source, fingerprint, refuse_clashes, refuse_inside, sources, uses
from static_host_build.compressor.compress import NOTHING, Compressed, compress, is_run, output, report_dangling
from static_host_build.dictionary.deltas import Deltas, saving
from static_host_build.encode import dcz, resources, svgz
from static_host_build.encode.cache import Cache
from static_host_build.encode.cache import directory as cache_directory
from static_host_build.encode.encoder import Encoder
from static_host_build.encode.encodings import Encodings
from static_host_build.errors import BuildFailed, described
from static_host_build.files import Files, Modes
from static_host_build.output import build_stamp
from static_host_build.output.integrity import Verified, verify
from static_host_build.output.releases import current, reused, staging, swap, whole

log = logging.getLogger("static_host.build")

_OF_THE_TREE = {"static_root_files", "static_immutable_pattern", "static_missing_references"}
"""Settings that a tree depends on, beside the encoder's and the project's."""
REUSED = (
    "{name} is immutable and has other bytes than in the release before: a browser that has those keeps them for a "
    "year. Give it another name."
)


def build(settings: Settings, progress: resources.Progress = resources.unseen, *, verifies: bool = False) -> Built:
    """Build the project's static tree and swap it into place. Raises Stop; the old tree then still stands.

    With `verifies`, every file of the new tree is read again and decoded before it takes the old one's place.
    """
    began = time.monotonic()
    project = configured(settings)
    root = Path(os.path.abspath(project.static_root))  # noqa: PTH100 - it takes ".." out, and leaves the link alone
    try:
        modes = Modes.of_project()
        with staging(root, modes) as directory:
            work = _Build(project, settings, root, directory, modes, verifies)
            made, changed = work.run(progress)
            for warning in made.warnings:
                log.warning("%s", warning)
    except OSError as error:
        error.filename = error.filename or str(root)
        raise BuildFailed(f"{described(error)} {root} is as it was.") from None
    tree = index.loads((root / index.NAME).read_bytes())
    release = tree.releases[0].digest
    held = holdings(tree.releases, tree.values())
    went = gone(work.plan.dropped, tree)
    saved = saving(tree.values(), work.deltas.seconds)
    return Built(root, release, changed, made, held, went, saved, time.monotonic() - began, work.verified)


class _Build:
    """One build of a project into the new directory `directory`."""

    def __init__(
        self, project: Project, settings: Settings, root: Path, directory: Path, modes: Modes, verifies: bool
    ) -> None:
        self.verifies = verifies
        self.verified: Verified | None = None
        self.plan = Plan()
        self.project = project
        self.settings = settings
        self.root = root
        self.directory = directory
        self.encoder = Encoder(settings.static_codings, settings.static_effort)
        self.recipes = {**self.encoder.recipes, DELTA: dcz.recipe(settings.static_effort)}
        self.cache = Cache(cache_directory(settings.static_cache, directory.parent), self.encoder.recipe)
        self.before = current(root)
        self.was = _release_at(self.before)
        with explained(project.name):
            project.lay_over(project.prefix, directory, STORAGE)
        static_root.use(project.own_root)
        project.set_up()
        self.files = Files(directory, self.before, modes)
        self.deltas = Deltas(directory, self.files, self.cache.directory, settings)

    def run(self, progress: resources.Progress) -> tuple[resources.Made, bool]:
        """Return what the release consists of, and whether the tree is another one than before."""
        with explained(self.project.name):
            refuse_inside(self.root)
            found = sources()
            refuse_clashes(found)
            strangers = static_root.refuse_strangers(
                self.root, self.project.own_root, {source.name for source in found}
            )
        ignored = dangling_links(found)
        inputs = self._inputs(found)
        with earlier_releases(self.settings, self.project.prefix) as earlier:  # let go of before anything is removed
            known = build_stamp.read(self.directory.parent)
            if known and self.before and self._is_unchanged(known, self.before, inputs, earlier):
                made = self._as_before(known, self.before)
                return replace(made, warnings=(*made.warnings, *earlier.warnings)), False
            with reusing(self.before, earlier, self.encoder, self.recipes) as reuse:
                encodings = Encodings(self.encoder, self.cache, reuse)
                with explained(self.project.name), encoding_ahead(found, encodings):
                    collected = collect(self.directory, self.settings, found, ignored, self.files)
                    compressed = compress(self.project.host + self.project.prefix, self.directory, self.files)
                report_dangling(compressed, collected.dangling, self.settings)
                made = self._made(collected, compressed, encodings, progress)
                in_the_way = self._write_index(made, collected, compressed, earlier, reuse)
        made = replace(made, warnings=(*made.warnings, *in_the_way, *self.deltas.warnings))
        self.files.modes.set_in(self.directory)
        if self.verifies:
            self.verified = _verified(self.directory, self.root)
        stale = [] if self.plan.kept else [REUSED.format(name=name) for name in reused(self.before, made.resources)]
        changed = swap(self.directory, self.root, self._is_intact, partial(static_root.keep, strangers, root=self.root))
        if inputs and not in_the_way and inputs == self._inputs(sources()):  # nothing was changed meanwhile
            release = Path(os.path.realpath(self.root)).name
            note = build_stamp.Record(inputs, self.plan.digest, release, collected.dangling, made.warnings)
            build_stamp.write(self.directory.parent, note)
        return replace(made, warnings=(*made.warnings, *stale, *earlier.warnings)), changed

    def _is_unchanged(self, known: build_stamp.Record, before: Path, inputs: str | None, earlier: Found) -> bool:
        """Whether the tree that stands is the one that this build would make, and is whole."""
        if self.was is None or (known.inputs, known.release) != (inputs, before.name):
            return False
        self.plan = earlier.plan(self.was.digest)  # equal inputs make the same release
        return known.carried == self.plan.digest and self._is_intact(before)

    def _write_index(
        self, made: resources.Made, collected: Collected, compressed: Compressed, earlier: Found, reuse: Reuse
    ) -> list[str]:
        """Carry what is to be carried, and write the index of the whole tree. Returns warnings."""
        manifest = (collected.manifest, (self.directory / collected.manifest).read_bytes())
        others = {name: (self.directory / name).read_bytes() for name in self._others(collected, compressed)}
        resources = made.resources
        recipes = Recipes(self.recipes, made.supplied)
        data = _index(self.project, resources, manifest, others, recipes)
        own = index.loads(data).releases[0].digest
        self.plan = earlier.plan(own)
        problems = Problems(self.settings.static_previous_problems)
        taken = {r.file for resource in resources.values() for r in resource.representations}
        carried = carry(resources, {manifest[0], *others, *taken}, self.plan, self.files, problems)
        problems.settle()
        offered = self.deltas.offered(carried, manifest[1], collected.bundles, self.plan.offered)
        whole = self.deltas.added(offered, reuse)
        made_at = self._time_of(own, earlier)
        if self.deltas.budget or self.plan.kept or made_at is not None:
            releases = tuple(ancestor.release for ancestor in self.plan.kept)
            data = _index(self.project, whole, manifest, others, recipes, made_at, releases)
        self.files.write(index.NAME, data)
        return problems.warnings

    def _time_of(self, own: str, earlier: Found) -> int | None:
        """Return when the release was first made, where that is recorded; else the time that the operator gives."""
        recorded = earlier.current.get(own)
        if recorded is None and self.was and self.was.digest == own:
            recorded = self.was.time
        return self.settings.source_date_epoch if recorded is None else recorded

    def _others(self, collected: Collected, compressed: Compressed) -> list[str]:
        """Return the names of files that the project reads in the tree, Django's manifest aside."""
        names = (compressed.manifest, *collected.taken)
        return [name for name in names if name and (self.directory / name).exists()]

    def _inputs(self, found: Iterable[Source]) -> str | None:
        """Return the fingerprint of all that this build depends on; None if it depends on more than can be named."""
        if is_run() or not uses(BuildStorage):
            return None
        settings = self.settings.model_dump(include=_OF_THE_TREE)
        facts = (settings, self.project.prefix, self.project.host, self.encoder.recipe, output(), self.files.modes)
        own = (dcz.recipe(self.settings.static_effort), self.deltas.budget, bundler_manifests.elsewhere())
        return fingerprint(found, *facts, *own)

    def _is_intact(self, tree: Path) -> bool:
        """Whether a tree that was built once can stay; without `verifies` its lengths have to do."""
        if not whole(tree) or not self.files.modes.are_of(tree, tree / index.NAME):
            return False
        with suppress(TreeUnusable):
            self.verified = verify(tree) if self.verifies else None
            return True
        return False

    def _as_before(self, known: build_stamp.Record, before: Path) -> resources.Made:
        """Say again what the last build said, of the tree that still stands."""
        tree = index.loads((before / index.NAME).read_bytes())
        manifest = json.loads((before / tree.manifest[0]).read_bytes()) if tree.manifest else {"paths": {}}
        check_references(known.dangling, manifest["paths"], self.settings)
        return resources.recalled(tree, self.encoder, known.warnings)

    def _made(
        self, collected: Collected, compressed: Compressed, encodings: Encodings, progress: resources.Progress
    ) -> resources.Made:
        manifest = self.directory / collected.manifest
        if not manifest.exists():
            message = f"collectstatic made no manifest {manifest.name}: the project's storage does not keep one."
            raise BuildFailed(message)
        of_django = resources.fingerprinted(manifest.read_bytes())
        unfolded = tuple(svgz.unfold(self.directory, self.files, of_django))
        root_files = self.settings.static_root_files
        folders = tuple(name for name in root_files if name.endswith("/"))
        names = resources.names(self.directory, lambda name: name in root_files or name.startswith(folders))
        names = [name for name in names if name not in (collected.manifest, compressed.manifest)]
        if not names:
            raise BuildFailed("the project has no static files: its finders find none.")
        known = set(names)
        lost = [name for name in of_django - known if not (self.directory / name).exists()]
        if lost:
            raise BuildFailed(
                f"the manifest names files that are not there: {', '.join(sorted(lost))}. Rename their sources."
            )
        hashed = of_django | bundler_manifests.outputs(collected.bundles, known)
        patterns = [re.compile(self.settings.static_immutable_pattern or NOTHING), re.compile(compressed.pattern)]
        made = resources.make(
            self.directory,
            names,
            lambda name: name in hashed or any(pattern.search(name) for pattern in patterns),
            encodings,
            self.files,
            progress,
        )
        self.cache.prune()
        return replace(made, warnings=(*unfolded, *made.warnings))


def _index(
    project: Project,
    resources: Mapping[str, Resource],
    manifest: tuple[str, bytes],
    others: dict[str, bytes],
    recipes: Recipes,
    time: int | None = None,
    earlier: tuple[Release, ...] = (),
) -> bytes:
    try:
        return index.dumps(project.prefix, resources, manifest, others, time=time, earlier=earlier, recipes=recipes)
    except ValueError as error:
        raise BuildFailed(f"a static file has a name that cannot be served: {error}. Rename it.") from None


def _release_at(tree: Path | None) -> Release | None:
    """Return the release that a tree was built for, if there is one and its index can be read."""
    if tree:
        with suppress(OSError, index.IndexDamaged):
            return index.loads((tree / index.NAME).read_bytes()).releases[0]
    return None


def _verified(directory: Path, root: Path) -> Verified:
    try:
        return verify(directory)
    except TreeDamaged as damaged:
        lines = "\n  ".join(["files of the new tree are not what was written:", *damaged.bad])
        raise BuildFailed(f"{lines}\n{root} is as it was.") from None
