"""The index: the build's facts about the tree, in the type that the server uses.

Rule: the index holds facts (media type, immutability, codings, files, lengths, digests) and no headers but those that
the project asks for. The server reads it, and derives nothing from names, suffixes or the file system.

The file is UTF-8 text. Its first line is a JSON object: format version, URL prefix, name and CRC-32 of Django's
manifest and of other files that are no resources, whether other tools made the tree, whether folders have names, the
release and its time, the earlier releases with files in the tree, the recipe of each content coding, the encoded files
that came with the sources, the number of resources, and the CRC-32 of everything after that line. Each further line is
one resource, sorted by name: the name, a tab, and a JSON array ``[media type, immutable, [[coding, length, digest,
file], …]]``. A file of ``null`` has the default name: the resource's name plus the coding's suffix.

A name that is empty or ends with a slash is that of a folder; its file is the folder's index file.

The lines stay in memory as one piece of bytes. A name is found by bisection, and its line is parsed on access. So an
index of 100,000 files loads in a few hundredths of a second, and takes the memory of its file.

The array of a resource that belongs to earlier releases, too, or only to these, ends with an object: ``{"releases":
[0, 2]}``. 0 is the release that the tree was built for, 1 the newest of the earlier ones, 2 the next. The object of a
resource that browsers keep as a dictionary also has ``"match"``. The array of a representation that needs a dictionary
(coding ``dcz``) has the dictionary's SHA-256 as a fifth member.

Header fields of the project's own are sets in the first line (``"fields"``), and the object has the number of its set:
``{"fields": 0}``. An index with such sets has format 3, which versions that do not know them refuse; any other one has
format 2.

A release is named by a digest of its own resources, whatever is carried beside them or encoded from them, and whenever
that was. So a build without changes is the same release.
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

from static_host.origin.encoding_recipes import NO_RECIPES, EncodingRecipes
from static_host.origin.own_fields import Fields, parse_field_set
from static_host.origin.representation import Release, Representation, Resource, format_file_name

FORMAT_VERSION = 2
FIELDS_FORMAT_VERSION = 3
"""The format of an index with header fields of the project's own."""
READABLE_VERSIONS = (1, 2, 3)
"""Formats that this version reads; format 1 has no releases."""
HEADER_KEYS = ("format", "prefix", "manifest", "resources", "crc32")
INDEX_FILE_NAME = "static-host.index"
"""The index's file name inside a tree."""
ROOT_FOLDER = ".root/"
"""The folder of a tree whose files are served at ``/`` alone."""


class InvalidIndexError(ValueError):
    """The bytes are no index that this version can read; the message says why."""


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
        recipes: EncodingRecipes = NO_RECIPES,
        field_sets: Sequence[Fields] = (),
        has_folders: bool = False,
    ) -> None:
        self.prefix = prefix
        self.recipes = recipes
        self.releases = tuple(releases)
        """The release that the tree was built for, then the earlier ones with files in it, newest first."""
        self.other_files = tuple(other_files)
        """Names of files of the tree that are no resources."""
        self.adopted = adopted
        """Whether other tools made the tree, and only the index is from `static-host index`."""
        self.manifest = manifest
        """File name and CRC-32 of Django's manifest, or None if the build made none."""
        self.has_folders = has_folders
        """Whether names of folders are among the names."""
        self._field_sets = tuple(field_sets)
        self._lines = lines
        self._starts = array("Q", [0, *(end.end() for end in re.finditer(b"\n", lines))])
        """The offset of each line, then the end of the last one."""

    def __getitem__(self, name: str) -> Resource:
        number = self._find_line(name)
        if number is None:
            raise KeyError(name)
        return self._parse_line(number)

    def exclude(self, names: Container[str]) -> Index:
        """Return an index without the resources of these names, and without manifest and other files."""
        kept = (number for number in range(len(self)) if self._read_name(number).decode() not in names)
        lines = b"".join(self._lines[self._starts[number] : self._starts[number + 1]] for number in kept)
        return Index(self.prefix, lines, releases=self.releases, field_sets=self._field_sets)

    def list_below(self, folder: str) -> Iterator[str]:
        """Yield the names that begin with `folder`, which ends with a slash."""
        begin = folder.encode()
        number = bisect_left(range(len(self)), begin, key=self._read_name)
        while number < len(self) and self._read_name(number).startswith(begin):
            yield self._read_name(number).decode()
            number += 1

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find_line(name) is not None

    def __iter__(self) -> Iterator[str]:
        return (self._read_name(number).decode() for number in range(len(self)))

    def __len__(self) -> int:
        return len(self._starts) - 1

    def iter_resources(self) -> Iterator[Resource]:
        """Return an iterator over all resources, sorted by name, without a search for each."""
        return map(self._parse_line, range(len(self)))

    def name_only_release(self, resource: Resource) -> str:
        """Return the digest of the release that alone has a fingerprinted resource; "" for any other resource."""
        is_alone = resource.immutable and len(resource.releases) == 1
        return self.releases[resource.releases[0]].digest if is_alone else ""

    def _find_line(self, name: str) -> int | None:
        """Return the number of the line with this name, or None. A client's name may have surrogates."""
        wanted = name.encode(errors="surrogatepass")
        number = bisect_left(range(len(self)), wanted, key=self._read_name)
        return number if number < len(self) and self._read_name(number) == wanted else None

    def _read_name(self, number: int) -> bytes:
        start = self._starts[number]
        return self._lines[start : self._lines.find(b"\t", start)]

    def _parse_line(self, number: int) -> Resource:
        name, _, row = self._lines[self._starts[number] : self._starts[number + 1]].decode().partition("\t")
        return _parse_resource(name, row, self._field_sets)


def dump_index(
    prefix: str,
    resources: Mapping[str, Resource],
    manifest: tuple[str, bytes] | None = None,
    other_files: Mapping[str, bytes] | None = None,
    *,
    adopted: bool = False,
    time: int | None = None,
    earlier: Sequence[Release] = (),
    recipes: EncodingRecipes = NO_RECIPES,
) -> bytes:
    """Return the index of `resources` as bytes; equal arguments give equal bytes.

    `manifest` is file name and content of Django's manifest from the same build; `other_files` maps names of files that
    are no resources to their content. `adopted`: other tools made the tree. `time` is the release's, in seconds since
    1970 (UTC); `earlier` are the releases before it with files in the tree, newest first. `recipes` are those of the
    tree's own encoded files.
    Raises ValueError for a name with a tab, a line feed or a surrogate, which no line can hold.
    """
    field_sets, body = _dump_lines(resources)
    facts: dict[str, object] = {
        "prefix": prefix,
        "manifest": [manifest[0], f"{crc32(manifest[1]):08x}"] if manifest else None,
        **(
            {"others": {name: f"{crc32(other_files[name]):08x}" for name in sorted(other_files)}} if other_files else {}
        ),
        **({"adopted": True} if adopted else {}),
        **({"folders": True} if any(name == "" or name.endswith("/") for name in resources) else {}),
    }
    head = {
        "format": FIELDS_FORMAT_VERSION if field_sets else FORMAT_VERSION,
        **facts,
        "release": _compute_release_digest(facts, resources, None if earlier else (field_sets, body)),
        **({} if time is None else {"time": time}),
        **({"earlier": [[each.digest, each.time, each.origin] for each in earlier]} if earlier else {}),
        **recipes.facts,
        **field_sets,
        "resources": len(resources),
        "crc32": f"{crc32(body):08x}",
    }
    return json.dumps(head).encode() + b"\n" + body


def _dump_lines(resources: Mapping[str, Resource]) -> tuple[dict[str, object], bytes]:
    """Return the sets of header fields as a fact of the first line, if there are any, and all other lines."""
    names = sorted(resources)
    sets = dict.fromkeys(resources[name].fields for name in names if resources[name].fields)
    numbers = {fields: number for number, fields in enumerate(sets)}
    lines = b"".join(_format_line(name, resources[name], numbers) for name in names)
    return {"fields": list(sets)} if sets else {}, lines


def _compute_release_digest(
    facts: dict[str, object], resources: Mapping[str, Resource], dumped: tuple[dict[str, object], bytes] | None
) -> str:
    """Return the digest that names a release; `dumped` has all lines if the tree has this release alone, else None."""
    if dumped is None or any(resource.match for resource in resources.values()):
        dumped = _dump_lines({name: each.standalone for name, each in resources.items() if not each.carried})
    field_sets, body = dumped
    return sha256(json.dumps({**facts, **field_sets}, sort_keys=True).encode() + b"\n" + body).hexdigest()[:16]


def parse_index(data: bytes) -> Index:
    """Return the index that `dump_index` wrote. Raises InvalidIndexError if it is damaged or of another format."""
    first, _, body = data.partition(b"\n")
    try:
        head = json.loads(first)
        version, prefix, manifest, count, checksum = (head[key] for key in HEADER_KEYS)
    except (ValueError, TypeError, KeyError):
        raise InvalidIndexError("its first line is not an index header") from None
    if version not in READABLE_VERSIONS:
        first_version, *_, last_version = READABLE_VERSIONS
        raise InvalidIndexError(
            f"it has format {version}, this version reads formats {first_version} to {last_version}"
        )
    if checksum != f"{crc32(body):08x}":
        raise InvalidIndexError("its checksum does not match: it was cut short or changed after the build")
    try:
        body.decode()
    except UnicodeDecodeError:
        raise InvalidIndexError("it is not UTF-8") from None
    releases = _parse_releases(head) if version != 1 else [Release(sha256(data).hexdigest()[:16])]
    other_files, adopted = head.get("others", ()), bool(head.get("adopted"))
    recipes, field_sets = EncodingRecipes.from_header(head), _parse_field_sets(head)
    has_folders = bool(head.get("folders"))
    index = Index(prefix, body, manifest, other_files, adopted, releases, recipes, field_sets, has_folders)
    if count != len(index) or not index:
        raise InvalidIndexError(f"it lists {len(index)} resources, its header says {count}")
    return index


def _parse_releases(head: dict[str, Any]) -> list[Release]:
    try:
        return [Release(head["release"], head.get("time")), *(Release(*each) for each in head.get("earlier", ()))]
    except (TypeError, KeyError):
        raise InvalidIndexError("its first line has no valid release") from None


def _parse_field_sets(head: dict[str, Any]) -> list[Fields]:
    try:
        return [parse_field_set(each) for each in head.get("fields", ())]
    except (ValueError, TypeError):
        raise InvalidIndexError("its first line has header fields that cannot be sent") from None


def _format_line(name: str, resource: Resource, numbers: Mapping[Fields, int]) -> bytes:
    if "\t" in name or "\n" in name or name.encode(errors="replace").decode() != name:
        raise ValueError(f"{name!r} has a tab or a line feed, or is not Unicode")
    rows = [_format_row(name, representation) for representation in resource.representations]
    more = {
        **({"releases": resource.releases} if resource.releases != (0,) else {}),
        **({"match": resource.match} if resource.match else {}),
        **({"fields": numbers[resource.fields]} if resource.fields else {}),
    }
    facts = json.dumps(
        [resource.media_type, resource.immutable, rows, *([more] if more else [])], separators=(",", ":")
    )
    return f"{name}\t{facts}\n".encode()


def _format_row(name: str, r: Representation) -> list[str | int | None]:
    file = None if r.file == format_file_name(name, r.coding, r.dictionary) else r.file
    return [r.coding, r.length, r.digest, file, *([r.dictionary] if r.dictionary else [])]


def _parse_resource(name: str, row: str, field_sets: Sequence[Fields]) -> Resource:
    media_type, immutable, rows, *more = json.loads(row)
    representations = (
        Representation(
            intern(coding), format_file_name(name, coding, *needs) if file is None else file, length, digest, *needs
        )
        for coding, length, digest, file, *needs in rows
    )
    options = more[0] if more else {}
    releases, match = tuple(options.get("releases", (0,))), options.get("match", "")
    fields = field_sets[options["fields"]] if "fields" in options else ()
    return Resource(intern(media_type), immutable, tuple(representations), releases, match, fields)
