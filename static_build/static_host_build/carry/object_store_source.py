"""Earlier releases in an object store (``s3://``, ``gs://``, ``az://`` or ``file://``), in the layout of `publish`.

The time of an index is that of its object: publishing a release again writes its index again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from static_host.object_store.client import (
    FILES_PREFIX,
    StoreOpenError,
    StoreTimeouts,
    format_reason,
    list_indexes,
    open_store,
)
from static_host.object_store.providers import find_provider
from static_host.origin.representation import Representation
from static_host_build.carry.release_source import SOURCE_CHUNK_BYTES, BodyUnusableError, ReleaseSourceError, Snapshot

log = logging.getLogger("static_host.build")

_STORE_TIMEOUTS = StoreTimeouts(connect_seconds=10.0, request_seconds=600.0, retries=4)


class ObjectStoreSource:
    """The releases in the store at a URL. Raises InvalidSettingsError; ReleaseSourceError if it cannot be opened."""

    def __init__(self, url: str) -> None:
        self.name = url
        try:
            self._store: Any = open_store(url.rstrip("/"), _STORE_TIMEOUTS)
        except StoreOpenError as error:
            raise ReleaseSourceError(f"{url} {error}. Is the URL right?") from None

    def read_snapshots(self, max_count: int) -> list[Snapshot]:
        """Return the `max_count` trees with the newest indexes. Raises ReleaseSourceError."""
        try:
            found = list_indexes(self._store)
            read = [(facts, bytes(self._store.get(facts["path"]).bytes())) for facts in found[:max_count]]
        except Exception as error:
            raise ReleaseSourceError(
                f"{self.name} cannot be read: {format_reason(error)}. {_format_remedy(self.name)}"
            ) from None
        if not read:
            raise ReleaseSourceError(f"{self.name} holds no release: nothing was published there.")
        if found[max_count:] and max_count > 1:  # nothing is carried if one release is read
            message = (
                "%s has %d releases; those before the newest %d are not carried: DJANGO_STATIC_KEEP_RELEASES is %d"
            )
            log.info(message, self.name, len(found), max_count, max_count - 1)
        return [
            Snapshot(data, f"{self.name}/{facts['path']}", int(facts["last_modified"].timestamp()))
            for facts, data in read
        ]

    def read_body(self, name: str, representation: Representation) -> Iterator[bytes]:  # noqa: ARG002 - the file is enough
        """Yield the bytes of the representation's object. Raises BodyUnusableError."""
        try:
            for chunk in self._store.get(FILES_PREFIX + representation.file).stream(min_chunk_size=SOURCE_CHUNK_BYTES):
                yield bytes(chunk)
        except FileNotFoundError:
            raise BodyUnusableError("is missing") from None
        except Exception as error:
            raise BodyUnusableError(f"cannot be read: {format_reason(error)}") from None

    def close(self) -> None:
        """Do nothing: obstore closes its connections itself."""


def _format_remedy(url: str) -> str:
    provider = find_provider(url)
    if not provider:
        return "Is its path right, and may the build read it?"
    return f"Are its credentials set, and is its address right ({provider.credentials}; {provider.address})?"
