"""Access to an object store through `obstore` (an extra), which only this module imports.

Layout below the store's URL:

    files/<file>                   every fingerprinted file of every release, and its encoded siblings, by their names
                                   in the tree: files/css/site.e8e374d844cc.css, …css.br, …css.gz, …css.zst
    releases/<release>.index       the index of a release, as in its tree

Rule: a release is in the store if its index is. So publishing writes the index last, and removing must remove it first.
The store itself lists ``releases/``; there is no other list to maintain. A fingerprint in a name proves nothing: every
reader compares the file with the digest in the index.

Credentials, region and endpoint come from the store's own environment variables (``AWS_ACCESS_KEY_ID``,
``AWS_ENDPOINT_URL``, ``GOOGLE_APPLICATION_CREDENTIALS``, ``AZURE_STORAGE_ACCOUNT_NAME`` and so on; see `providers`),
or from the machine's role.
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
"""An object that no store has."""


class StoreOpenError(Exception):
    """The store cannot be opened; the message says why, and follows the URL in a sentence."""


class NotAStoreError(Exception):
    """The server at the URL is not an object store."""

    def __init__(self) -> None:
        super().__init__("the server there is not an object store: it returns an object that cannot exist")


@dataclass(frozen=True, slots=True)
class StoreTimeouts:
    """Timeouts of connecting and of a whole request, and how often a failed request is repeated."""

    connect_seconds: float
    request_seconds: float
    retries: int

    @property
    def options(self) -> dict[str, Any]:
        """The options for obstore. An endpoint with http:// is allowed: the operator wrote it."""
        wait = {
            "timeout": timedelta(seconds=self.request_seconds),
            "connect_timeout": timedelta(seconds=self.connect_seconds),
        }
        retry = {"max_retries": self.retries, "retry_timeout": timedelta(seconds=min(self.request_seconds, 180.0))}
        return {"client_options": {"allow_http": True, **wait}, "retry_config": retry}


def format_index_path(release: str) -> str:
    """Return the path of a release's index, below the store's URL."""
    return f"{RELEASES_PREFIX}{release}.index"


def require_obstore(url: str) -> None:
    """Raise InvalidSettingsError if obstore is not installed."""
    if not find_spec("obstore"):
        raise InvalidSettingsError(
            f"{url} needs obstore, which is not installed: pip install 'django-static-host[store]'."
        )


def open_store(url: str, timeouts: StoreTimeouts, *, mkdir: bool = False) -> Any:
    """Return obstore's store for a URL; sends no request yet. Raises StoreOpenError, InvalidSettingsError.

    With `mkdir`, a missing directory of a ``file://`` URL is created.
    """
    require_obstore(url)
    from obstore.store import from_url

    local = {"mkdir": True} if mkdir else {}
    options: dict[str, Any] = local if url.startswith("file:") else timeouts.options
    try:
        return from_url(url, **options)
    except Exception as error:
        provider = find_provider(url)
        remedy = f". Set its credentials ({provider.credentials}), or give the machine a role" if provider else ""
        raise StoreOpenError(f"cannot be opened: {format_reason(error)}{remedy}") from None


def list_indexes(store: Any) -> list[Any]:
    """Return obstore's metadata of the indexes in a store, newest first. Raises NotAStoreError, obstore's errors."""
    found = select_indexes(facts for batch in store.list(RELEASES_PREFIX) for facts in batch)
    if not found:
        _require_store(store)
    return found


def select_indexes(objects: Iterable[Any]) -> list[Any]:
    """Return the metadata of those objects that are indexes, newest first."""
    indexes = (
        facts for facts in objects if facts["path"].startswith(RELEASES_PREFIX) and facts["path"].endswith(".index")
    )
    return sorted(indexes, key=lambda facts: (facts["last_modified"], facts["path"]), reverse=True)


def _require_store(store: Any) -> None:
    """Raise NotAStoreError if a store that listed no release returns an object that cannot exist.

    Such a server is a portal, or the address is wrong: obstore reads its pages as an empty list. Raises obstore's
    errors, too.
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
    """Raise the error, unless it means that an object is missing or that access to it is denied."""
    from obstore.exceptions import PermissionDeniedError

    if not isinstance(error, FileNotFoundError | PermissionDeniedError):
        raise error


def format_reason(error: BaseException) -> str:
    """Return obstore's message in one line, at most 300 characters, without its debugging output."""
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    return " ".join(str(error).partition("\n\nDebug source")[0].split())[:300].rstrip(".") or type(error).__name__
