"""Fingerprints static files, and rewrites references between them to the fingerprinted names.

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
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import file_digest, md5, sha256
from io import BytesIO
from pathlib import Path
from typing import IO, Protocol

from static_host_build import bundler_manifests
from static_host_build.collect.dependency_graph import find_components
from static_host_build.encode import svgz
from static_host_build.references import Lines, Reference, UnreadableError, find_references, has_references
from static_host_build.references.missing_references import DOES_NOT_EXIST, MissingReference
from static_host_build.references.reference_resolution import Target, list_folders, resolve, rewrite
from static_host_build.script_facts import ScriptFacts
from static_host_django.static_names import is_of_a_package

_DIGITS = 12
_MANIFEST_VERSION = "1.1"


class Writer(Protocol):
    """Writes into the directory of the files, as `static_host_django.tree_writer.TreeWriter`."""

    def write(self, name: str, body: bytes) -> None:
        """Make the file `name` with these bytes; replaces an existing one."""

    def link(self, name: str, existing: str) -> None:
        """Give a file of the directory a second name; replaces an existing one."""


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """The fingerprinted name of each file, sorted; those that a bundler chose; the references that do not resolve.

    `script_facts` are those of `static_host_build.script_facts`.
    """

    names: dict[str, str]
    bundled: tuple[str, ...]
    dangling: tuple[MissingReference, ...]
    script_facts: dict[str, object]

    def dump_manifest(self) -> bytes:
        """Return Django's manifest, with the facts of scripts, and the names that a bundler has chosen, if any."""
        listed = json.dumps(list(self.names.items())).encode()
        document = {"paths": self.names, "version": _MANIFEST_VERSION, "hash": _format_fingerprint(BytesIO(listed))}
        more = {bundler_manifests.BUNDLED_KEY: self.bundled} if self.bundled else {}
        return json.dumps({**document, **more, **self.script_facts}).encode()


@dataclass(frozen=True, slots=True)
class _ResolvedReferences:
    """The references in a file that resolve to a file of the tree, in order, and their targets.

    `imports` are those of them that are static imports of modules, and those that an import map resolves.
    """

    references: list[Reference]
    targets: list[Target]
    imports: list[tuple[Reference, Target | None]]

    @property
    def names(self) -> set[str]:
        """The names of the target files."""
        return {target.name for target in self.targets}


class Fingerprinter:
    """Fingerprints the files of a directory.

    `sources` has the files' names, each with the path of its source, None where that is no local file. `bundled` are
    those that a bundler has fingerprinted. `prefix` is the URL path of the directory, with a slash at its end.
    """

    def __init__(
        self, directory: Path, writer: Writer, sources: Mapping[str, str | None], bundled: Collection[str], prefix: str
    ) -> None:
        self._directory = directory
        self._writer = writer
        self._sources = sources
        self._folders = list_folders(sources)
        self._bundled = tuple(sorted(bundled))
        self._prefix = prefix
        self._names = {_make_key(name): name for name in self._bundled}
        self._dangling: list[MissingReference] = []
        self._facts = ScriptFacts(sources, self._bundled)

    def run(self) -> Fingerprints:
        """Write every file under its fingerprinted name. Raises OSError."""
        links, imports = {}, {}
        for name in sorted(self._sources):
            body = self._read(name) if has_references(name) else b""
            found = self._resolve_references(name, body)
            if found.imports:
                imports[name] = found.imports
            if name in self._names or not found.targets:
                self._facts.record(_make_key(name), body)
            if name not in self._names:  # a bundler's output keeps its content; its references are only checked
                if found.targets:
                    links[name] = found
                else:
                    self._fingerprint_unchanged(name)
        edges = {name: sorted(filter(links.__contains__, found.names)) for name, found in links.items()}
        for members in find_components(edges):
            self._fingerprint_together(members, links, in_a_circle=len(members) > 1 or members[0] in edges[members[0]])
        for name, statics in imports.items():
            self._facts.record_imports(_make_key(name), self._list_specifiers(statics, is_rewritten=name in links))
        names = dict(sorted(self._names.items()))
        return Fingerprints(names, self._bundled, tuple(self._dangling), self._facts.dump(names))

    def _resolve_references(self, name: str, body: bytes) -> _ResolvedReferences:
        """Return the references in a file with their targets; record those that do not resolve."""
        links = _ResolvedReferences([], [], [])
        if not has_references(name):
            return links
        text = _decode(body)
        lines: Lines | None = None
        try:
            references = find_references(name, text)
        except UnreadableError as error:
            self._record_unreadable(name, error)
            return links
        for reference in references:
            target = resolve(reference, name, self._prefix)
            if target and target.name in self._sources:
                links.references.append(reference)
                links.targets.append(target)
                if self._facts.is_module_import(reference, target):
                    links.imports.append((reference, target))
            elif target is None and self._facts.is_module_import(reference, None):
                links.imports.append((reference, None))
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
            self._names.update({_make_key(name): f"{name}\0" for name in members})
            plain = {name: self._rewrite_references(name, links[name]) for name in sorted(members)}
            together = sha256(b"".join(sha256(body).digest() for body in plain.values())).digest()
            for name, body in plain.items():
                self._names[_make_key(name)] = _insert_fingerprint(name, BytesIO(together + body))
        for name in members:
            body = self._rewrite_references(name, links[name])
            if not in_a_circle:
                self._names[_make_key(name)] = _insert_fingerprint(name, BytesIO(body))
            self._facts.record(_make_key(name), body)
            self._writer.write(self._names[_make_key(name)], body)

    def _rewrite_references(self, name: str, links: _ResolvedReferences) -> bytes:
        urls = [self._make_url(target) for target in links.targets]
        return _encode(rewrite(_decode(self._read(name)), links.references, urls))

    def _list_specifiers(self, imports: list[tuple[Reference, Target | None]], *, is_rewritten: bool) -> list[str]:
        """Return the specifiers of static imports as they are in the fingerprinted file."""
        return [
            self._make_url(target) if target and is_rewritten else reference.target for reference, target in imports
        ]

    def _make_url(self, target: Target) -> str:
        return target.make_url(self._names[_make_key(target.name)])

    def _fingerprint_unchanged(self, name: str) -> None:
        with (self._directory / name).open("rb") as file:
            hashed = _insert_fingerprint(name, file)
        self._names[_make_key(name)] = hashed
        self._writer.link(hashed, name)

    def _read(self, name: str) -> bytes:
        return (self._directory / name).read_bytes()

    def _record_missing(self, name: str, line: int, reference: Reference, target: Target) -> None:
        is_folder = target.name in self._folders  # only a bundler resolves it to the module index.js
        is_optional = is_folder or reference.is_source_map or is_of_a_package(self._sources[name])
        written = reference.target.partition("#")[0].strip()
        problem = "is a folder" if is_folder else DOES_NOT_EXIST
        self._dangling.append(MissingReference(name, line, written, target.name, is_optional, problem))

    def _record_unreadable(self, name: str, error: UnreadableError) -> None:
        if not is_of_a_package(self._sources[name]):
            problem = f"cannot be read ({error}); its references are kept"
            self._dangling.append(
                MissingReference(name, error.line, "the file", name, is_optional=True, problem=problem)
            )


def _make_key(name: str) -> str:
    return posixpath.normpath(name)


def _insert_fingerprint(name: str, file: IO[bytes]) -> str:
    """Return the fingerprinted name, for a name with any characters: Django would parse the name as a URL.

    An .svgz has the fingerprint of the decoded SVG, which has this name in the tree.
    """
    if svgz.is_svgz(name):
        body = file.read()
        image = svgz.decode_svgz(body)
        file = BytesIO(body if image is None else image)
    folder, last = posixpath.split(name)
    stem, suffix = posixpath.splitext(last)
    return posixpath.join(folder, f"{stem}.{_format_fingerprint(file)}{suffix}")


def _format_fingerprint(file: IO[bytes]) -> str:
    return file_digest(file, partial(md5, usedforsecurity=False)).hexdigest()[:_DIGITS]  # type: ignore[arg-type]


def _decode(body: bytes) -> str:
    """Return the file as text; `_encode` restores its bytes, whatever its encoding."""
    return body.decode("utf-8", "surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
