"""Files of earlier releases → the new tree.

Rule: what an earlier release and the new one have under one name is one file, the new one's. Everything else that is
carried keeps its bytes, in every coding that it had: each is compared with the digest that the earlier index has, and
nothing is encoded again. Deltas are codings like others, those too whose dictionary is in the tree no longer. A name
that has other bytes in two releases is a clash, and a problem: the newer one has it, and pages of the older one would
get the wrong file. Names come from elsewhere, so none leads out of the tree.
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
from static_host_build.carry.problems import Problems
from static_host_build.carry.release_source import BodyUnusableError, CodingLostError, ReleaseSource
from static_host_build.carry.retention import RetentionPlan
from static_host_build.tree_writer import TreeWriter

_RESERVED_NAMES = frozenset({INDEX_FILE_NAME, "staticfiles.json"})
"""Files that each release has of its own."""
_MAX_THREADS = 8
_MAX_IN_MEMORY_BYTES = 1 << 20
"""Bytes of a body that are held in memory before they are written; longer ones wait in a temporary file."""

LostCodings = dict[tuple[str, str], set[str]]
"""The names that are carried without a coding, by the name of the place that does not pass it on, and the coding."""


@dataclass
class _TreeEntry:
    """One name that is to be in the tree: the newest release's resource, the place that has it, and who else has it."""

    resource: Resource
    source: ReleaseSource | None
    releases: list[int] = field(default_factory=list)


def carry(
    own: Mapping[str, Resource], taken: Iterable[str], plan: RetentionPlan, writer: TreeWriter, problems: Problems
) -> dict[str, Resource]:
    """Write what the plan carries beside the new release's resources `own`, and return the resources of the whole tree.

    `taken` are the names of all files of the new tree. What is in the way goes to `problems`. Raises OSError.
    """
    held = _merge_names(own, plan, problems)
    carried = _drop_conflicts({name: has for name, has in held.items() if has.source}, set(taken), problems)
    lost: LostCodings = defaultdict(set)
    carrier = _Carrier(writer, problems, lost)
    with ThreadPoolExecutor(_MAX_THREADS) as threads:
        written = dict(zip(carried, threads.map(lambda name: carrier.carry(name, carried[name]), carried), strict=True))
    problems.warnings += (
        f"{place} does not pass on {coding}: {len(names)} file{'s are' if len(names) > 1 else ' is'} carried without "
        "it. Name the deployment's own address in place of its CDN's."
        for (place, coding), names in sorted(lost.items())
    )
    whole = {name: replace(has.resource, releases=tuple(has.releases)) for name, has in held.items() if name in own}
    return whole | {name: resource for name, resource in written.items() if resource}


def _merge_names(own: Mapping[str, Resource], plan: RetentionPlan, problems: Problems) -> dict[str, _TreeEntry]:
    """Return every name, with the numbers of the releases that have it."""
    held = {name: _TreeEntry(resource, None, [0]) for name, resource in own.items()}
    for number, ancestor in enumerate(plan.kept, 1):
        for name, (resource, place) in sorted(ancestor.files.items()):
            if not is_valid_resource(name, resource):
                problems.note(f"{place.name}: its index has a file that cannot be carried: {name!r}")
                continue
            newer = held.setdefault(name, _TreeEntry(resource, place))
            if newer.resource.identity.digest == resource.identity.digest:
                newer.releases.append(number)
            else:
                whose = plan.kept[newer.releases[0] - 1].release.digest if newer.source else "the new release"
                problems.note(
                    f"{name} has other bytes in {whose} than in {ancestor.release.digest} ({place.name}): pages of the "
                    "older one would get the newer file. Give it another name."
                )
    return held


def _drop_conflicts(carried: dict[str, _TreeEntry], taken: set[str], problems: Problems) -> dict[str, _TreeEntry]:
    """Return those that no other file is in the way of: a sibling of that name, or a folder."""
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
    """What the threads that carry share."""

    def __init__(self, writer: TreeWriter, problems: Problems, lost: LostCodings) -> None:
        self._writer = writer
        self._problems = problems
        self._lost = lost

    def carry(self, name: str, has: _TreeEntry) -> Resource | None:
        """Write one resource, and return it with the codings that came; None without its identity."""
        assert has.source  # noqa: S101 - those without one are in the tree already
        had = has.resource
        carried = []
        for representation in sorted(had.representations, key=lambda each: each.coding != "identity"):
            if self._write(name, representation, has.source):
                carried.append(representation)
            elif representation.coding == "identity":
                return None
        kept = tuple(representation for representation in had.representations if representation in carried)
        return Resource(had.media_type, True, kept, tuple(has.releases), had.match)

    def _write(self, name: str, representation: Representation, place: ReleaseSource) -> bool:
        """Write one file if its bytes are those of the index."""
        try:
            with SpooledTemporaryFile(_MAX_IN_MEMORY_BYTES) as body:
                copy_checked_body(place, name, representation, body)
                self._writer.copy(representation.file, body)
                return True
        except CodingLostError:
            if representation.coding != "identity":
                self._lost[place.name, representation.coding].add(name)
                return False
            self._problems.note(f"{place.name}: {name} cannot be had without a content coding")
        except BodyUnusableError as error:
            self._problems.note(f"{place.name}: {representation.file} {error}")
        return False


def copy_checked_body(source: ReleaseSource, name: str, representation: Representation, body: IO[bytes]) -> None:
    """Read the bytes into `body`, never more than there should be. Raises BodyUnusableError, CodingLostError."""
    digest, length = sha256(), 0
    for chunk in source.read_body(name, representation):
        length += len(chunk)
        if length > representation.length:
            break
        digest.update(chunk)
        body.write(chunk)
    if length != representation.length:
        more = "more than " if length > representation.length else f"{length} bytes, not "
        raise BodyUnusableError(f"has {more}the {representation.length} bytes that its index says")
    if shorten_digest(digest.digest()) != representation.digest:
        raise BodyUnusableError("is not what was built: its bytes have another digest than its index says")
    body.seek(0)
