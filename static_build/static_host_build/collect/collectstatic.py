"""Django's ``collectstatic`` into a directory, with fingerprints.

Rule: this runs the project's own command with the project's finders. The storage is `BuildStorage`, unless the project
has its own fingerprinting storage. All references that do not resolve are reported, with file and line.
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
    """The storage of a build; it writes into a new, empty directory.

    `dangling` lists the references that do not resolve, for the build to report.
    """

    writer: TreeWriter
    bundler_manifests: dict[str, bytes]

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:  # noqa: ARG002 - Django's
        """Write a collected file."""
        self.writer.copy(str(name), content)
        return str(name)

    def write(self, name: str, body: bytes) -> None:
        """Write a file with rewritten references under its fingerprinted name."""
        self.writer.write(name, body)

    def copy(self, name: str, hashed: str) -> None:
        """Link a collected file to its fingerprinted name."""
        self.writer.link(hashed, name)

    def file_hash(self, name: Any, content: Any = None) -> Any:
        """Return the fingerprint of a file; for an .svgz, that of the decoded SVG, which has this name in the tree."""
        image = svgz.decode_svgz(content.read()) if name and content is not None and svgz.is_svgz(name) else None
        return super().file_hash(name, content if image is None else ContentFile(image))

    def read_bundler_manifests(self) -> dict[str, bytes]:
        """Return the bundlers' manifests that the build has read."""
        return self.bundler_manifests

    def report_references(self) -> None:
        """Do nothing: the build reports them, with those in templates."""


class _IndexedList(list[str]):
    """A list with fast membership tests: Django's command makes one for every file that it copies."""

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
    """The name of Django's manifest, and further facts about the collected files.

    `bundler_manifests` are the bundlers' manifests by name, `root_manifests` those of them that only STATIC_ROOT has.
    `dangling` are the references between files that do not resolve.
    """

    manifest_name: str
    bundler_manifests: dict[str, bytes]
    dangling: tuple[MissingReference, ...]
    root_manifests: tuple[str, ...] = ()


def collect(
    directory: Path, settings: Settings, sources: Sequence[Source], ignored: list[str], writer: TreeWriter
) -> CollectionResult:
    """Collect `sources` into `directory`, which is the project's STATIC_ROOT at this point.

    `ignored` are patterns of files to skip. `writer` links files of the previous release, unless the project's own
    command or storage might write into them. Raises BuildError; does not catch exceptions of the project's own code.
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
        # Django's own manifest storages, up to 6.0, raise this for a reference that does not resolve
        raise BuildError(f"collectstatic: {error}") from None
    _write_own_manifest(storage, writer)
    _collect_root_files(directory, settings.static_root_files, sources)
    dangling = tuple(getattr(storage, "dangling", ()))
    check_references(dangling, storage.hashed_files, settings)
    return CollectionResult(
        str(storage.manifest_name), manifests, dangling, _collect_manifests(directory, sources, writer)
    )


def check_references(dangling: Iterable[MissingReference], known: Collection[str], settings: Settings) -> None:
    """Report `dangling`, and names in templates that are not `known`. Raises BuildError."""
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
    """Write the manifest of the project's own storage into the tree, with sorted keys."""
    content = None if isinstance(storage, BuildStorage) else storage.read_manifest()
    if content is not None:
        writer.write(storage.manifest_name, json.dumps(json.loads(content), sort_keys=True).encode())


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


def _collect_manifests(directory: Path, found: Iterable[Source], writer: TreeWriter) -> tuple[str, ...]:
    """Copy bundlers' manifests from STATIC_ROOT into the tree, where the project may read them; return their names."""
    taken = {
        source.name: source
        for source in found
        if bundler_manifests.is_manifest(source.name) and is_from_static_root(source)
    }
    for name, source in taken.items():
        if not (directory / name).exists():  # collectstatic skips hidden files
            writer.write(name, source.read())
    return tuple(sorted(taken))


def _collect_root_files(directory: Path, root_files: tuple[str, ...], found: Iterable[Source]) -> None:
    """Copy the files that are served at ``/`` and that collectstatic skips (``.well-known/…``)."""
    folders = tuple(name for name in root_files if name.endswith("/"))
    for source in found:
        target = directory / source.name
        if (source.name in root_files or source.name.startswith(folders)) and source.is_file and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read())
