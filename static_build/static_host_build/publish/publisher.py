"""A built tree → its fingerprinted files and its index in the store.

Rule: the index comes last, when everything that it names is there; who sees it may rely on it. Whatever goes wrong
before, no release in the store has changed, and the next run sends what is missing. Each file is compared with its
digest before it is sent.

Objects have the resource's media type and its caching, for whoever looks at them, but no Content-Encoding: stores and
clients decode what has one, and the bytes would be others than those that were published.
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

from static_host.conf.settings import Settings, SettingsWrong
from static_host.errors import Stop
from static_host.object_store.candidate_names import Fingerprinted
from static_host.object_store.client import FILES, Patience, StoreUnopened, index_path, opened
from static_host.origin.index import NAME, Representation, Resource, short_digest
from static_host.origin.tree import Tree, TreeDamaged, load
from static_host_build.publish.objects import AT_ONCE, DIGEST, clashes, fingerprinted, missing, stored
from static_host_build.publish.problems import Unpublished, explained

log = logging.getLogger("static_host.build")

Progress = Callable[[Iterable[int], int], Iterator[int]]
"""Gives lengths on, as they are done, and shows how much of the total that is."""

_PATIENCE = Patience(connecting=10.0, whole=600.0, retries=4)
_CACHING = "public, max-age=31536000, immutable"
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Publication:
    """What was done: files and bytes in all, and those that were sent."""

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
    """Obstore's `store`, as objects are put into it. A directory has no attributes."""

    store: Any
    has_attributes: bool

    def put(self, path: str, data: Any, attributes: dict[str, str]) -> None:
        """Put an object there. Raises what obstore raises."""
        told = {**attributes, "Cache-Control": _CACHING} if self.has_attributes else None
        self.store.put(path, data, attributes=told)


def publish(
    root: Path,
    settings: Settings,
    progress: Progress = lambda lengths, _: iter(lengths),
    *,
    replaces: bool = False,
    renews: timedelta | None = None,
) -> Publication:
    """Publish the tree at `root`. Raises SettingsWrong, TreeUnusable, Unpublished.

    `replaces` is whether files may take the place of others that other releases have under their names; `renews` is the
    age from which on a file that is there is sent again.
    """
    began = time.monotonic()
    url = settings.static_store
    if not url:
        raise SettingsWrong("DJANGO_STATIC_STORE is not set: it names the store, for example s3://bucket/mysite.")
    root = root.resolve()  # a build may put another release in its place meanwhile
    tree = load(root)
    try:
        wanted = fingerprinted(tree.index)
        names = Fingerprinted(settings.static_immutable_pattern)
        warnings = tuple(_overlooked(name for name in tree.index if tree.index[name].immutable and not names(name)))
        try:
            store = opened(url, _PATIENCE, makes_directory=True)
            since = datetime.now(UTC) - renews if renews is not None else None
            destination = Destination(store, has_attributes=not url.startswith("file:"))
            sent = _sent(destination, tree, wanted, progress, since, replaces=replaces)
            data = (root / NAME).read_bytes()
            destination.put(index_path(tree.index.releases[0].digest), data, {"Content-Type": "text/plain"})
        except StoreUnopened as error:
            raise Unpublished(f"{url} {error}") from None
        except Stop:
            raise
        except Exception as error:
            raise Unpublished(explained(url, error)) from None
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


def _overlooked(names: Iterable[str]) -> Iterator[str]:
    found = sorted(names)
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        yield (
            f"{found[0]}{more}: servers do not look for a name without a hash. Set DJANGO_STATIC_IMMUTABLE_PATTERN for "
            "`static-host serve`, too, so that it finds them."
        )


def _sent(
    destination: Destination,
    tree: Tree,
    wanted: dict[str, tuple[Resource, Representation]],
    progress: Progress,
    since: datetime | None,
    *,
    replaces: bool,
) -> list[int]:
    """Send what is missing, and return the lengths. Raises Unpublished, TreeDamaged, what obstore raises."""
    representations = [representation for _, representation in wanted.values()]
    has = stored(destination.store)
    found = [] if replaces else clashes(representations, has)
    if found:
        more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        lines = "\n  ".join(["files would take the place of other releases':", *found[:_SHOWN], *more])
        raise Unpublished(f"{lines}\nGive them other names, or let the newer ones have theirs: --replace.")
    absent = missing(destination.store, representations, has, since)
    total = sum(representation.length for representation in absent)
    log.info("%s of %s files are to be sent, %s bytes", f"{len(absent):,}", f"{len(wanted):,}", f"{total:,}")
    threads = ThreadPoolExecutor(AT_ONCE)
    try:
        sending = [threads.submit(_send, destination, tree, *wanted[each.file]) for each in absent]
        return list(progress(_done(sending), total))
    finally:
        threads.shutdown(cancel_futures=True)


def _done(sending: list[Future[int]]) -> Iterator[int]:
    return (future.result() for future in as_completed(sending))


def _send(destination: Destination, tree: Tree, resource: Resource, representation: Representation) -> int:
    """Send one file. Raises TreeDamaged, what obstore raises."""
    try:
        file = tree.open(representation)
    except OSError as error:
        raise _damaged(tree, representation, error) from None
    with file:
        if short_digest(file_digest(file, sha256).digest()) != representation.digest:
            raise _damaged(tree, representation, "its bytes have another digest than its index says")
        file.seek(0)
        media_type = resource.media_type if representation.coding == "identity" else "application/octet-stream"
        attributes = {"Content-Type": media_type, DIGEST: representation.digest}
        destination.put(FILES + representation.file, file, attributes)
    return representation.length


def _damaged(tree: Tree, representation: Representation, why: object) -> TreeDamaged:
    message = f"the static tree at {tree.root} is damaged: {representation.file}: {why}. {tree.remedy}"
    return TreeDamaged(message, tree.root, [f"{representation.file}: {why}"])
