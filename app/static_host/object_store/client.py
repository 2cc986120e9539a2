"""An object store, opened: where `obstore`, an extra, is loaded, and how what it says is told.

The layout, below the URL that is named:

    files/<file>                   every fingerprinted file of every release, and its encoded siblings, by their names
                                   in the tree: files/css/site.e8e374d844cc.css, …css.br, …css.gz, …css.zst
    releases/<release>.index       a release's index, as its tree has it

Rule: a release is in the store when its index is, so whoever publishes one writes the index last, and whoever removes
one removes the index first. There is no list to be kept: the store lists ``releases/`` itself. A name tells a file's
content, but proves nothing: whoever reads a file compares it with the digest in the index.

Credentials, region and endpoint are those of the store's own environment variables (``AWS_ACCESS_KEY_ID``,
``AWS_ENDPOINT_URL``, ``GOOGLE_APPLICATION_CREDENTIALS``, ``AZURE_STORAGE_ACCOUNT_NAME`` and so on; see `providers`)
or of the machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

from static_host.conf.settings import InvalidSettingsError
from static_host.object_store.providers import find_provider

FILES_PREFIX = "files/"
RELEASES_PREFIX = "releases/"
_ABSENT_OBJECT = f"{RELEASES_PREFIX}none"
"""An object that is in no store."""


class StoreOpenError(Exception):
    """The store cannot be opened; the message says why, as a clause."""


class NotAStoreError(Exception):
    """What answers is no object store."""

    def __init__(self) -> None:
        super().__init__("what answers there is no object store: it has an object that cannot be there")


@dataclass(frozen=True, slots=True)
class StoreTimeouts:
    """How long to wait: `connecting` and a `whole` request in seconds, and how often to ask again."""

    connect_seconds: float
    request_seconds: float
    retries: int

    @property
    def options(self) -> dict[str, Any]:
        """What obstore is told. Who writes an endpoint with http:// means it."""
        wait = {
            "timeout": timedelta(seconds=self.request_seconds),
            "connect_timeout": timedelta(seconds=self.connect_seconds),
        }
        retry = {"max_retries": self.retries, "retry_timeout": timedelta(seconds=min(self.request_seconds, 180.0))}
        return {"client_options": {"allow_http": True, **wait}, "retry_config": retry}


def format_index_path(release: str) -> str:
    """Return where the index of a release lies."""
    return f"{RELEASES_PREFIX}{release}.index"


def require_obstore(url: str) -> None:
    """Raise InvalidSettingsError where obstore is not installed."""
    if not find_spec("obstore"):
        raise InvalidSettingsError(
            f"{url} needs obstore, which is not installed: pip install 'django-static-host[store]'."
        )


def open_store(url: str, timeouts: StoreTimeouts, *, mkdir: bool = False) -> Any:
    """Return obstore's store for a URL; nothing is asked of it yet. Raises StoreOpenError, InvalidSettingsError.

    `makes_directory` is whether that of a ``file://`` URL is made where it is missing.
    """
    require_obstore(url)
    from obstore.store import from_url

    local = {"mkdir": True} if mkdir else {}
    options: dict[str, Any] = local if url.startswith("file:") else timeouts.options
    try:
        return from_url(url, **options)
    except Exception as error:
        cloud = find_provider(url)
        remedy = f". Its credentials are those of {cloud.credentials}, or of the machine" if cloud else ""
        raise StoreOpenError(f"cannot be opened: {format_reason(error)}{remedy}") from None


def list_indexes(store: Any) -> list[Any]:
    """Return what the store tells of its indexes, the newest first. Raises NotAStoreError, what obstore raises."""
    found = select_indexes(facts for batch in store.list(RELEASES_PREFIX) for facts in batch)
    if not found:
        _require_store(store)
    return found


def select_indexes(objects: Iterable[Any]) -> list[Any]:
    """Return what a store tells of those of the objects that are indexes, the newest first."""
    indexes = (
        facts for facts in objects if facts["path"].startswith(RELEASES_PREFIX) and facts["path"].endswith(".index")
    )
    return sorted(indexes, key=lambda facts: (facts["last_modified"], facts["path"]), reverse=True)


def _require_store(store: Any) -> None:
    """Raise NotAStoreError if a place that listed no release has an object that cannot exist.

    Raises obstore's errors, too. That is a portal, or another address than was meant: its pages, read as a list, are an
    empty one.
    """
    try:
        store.get(_ABSENT_OBJECT)
    except Exception as error:
        _require_refusal(error)
    else:
        raise NotAStoreError


async def require_store_async(store: Any) -> None:
    """Do the same as `_require_store` without blocking."""
    try:
        await store.get_async(_ABSENT_OBJECT)
    except Exception as error:
        _require_refusal(error)
    else:
        raise NotAStoreError


def _require_refusal(error: Exception) -> None:
    """Raise the error unless it is what a store says of an object that is not there, or that one may not know of."""
    from obstore.exceptions import PermissionDeniedError

    if not isinstance(error, FileNotFoundError | PermissionDeniedError):
        raise error


def format_reason(error: BaseException) -> str:
    """Return what obstore says in one line, without what it adds for its own authors."""
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return " ".join(str(error).partition("\n\nDebug source")[0].split())[:300].rstrip(".") or type(error).__name__
