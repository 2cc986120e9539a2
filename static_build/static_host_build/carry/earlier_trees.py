"""Encoded files of earlier trees → the codings of the same contents in this build.

Rule: reuse must not change the bytes of a tree. So a file is reused only if its tree's index records this build's
recipe for the coding, and the file did not come with the sources. The file must have the length and the digest in the
index, and must decode to the content. A coding that an earlier tree lacks is made, unless a quick trial shows that it
saves next to nothing.

Strategy: a remote source is only used for contents that take longer to encode than to fetch. After one failure for a
coding it is not used for that coding again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from io import BytesIO
from pathlib import Path

from static_host.origin.index import Index
from static_host.origin.index_validation import is_valid_resource
from static_host.origin.representation import Representation, Resource, compute_digest
from static_host_build.carry.carrier import copy_checked_body
from static_host_build.carry.directory_source import DirectorySource
from static_host_build.carry.release_source import (
    BodyUnusableError,
    CodingLostError,
    ReleaseSource,
    ReleaseSourceError,
    load_index,
)
from static_host_build.carry.source_discovery import EarlierReleases
from static_host_build.encode.decoding import is_encoding_of
from static_host_build.encode.encoder import Encoder

_MIN_REMOTE_BYTES = 64 << 10
"""Bytes of a content that is worth a request per coding: brotli and zstd take a tenth of a second for it."""

DELTA_RECIPE = "delta"
"""The key of the deltas' recipe in the index, beside those of the codings."""


class EarlierTree:
    """The reusable files of one tree; `recipes` are those of this build, by coding."""

    def __init__(self, index: Index, source: ReleaseSource, encoder: Encoder, recipes: Mapping[str, str]) -> None:
        self._index = index
        self._source = source
        self._encoder = encoder
        self._equal_codings = {coding for coding in recipes if recipes[coding] == index.recipes.by_coding.get(coding)}
        self._has_all = len(self._equal_codings) == len(recipes)
        self._is_remote = not isinstance(source, DirectorySource)
        self._lost_codings: set[str] = set()

    @cached_property
    def _by_digest(self) -> dict[str, tuple[str, Resource]]:
        """Name and resource of the tree's own compressible files, by the digest of their content."""
        found: dict[str, tuple[str, Resource]] = {}
        with suppress(ValueError, TypeError, LookupError):  # a line that this version cannot read
            for name, resource in self._index.items():
                if not resource.carried and self._encoder.should_compress(name) and is_valid_resource(name, resource):
                    found.setdefault(resource.identity.digest, (name, resource))
        return found

    def find_codings(self, data: bytes) -> dict[str, bytes | None] | None:
        """Return the bytes of each coding with this build's recipe, None for a coding that did not pay.

        Returns None if the tree lacks the content.
        """
        name, resource = self._find_resource(data)
        if resource is None:
            return None
        found: dict[str, bytes | None] = {}
        plain = {each.coding: each for each in resource.representations if not each.dictionary}
        for coding in self._equal_codings - {DELTA_RECIPE}:
            body = self._read_body(name, resource, plain[coding]) if coding in plain else None
            if body is not None or coding not in plain:
                found[coding] = body
        return found

    def find_delta(self, data: bytes, dictionary: bytes, sha_256: str) -> bytes | None:
        """Return the delta of a content against the dictionary with this SHA-256 (base64), if the tree has it."""
        name, resource = self._find_resource(data)
        if resource is None or not self._has_all:
            return None
        deltas = (r for r in resource.representations if r.dictionary == sha_256)
        return next((self._read_body(name, resource, each, dictionary) for each in deltas), None)

    def _find_resource(self, data: bytes) -> tuple[str, Resource | None]:
        if self._is_remote and len(data) < _MIN_REMOTE_BYTES:
            return "", None
        name, resource = self._by_digest.get(compute_digest(data), ("", None))
        return name, resource

    def _read_body(
        self, name: str, resource: Resource, representation: Representation, dictionary: bytes = b""
    ) -> bytes | None:
        """Return the bytes of one representation, if they are reusable and undamaged."""
        body = BytesIO()
        is_supplied = representation.file in self._index.recipes.supplied
        is_larger = representation.length >= resource.identity.length
        if is_supplied or is_larger or representation.coding in self._lost_codings:
            return None
        try:
            copy_checked_body(self._source, name, representation, body)
        except (BodyUnusableError, CodingLostError):
            if self._is_remote:
                self._lost_codings.add(representation.coding)
            return None
        return body.getvalue() if is_encoding_of(resource.identity, representation.coding, body, dictionary) else None


class EarlierTrees:
    """The reusable files of all earlier trees; the cheapest tree comes first."""

    def __init__(self, trees: Iterable[EarlierTree] = ()) -> None:
        self._trees = tuple(trees)

    def find_codings(self, data: bytes) -> dict[str, bytes | None]:
        """Return the bytes of each coding with this build's recipe, None for a coding that did not pay."""
        return next((found for tree in self._trees if (found := tree.find_codings(data))), {})

    def find_delta(self, data: bytes, dictionary: bytes, sha_256: str) -> bytes | None:
        """Return the delta of a content against the dictionary with this SHA-256 (base64), if a tree has it."""
        return next((found for tree in self._trees if (found := tree.find_delta(data, dictionary, sha_256))), None)


@contextmanager
def open_earlier_trees(
    before: Path | None, earlier: EarlierReleases, encoder: Encoder, recipes: Mapping[str, str]
) -> Iterator[EarlierTrees]:
    """Open the current tree, and yield it with the trees of `earlier` for reuse."""
    with ExitStack() as stack:
        trees = list(earlier.trees)
        with suppress(ReleaseSourceError):
            if before:
                source = DirectorySource(str(before))
                stack.callback(source.close)
                trees.insert(0, (load_index(source.read_snapshots(1)[0]), source))
        yield EarlierTrees(EarlierTree(index, source, encoder, recipes) for index, source in trees)
