"""A built tree → its fingerprinted files and its index in the store.

Rule: the index is sent last, after all files that it lists, so a reader of the index can rely on them. If a run fails
before that, no release in the store has changed, and the next run sends the rest. Each file is compared with its digest
before it is sent.

Objects have the resource's Content-Type and Cache-Control, but no Content-Encoding: stores and clients would decode the
object, and return other bytes than were published.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from static_host.conf.settings import InvalidSettingsError, Settings
from static_host.errors import StaticHostError
from static_host.findings import format_names
from static_host.object_store.candidate_names import FingerprintMatcher
from static_host.object_store.client import FILES_PREFIX, StoreOpenError, StoreTimeouts, format_index_path, open_store
from static_host.origin.index import INDEX_FILE_NAME
from static_host.origin.representation import Representation, Resource, shorten_digest
from static_host.origin.tree import Tree, TreeDamagedError, load_tree
from static_host_build.build_errors import list_problems
from static_host_build.publish.object_comparison import (
    DIGEST_ATTRIBUTE,
    MAX_THREADS,
    find_clashes,
    find_unsent,
    read_store,
    select_fingerprinted,
)
from static_host_build.publish.publish_errors import PublishError, explain_store_error

log = logging.getLogger("static_host.build")

SendingProgress = Callable[[Iterable[int], int], Iterator[int]]
"""Passes on the lengths of sent files, and shows their share of the total (bytes)."""

_STORE_TIMEOUTS = StoreTimeouts(connect_seconds=10.0, request_seconds=600.0, retries=4)
_CACHE_CONTROL = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Publication:
    """The result: the files and bytes of the release, and those that were sent."""

    store: str
    release: str
    files: int
    bytes: int
    sent: int
    sent_bytes: int
    seconds: float
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Destination:
    """obstore's `store`; one in a directory has no attributes."""

    store: Any
    has_attributes: bool

    def put(self, path: str, data: Any, attributes: dict[str, str]) -> None:
        """Write an object. Raises obstore's errors."""
        own = {**attributes, "Cache-Control": _CACHE_CONTROL} if self.has_attributes else None
        self.store.put(path, data, attributes=own)


def publish(
    root: Path,
    settings: Settings,
    progress: SendingProgress = lambda lengths, _: iter(lengths),
    *,
    is_replacing: bool = False,
    renewal_age: timedelta | None = None,
) -> Publication:
    """Publish the tree at `root`. Raises InvalidSettingsError, TreeUnusableError, PublishError.

    If `is_replacing`, files overwrite those that other releases have under the same name. A file in the store that is
    older than `renewal_age` is sent again.
    """
    began = time.monotonic()
    url = settings.static_store
    if not url:
        raise InvalidSettingsError(
            "DJANGO_STATIC_STORE is not set: it names the store, for example s3://bucket/mysite."
        )
    root = root.resolve()  # a build may swap in another release meanwhile
    tree = load_tree(root)
    try:
        wanted = select_fingerprinted(tree.index)
        names = FingerprintMatcher(settings.static_immutable_pattern)
        warnings = tuple(
            _warn_overlooked(name for name in tree.index if tree.index[name].immutable and not names(name))
        )
        try:
            store = open_store(url, _STORE_TIMEOUTS, mkdir=True)
            since = datetime.now(UTC) - renewal_age if renewal_age is not None else None
            destination = Destination(store, has_attributes=not url.startswith("file:"))
            sent = _send_missing(destination, tree, wanted, progress, since, is_replacing=is_replacing)
            data = (root / INDEX_FILE_NAME).read_bytes()
            destination.put(format_index_path(tree.index.releases[0].digest), data, {"Content-Type": "text/plain"})
        except StoreOpenError as error:
            raise PublishError(f"{url} {error}") from None
        except StaticHostError:
            raise
        except Exception as error:
            raise PublishError(explain_store_error(url, error)) from None
    finally:
        tree.close()
    return Publication(
        url,
        tree.index.releases[0].digest,
        len(wanted),
        sum(representation.length for _, representation in wanted.values()),
        len(sent),
        sum(sent),
        round(time.monotonic() - began, 3),
        warnings,
    )


def _warn_overlooked(names: Iterable[str]) -> Iterator[str]:
    found = sorted(names)
    if found:
        yield (
            f"{format_names(found, 1)}: servers search the store only for names with a hash. Set "
            "DJANGO_STATIC_IMMUTABLE_PATTERN for `static-host serve`, too, so that it finds them."
        )


def _send_missing(
    destination: Destination,
    tree: Tree,
    wanted: dict[str, tuple[Resource, Representation]],
    progress: SendingProgress,
    since: datetime | None,
    *,
    is_replacing: bool,
) -> list[int]:
    """Send the missing files, and return their lengths. Raises PublishError, TreeDamagedError, obstore's errors."""
    representations = [representation for _, representation in wanted.values()]
    has = read_store(destination.store)
    found = [] if is_replacing else find_clashes(representations, has)
    if found:
        lines = list_problems("files would overwrite those of other releases:", found)
        raise PublishError(lines, remedy="Give them other names, or overwrite the older ones with --replace.")
    absent = find_unsent(destination.store, representations, has, since)
    total = sum(representation.length for representation in absent)
    log.info("sending %s of %s files, %s bytes", f"{len(absent):,}", f"{len(wanted):,}", f"{total:,}")
    threads = ThreadPoolExecutor(MAX_THREADS)
    try:
        sending = [threads.submit(_send_file, destination, tree, *wanted[each.file]) for each in absent]
        return list(progress(_iterate_results(sending), total))
    finally:
        threads.shutdown(cancel_futures=True)


def _iterate_results(sending: list[Future[int]]) -> Iterator[int]:
    return (future.result() for future in as_completed(sending))


def _send_file(destination: Destination, tree: Tree, resource: Resource, representation: Representation) -> int:
    """Send one file, and return its length. Raises TreeDamagedError, obstore's errors."""
    try:
        file = tree.open(representation)
    except OSError as error:
        raise _make_damage_error(tree, representation, error) from None
    with file:
        if shorten_digest(file_digest(file, sha256).digest()) != representation.digest:
            raise _make_damage_error(tree, representation, "its digest differs from the one in its index")
        file.seek(0)
        media_type = resource.media_type if representation.coding == "identity" else "application/octet-stream"
        attributes = {"Content-Type": media_type, DIGEST_ATTRIBUTE: representation.digest}
        destination.put(FILES_PREFIX + representation.file, file, attributes)
    return representation.length


def _make_damage_error(tree: Tree, representation: Representation, why: object) -> TreeDamagedError:
    message = f"the static tree at {tree.root} is damaged: {representation.file}: {why}."
    return TreeDamagedError(message, tree.root, [f"{representation.file}: {why}"], remedy=tree.remedy)
