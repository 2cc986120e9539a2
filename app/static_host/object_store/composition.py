"""The store of a server, put together from its settings."""

from __future__ import annotations

import logging
import os
import tempfile
from collections import Counter
from pathlib import Path

from static_host.conf.settings import Settings
from static_host.object_store.candidate_names import Fingerprinted
from static_host.object_store.client import Patience, StoreUnopened, opened
from static_host.object_store.disk_cache import Shelf, ShelfUnusable
from static_host.object_store.fallback import LONGEST, Elsewhere
from static_host.object_store.fetched_tree import Found
from static_host.origin.responder import Responder

log = logging.getLogger("static_host.store")

_RETRIES = 1


def elsewhere_of(settings: Settings, responder: Responder, counts: Counter[str] | None = None) -> Elsewhere:
    """Return what looks for files in the store, behind the responder, which is told of it. Raises SettingsWrong.

    A server starts without its store, too: one that cannot be opened yet is opened when it is asked.
    """
    url = settings.static_store
    names = Fingerprinted(settings.static_immutable_pattern)
    found = Found(_shelf(settings), responder.tree.bodies)
    if not found.shelf and not found.bodies.budget:
        log.warning("DJANGO_STATIC_MEMORY is 0 and nothing is kept on the disk: no file of %s can be served", url)
    patience = Patience(settings.static_store_timeout, LONGEST, _RETRIES)
    elsewhere = Elsewhere(
        url, lambda: opened(url, patience), responder, found, names, settings.static_store_timeout, counts
    )
    try:
        elsewhere.open()
    except StoreUnopened as error:
        log.warning("%s %s", url, error)
    responder.may_be_elsewhere = names
    return elsewhere


def _shelf(settings: Settings) -> Shelf | None:
    if not settings.static_store_disk:
        return None
    try:
        directory = settings.static_store_directory or _default_directory()
        return Shelf(directory, settings.static_store_disk)
    except (ShelfUnusable, FileNotFoundError) as error:  # the second where no directory for temporary files is usable
        log.warning("files of DJANGO_STATIC_STORE are kept in memory alone: %s", error)
        return None


def _default_directory() -> Path:
    return Path(tempfile.gettempdir()) / f"static-host-store-{os.geteuid()}"
