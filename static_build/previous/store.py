"""Earlier releases in an object store: ``s3://``, ``gs://``, ``az://`` or ``file://``, spoken by obstore, an extra.

The layout, below the URL that is named:

    files/<file>                   every fingerprinted file of every release, and its encoded siblings, by their names
                                   in the tree: files/css/site.e8e374d844cc.css, …css.br, …css.gz, …css.zst
    releases/<release>.index       a release's index, as its tree has it

Rule: a release is in the store when its index is, so whoever publishes one writes the index last, and whoever removes
one removes the index first. There is no list to be kept: the store lists ``releases/`` itself, and when an index was
written is its object's time: a release that is published again writes its index again. A file's name tells its content,
so no file is ever written over.

Credentials, region and endpoint are those of the store's own environment variables (``AWS_ACCESS_KEY_ID``,
``AWS_ENDPOINT_URL``, ``GOOGLE_APPLICATION_CREDENTIALS``, ``AZURE_STORAGE_ACCOUNT_NAME`` and so on) or of the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

from app.origin.index import Representation
from app.settings import SettingsWrong
from static_build.previous.place import CHUNK, BodyUnusable, PlaceUnusable, Snapshot, index_of

FILES = "files/"
RELEASES = "releases/"

_PATIENCE: dict[str, Any] = {"retry_config": {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}}


class Store:
    """The releases below one URL. Raises SettingsWrong without the extra, PlaceUnusable for what cannot be opened."""

    def __init__(self, url: str) -> None:
        if not find_spec("obstore"):
            raise SettingsWrong(
                f"{url} needs obstore, which is not installed: pip install 'django-static-host[store]'."
            )
        from obstore.exceptions import BaseError
        from obstore.store import from_url

        self.name = url
        self._errors = (BaseError, OSError, ValueError)
        try:
            self._store: Any = from_url(url.rstrip("/"), **({} if url.startswith("file:") else _PATIENCE))
        except self._errors as error:
            raise PlaceUnusable(f"{url} cannot be opened: {_reason(error)}. Is it written right?") from None

    def snapshots(self, most: int) -> list[Snapshot]:
        """Return the trees whose indexes were written last."""
        try:
            found = [facts for batch in self._store.list(RELEASES) for facts in batch if _is_index(facts["path"])]
            found.sort(key=lambda facts: (facts["last_modified"], facts["path"]), reverse=True)
            read = [(facts, bytes(self._store.get(facts["path"]).bytes())) for facts in found[:most]]
        except self._errors as error:
            remedy = "Are the credentials and the region set, and is the address right?"
            raise PlaceUnusable(f"{self.name} cannot be read: {_reason(error)}. {remedy}") from None
        if not read:
            raise PlaceUnusable(f"{self.name} holds no release: nothing was published there.")
        return [
            Snapshot(index_of(data, f"{self.name}/{facts['path']}"), int(facts["last_modified"].timestamp()))
            for facts, data in read
        ]

    def body(self, name: str, representation: Representation) -> Iterator[bytes]:  # noqa: ARG002 - the file is enough
        """Give the bytes of the representation's object."""
        try:
            for chunk in self._store.get(FILES + representation.file).stream(min_chunk_size=CHUNK):
                yield bytes(chunk)
        except FileNotFoundError:
            raise BodyUnusable("is missing") from None
        except self._errors as error:
            raise BodyUnusable(f"cannot be read: {_reason(error)}") from None

    def close(self) -> None:
        """Nothing is held."""


def _is_index(path: str) -> bool:
    return path.startswith(RELEASES) and path.endswith(".index")


def _reason(error: Exception) -> str:
    """Return what obstore says, without what it adds for its own authors."""
    return " ".join(str(error).partition("\n\nDebug source")[0].split())[:300].rstrip(".")
