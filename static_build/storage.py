"""Fingerprints for static files, and the references between them rewritten to the fingerprinted names.

Rule: a fingerprint is Django's (the first 12 hexadecimal digits of the MD5 of the file's final bytes), what is a
reference is what Django's patterns say, and every file is processed once: files that it refers to come before it.
Files that refer to each other in a circle have no order; their fingerprints are made of all their contents together,
so that a change of any one changes the names of all. What a bundler has fingerprinted is left as it is.

Django's own storage works in passes until nothing changes, gives up on circles, and looks names up in lists; its time
grows with the square of the number of files. For trees without circles the result here is the same.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.contrib.staticfiles.utils import matches_patterns
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.management import CommandError

from app.exits import Stop
from app.settings import Settings
from static_build import bundles
from static_build.graph import components
from static_build.references import Reference, is_quoted, report
from static_build.sources import sources

_SPECIFIER = re.compile(r"""(?:from|import)\s*\(?\s*['"][./]""")
Entry = tuple[Any, ...]
"""One of Django's patterns: the compiled expression, the template and, from Django 6.1 on, what to leave alone."""


@dataclass(frozen=True, slots=True)
class _References:
    """The names that a file refers to, as they stand in the tree, and the patterns that found them."""

    targets: frozenset[str]
    entries: tuple[Entry, ...]


class _Asked(dict[str, str]):
    """Stands in for the fingerprinted names where it only matters which names a file refers to."""

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ARG002 - the signature of dict
        """Note the name, with its query and without, and return it as it is."""
        self[key] = self[key.partition("?")[0]] = key
        return key


class FingerprintStorage(ManifestStaticFilesStorage):
    """A staticfiles storage for ``collectstatic``, imports of ES modules included.

    With this in ``STORAGES["staticfiles"]["BACKEND"]``, ``manage.py collectstatic`` makes the same names as
    ``static-host build``. References to what does not exist are left as they are and listed, all of them, at the end;
    DJANGO_STATIC_MISSING_REFERENCES says whether that fails the command.
    """

    support_js_module_import_aggregation = True
    _patterns: dict[str, list[Entry]]
    _js_module_import_aggregation_patterns: tuple[str, tuple[Entry, ...]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dangling: list[Reference] = []
        self._given: set[str] = set()
        self._bundled: list[str] = []
        self._imports = {entry[0] for entry in self._js_module_import_aggregation_patterns[1]}

    def post_process(
        self, paths: Mapping[str, Any], dry_run: bool = False, **_: Any
    ) -> Iterator[tuple[str, str, bool]]:
        """Fingerprint the collected files `paths` and yield (name, fingerprinted name, True) for each.

        Raises CommandError for references that lead nowhere.
        """
        if dry_run:
            return
        self.hashed_files, self.dangling, self._given = {}, [], set()
        self._bundled = sorted(bundles.outputs(self.manifests(), set(paths)))
        self.hashed_files.update({self._key(name): name for name in self._bundled})
        references = {}
        for name in sorted(set(paths).difference(self._bundled)):
            found = self._references(name)
            if found:
                references[name] = found
            else:
                self._fingerprint_as_it_is(name)
        edges = {name: sorted(found.targets & references.keys()) for name, found in references.items()}
        for members in components(edges):
            self._finish(members, references, in_a_circle=len(members) > 1 or members[0] in edges[members[0]])
        for name in self._bundled:
            self._check(name)
        self.hashed_files = dict(sorted(self.hashed_files.items()))
        self.report()
        self.save_manifest()
        yield from ((name, hashed, True) for name, hashed in self.hashed_files.items())

    def manifests(self) -> dict[str, bytes]:
        """Return the bundlers' manifests, by name. Raises CommandError."""
        try:
            return bundles.manifests(sources())
        except Stop as stop:
            raise CommandError(str(stop)) from None

    def save_manifest(self) -> None:
        """Write Django's manifest, with a list of what a bundler has fingerprinted, where there is any."""
        super().save_manifest()
        storage: Any = self.manifest_storage
        if self._bundled:
            with storage.open(self.manifest_name) as file:
                document = {**json.load(file), bundles.BUNDLED: self._bundled}
            storage.delete(self.manifest_name)
            storage._save(self.manifest_name, ContentFile(json.dumps(document).encode()))

    def report(self) -> None:
        """Warn of the references that lead nowhere. Raises CommandError where they are errors."""
        try:
            report(self.dangling, self.hashed_files, fatal=Settings.read().static_missing_references == "error")
        except Stop as stop:
            raise CommandError(str(stop)) from None

    def write(self, name: str, body: bytes) -> None:
        """Write a file whose references were rewritten, by its fingerprinted name."""
        path = Path(self.path(name))
        path.unlink(missing_ok=True)
        path.write_bytes(body)
        path.chmod(self.file_permissions_mode or path.stat().st_mode)

    def copy(self, name: str, hashed: str) -> None:
        """Copy a collected file as it is to its fingerprinted name."""
        Path(self.path(hashed)).unlink(missing_ok=True)
        shutil.copy(self.path(name), self.path(hashed))

    def url_converter(self, name: str, hashed_files: dict[str, str], *args: Any, **kwargs: Any) -> Any:
        """Return Django's converter, made to collect what it would raise for."""
        convert = super().url_converter(name, hashed_files, *args, **kwargs)

        def converter(match: re.Match[str]) -> str:
            if match["matched"].startswith("import(") and match["url"][:1] not in (".", "/"):
                return match["matched"]  # a bare specifier: an import map resolves it
            try:
                return str(convert(match))
            except (ValueError, SuspiciousFileOperation):
                self._note(name, match)
                return match["matched"]

        return converter

    def _stored_name(self, name: str, hashed_files: dict[str, str]) -> str:
        """Return the fingerprinted name of what a reference names. Raises ValueError if that does not exist.

        Of a name with a query that is no file's name, the query is kept. A name that has its fingerprint already is
        one that an earlier pattern has rewritten: Django's patterns overlap.
        """
        name = name.strip()  # Django's pattern for the source maps of stylesheets leaves a space
        path, _, query = name.partition("?")
        for candidate, rest in ((name, ""), (path, f"?{query}" if query else "")):
            key = self._key(candidate)
            found = hashed_files.get(key)
            if found is not None or key in self._given:
                return (key if found is None else found) + rest
        if os.path.isdir(self.path(path)):  # noqa: PTH112 - false for what cannot be a name
            return name
        raise ValueError(f"{name} does not exist")

    def _references(self, name: str) -> _References | None:
        """Return what a stylesheet or script refers to; None if it is neither, or refers to nothing."""
        entries = [
            entry for glob in self._patterns if matches_patterns(name, (glob,)) for entry in self._patterns[glob]
        ]
        if not entries:
            return None
        text = _text(self._read(name))
        targets: set[str] = set()
        used = []
        for entry in entries:
            asked = _Asked()
            if self._may_match(entry[0], text):
                self._rewritten(name, text, asked, [entry])
            if asked:
                targets.update(asked)
                used.append(entry)
        return _References(frozenset(targets), tuple(used)) if used else None

    def _may_match(self, pattern: re.Pattern[str], text: str) -> bool:
        """Whether a pattern is worth trying: some of Django's read to a file's end from every "import" in it."""
        if "sourceMappingURL" in pattern.pattern:
            return "sourceMappingURL" in text
        return pattern.pattern not in self._imports or _imports(text)

    def _rewritten(self, name: str, text: str, hashed_files: dict[str, str], entries: Iterable[Entry]) -> str:
        for pattern, template, *ignored in entries:
            if pattern.search(text):
                blocks = [self.get_ignored_blocks(text, each) for each in ignored]  # from Django 6.1 on
                text = pattern.sub(self.url_converter(name, hashed_files, template, *blocks), text)
        return text

    def _finish(self, members: list[str], references: Mapping[str, _References], *, in_a_circle: bool) -> None:
        """Fingerprint files that have references, when everything else that they refer to has its fingerprint."""
        if in_a_circle:
            self.hashed_files.update({self._key(name): name for name in members})
            plain = {name: self._final(name, references) for name in sorted(members)}
            together = sha256(b"".join(sha256(body).digest() for body in plain.values())).digest()
            for name, body in plain.items():
                self.hashed_files[self._key(name)] = self._hashed(name, together + body)
                self._given.add(self.hashed_files[self._key(name)])
        for name in members:
            body = self._final(name, references)
            if not in_a_circle:
                self.hashed_files[self._key(name)] = self._hashed(name, body)
            self._given.add(self.hashed_files[self._key(name)])
            self.write(self.hashed_files[self._key(name)], body)

    def _final(self, name: str, references: Mapping[str, _References]) -> bytes:
        text = _text(self._read(name))
        return _bytes(self._rewritten(name, text, self.hashed_files, references[name].entries))

    def _check(self, name: str) -> None:
        """Note the references of a file that keeps its content where they lead nowhere."""
        found = self._references(name)
        if found:
            self._rewritten(name, _text(self._read(name)), self.hashed_files, found.entries)

    def _fingerprint_as_it_is(self, name: str) -> None:
        with self.open(name) as file:
            hashed = self.clean_name(self.hashed_name(name, file))
        self.hashed_files[self._key(name)] = hashed
        self._given.add(hashed)
        if hashed != name:
            self.copy(name, hashed)

    def _hashed(self, name: str, content: bytes) -> str:
        return self.clean_name(self.hashed_name(name, ContentFile(content)))

    def _key(self, name: str) -> str:
        return self.hash_key(self.clean_name(posixpath.normpath(name)))

    def _read(self, name: str) -> bytes:
        return Path(self.path(name)).read_bytes()

    def _note(self, name: str, match: re.Match[str]) -> None:
        script = name.endswith("js")
        if "sourceMappingURL" not in match["matched"] and is_quoted(match.string, match.start(), script=script):
            return
        line = match.string.count("\n", 0, match.start()) + 1
        target = urldefrag(match["url"].strip())[0]
        self.dangling.append(Reference(name, line, target, optional="sourceMappingURL" in match["matched"]))


def _imports(text: str) -> bool:
    """Whether a script has an import or an export from a path: far cheaper to say than where it ends."""
    for keyword in ("import", "from"):
        at = text.find(keyword)
        while at >= 0:
            if _SPECIFIER.match(text, at):
                return True
            at = text.find(keyword, at + 1)
    return False


def _text(body: bytes) -> str:
    """Return the file as text that `_bytes` gives back as it was, whatever its encoding."""
    return body.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
