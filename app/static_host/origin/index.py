"""The index: what the build knows of the tree, in the type that the server uses.

Rule: the index holds facts (media type, immutability, codings, files, lengths, digests), never headers; the
server reads it and derives nothing from names, suffixes or the file system.

The file is UTF-8 text. Its first line is a JSON object (format version, URL prefix, name and CRC-32 of Django's
manifest and of other files that are no resources, whether other tools made the tree, the release and its time, the
earlier releases of which the tree has files, the recipe of each content coding, which encoded files came with the
sources, number of resources and the CRC-32 of everything after that line); each
further line is one resource, sorted by name: the name, a tab, and a JSON array ``[media type, immutable, [[coding,
length, digest, file], …]]``. A file of ``null`` lies where its name says: the resource's name plus the coding's suffix.

The lines stay as they are, in one piece: a name is found by bisection, and its line is parsed when it is asked for. So
the index of 100,000 files is read in a few hundredths of a second, and takes the memory of its file.

A resource that earlier releases have, too, or that only they have, ends its array with an object: ``{"releases": [0,
2]}``; 0 is the release that the tree was built for, 2 the second of the earlier ones, of which the newest is 1. The
object also has ``"match"``, of a resource that browsers keep as a dictionary. The array of a representation that needs
one (coding ``dcz``) has a fifth member, the dictionary's SHA-256.

A release is named by a digest of what it consists of by itself: the resources that it was built for, whatever is
carried beside them, or made of that, and whenever that was. A build that changes nothing is the same release.
"""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_left
from collections.abc import Container, Iterator, Mapping, Sequence
from hashlib import sha256
from sys import intern
from typing import Any
from zlib import crc32

from static_host.origin.recipes import NO_RECIPES, Recipes
from static_host.origin.representation import Release, Representation, Resource, format_file_name

FORMAT_VERSION = 2
READABLE_VERSIONS = (1, 2)
"""Formats that this version reads; the first knows nothing of releases."""
HEADER_KEYS = ("format", "prefix", "manifest", "resources", "crc32")
INDEX_FILE_NAME = "static-host.index"
"""The index's file name inside a tree."""


class InvalidIndexError(ValueError):
    """The bytes are not an index that this version can use; the message says why."""


class Index(Mapping[str, Resource]):
    """Resource by name: the URL path below the prefix, decoded (``css/site.css``)."""

    def __init__(
        self,
        prefix: str,
        lines: bytes,
        manifest: tuple[str, str] | None = None,
        other_files: Sequence[str] = (),
        adopted: bool = False,
        releases: Sequence[Release] = (Release(""),),
        recipes: Recipes = NO_RECIPES,
    ) -> None:
        self.prefix = prefix
        self.recipes = recipes
        self.releases = tuple(releases)
        """The release that the tree was built for, then the earlier ones of which it has files, the newest first."""
        self.other_files = tuple(other_files)
        """Names of further files that belong to the tree and are no resources."""
        self.adopted = adopted
        """Whether other tools made the tree, and only the index is ours."""
        self.manifest = manifest
        """File name and CRC-32 of Django's manifest, where the build made one."""
        self._lines = lines
        self._starts = array("Q", [0, *(end.end() for end in re.finditer(b"\n", lines))])
        """Where each line starts, and at last where one more would."""

    def __getitem__(self, name: str) -> Resource:
        place = self._find_line(name)
        if place is None:
            raise KeyError(name)
        return self._parse_line(place)

    def exclude(self, names: Container[str]) -> Index:
        """Return an index of the resources with other names than these, and of nothing else."""
        kept = (place for place in range(len(self)) if self._read_name(place).decode() not in names)
        lines = b"".join(self._lines[self._starts[place] : self._starts[place + 1]] for place in kept)
        return Index(self.prefix, lines, releases=self.releases)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find_line(name) is not None

    def __iter__(self) -> Iterator[str]:
        return (self._read_name(place).decode() for place in range(len(self)))

    def __len__(self) -> int:
        return len(self._starts) - 1

    def iter_resources(self) -> Iterator[Resource]:
        """Return all resources in the order of their names, without a search for each."""
        return map(self._parse_line, range(len(self)))

    def _find_line(self, name: str) -> int | None:
        """Return which line has the name, or None. Names that come from clients may be no Unicode."""
        wanted = name.encode(errors="surrogatepass")
        place = bisect_left(range(len(self)), wanted, key=self._read_name)
        return place if place < len(self) and self._read_name(place) == wanted else None

    def _read_name(self, place: int) -> bytes:
        start = self._starts[place]
        return self._lines[start : self._lines.find(b"\t", start)]

    def _parse_line(self, place: int) -> Resource:
        name, _, row = self._lines[self._starts[place] : self._starts[place + 1]].decode().partition("\t")
        return _parse_resource(name, row)


def dump_index(
    prefix: str,
    resources: Mapping[str, Resource],
    manifest: tuple[str, bytes] | None = None,
    other_files: Mapping[str, bytes] | None = None,
    *,
    adopted: bool = False,
    time: int | None = None,
    earlier: Sequence[Release] = (),
    recipes: Recipes = NO_RECIPES,
) -> bytes:
    """Return the index of `resources` as bytes; equal resources give equal bytes.

    `manifest` is the file name and the content of Django's manifest, which belongs to the same build; `others` are
    further files that are no resources; `adopted` is whether other tools made the tree; `time` is that of the release
    (seconds since 1970), and `earlier` are those before it of which the tree has files, the newest first; `recipes`
    tell how its own files were encoded.
    Raises ValueError for a name with a tab or a line feed, or one that is not Unicode: no line can hold it.
    """
    body = b"".join(_format_line(name, resources[name]) for name in sorted(resources))
    facts: dict[str, object] = {
        "prefix": prefix,
        "manifest": [manifest[0], f"{crc32(manifest[1]):08x}"] if manifest else None,
        **(
            {"others": {name: f"{crc32(other_files[name]):08x}" for name in sorted(other_files)}} if other_files else {}
        ),
        **({"adopted": True} if adopted else {}),
    }
    head = {
        "format": FORMAT_VERSION,
        **facts,
        "release": _compute_release_digest(facts, resources, None if earlier else body),
        **({} if time is None else {"time": time}),
        **({"earlier": [[each.digest, each.time, each.origin] for each in earlier]} if earlier else {}),
        **recipes.facts,
        "resources": len(resources),
        "crc32": f"{crc32(body):08x}",
    }
    return json.dumps(head).encode() + b"\n" + body


def _compute_release_digest(facts: dict[str, object], resources: Mapping[str, Resource], body: bytes | None) -> str:
    """Return the digest that names a release; `body` are the lines of its resources, where there are no others."""
    if body is None or any(resource.match for resource in resources.values()):
        own = sorted(name for name, resource in resources.items() if not resource.carried)
        body = b"".join(_format_line(name, resources[name].standalone) for name in own)
    return sha256(json.dumps(facts, sort_keys=True).encode() + b"\n" + body).hexdigest()[:16]


def parse_index(data: bytes) -> Index:
    """Return the index that `dump_index` wrote. Raises InvalidIndexError when it is not whole, or of another format."""
    first, _, body = data.partition(b"\n")
    try:
        head = json.loads(first)
        version, prefix, manifest, count, checksum = (head[key] for key in HEADER_KEYS)
    except (ValueError, TypeError, KeyError):
        raise InvalidIndexError("its first line is not an index header") from None
    if version not in READABLE_VERSIONS:
        formats = " and ".join(map(str, READABLE_VERSIONS))
        raise InvalidIndexError(f"it has format {version}, this version reads formats {formats}")
    if checksum != f"{crc32(body):08x}":
        raise InvalidIndexError("its checksum does not match: it was cut short or changed after the build")
    try:
        body.decode()
    except UnicodeDecodeError:
        raise InvalidIndexError("it is not UTF-8") from None
    releases = _parse_releases(head) if version != 1 else [Release(sha256(data).hexdigest()[:16])]
    others, adopted = head.get("others", ()), bool(head.get("adopted"))
    index = Index(prefix, body, manifest, others, adopted, releases, Recipes.from_header(head))
    if count != len(index) or not index:
        raise InvalidIndexError(f"it lists {len(index)} resources, its header says {count}")
    return index


def _parse_releases(head: dict[str, Any]) -> list[Release]:
    try:
        return [Release(head["release"], head.get("time")), *(Release(*each) for each in head.get("earlier", ()))]
    except (TypeError, KeyError):
        raise InvalidIndexError("its first line does not tell its release") from None


def _format_line(name: str, resource: Resource) -> bytes:
    if "\t" in name or "\n" in name or name.encode(errors="replace").decode() != name:
        raise ValueError(f"{name!r} has a tab or a line feed, or is not Unicode")
    rows = [_format_row(name, representation) for representation in resource.representations]
    more = {
        **({"releases": resource.releases} if resource.releases != (0,) else {}),
        **({"match": resource.match} if resource.match else {}),
    }
    facts = json.dumps(
        [resource.media_type, resource.immutable, rows, *([more] if more else [])], separators=(",", ":")
    )
    return f"{name}\t{facts}\n".encode()


def _format_row(name: str, r: Representation) -> list[str | int | None]:
    file = None if r.file == format_file_name(name, r.coding, r.dictionary) else r.file
    return [r.coding, r.length, r.digest, file, *([r.dictionary] if r.dictionary else [])]


def _parse_resource(name: str, row: str) -> Resource:
    media_type, immutable, rows, *more = json.loads(row)
    representations = (
        Representation(
            intern(coding),
            format_file_name(name, coding, *needs) if file is None else file,
            length,
            digest,
            *needs,
        )
        for coding, length, digest, file, *needs in rows
    )
    others = more[0] if more else {}
    releases = tuple(others.get("releases", (0,)))
    return Resource(intern(media_type), immutable, tuple(representations), releases, others.get("match", ""))
