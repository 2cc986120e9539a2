"""A collected directory → encoded siblings beside its files, and the resources of the index.

Rule: the walk covers all files of the directory, not only those that the manifest names. Each distinct content is
encoded once, however many files have it. A file is immutable if the manifest lists it as fingerprinted or the
operator's pattern matches it. The shape of its name alone proves nothing.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import file_digest
from itertools import chain
from pathlib import Path

from static_host.origin.header_rules import FILE_NAME as HEADER_FILE_NAME
from static_host.origin.index import Index
from static_host.origin.negotiation import CODINGS
from static_host.origin.representation import CODING_SUFFIXES, Representation, Resource, compute_digest, shorten_digest
from static_host_build.bundler_manifests import BUNDLED_KEY
from static_host_build.encode.cached_encoder import CachedEncoder
from static_host_build.encode.decoding import decode
from static_host_build.encode.encoder import Encoder, count_bytes_after_fingerprint, strip_gzip_time
from static_host_build.encode.media_types import guess_media_type
from static_host_django.tree_writer import TreeWriter

MATCH_NOTHING = r"(?!)"
"""A regular expression that matches nothing."""
RepresentationFacts = tuple[tuple[str, int, str], ...]
"""Coding, length in bytes and digest of each representation."""


@dataclass(frozen=True, slots=True)
class Content:
    """One distinct content and its representations."""

    names: tuple[str, ...]
    """All files that have this content."""
    facts: RepresentationFacts
    is_compressible: bool
    """Whether its format is worth encoding."""
    from_cache: bool
    """Whether an earlier build encoded it."""
    seconds: float
    """Seconds that encoding took, or reading the encoded bytes."""
    reused: bool = False
    """Whether its encoded bytes come from an earlier tree."""
    served_type: str = ""
    """The media type that its first name is served with, if that is known already."""

    @property
    def media_type(self) -> str:
        """The media type of its first name, without a charset."""
        return (self.served_type or guess_media_type(self.names[0])).partition(";")[0]

    @property
    def lengths(self) -> dict[str, int]:
        """Bytes by content coding."""
        return {coding: length for coding, length, _ in self.facts}


@dataclass(frozen=True, slots=True)
class ResourceSet:
    """The resources by name, the distinct contents behind them, and warnings for the operator."""

    resources: dict[str, Resource]
    contents: tuple[Content, ...]
    warnings: tuple[str, ...]
    supplied: frozenset[str] = frozenset()
    """Encoded files that came with the sources."""

    @classmethod
    def from_contents(
        cls, contents: Sequence[Content], is_immutable: Callable[[str], bool], warnings: Iterable[str]
    ) -> ResourceSet:
        """Return the resources that consist of these contents."""
        resources = {
            name: _make_resource(name, content.facts, is_immutable(name))
            for content in contents
            for name in content.names
        }
        return cls(resources, tuple(contents), tuple(sorted(warnings)))

    def use_resources(self, resources: dict[str, Resource]) -> ResourceSet:
        """Return the set with these resources of the same files; the contents have their media types."""
        types = {resource.identity.file: resource.media_type for resource in resources.values()}
        contents = tuple(replace(each, served_type=types.get(each.names[0], "")) for each in self.contents)
        return replace(self, resources=resources, contents=contents)

    @classmethod
    def from_index(cls, index: Index, encoder: Encoder, warnings: tuple[str, ...]) -> ResourceSet:
        """Return what `encode_resources` returned for the tree with this index: its own files, not the carried ones."""
        resources = {name: resource for name, resource in index.items() if not resource.carried}
        groups: dict[str, list[Resource]] = {}
        for resource in resources.values():
            groups.setdefault(resource.identity.digest, []).append(resource)
        contents = []
        for group in groups.values():
            names = tuple(resource.identity.file for resource in group)
            facts = tuple((r.coding, r.length, r.digest) for r in group[0].representations if not r.dictionary)
            is_tried = is_compressible(encoder, names)
            served_type = group[0].media_type
            contents.append(Content(names, facts, is_tried, from_cache=is_tried, seconds=0.0, served_type=served_type))
        return cls(resources, tuple(sorted(contents, key=lambda content: content.names)), warnings)


EncodingProgress = Callable[[Iterable[Content], int], Iterable[Content]]


def ignore_progress(contents: Iterable[Content], _: int) -> Iterable[Content]:
    """Pass the contents on; show nothing."""
    return contents


def list_resource_names(root: Path, root_files: tuple[str, ...]) -> list[str]:
    """Return the files below `root` that are resources, sorted.

    Left out are encoded siblings of other files, files with rules for header fields, and hidden files outside of
    `root_files` (names, or folders with a slash at the end).
    """
    found = {name for name in _walk(root) if name.rpartition("/")[2] != HEADER_FILE_NAME}
    suffixes = tuple(suffix for suffix in CODING_SUFFIXES.values() if suffix)
    siblings = {name for name in found if name.endswith(suffixes) and name.rpartition(".")[0] in found}
    folders = tuple(name for name in root_files if name.endswith("/"))
    hidden = {name for name in found if any(part.startswith(".") for part in name.split("/"))}
    shown = {name for name in hidden if name in root_files or name.startswith(folders)}
    return sorted(found - siblings - (hidden - shown))


def parse_fingerprinted_names(manifest: bytes) -> frozenset[str]:
    """Return the fingerprinted names that Django's manifest lists: Django's own and those of bundlers."""
    document = json.loads(manifest)
    paths: dict[str, str] = document["paths"]
    bundled = document.get(BUNDLED_KEY)
    own = (name for name in (bundled if isinstance(bundled, list) else ()) if isinstance(name, str))
    return frozenset(hashed for name, hashed in paths.items() if hashed != name).union(own)


def parse_logical_names(manifest: bytes) -> dict[str, str]:
    """Return the logical names of Django's manifest, by fingerprinted name."""
    return {hashed: name for name, hashed in json.loads(manifest)["paths"].items() if hashed != name}


def encode_resources(
    root: Path,
    names: list[str],
    is_immutable: Callable[[str], bool],
    encoder: CachedEncoder,
    writer: TreeWriter,
    progress: EncodingProgress = ignore_progress,
) -> ResourceSet:
    """Encode the files, write each coding that pays beside its file, and return the resources. Raises OSError.

    `progress` gets the contents as they are done, and the bytes of all that are worth encoding. The largest contents
    come first, so that all threads end at about the same time.
    """
    job = _EncodingJob(root, encoder, writer)
    groups = group_by_content(root, names)
    lengths = {digest: (root / group[0]).stat().st_size for digest, group in groups.items()}
    total = sum(lengths[digest] for digest, group in groups.items() if is_compressible(encoder.encoder, group))
    batches = sorted(_batch_contents(root, groups), key=lambda batch: -sum(lengths[digest] for digest in batch))
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        done = threads.map(
            lambda batch: [job.encode_content(digest, tuple(groups[digest])) for digest in batch], batches
        )
        contents = sorted(progress(chain.from_iterable(done), total), key=lambda content: content.names)
    made = ResourceSet.from_contents(contents, is_immutable, job.warnings)
    return replace(made, supplied=frozenset(job.supplied))


class _EncodingJob:
    """The state that the encoding threads share."""

    def __init__(self, root: Path, encoder: CachedEncoder, writer: TreeWriter) -> None:
        self.root = root
        self.cached_encoder = encoder
        self.encoder = encoder.encoder
        self.writer = writer
        self.warnings: list[str] = []
        self.supplied: list[str] = []

    def encode_content(self, identity: str, group: tuple[str, ...]) -> Content:
        """Encode the content with the digest `identity` for the files of `group`, which all have it."""
        began = time.monotonic()
        path = self.root / group[0]
        facts = [("identity", path.stat().st_size, identity)]
        if not is_compressible(self.encoder, group):
            return Content(group, tuple(facts), is_compressible=False, from_cache=False, seconds=0.0)
        data = path.read_bytes()
        encoded = self.cached_encoder.encode(data)
        supplied = self._take_supplied(group, data, encoded)
        self.supplied += [name + CODING_SUFFIXES[coding] for coding in supplied for name in group]
        encoded = {**encoded, **supplied}
        for coding, body in encoded.items():
            self._write([name + CODING_SUFFIXES[coding] for name in group], body)
            facts.append((coding, len(body), compute_digest(body)))
        made = self.cached_encoder.cache.get_encode_seconds(data)
        seconds = time.monotonic() - began if made is None else made
        return Content(group, tuple(facts), True, made is None, seconds, self.cached_encoder.cache.is_reused(data))

    def _take_supplied(self, group: tuple[str, ...], data: bytes, made: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return the encoded siblings among the sources that are smaller than those of the build.

        Removes all siblings, since a storage may have written the time into them. Warns of each that does not decode to
        its file.
        """
        best: dict[str, bytes] = {}
        for name, coding in ((name, coding) for name in group for coding in self.encoder.codings):
            path = f"{self.root}/{name}{CODING_SUFFIXES[coding]}"
            if not os.path.exists(path):  # noqa: PTH110 - for every file
                continue
            sibling = Path(path)
            body = strip_gzip_time(sibling.read_bytes())
            sibling.unlink()
            now = best.get(coding) or made.get(coding)
            if decode(coding, body, len(data)) != data:
                self.warnings.append(f"{name}{CODING_SUFFIXES[coding]} does not decode to {name}; it is replaced")
            elif len(body) < len(now) if now else self.encoder.is_worthwhile(coding, data, body):
                best[coding] = body
        return best

    def _write(self, names: list[str], body: bytes) -> None:
        self.writer.write(names[0], body)
        for name in names[1:]:
            self.writer.link(name, names[0])


def group_by_content(root: Path, names: Iterable[str]) -> dict[str, list[str]]:
    """Return the names of each content, by its digest. Reads a file with several hard links once."""
    digests: dict[tuple[int, int], str] = {}
    groups: dict[str, list[str]] = {}
    for name in names:
        facts = (root / name).stat()
        inode = (facts.st_dev, facts.st_ino)
        if inode not in digests:
            digests[inode] = _digest_file(root / name)
        groups.setdefault(digests[inode], []).append(name)
    return groups


def _batch_contents(root: Path, groups: dict[str, list[str]]) -> Iterable[list[str]]:
    """Return batches of digests: contents that differ only in the name of their source map are one batch."""
    batches: dict[str, list[str]] = {}
    for identity, group in groups.items():
        body = (root / group[0]).read_bytes() if group[0].endswith((".css", "js")) else b""
        rest = count_bytes_after_fingerprint(body)
        batches.setdefault(compute_digest(body[:-rest]) if rest else identity, []).append(identity)
    return batches.values()


def is_compressible(encoder: Encoder, group: Iterable[str]) -> bool:
    """Whether the format of a content with these names is worth encoding."""
    return any(encoder.should_compress(name) for name in group)


def _make_resource(name: str, facts: RepresentationFacts, immutable: bool) -> Resource:
    ranked = sorted(facts, key=lambda fact: (fact[1], CODINGS.index(fact[0])))
    representations = (
        Representation(coding, name + CODING_SUFFIXES[coding], length, digest) for coding, length, digest in ranked
    )
    return Resource(guess_media_type(name), immutable, tuple(representations))


def _walk(root: Path) -> Iterator[str]:
    for folder, _, files in os.walk(root):
        for file in files:
            yield (Path(folder) / file).relative_to(root).as_posix()


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return shorten_digest(file_digest(file, "sha256").digest())
