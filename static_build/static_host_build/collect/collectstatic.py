"""Django's ``collectstatic`` into a directory, with fingerprints.

Rule: it is the project's own command, with the project's finders, and with the storage of `BuildStorage` unless the
project has a fingerprinting storage of its own. References that lead nowhere are all reported, with file and line.
"""

from __future__ import annotations

import glob
import json
import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.management.commands.collectstatic import Command
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command, get_commands, load_command_class

from static_host.conf.settings import Settings
from static_host.project.storage import StaticHostStorage
from static_host_build import bundler_manifests
from static_host_build.collect.sources import Source, is_default_collection
from static_host_build.collect.static_root import is_from_static_root
from static_host_build.collect.symlinks import skip_circular_links
from static_host_build.encode import svgz
from static_host_build.errors import BuildError, format_os_error
from static_host_build.references.missing import MissingReference, report_missing
from static_host_build.references.templates import find_missing
from static_host_build.storage import FingerprintStorage
from static_host_build.tree_writer import TreeWriter

log = logging.getLogger("static_host.build")

BUILD_STORAGE = "static_host_build.collect.collectstatic.BuildStorage"


class BuildStorage(StaticHostStorage, FingerprintStorage):
    """The storage of a build: into a new directory, in which nothing is there yet.

    References that lead nowhere are listed in `dangling`, for the build to report.
    """

    writer: TreeWriter
    bundler_manifests: dict[str, bytes]

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:  # noqa: ARG002 - Django's
        """Write a collected file."""
        self.writer.copy(str(name), content)
        return str(name)

    def write(self, name: str, body: bytes) -> None:
        """Write a file whose references were rewritten, by its fingerprinted name."""
        self.writer.write(name, body)

    def copy(self, name: str, hashed: str) -> None:
        """Give a collected file its fingerprinted name, too."""
        self.writer.link(hashed, name)

    def file_hash(self, name: Any, content: Any = None) -> Any:
        """Return the fingerprint of a file; that of an .svgz is the SVG's, which has its name in the tree."""
        image = svgz.decode_svgz(content.read()) if name and content is not None and svgz.is_svgz(name) else None
        return super().file_hash(name, content if image is None else ContentFile(image))

    def read_bundler_manifests(self) -> dict[str, bytes]:
        """Return the bundlers' manifests, which the build has read."""
        return self.bundler_manifests

    def report_references(self) -> None:
        """Leave the report to the build, which adds what it finds in templates."""


class _IndexedList(list[str]):
    """A list that knows quickly what it holds: Django's command looks through one for every file that it copies."""

    def __init__(self) -> None:
        super().__init__()
        self._known: set[str] = set()

    def append(self, name: str) -> None:
        super().append(name)
        self._known.add(name)

    def __contains__(self, name: object) -> bool:
        return name in self._known


@dataclass(frozen=True, slots=True)
class CollectionResult:
    """What was collected: the name of Django's manifest, and what else tells of fingerprinted names.

    `bundles` are the bundlers' manifests, by name, and `taken` those of them that STATIC_ROOT alone has; `dangling` are
    the references between files that lead nowhere.
    """

    manifest_name: str
    bundler_manifests: dict[str, bytes]
    dangling: tuple[MissingReference, ...]
    root_manifests: tuple[str, ...] = ()


def collect(
    directory: Path, settings: Settings, sources: Sequence[Source], ignored: list[str], writer: TreeWriter
) -> CollectionResult:
    """Collect `found` into `directory`, which is the project's STATIC_ROOT by now.

    `ignored` are patterns of what is left out. `files` may link what the release before has, unless a command or a
    storage of the project's own might write into it. Raises BuildError; an exception of the project's own code passes
    through.
    """
    storage: Any = storages["staticfiles"]
    manifests = bundler_manifests.read_manifests(sources)
    if isinstance(storage, BuildStorage):
        storage.writer = writer if is_default_collection(BuildStorage) else TreeWriter(directory, None, writer.modes)
        storage.bundler_manifests = manifests
    try:
        with skip_circular_links():
            _run_collectstatic(ignored)
    except CommandError as error:
        raise BuildError(f"collectstatic: {error}") from None
    except ImproperlyConfigured as error:
        raise BuildError(f"collectstatic: {error}") from None
    except UnicodeDecodeError as error:
        raise BuildError(f"collectstatic: a stylesheet or script is not UTF-8: {error}") from None
    except OSError as error:
        raise BuildError(f"collectstatic: {format_os_error(error)}") from None
    except ValueError as error:
        if "could not be found with" not in str(error):
            raise
        # what Django's own manifest storages raise, up to 6.0, for a reference that leads nowhere
        raise BuildError(f"collectstatic: {error}") from None
    _write_own_manifest(storage, writer)
    _collect_root_files(directory, settings.static_root_files, sources)
    dangling = tuple(getattr(storage, "dangling", ()))
    check_references(dangling, storage.hashed_files, settings)
    return CollectionResult(
        str(storage.manifest_name), manifests, dangling, _collect_manifests(directory, sources, writer)
    )


def check_references(dangling: Iterable[MissingReference], known: Collection[str], settings: Settings) -> None:
    """Report what leads nowhere: `dangling`, and names in templates that are not `known`. Raises BuildError."""
    if known:
        report_missing([*dangling, *find_missing(known)], known, is_fatal=settings.static_missing_references == "error")


def _run_collectstatic(ignore_patterns: list[str]) -> None:
    """Call the project's collectstatic."""
    provider = get_commands().get("collectstatic")
    if provider is None:
        raise BuildError("the project has no collectstatic: add 'django.contrib.staticfiles' to INSTALLED_APPS.")
    command = load_command_class(provider, "collectstatic") if isinstance(provider, str) else provider
    if isinstance(command, Command):
        command.copied_files = _IndexedList()
    call_command(
        command,
        interactive=False,
        verbosity=0,
        skip_checks=True,
        ignore_patterns=ignore_patterns,
    )


def _write_own_manifest(storage: Any, writer: TreeWriter) -> None:
    """Put the manifest of a storage of the project's own into the tree, wherever it keeps that, and in order."""
    content = None if isinstance(storage, BuildStorage) else storage.read_manifest()
    if content is not None:
        writer.write(storage.manifest_name, json.dumps(json.loads(content), sort_keys=True).encode())


def find_dangling_links(sources: Iterable[Source]) -> list[str]:
    """Return patterns that make collectstatic pass over symbolic links whose target does not exist."""
    dangling = {source.path: source.fault for source in sources if source.fault}
    for path in sorted(dangling):
        log.warning("%s %s; it is left out", path, dangling[path])
    both = sorted(source.path for source in sources if source.path in dangling and source.is_file)
    if both:
        names = ", ".join(both)
        raise BuildError(f"{names}: one static folder has it, another has a symbolic link of that name to no file.")
    return [glob.escape(path) for path in sorted(dangling)]


def _collect_manifests(directory: Path, found: Iterable[Source], writer: TreeWriter) -> tuple[str, ...]:
    """Have the manifests in the tree that a bundler has left in STATIC_ROOT: the project may read them there."""
    taken = {
        source.name: source
        for source in found
        if bundler_manifests.is_manifest(source.name) and is_from_static_root(source)
    }
    for name, source in taken.items():
        if not (directory / name).exists():  # a hidden one
            writer.write(name, source.read())
    return tuple(sorted(taken))


def _collect_root_files(directory: Path, root_files: tuple[str, ...], found: Iterable[Source]) -> None:
    """Copy the files that are served at ``/`` but that collectstatic passes over (``.well-known/…``)."""
    folders = tuple(name for name in root_files if name.endswith("/"))
    for source in found:
        target = directory / source.name
        if (source.name in root_files or source.name.startswith(folders)) and source.is_file and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read())
