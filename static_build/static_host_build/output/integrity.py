"""Checks the integrity of a built tree: every representation must decode to its source.

Rule: every file in the index is read and compared with its length and its digest. Every encoded file is decoded as by a
browser, and must have the digest of its resource without coding. A delta is decoded with the dictionary that the index
and the delta name; it must be in the tree. The dictionary of a carried delta may have left the tree with its release:
then the delta's digest and header are compared, and it is counted separately.

Equal bytes are decoded once. Only dictionaries are read into memory as a whole, and decoding stops at the length of the
source. The report lists all damaged files, not only the first.
"""

from __future__ import annotations

import os
import time
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

from static_host.origin.representation import Representation, Resource, shorten_digest
from static_host.origin.tree import FileChangedError, Tree, TreeDamagedError, load_tree
from static_host_build.build_errors import BuildError
from static_host_build.encode import dcz
from static_host_build.encode.decoding import is_encoding_of


@dataclass(frozen=True, slots=True)
class IntegrityReport:
    """The figures of an undamaged tree: its resources, their files (representations), and the bytes read.

    `undecoded` counts the files whose dictionary has left the tree, so that they could not be decoded.
    """

    resources: int
    files: int
    undecoded: int
    bytes: int
    seconds: float

    def __str__(self) -> str:
        decoded = f"{self.files - self.undecoded:,} files of {self.resources:,} resources decode to their sources"
        if not self.undecoded:
            return decoded
        deltas = "1 carried delta is" if self.undecoded == 1 else f"{self.undecoded:,} carried deltas are"
        return f"{decoded}; {deltas} as built, but their dictionaries have left the tree"


@dataclass(frozen=True, slots=True)
class _CheckedContent:
    """The result for the resources of one content: a message for each damaged file, the lengths of the others."""

    problems: list[str]
    lengths: list[int]
    undecoded: int


def check_integrity(root: Path) -> IntegrityReport:
    """Check every file of the tree at `root`; changes nothing.

    Raises TreeUnusableError; TreeDamagedError if files are damaged.
    """
    began = time.monotonic()
    tree = load_tree(root)
    try:
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            sources = _TreeContents(tree)
            found = list(threads.map(lambda names: _check_content(sources, names), sources.names.values()))
    finally:
        tree.close()
    problems = sorted(line for group in found for line in group.problems)
    if problems:
        lines = "".join(f"\n  {line}" for line in problems)
        rebuild = "Build it again with `static-host build --verify`, which replaces a damaged tree."
        remedy = tree.remedy if tree.index.adopted else rebuild
        raise TreeDamagedError(f"the static tree at {root} is damaged:{lines}", root, problems, remedy=remedy)
    lengths = [length for group in found for length in group.lengths]
    undecoded = sum(group.undecoded for group in found)
    return IntegrityReport(len(tree.index), len(lengths), undecoded, sum(lengths), round(time.monotonic() - began, 3))


def check_new_tree(directory: Path, root: Path) -> IntegrityReport:
    """Return the report on the tree in `directory`. Raises BuildError if it is damaged; `root` is then unchanged."""
    try:
        return check_integrity(directory)
    except TreeDamagedError as damaged:
        lines = "\n  ".join(["files of the new tree differ from what was written:", *damaged.problems])
        raise BuildError(f"{lines}\n{root} is as it was.") from None


class _TreeContents:
    """The uncoded contents of a tree; `names` has the names of each content, by its digest."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.names: dict[str, list[str]] = {}
        for name, resource in tree.index.items():
            self.names.setdefault(resource.identity.digest, []).append(name)

    def has_lost_dictionary(self, resource: Resource, representation: Representation) -> bool:
        """Whether a representation is a carried delta whose dictionary has left the tree."""
        if not representation.dictionary or not resource.carried:
            return False
        return shorten_digest(b64decode(representation.dictionary)) not in self.names

    def read_dictionary(self, sha_256: str) -> bytes | None:
        """Return the content with this SHA-256 (base64); None if the tree lacks it. Raises OSError."""
        for name in self.names.get(shorten_digest(b64decode(sha_256)), ()):
            with self.tree.open(self.tree.index[name].identity) as file:
                data = file.readall()
            if b64encode(sha256(data).digest()).decode() == sha_256:
                return data
        return None


def _check_content(sources: _TreeContents, names: list[str]) -> _CheckedContent:
    """Check the files of the resources with these names, which have the same content."""
    problems, lengths, undecoded = [], [], 0
    decodes: dict[str, bool] = {}
    for name in names:
        resource = sources.tree.index[name]
        for representation in resource.representations:
            problem = _find_problem(sources, name, resource, representation, decodes)
            if problem:
                problems.append(f"{representation.file} ({representation.coding}): {problem}")
            else:
                lengths.append(representation.length)
                undecoded += sources.has_lost_dictionary(resource, representation)
    return _CheckedContent(problems, lengths, undecoded)


def _find_problem(
    sources: _TreeContents, name: str, resource: Resource, representation: Representation, decodes: dict[str, bool]
) -> str | None:
    difference = sources.tree.find_difference(representation)
    if difference:
        return difference
    try:
        with sources.tree.open(representation) as file:
            if shorten_digest(file_digest(file, "sha256").digest()) != representation.digest:
                return "is not what was built"
            key = f"{representation.coding} {representation.digest}"
            file.seek(0)
            if sources.has_lost_dictionary(resource, representation):
                is_consistent = dcz.has_matching_header(file, representation.dictionary, resource.identity.length)
                return None if is_consistent else "is not a delta with the dictionary and the length in its index"
            if key not in decodes:
                dictionary = sources.read_dictionary(representation.dictionary) if representation.dictionary else b""
                if dictionary is None:
                    return "needs a dictionary that the tree does not have"
                decodes[key] = is_encoding_of(resource.identity, representation.coding, file, dictionary)
    except FileChangedError:
        return "was changed during the check"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None if decodes[key] else f"does not decode to {name}"
