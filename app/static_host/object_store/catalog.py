"""What is in the store, as the indexes of its releases say.

Strategy: the list of releases is read when a name is asked for that is not known, and then not again for
`FRESH_SECONDS` seconds. What it does not name is not there, so names that do not exist cost no memory and no further
question, however many are tried. An index is read once. Of it, only lines are kept whose files the server's own tree
has not.

Rule: an index comes from elsewhere. One that cannot be read, or that is for another prefix, is left out, and said so
once; so are resources that could not have come out of a build.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from static_host.object_store.client import RELEASES_PREFIX, format_reason, require_store_async, select_indexes
from static_host.object_store.min_rate import BoundedWait, read_at_min_rate
from static_host.origin.index import Index, InvalidIndexError, parse_index
from static_host.origin.index_validation import is_valid_resource
from static_host.origin.representation import Resource

log = logging.getLogger("static_host.store")

FRESH_SECONDS = 3.0
"""Seconds for which a name that the store does not have is known not to be there."""
MAX_RELEASES = 20
"""Releases that are looked at, the newest ones."""
MAX_INDEX_BYTES = 64 << 20
"""Bytes of an index that is read."""

IndexVersion = tuple[str, str, int]
"""An index in the store: its path, when it was written, and its bytes."""


class Catalog:
    """The fingerprinted files of the releases in a store, those of the server's `own` index aside."""

    def __init__(self, url: str, own: Index) -> None:
        self._url = url
        self._own = own
        self._releases: dict[IndexVersion, Index] = {}
        self._newest_first: list[Index] = []
        self._versions: list[IndexVersion] = []
        self._left_out: set[IndexVersion] = set()
        self._read_at = float("-inf")
        self._is_confirmed = False
        self.changes = 0
        """How often there were other releases than before."""

    @property
    def is_fresh(self) -> bool:
        """Whether it was read just now."""
        return time.monotonic() - self._read_at < FRESH_SECONDS

    def find_resources(self, name: str) -> list[Resource]:
        """Return the resources of that name that have different bodies, the newest release's first."""
        found: list[Resource] = []
        for index in self._newest_first:
            resource = _find_valid_resource(index, name) if name in index else None
            if resource and resource.representations not in [each.representations for each in found]:
                found.append(resource)
        return found

    async def read(self, store: Any, wait: BoundedWait) -> None:
        """Read the list of releases, and the indexes that are new. Raises NotAStoreError, what obstore raises."""
        began = time.monotonic()
        listed = select_indexes(await wait(store.list(RELEASES_PREFIX).collect_async()))
        if not listed and not self._is_confirmed:
            await wait(require_store_async(store))
        self._is_confirmed = True
        versions = [(facts["path"], str(facts["last_modified"]), facts["size"]) for facts in listed]
        for version in versions[:MAX_RELEASES]:
            if version[2] > MAX_INDEX_BYTES:
                self._leave_out(version, f"it has {version[2]:,} bytes")
        versions = [version for version in versions if version[2] <= MAX_INDEX_BYTES][:MAX_RELEASES]
        await self._read_new(store, versions, wait)
        self._read_at = began

    async def _read_new(self, store: Any, versions: list[IndexVersion], wait: BoundedWait) -> None:
        """Read those that are not known yet. One that cannot be had is left out until the list is read again.

        Raises what obstore raises where none can be had.
        """
        failure: Exception | None = None
        for version in versions:
            if version not in self._releases:
                try:
                    answer = await wait(store.get_async(version[0]))
                    data = b"".join([chunk async for chunk in read_at_min_rate(answer, version[2], wait)])
                except Exception as error:
                    failure = error
                    self._leave_out(version, format_reason(error))
                else:
                    self._releases[version] = await asyncio.to_thread(self._parse_others, version[0], data)
        self._releases = {version: self._releases[version] for version in versions if version in self._releases}
        self._newest_first = list(self._releases.values())
        self.changes += list(self._releases) != self._versions
        self._versions = list(self._releases)
        if failure and not self._releases:
            raise failure

    def _leave_out(self, version: IndexVersion, why: str) -> None:
        if version not in self._left_out:
            self._left_out = {version, *list(self._left_out)[:MAX_RELEASES]}
            log.error("%s/%s cannot be used: %s", self._url, version[0], why)

    def _parse_others(self, path: str, data: bytes) -> Index:
        """Return what an index names and the server's own does not. A line is parsed when it is asked for."""
        try:
            index = parse_index(data)
        except InvalidIndexError as error:
            log.error("%s/%s cannot be used: %s", self._url, path, error)  # noqa: TRY400 - no fault of ours
            return Index("", b"")
        if index.prefix != self._own.prefix:
            message = "%s/%s is for pages that ask below %s, this server's ask below %s"
            log.warning(message, self._url, path, index.prefix, self._own.prefix)
            return Index("", b"")
        return index.exclude(self._own)


def _find_valid_resource(index: Index, name: str) -> Resource | None:
    """Return a fingerprinted resource as a build makes them, or None."""
    try:
        resource = index[name]
    except (ValueError, TypeError, LookupError, AttributeError):
        return None
    return resource if resource.immutable is True and is_valid_resource(name, resource) else None
