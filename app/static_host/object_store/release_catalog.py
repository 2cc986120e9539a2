"""The releases in the store and their files, read from the releases' indexes.

Strategy: a request for an unknown name reads the list of releases, at most once in `FRESH_SECONDS`. A name that no
index lists is not in the store, so probing many names costs no memory and one list request at most. Each index is read
once, and only lines are kept for files that the server's own tree lacks.

Rule: indexes are foreign input. An index that cannot be read, or is for another prefix, is skipped and logged once.
A resource that no build could have made is skipped.
"""

from __future__ import annotations

import asyncio
import logging
import time
from string import hexdigits
from typing import Any

from static_host.object_store.client import RELEASES_PREFIX, format_reason, require_store_async, select_indexes
from static_host.object_store.minimum_transfer_rate import BoundedWait, read_at_min_rate
from static_host.origin.index import Index, InvalidIndexError, parse_index
from static_host.origin.index_validation import is_valid_resource
from static_host.origin.representation import Resource

log = logging.getLogger("static_host.store")

FRESH_SECONDS = 3.0
"""Seconds before the list of releases is read again."""
MAX_RELEASES = 20
"""The newest releases that are read."""
MAX_INDEX_BYTES = 64 << 20
"""Bytes of an index; a longer one is skipped."""

RELEASE_DIGEST_DIGITS = 16

IndexVersion = tuple[str, str, int]
"""An index in the store: its path, the time of writing, and its length in bytes."""


class Catalog:
    """The fingerprinted files of the releases in a store, without those of the server's `own` index."""

    def __init__(self, url: str, own: Index) -> None:
        self._url = url
        self._own = own
        self._releases: dict[IndexVersion, Index] = {}
        self._newest_first: list[Index] = []
        self._versions: list[IndexVersion] = []
        self._skipped: set[IndexVersion] = set()
        self._read_at = float("-inf")
        self._is_confirmed = False
        self.changes = 0
        """How often the list of releases has changed."""

    @property
    def is_fresh(self) -> bool:
        """Whether the list of releases was read less than `FRESH_SECONDS` ago."""
        return time.monotonic() - self._read_at < FRESH_SECONDS

    def find_resources(self, name: str) -> list[Resource]:
        """Return the different resources that releases have under a name, the newest release's first."""
        found: list[Resource] = []
        for index in self._newest_first:
            resource = _find_valid_resource(index, name) if name in index else None
            if resource and resource.representations not in [each.representations for each in found]:
                found.append(resource)
        return found

    def name_only_release(self, name: str) -> str:
        """Return the digest of the release that alone has files under a name; "" if several have, or if none has."""
        found = set()
        for index in self._newest_first:
            resource = _find_valid_resource(index, name) if name in index else None
            if resource:
                found.add(_name_only_release(index, resource))
        return found.pop() if len(found) == 1 else ""

    async def read(self, store: Any, wait: BoundedWait) -> None:
        """Read the list of releases and all new indexes. Raises NotAStoreError, obstore's errors."""
        began = time.monotonic()
        listed = select_indexes(await wait(store.list(RELEASES_PREFIX).collect_async()))
        if not listed and not self._is_confirmed:
            await wait(require_store_async(store))
        self._is_confirmed = True
        versions = [(facts["path"], str(facts["last_modified"]), facts["size"]) for facts in listed]
        for version in versions[:MAX_RELEASES]:
            if version[2] > MAX_INDEX_BYTES:
                self._skip(version, f"it has {version[2]:,} bytes")
        versions = [version for version in versions if version[2] <= MAX_INDEX_BYTES][:MAX_RELEASES]
        await self._read_new(store, versions, wait)
        self._read_at = began

    async def _read_new(self, store: Any, versions: list[IndexVersion], wait: BoundedWait) -> None:
        """Read the indexes that are not known yet; skip one that fails until the list is read again.

        Raises obstore's error if no index can be read.
        """
        failure: Exception | None = None
        for version in versions:
            if version not in self._releases:
                try:
                    answer = await wait(store.get_async(version[0]))
                    data = b"".join([chunk async for chunk in read_at_min_rate(answer, version[2], wait)])
                except Exception as error:
                    failure = error
                    self._skip(version, format_reason(error))
                else:
                    self._releases[version] = await asyncio.to_thread(self._parse_others, version[0], data)
        self._releases = {version: self._releases[version] for version in versions if version in self._releases}
        self._newest_first = list(self._releases.values())
        self.changes += list(self._releases) != self._versions
        self._versions = list(self._releases)
        if failure and not self._releases:
            raise failure

    def _skip(self, version: IndexVersion, why: str) -> None:
        if version not in self._skipped:
            self._skipped = {version, *list(self._skipped)[:MAX_RELEASES]}
            log.error("%s/%s cannot be used: %s", self._url, version[0], why)

    def _parse_others(self, path: str, data: bytes) -> Index:
        """Return the part of an index that the server's own index lacks. Its lines are parsed on access."""
        try:
            index = parse_index(data)
        except InvalidIndexError as error:
            log.error("%s/%s cannot be used: %s", self._url, path, error)  # noqa: TRY400 - the index is at fault
            return Index("", b"")
        if index.prefix != self._own.prefix:
            message = "%s/%s is skipped: its pages use the prefix %s, this server's pages use %s"
            log.warning(message, self._url, path, index.prefix, self._own.prefix)
            return Index("", b"")
        return index.exclude(self._own)


def _find_valid_resource(index: Index, name: str) -> Resource | None:
    """Return the resource, if it is one that a build could have made; else None."""
    try:
        resource = index[name]
    except (ValueError, TypeError, LookupError, AttributeError):
        return None
    return resource if resource.immutable is True and is_valid_resource(name, resource) else None


def _name_only_release(index: Index, resource: Resource) -> str:
    """Return the digest of the release that alone has a resource; "" also for one that no build could have made."""
    try:
        digest = index.name_only_release(resource)
    except (TypeError, LookupError):
        return ""
    is_valid = isinstance(digest, str) and len(digest) == RELEASE_DIGEST_DIGITS and set(digest) <= set(hexdigits)
    return digest if is_valid else ""
