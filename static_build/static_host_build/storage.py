"""The storage that fingerprints static files, and rewrites references between them to the fingerprinted names.

Rule: a fingerprint is Django's: the first 12 hexadecimal digits of the MD5 of the file's final bytes.
`static_host_build.references` finds the references. Every file is processed once, after the files that it refers to.
Files that refer to each other in a circle have no such order. Their fingerprints are made of all their contents
together, so a change of one file renames all. Files that a bundler has fingerprinted stay unchanged.

Django's own storage repeats passes until nothing changes, gives up on circles, and searches names in lists, so its time
grows with the square of the number of files. Which references it recognises depends on Django's version.
"""

from __future__ import annotations

import json
import posixpath
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.files.base import ContentFile
from django.core.management import CommandError

from static_host.conf.settings import Settings
from static_host.errors import StaticHostError
from static_host.project.storage import build_static_url, find_stored
from static_host_build import bundler_manifests
from static_host_build.collect.dependency_graph import find_components
from static_host_build.collect.sources import list_sources
from static_host_build.references import Lines, Reference, UnreadableError, find_references, has_references
from static_host_build.references.missing import DOES_NOT_EXIST, MissingReference, is_of_a_package, report_missing
from static_host_build.references.resolve import Target, list_folders, resolve, rewrite


@dataclass(frozen=True, slots=True)
class _ResolvedReferences:
    """The references in a file that resolve to a file of the tree, in order, and their targets."""

    references: list[Reference]
    targets: list[Target]

    @property
    def names(self) -> set[str]:
        """The names of the target files."""
        return {target.name for target in self.targets}


class FingerprintStorage(ManifestStaticFilesStorage):
    """A staticfiles storage for ``collectstatic``.

    With this in ``STORAGES["staticfiles"]["BACKEND"]``, ``manage.py collectstatic`` makes the same names as
    ``static-host build``. References to missing files stay unchanged, and are all reported at the end.
    DJANGO_STATIC_MISSING_REFERENCES decides whether they fail the command.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dangling: list[MissingReference] = []
        self._bundled: list[str] = []
        self._sources: Mapping[str, Any] = {}
        self._folders: frozenset[str] = frozenset()

    def post_process(
        self, paths: Mapping[str, Any], dry_run: bool = False, **_: Any
    ) -> Iterator[tuple[str, str, bool]]:
        """Fingerprint the collected files `paths`, and yield (name, fingerprinted name, True) for each.

        Raises CommandError for references that do not resolve.
        """
        if dry_run:
            return
        self.hashed_files, self.dangling = {}, []
        self._sources, self._folders = paths, list_folders(paths)
        self._bundled = sorted(bundler_manifests.find_hashed_outputs(self.read_bundler_manifests(), set(paths)))
        self.hashed_files.update({self._make_key(name): name for name in self._bundled})
        links = {}
        for name in sorted(paths):
            found = self._resolve_references(name)
            if name not in self.hashed_files:  # a bundler's output keeps its content; its references are only checked
                if found.targets:
                    links[name] = found
                else:
                    self._fingerprint_unchanged(name)
        edges = {name: sorted(found.names & links.keys()) for name, found in links.items()}
        for members in find_components(edges):
            self._fingerprint_together(members, links, in_a_circle=len(members) > 1 or members[0] in edges[members[0]])
        self.hashed_files = dict(sorted(self.hashed_files.items()))
        self.report_references()
        self.save_manifest()
        yield from ((name, hashed, True) for name, hashed in self.hashed_files.items())

    def read_bundler_manifests(self) -> dict[str, bytes]:
        """Return the bundlers' manifests, by name. Raises CommandError."""
        try:
            return bundler_manifests.read_manifests(list_sources())
        except StaticHostError as stop:
            raise CommandError(str(stop)) from None

    def save_manifest(self) -> None:
        """Write Django's manifest; add the list of files that a bundler has fingerprinted, if any."""
        super().save_manifest()
        storage: Any = self.manifest_storage
        if self._bundled:
            with storage.open(self.manifest_name) as file:
                document = {**json.load(file), bundler_manifests.BUNDLED_KEY: self._bundled}
            storage.delete(self.manifest_name)
            storage._save(self.manifest_name, ContentFile(json.dumps(document).encode()))

    def report_references(self) -> None:
        """Log the references that do not resolve. Raises CommandError if they are errors."""
        try:
            report_missing(
                self.dangling, self.hashed_files, is_fatal=Settings.read().static_missing_references == "error"
            )
        except StaticHostError as stop:
            raise CommandError(str(stop)) from None

    def write(self, name: str, body: bytes) -> None:
        """Write a file with rewritten references under its fingerprinted name."""
        path = Path(self.path(name))
        path.unlink(missing_ok=True)
        path.write_bytes(body)
        path.chmod(self.file_permissions_mode or path.stat().st_mode)

    def copy(self, name: str, hashed: str) -> None:
        """Copy a collected file, unchanged, to its fingerprinted name."""
        Path(self.path(hashed)).unlink(missing_ok=True)
        shutil.copy(self.path(name), self.path(hashed))

    def url(self, name: str | None, force: bool = False) -> str:
        """Return the URL of a file, for a name with any characters: Django would parse the name as a URL."""
        found = find_stored(name or "", self.hashed_files) if force or not django_settings.DEBUG else None
        return build_static_url(self.base_url, found[0]) + found[1] if found else super().url(name or "", force)

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        """Return the name unchanged if it is free: Django would turn its backslashes into slashes."""
        return super().get_available_name(name, max_length) if self.exists(name) else name

    def hashed_name(self, name: str, content: Any = None, filename: str | None = None) -> str:
        """Return the fingerprinted name, for a name with any characters: Django would parse the name as a URL."""
        if content is None:
            with self.open(filename or name) as file:
                return self.hashed_name(name, file)
        folder, last = posixpath.split(name)
        stem, suffix = posixpath.splitext(last)
        digest = self.file_hash(name, content)
        return posixpath.join(folder, f"{stem}.{digest}{suffix}" if digest else last)

    def _resolve_references(self, name: str) -> _ResolvedReferences:
        """Return the references in a file with their targets; record those that do not resolve."""
        links = _ResolvedReferences([], [])
        if not has_references(name):
            return links
        text = _decode(self._read(name))
        lines: Lines | None = None
        prefix = urlsplit(str(self.base_url)).path
        try:
            references = find_references(name, text)
        except UnreadableError as error:
            self._record_unreadable(name, error)
            return links
        for reference in references:
            target = resolve(reference, name, prefix)
            if target and target.name in self._sources:
                links.references.append(reference)
                links.targets.append(target)
            elif target and (target.name not in self._folders or not reference.is_url):
                lines = lines or Lines(text)
                self._record_missing(name, lines.find_line(reference.start), reference, target)
        return links

    def _fingerprint_together(
        self, members: list[str], links: Mapping[str, _ResolvedReferences], *, in_a_circle: bool
    ) -> None:
        """Fingerprint the members of one component; all other files that they refer to have fingerprints already."""
        if in_a_circle:
            # marked names: so the fingerprints also depend on which references are rewritten
            self.hashed_files.update({self._make_key(name): f"{name}\0" for name in members})
            plain = {name: self._rewrite_references(name, links[name]) for name in sorted(members)}
            together = sha256(b"".join(sha256(body).digest() for body in plain.values())).digest()
            for name, body in plain.items():
                self.hashed_files[self._make_key(name)] = self.hashed_name(name, ContentFile(together + body))
        for name in members:
            body = self._rewrite_references(name, links[name])
            if not in_a_circle:
                self.hashed_files[self._make_key(name)] = self.hashed_name(name, ContentFile(body))
            self.write(self.hashed_files[self._make_key(name)], body)

    def _rewrite_references(self, name: str, links: _ResolvedReferences) -> bytes:
        urls = [target.make_url(self.hashed_files[self._make_key(target.name)]) for target in links.targets]
        return _encode(rewrite(_decode(self._read(name)), links.references, urls))

    def _fingerprint_unchanged(self, name: str) -> None:
        with self.open(name) as file:
            hashed = self.hashed_name(name, file)
        self.hashed_files[self._make_key(name)] = hashed
        if hashed != name:
            self.copy(name, hashed)

    def _make_key(self, name: str) -> str:
        return self.hash_key(posixpath.normpath(name))

    def _read(self, name: str) -> bytes:
        return Path(self.path(name)).read_bytes()

    def _record_missing(self, name: str, line: int, reference: Reference, target: Target) -> None:
        is_folder = target.name in self._folders  # only a bundler resolves it to the module index.js
        is_optional = is_folder or reference.is_source_map or self._is_of_a_package(name)
        written = reference.target.partition("#")[0].strip()
        problem = "is a folder" if is_folder else DOES_NOT_EXIST
        self.dangling.append(MissingReference(name, line, written, target.name, is_optional, problem))

    def _record_unreadable(self, name: str, error: UnreadableError) -> None:
        if not self._is_of_a_package(name):
            problem = f"cannot be read ({error}); its references are kept"
            self.dangling.append(
                MissingReference(name, error.line, "the file", name, is_optional=True, problem=problem)
            )

    def _is_of_a_package(self, name: str) -> bool:
        """Whether a file comes from an installed package, which the project's authors cannot change."""
        storage, path = self._sources[name]
        try:
            return is_of_a_package(str(storage.path(path)))
        except NotImplementedError:  # a storage without local files
            return False


def _decode(body: bytes) -> str:
    """Return the file as text; `_encode` restores its bytes, whatever its encoding."""
    return body.decode("utf-8", "surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
