"""A built tree → proof that every representation is its source.

Rule: every file of the index is read whole and compared with its length and its digest; every encoded one is decoded
as a browser would, and must give the bytes whose digest the index records for the resource without coding; for a
delta, the browser has the dictionary that the index and the delta name, which must be in the tree. That of a carried
delta may have gone with its release: such a delta is compared with its digest, must say of itself what the index says,
and is counted apart. Equal bytes are decoded once, however many names they have. Nothing but dictionaries is held
whole, and no decoding goes on beyond the length of the source, whatever the file would unfold to. All that is wrong is
told, not the first of it.
"""

from __future__ import annotations

import os
import time
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

from static_host.origin.index import Representation, Resource, shorten_digest
from static_host.origin.tree import FileChangedError, Tree, TreeDamagedError, load_tree
from static_host_build.encode import dcz
from static_host_build.encode.decoding import is_encoding_of
from static_host_build.errors import BuildError


@dataclass(frozen=True, slots=True)
class IntegrityReport:
    """What was found right: `files` are the representations of the resources, `bytes` all that was read of them.

    `undecoded` are those of the files that are what was built, and whose dictionary is in the tree no longer.
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
        return f"{decoded}; {deltas} as built, for dictionaries that the tree has no longer"


@dataclass(frozen=True, slots=True)
class _CheckedContent:
    """Of the resources of one content: a line for each file that is wrong, and the lengths of those that are right."""

    problems: list[str]
    lengths: list[int]
    undecoded: int


def check_integrity(root: Path) -> IntegrityReport:
    """Return what the tree at `root` consists of.

    Raises TreeUnusableError, and TreeDamagedError if files are wrong. It changes nothing and asks for nothing but an
    index: the tree need not be the one that is served.
    """
    began = time.monotonic()
    tree = load_tree(root)
    try:
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            sources = _TreeContents(tree)
            found = list(threads.map(lambda names: _check_content(sources, names), sources.names.values()))
    finally:
        tree.close()
    bad = sorted(line for group in found for line in group.problems)
    if bad:
        lines = "".join(f"\n  {line}" for line in bad)
        rebuild = "Build it again with `static-host build --verify`, which makes anew what is damaged."
        remedy = tree.remedy if tree.index.adopted else rebuild
        raise TreeDamagedError(f"the static tree at {root} is damaged:{lines}\n{remedy}", root, bad)
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
    """The contents of a tree without coding; `names` has the names of each, by its digest."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.names: dict[str, list[str]] = {}
        for name, resource in tree.index.items():
            self.names.setdefault(resource.identity.digest, []).append(name)

    def has_lost_dictionary(self, resource: Resource, representation: Representation) -> bool:
        """Whether a delta came with a carried resource, and no resource of the tree is its dictionary."""
        if not representation.dictionary or not resource.carried:
            return False
        return shorten_digest(b64decode(representation.dictionary)) not in self.names

    def read_dictionary(self, sha_256: str) -> bytes | None:
        """Return the content with this SHA-256, in base64, if the tree has it. Raises OSError."""
        for name in self.names.get(shorten_digest(b64decode(sha_256)), ()):
            with self.tree.open(self.tree.index[name].identity) as file:
                data = file.readall()
            if b64encode(sha256(data).digest()).decode() == sha_256:
                return data
        return None


def _check_content(sources: _TreeContents, names: list[str]) -> _CheckedContent:
    """Return what was found of the files of these resources, which have the same content."""
    bad, lengths, undecoded = [], [], 0
    decodes: dict[str, bool] = {}
    for name in names:
        resource = sources.tree.index[name]
        for representation in resource.representations:
            wrong = _find_problem(sources, name, resource, representation, decodes)
            if wrong:
                bad.append(f"{representation.file} ({representation.coding}): {wrong}")
            else:
                lengths.append(representation.length)
                undecoded += sources.has_lost_dictionary(resource, representation)
    return _CheckedContent(bad, lengths, undecoded)


def _find_problem(
    sources: _TreeContents, name: str, resource: Resource, representation: Representation, decodes: dict[str, bool]
) -> str | None:
    wrong = sources.tree.find_difference(representation)
    if wrong:
        return wrong
    try:
        with sources.tree.open(representation) as file:
            if shorten_digest(file_digest(file, "sha256").digest()) != representation.digest:
                return "is not what was built"
            key = f"{representation.coding} {representation.digest}"
            file.seek(0)
            if sources.has_lost_dictionary(resource, representation):
                said = dcz.has_matching_header(file, representation.dictionary, resource.identity.length)
                return None if said else "is no delta with the dictionary and to the length that its index says"
            if key not in decodes:
                dictionary = sources.read_dictionary(representation.dictionary) if representation.dictionary else b""
                if dictionary is None:
                    return "needs a dictionary that the tree does not have"
                decodes[key] = is_encoding_of(resource.identity, representation.coding, file, dictionary)
    except FileChangedError:
        return "was changed meanwhile"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None if decodes[key] else f"does not decode to {name}"
