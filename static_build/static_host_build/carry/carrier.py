"""Files of earlier releases → the new tree.

Rule: if an earlier release and the new one have the same file under one name, the new one's file serves both. Every
other carried file keeps its bytes in each of its codings: they are compared with the digest in the earlier index, and
nothing is encoded again. Deltas are carried like other codings, even if their dictionary has left the tree. A name with
different bytes in two releases is a problem: the newer release keeps the name, and pages of the older one would get the
wrong file. Names are foreign input and are checked, so none can point outside of the tree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import PurePosixPath
from tempfile import SpooledTemporaryFile
from typing import IO

from static_host.origin.index import INDEX_FILE_NAME
from static_host.origin.index_validation import is_valid_resource
from static_host.origin.representation import Representation, Resource, shorten_digest
from static_host_build.carry.carry_problems import CarryProblems
from static_host_build.carry.release_source import BodyUnusableError, CodingLostError, ReleaseSource
from static_host_build.carry.retention import RetentionPlan
from static_host_django.tree_writer import TreeWriter

_RESERVED_NAMES = frozenset({INDEX_FILE_NAME, "staticfiles.json"})
"""Names of files that every release has for itself."""
_MAX_THREADS = 8
_MAX_IN_MEMORY_BYTES = 1 << 20
"""Bytes of a body that is buffered in memory; a longer one goes to a temporary file first."""

LostCodings = dict[tuple[str, str], set[str]]
"""The names that are carried without a coding, by the source that lacks it and the coding."""


@dataclass
class _TreeEntry:
    """A name in the new tree: the newest release's resource, its source, and the numbers of the releases that have it.

    `source` is None for a file of the new release.
    """

    resource: Resource
    source: ReleaseSource | None
    releases: list[int] = field(default_factory=list)


def carry(
    own: Mapping[str, Resource], taken: Iterable[str], plan: RetentionPlan, writer: TreeWriter, problems: CarryProblems
) -> dict[str, Resource]:
    """Write the files that the plan keeps, and return the resources of the whole tree.

    `own` are the new release's resources, `taken` the names of all its files. Adds what cannot be carried to
    `problems`. Raises OSError.
    """
    entries = _merge_names(own, plan, problems)
    carried = _drop_conflicts({name: entry for name, entry in entries.items() if entry.source}, set(taken), problems)
    lost: LostCodings = defaultdict(set)
    carrier = _Carrier(writer, problems, lost)
    with ThreadPoolExecutor(_MAX_THREADS) as threads:
        written = dict(zip(carried, threads.map(lambda name: carrier.carry(name, carried[name]), carried), strict=True))
    problems.warnings += (
        f"{source} does not pass {coding} on: {len(names)} file{'s are' if len(names) > 1 else ' is'} carried without "
        "it. Name the deployment's own address instead of its CDN's."
        for (source, coding), names in sorted(lost.items())
    )
    whole = {name: replace(entries[name].resource, releases=tuple(entries[name].releases)) for name in own}
    return whole | {name: resource for name, resource in written.items() if resource}


def _merge_names(own: Mapping[str, Resource], plan: RetentionPlan, problems: CarryProblems) -> dict[str, _TreeEntry]:
    """Return an entry for every name of the new release and the kept ones."""
    entries = {name: _TreeEntry(resource, None, [0]) for name, resource in own.items()}
    for number, earlier in enumerate(plan.kept, 1):
        for name, (resource, source) in sorted(earlier.files.items()):
            if not is_valid_resource(name, resource):
                problems.note(f"{source.name}: its index has a file that cannot be carried: {name!r}")
                continue
            newer = entries.setdefault(name, _TreeEntry(resource, source))
            if newer.resource.identity.digest == resource.identity.digest:
                newer.releases.append(number)
            else:
                whose = plan.kept[newer.releases[0] - 1].release.digest if newer.source else "the new release"
                problems.note(
                    f"{name} has other bytes in {whose} than in {earlier.release.digest} ({source.name}): pages of the "
                    "older one would get the newer file. Give it another name."
                )
    return entries


def _drop_conflicts(carried: dict[str, _TreeEntry], taken: set[str], problems: CarryProblems) -> dict[str, _TreeEntry]:
    """Return the entries whose names do not conflict with another file or folder; add the others to `problems`."""
    if not carried:
        return {}
    folders = {str(folder) for name in taken for folder in PurePosixPath(name).parents}
    fitting = {}
    for name, has in carried.items():
        own = {representation.file for representation in has.resource.representations}
        above = {str(folder) for folder in PurePosixPath(name).parents}
        in_the_way = sorted(own & (taken | folders | _RESERVED_NAMES) | above & taken)
        if in_the_way:
            problems.note(f"{name} ({has.source.name if has.source else ''}): the new tree has another {in_the_way[0]}")
            continue
        taken |= own
        folders |= above
        fitting[name] = has
    return fitting


class _Carrier:
    """The state that the carrying threads share."""

    def __init__(self, writer: TreeWriter, problems: CarryProblems, lost: LostCodings) -> None:
        self._writer = writer
        self._problems = problems
        self._lost = lost

    def carry(self, name: str, entry: _TreeEntry) -> Resource | None:
        """Write one resource, and return it with the codings that arrived; None if it cannot be had uncoded."""
        assert entry.source  # noqa: S101 - an entry without one is in the tree already
        had = entry.resource
        carried = []
        for representation in sorted(had.representations, key=lambda each: each.coding != "identity"):
            if self._write(name, representation, entry.source):
                carried.append(representation)
            elif representation.coding == "identity":
                return None
        kept = tuple(representation for representation in had.representations if representation in carried)
        return replace(had, immutable=True, representations=kept, releases=tuple(entry.releases))

    def _write(self, name: str, representation: Representation, source: ReleaseSource) -> bool:
        """Write one file, and return whether its bytes are those of the index."""
        try:
            with SpooledTemporaryFile(_MAX_IN_MEMORY_BYTES) as body:
                copy_checked_body(source, name, representation, body)
                self._writer.copy(representation.file, body)
                return True
        except CodingLostError:
            if representation.coding != "identity":
                self._lost[source.name, representation.coding].add(name)
                return False
            self._problems.note(f"{source.name}: {name} is not available without a content coding")
        except BodyUnusableError as error:
            self._problems.note(f"{source.name}: {representation.file} {error}")
        return False


def copy_checked_body(source: ReleaseSource, name: str, representation: Representation, body: IO[bytes]) -> None:
    """Read a body of the source into `body`, up to its length. Raises BodyUnusableError, CodingLostError."""
    digest, length = sha256(), 0
    for chunk in source.read_body(name, representation):
        length += len(chunk)
        if length > representation.length:
            break
        digest.update(chunk)
        body.write(chunk)
    if length != representation.length:
        more = "more than " if length > representation.length else f"{length} bytes, not "
        raise BodyUnusableError(f"has {more}the {representation.length} bytes in its index")
    if shorten_digest(digest.digest()) != representation.digest:
        raise BodyUnusableError("is damaged: its digest differs from the one in its index")
    body.seek(0)
