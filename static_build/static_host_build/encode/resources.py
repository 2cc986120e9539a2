"""A collected directory → encoded siblings beside its files, and the resources of the index.

Rule: the walk covers the directory as it is, not only what the manifest names; each distinct content is encoded once,
however many files have it; immutable is what the manifest fingerprints, and what the operator's pattern finds. A
name's shape alone proves nothing.
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

from whitenoise.media_types import MediaTypes

from static_host.origin.index import Index
from static_host.origin.negotiation import CODINGS
from static_host.origin.representation import CODING_SUFFIXES, Representation, Resource, compute_digest, shorten_digest
from static_host_build.bundler_manifests import BUNDLED_KEY
from static_host_build.encode.encoder import Encoder, count_bytes_after_fingerprint, decode, strip_gzip_time
from static_host_build.encode.encodings import Encodings
from static_host_build.files import Files

_MEDIA_TYPES = MediaTypes(
    extra_types={  # what WhiteNoise's table lacks, or has by a name that is out of use
        ".cjs": "text/javascript",
        ".csv": "text/csv",
        ".geojson": "application/geo+json",
        ".glb": "model/gltf-binary",
        ".gltf": "model/gltf+json",
        ".gz": "application/gzip",
        ".ics": "text/calendar",
        ".jsonld": "application/ld+json",
        ".jxl": "image/jxl",
        ".map": "application/json",
        ".md": "text/markdown",
        ".opus": "audio/ogg",
        ".otf": "font/otf",
        ".ttf": "font/ttf",
        ".vtt": "text/vtt",
        ".webmanifest": "application/manifest+json",
        ".woff": "font/woff",
        ".yaml": "application/yaml",
        ".yml": "application/yaml",
        "apple-app-site-association": "application/json",
    }
)


RepresentationFacts = tuple[tuple[str, int, str], ...]
"""Coding, length in bytes and digest of each representation."""


@dataclass(frozen=True, slots=True)
class Content:
    """One distinct content and what became of it.

    `list_resource_names` are all files that have it; `facts` tell of its representations; `tried` is whether its format
    is worth encoding; `from_cache` is whether an earlier build encoded it, and `reused` whether an earlier tree had it;
    `seconds` is the time that encoding took, or reading what was encoded.
    """

    names: tuple[str, ...]
    facts: RepresentationFacts
    is_compressible: bool
    from_cache: bool
    seconds: float
    reused: bool = False

    @property
    def media_type(self) -> str:
        """The media type of its first name, without a charset."""
        return guess_media_type(self.names[0]).partition(";")[0]

    @property
    def lengths(self) -> dict[str, int]:
        """Bytes by content coding."""
        return {coding: length for coding, length, _ in self.facts}


@dataclass(frozen=True, slots=True)
class ResourceSet:
    """The resources by name, the distinct contents behind them, and what the operator should know."""

    resources: dict[str, Resource]
    contents: tuple[Content, ...]
    warnings: tuple[str, ...]
    supplied: frozenset[str] = frozenset()
    """Encoded files that came with the sources."""


EncodingProgress = Callable[[Iterable[Content], int], Iterable[Content]]


def ignore_progress(contents: Iterable[Content], _: int) -> Iterable[Content]:
    """Give the contents on: the progress of a build that nobody watches."""
    return contents


def list_resource_names(root: Path, is_shown: Callable[[str], bool]) -> list[str]:
    """Return the files below `root` that are resources, sorted.

    Left out: hidden files, unless `shown`, and files that are another file's encoded sibling.
    """
    found = set(_walk(root))
    suffixes = tuple(suffix for suffix in CODING_SUFFIXES.values() if suffix)
    siblings = {name for name in found if name.endswith(suffixes) and name.rpartition(".")[0] in found}
    hidden = {name for name in found if any(part.startswith(".") for part in name.split("/")) and not is_shown(name)}
    return sorted(found - siblings - hidden)


def parse_fingerprinted_names(manifest: bytes) -> frozenset[str]:
    """Return the names that Django's manifest gives to a file in place of its own, and those that a bundler gave."""
    document = json.loads(manifest)
    paths: dict[str, str] = document["paths"]
    bundled = document.get(BUNDLED_KEY)
    own = (name for name in (bundled if isinstance(bundled, list) else ()) if isinstance(name, str))
    return frozenset(hashed for name, hashed in paths.items() if hashed != name).union(own)


def parse_logical_names(manifest: bytes) -> dict[str, str]:
    """Return the names that Django's manifest fingerprints, by the names that it gives them."""
    return {hashed: name for name, hashed in json.loads(manifest)["paths"].items() if hashed != name}


def encode_resources(
    root: Path,
    names: list[str],
    is_immutable: Callable[[str], bool],
    encodings: Encodings,
    files: Files,
    progress: EncodingProgress = ignore_progress,
) -> ResourceSet:
    """Encode what pays, write it beside the files, and return the resources. Raises OSError.

    `progress` gives on the contents, each when it is done; it is told the bytes of all that are worth encoding. The
    largest come first, so that no thread is left alone with one of them at the end.
    """
    making = _EncodingJob(root, encodings, files)
    groups = group_by_content(root, names)
    lengths = {compute_digest: (root / group[0]).stat().st_size for compute_digest, group in groups.items()}
    total = sum(
        lengths[compute_digest] for compute_digest, group in groups.items() if is_compressible(encodings.encoder, group)
    )
    batches = sorted(
        _batch_contents(root, groups), key=lambda batch: -sum(lengths[compute_digest] for compute_digest in batch)
    )
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        done = threads.map(
            lambda batch: [
                making.encode_content(compute_digest, tuple(groups[compute_digest])) for compute_digest in batch
            ],
            batches,
        )
        contents = sorted(progress(chain.from_iterable(done), total), key=lambda content: content.names)
    return replace(assemble_resources(contents, is_immutable, making.warnings), supplied=frozenset(making.supplied))


def assemble_resources(
    contents: Sequence[Content], is_immutable: Callable[[str], bool], warnings: Iterable[str]
) -> ResourceSet:
    """Return the contents, and the resources that they are."""
    resources = {
        name: _make_resource(name, content.facts, is_immutable(name)) for content in contents for name in content.names
    }
    return ResourceSet(resources, tuple(contents), tuple(sorted(warnings)))


def restore_from_index(index: Index, encoder: Encoder, warnings: tuple[str, ...]) -> ResourceSet:
    """Return what `encode_resources` returned when it made the tree that has this index.

    What is carried was not made.
    """
    resources = {name: resource for name, resource in index.items() if not resource.carried}
    groups: dict[str, list[str]] = {}
    for name, resource in resources.items():
        groups.setdefault(resource.identity.digest, []).append(name)
    contents = []
    for group in groups.values():
        own = (r for r in resources[group[0]].representations if not r.dictionary)
        facts = tuple((r.coding, r.length, r.digest) for r in own)
        tried = is_compressible(encoder, group)
        contents.append(Content(tuple(group), facts, tried, from_cache=tried, seconds=0.0))
    return ResourceSet(resources, tuple(sorted(contents, key=lambda content: content.names)), warnings)


def guess_media_type(name: str) -> str:
    """Return WhiteNoise's media type for the name, with a charset where the type is text."""
    plain = "text/plain" if name.endswith(".d.ts") else str(_MEDIA_TYPES.get_type(name))  # TypeScript, not video
    return f"{plain}; charset=utf-8" if plain.startswith("text/") else plain


class _EncodingJob:
    """What the threads that encode share."""

    def __init__(self, root: Path, encodings: Encodings, files: Files) -> None:
        self.root = root
        self.encodings = encodings
        self.encoder = encodings.encoder
        self.files = files
        self.warnings: list[str] = []
        self.supplied: list[str] = []

    def encode_content(self, identity: str, group: tuple[str, ...]) -> Content:
        """Encode one content, whose digest is `identity`, for all files that have it."""
        began = time.monotonic()
        path = self.root / group[0]
        facts = [("identity", path.stat().st_size, identity)]
        if not is_compressible(self.encoder, group):
            return Content(group, tuple(facts), is_compressible=False, from_cache=False, seconds=0.0)
        data = path.read_bytes()
        encoded = self.encodings.encode(data)
        supplied = self._take_supplied(group, data, encoded)
        self.supplied += [name + CODING_SUFFIXES[coding] for coding in supplied for name in group]
        encoded = {**encoded, **supplied}
        for coding, body in encoded.items():
            self._write([name + CODING_SUFFIXES[coding] for name in group], body)
            facts.append((coding, len(body), compute_digest(body)))
        made = self.encodings.cache.get_encode_seconds(data)
        seconds = time.monotonic() - began if made is None else made
        return Content(group, tuple(facts), True, made is None, seconds, self.encodings.cache.is_reused(data))

    def _take_supplied(self, group: tuple[str, ...], data: bytes, made: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return the encoded siblings that came with the sources and are smaller than those that were made.

        All are removed: one that does not decode to its file, and one whose storage wrote the time into it.
        """
        best: dict[str, bytes] = {}
        for name, coding in ((name, coding) for name in group for coding in self.encoder.codings):
            sibling = self.root / (name + CODING_SUFFIXES[coding])
            if not sibling.exists():
                continue
            body = strip_gzip_time(sibling.read_bytes())
            sibling.unlink()
            now = best.get(coding) or made.get(coding)
            if decode(coding, body, len(data)) != data:
                self.warnings.append(f"{name}{CODING_SUFFIXES[coding]} does not decode to {name}; it is replaced")
            elif len(body) < len(now) if now else self.encoder.is_worthwhile(coding, data, body):
                best[coding] = body
        return best

    def _write(self, names: list[str], body: bytes) -> None:
        self.files.write(names[0], body)
        for name in names[1:]:
            self.files.link(name, names[0])


def group_by_content(root: Path, names: Iterable[str]) -> dict[str, list[str]]:
    """Return the names of each content, by its digest. Links to one file are read once."""
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
    """Return the contents, by digest; those that differ only in the name of their source map are one batch."""
    batches: dict[str, list[str]] = {}
    for identity, group in groups.items():
        body = (root / group[0]).read_bytes() if group[0].endswith((".css", "js")) else b""
        rest = count_bytes_after_fingerprint(body)
        batches.setdefault(compute_digest(body[:-rest]) if rest else identity, []).append(identity)
    return batches.values()


def is_compressible(encoder: Encoder, group: Iterable[str]) -> bool:
    """Whether a content with these names is in a format that is worth encoding."""
    return any(encoder.should_compress(name) for name in group)


def _make_resource(name: str, facts: RepresentationFacts, immutable: bool) -> Resource:
    ranked = sorted(facts, key=lambda fact: (fact[1], CODINGS.index(fact[0])))
    representations = (
        Representation(coding, name + CODING_SUFFIXES[coding], length, compute_digest)
        for coding, length, compute_digest in ranked
    )
    return Resource(guess_media_type(name), immutable, tuple(representations))


def _walk(root: Path) -> Iterator[str]:
    for folder, _, files in os.walk(root):
        for file in files:
            yield (Path(folder) / file).relative_to(root).as_posix()


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return shorten_digest(file_digest(file, "sha256").digest())
