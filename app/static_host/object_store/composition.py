"""The store of a server, put together from its settings."""

from __future__ import annotations

import logging
import os
import tempfile
from collections import Counter
from pathlib import Path

from static_host.conf.settings import Settings
from static_host.object_store.candidate_names import FingerprintMatcher
from static_host.object_store.client import StoreOpenError, StoreTimeouts, open_store
from static_host.object_store.disk_cache import CacheUnusableError, DiskCache
from static_host.object_store.fallback import LOOKUP_TIMEOUT_SECONDS, ObjectStoreFallback
from static_host.object_store.fetched_tree import FetchedTree
from static_host.origin.responder import Responder

log = logging.getLogger("static_host.store")

_MAX_RETRIES = 1


def fallback_from_settings(
    settings: Settings, responder: Responder, outcomes: Counter[str] | None = None
) -> ObjectStoreFallback:
    """Return what looks for files in the store, behind the responder, which is told of it. Raises InvalidSettingsError.

    A server starts without its store, too: one that cannot be opened yet is opened when it is asked.
    """
    url = settings.static_store
    names = FingerprintMatcher(settings.static_immutable_pattern)
    found = FetchedTree(_open_disk_cache(settings), responder.tree.bodies)
    if not found.disk_cache and not found.bodies.budget:
        log.warning("DJANGO_STATIC_MEMORY is 0 and nothing is kept on the disk: no file of %s can be served", url)
    patience = StoreTimeouts(settings.static_store_timeout, LOOKUP_TIMEOUT_SECONDS, _MAX_RETRIES)
    elsewhere = ObjectStoreFallback(
        url, lambda: open_store(url, patience), responder, found, names, settings.static_store_timeout, outcomes
    )
    try:
        elsewhere.open()
    except StoreOpenError as error:
        log.warning("%s %s", url, error)
    responder.is_fallback_candidate = names
    return elsewhere


def _open_disk_cache(settings: Settings) -> DiskCache | None:
    if not settings.static_store_disk:
        return None
    try:
        directory = settings.static_store_directory or _get_default_directory()
        return DiskCache(directory, settings.static_store_disk)
    except (
        CacheUnusableError,
        FileNotFoundError,
    ) as error:  # the second where no directory for temporary files is usable
        log.warning("files of DJANGO_STATIC_STORE are kept in memory alone: %s", error)
        return None


def _get_default_directory() -> Path:
    return Path(tempfile.gettempdir()) / f"static-host-store-{os.geteuid()}"
