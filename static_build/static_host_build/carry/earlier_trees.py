"""Encoded files of trees that were built earlier → the codings of the same content in this build.

Rule: a tree with and without earlier ones has the same bytes. So a file is used again only if its tree's index says
that it was made with the recipe that this build has for the coding, and not if it came with the sources. Nothing is
believed: it must have the length and the digest that the index says, and decode to the content; a coding that a tree
lacks is made, unless a quick look says that it saves next to nothing.

Strategy: a place that is not on this machine is asked for contents only that take longer to encode than to fetch, and
for nothing more of a coding that it fails to give once.
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
from static_host_build.carry.discovery import EarlierReleases
from static_host_build.carry.release_source import (
    BodyUnusableError,
    CodingLostError,
    ReleaseSource,
    ReleaseSourceError,
    load_index,
)
from static_host_build.encode.decoding import is_encoding_of
from static_host_build.encode.encoder import Encoder

_MIN_REMOTE_BYTES = 64 << 10
"""Bytes of a content that is worth a request for each of its codings: brotli and zstd take a tenth of a second."""

DELTA_RECIPE = "delta"
"""What the index calls the recipe of deltas, beside those of the codings."""


class EarlierTree:
    """What one tree has, by the digest of the content; `recipes` are those of this build, by coding."""

    def __init__(self, index: Index, place: ReleaseSource, encoder: Encoder, recipes: Mapping[str, str]) -> None:
        self._index = index
        self._source = place
        self._encoder = encoder
        self._equal_codings = {coding for coding in recipes if recipes[coding] == index.recipes.by_coding.get(coding)}
        self._has_all = len(self._equal_codings) == len(recipes)
        self._is_remote = not isinstance(place, DirectorySource)
        self._lost_codings: set[str] = set()

    @cached_property
    def _by_digest(self) -> dict[str, tuple[str, Resource]]:
        """The tree's own resources that were worth encoding, with their names, by the digest of their content."""
        found: dict[str, tuple[str, Resource]] = {}
        with suppress(ValueError, TypeError, LookupError):  # an index that this version does not understand
            for name, resource in self._index.items():
                if not resource.carried and self._encoder.should_compress(name) and is_valid_resource(name, resource):
                    found.setdefault(resource.identity.digest, (name, resource))
        return found

    def find_codings(self, data: bytes) -> dict[str, bytes | None] | None:
        """Return the codings of the content that this build makes alike, None for those that did not pay there.

        None alone is for a content that the tree lacks.
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
        """Return the delta of the content against the dictionary with this SHA-256, in base64, if the tree has it."""
        name, resource = self._find_resource(data)
        if resource is None or not self._has_all:
            return None
        mine = (r for r in resource.representations if r.dictionary == sha_256)
        return next((self._read_body(name, resource, each, dictionary) for each in mine), None)

    def _find_resource(self, data: bytes) -> tuple[str, Resource | None]:
        if self._is_remote and len(data) < _MIN_REMOTE_BYTES:
            return "", None
        name, resource = self._by_digest.get(compute_digest(data), ("", None))
        return name, resource

    def _read_body(
        self, name: str, resource: Resource, representation: Representation, dictionary: bytes = b""
    ) -> bytes | None:
        """Return the bytes of one representation, if they are what they should be."""
        body = BytesIO()
        is_ours = representation.file not in self._index.recipes.supplied
        if (
            not is_ours
            or representation.coding in self._lost_codings
            or representation.length >= resource.identity.length
        ):
            return None
        try:
            copy_checked_body(self._source, name, representation, body)
        except (BodyUnusableError, CodingLostError):
            if self._is_remote:
                self._lost_codings.add(representation.coding)
            return None
        return body.getvalue() if is_encoding_of(resource.identity, representation.coding, body, dictionary) else None


class EarlierTrees:
    """What all earlier trees have, those that cost least first."""

    def __init__(self, trees: Iterable[EarlierTree] = ()) -> None:
        self._trees = tuple(trees)

    def find_codings(self, data: bytes) -> dict[str, bytes | None]:
        """Return the codings of the content that this build makes alike, None for those that did not pay."""
        return next((found for tree in self._trees if (found := tree.find_codings(data))), {})

    def find_delta(self, data: bytes, dictionary: bytes, sha_256: str) -> bytes | None:
        """Return the delta of the content against the dictionary with this SHA-256, in base64, if a tree has it."""
        return next((found for tree in self._trees if (found := tree.find_delta(data, dictionary, sha_256))), None)


@contextmanager
def open_earlier_trees(
    before: Path | None, earlier: EarlierReleases, encoder: Encoder, recipes: Mapping[str, str]
) -> Iterator[EarlierTrees]:
    """Give what can be used again of the tree that stands, and of the earlier ones that were found."""
    with ExitStack() as stack:
        trees = list(earlier.trees)
        with suppress(ReleaseSourceError):
            if before:
                place = DirectorySource(str(before))
                stack.callback(place.close)
                trees.insert(0, (load_index(place.read_snapshots(1)[0]), place))
        yield EarlierTrees(EarlierTree(index, place, encoder, recipes) for index, place in trees)
