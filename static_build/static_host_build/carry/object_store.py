"""Earlier releases in an object store: ``s3://``, ``gs://``, ``az://`` or ``file://``, laid out as servers read it.

When an index was written is its object's time: a release that is published again writes its index again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from static_host.object_store.client import FILES, Patience, StoreUnopened, indexes_in, opened, reason
from static_host.object_store.providers import cloud_of
from static_host.origin.index import Representation
from static_host_build.carry.release_source import CHUNK, BodyUnusable, PlaceUnusable, Snapshot

log = logging.getLogger("static_host.build")

_PATIENCE = Patience(connecting=10.0, whole=600.0, retries=4)


class Store:
    """The releases below one URL. Raises SettingsWrong, PlaceUnusable for what cannot be opened."""

    def __init__(self, url: str) -> None:
        self.name = url
        try:
            self._store: Any = opened(url.rstrip("/"), _PATIENCE)
        except StoreUnopened as error:
            raise PlaceUnusable(f"{url} {error}. Is it written right?") from None

    def snapshots(self, most: int) -> list[Snapshot]:
        """Return the trees whose indexes were written last."""
        try:
            found = indexes_in(self._store)
            read = [(facts, bytes(self._store.get(facts["path"]).bytes())) for facts in found[:most]]
        except Exception as error:
            raise PlaceUnusable(f"{self.name} cannot be read: {reason(error)}. {_remedy(self.name)}") from None
        if not read:
            raise PlaceUnusable(f"{self.name} holds no release: nothing was published there.")
        if found[most:]:
            told = "%s has %d releases; those before the newest %d are not carried: DJANGO_STATIC_KEEP_RELEASES is %d"
            log.info(told, self.name, len(found), most, most - 1)
        return [
            Snapshot(data, f"{self.name}/{facts['path']}", int(facts["last_modified"].timestamp()))
            for facts, data in read
        ]

    def body(self, name: str, representation: Representation) -> Iterator[bytes]:  # noqa: ARG002 - the file is enough
        """Give the bytes of the representation's object."""
        try:
            for chunk in self._store.get(FILES + representation.file).stream(min_chunk_size=CHUNK):
                yield bytes(chunk)
        except FileNotFoundError:
            raise BodyUnusable("is missing") from None
        except Exception as error:
            raise BodyUnusable(f"cannot be read: {reason(error)}") from None

    def close(self) -> None:
        """Nothing is held."""


def _remedy(url: str) -> str:
    cloud = cloud_of(url)
    if not cloud:
        return "Is its path right, and may the build read it?"
    return f"Are its credentials set, and is its address right ({cloud.credentials}; {cloud.address})?"
