"""All blocks of the project's templates, rendered into the collected directory.

Rule: the files are named by their content. Without them, the first page with a ``{% compress %}`` block would raise
OfflineGenerationError, or name a file that the tree lacks. The mode, online or offline, does not change the tree.
"""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.core.files.storage import storages

from static_host_django import compressor
from static_host_django.collect.errors import CollectionError
from static_host_django.compressor_blocks.template_context import read_offline_contexts
from static_host_django.overrides import track_overrides
from static_host_django.static_names import find_tree_name
from static_host_django.tree_writer import TreeWriter

log = logging.getLogger("static_host.build")

_CACHE_ALIAS = "static-host"
_REMEDY = (
    "The build renders each block once, without a request. Move what differs out of the block, or list its values in "
    "COMPRESS_OFFLINE_CONTEXT; or set COMPRESS_ENABLED = False."
)
_REMEDY_FOR_CONTENT = "Correct the names in the block, or remove them from it; or set COMPRESS_ENABLED = False."


def describe_output() -> dict[str, str]:
    """Return a pattern for the names of django-compressor's files, and the name of its manifest; "" if it is not used.

    `folder` is the folder in which it may have written, with a slash at its end.
    """
    below = compressor.find_path_below_static(settings)
    if compressor.COMPRESSOR_APP not in settings.INSTALLED_APPS:
        return {"name_pattern": "", "manifest_name": "", "folder": ""}
    folder = str(settings.COMPRESS_OUTPUT_DIR).strip("/") + "/"
    if below is None:
        return {"name_pattern": "", "manifest_name": "", "folder": folder}
    kinds = "|".join(map(re.escape, settings.COMPRESSORS))
    start = re.escape(posixpath.join(below, folder.rstrip("/")))
    pattern = rf"^{start}/(.*/)?({kinds})/(.*\.)?[0-9a-f]{{12}}\.({kinds})$"
    return {"name_pattern": pattern, "manifest_name": compressor.format_manifest_name(settings), "folder": folder}


def compress(static_url: str, directory: Path, writer: TreeWriter) -> dict[str, Any] | None:
    """Render the blocks of the project's templates into the tree in `directory`; None if none are to be compressed.

    `static_url` has the static host. Returns the names of the files, and the manifest, whose keys are sorted. Raises
    CollectionError.
    """
    if not compressor.is_active(settings):
        if compressor.COMPRESSOR_APP in settings.INSTALLED_APPS and settings.COMPRESS_ENABLED:
            message = "COMPRESS_URL = %r is not below STATIC_URL: the tree lacks the files of django-compressor"
            log.warning(message, settings.COMPRESS_URL)
        return None
    _set_static_url(static_url)
    with _override_settings(), _collect_urls() as urls:
        manifest = dict(sorted(_render_blocks().items()))
    names = sorted({name for url in urls if (name := find_tree_name(url, "", static_url))})
    _copy_output(names, directory, writer)
    if compressor.find_path_below_static(settings) is None:
        from compressor.cache import write_offline_manifest

        write_offline_manifest(manifest)
    return {"names": names, "manifest": manifest}


def _render_blocks() -> dict[str, str]:
    from static_host_django.compressor_blocks.django_blocks import BlockRenderer

    blocks = BlockRenderer(read_offline_contexts())
    blocks.render()
    errors = [str(problem) for problem in blocks.problems if not problem.is_installed]
    for problem in blocks.problems:
        if problem.is_installed:
            log.warning("django-compressor: %s. This block is sent uncompressed", problem)
    if errors:
        lines = "\n  ".join(["django-compressor cannot compress these blocks in a build:", *errors])
        is_unknown = blocks.exceptions or any(problem.is_unknown for problem in blocks.problems)
        remedy = _REMEDY if is_unknown else _REMEDY_FOR_CONTENT
        raise CollectionError(lines, remedy=remedy) from next(iter(blocks.exceptions), None)
    if compressor.is_offline(settings) and not (blocks.manifest or blocks.problems):
        log.warning("django-compressor is in offline mode, but no template has a {% compress %} block")
    return blocks.manifest


@contextmanager
def _override_settings() -> Iterator[None]:
    """Set what a build needs: a local cache, and no debug mode, which would skip blocks."""
    caches.settings[_CACHE_ALIAS] = {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": _CACHE_ALIAS,
    }
    before = {name: getattr(settings, name) for name in ("DEBUG", "COMPRESS_CACHE_BACKEND", "COMPRESS_DEBUG_TOGGLE")}
    settings.DEBUG, settings.COMPRESS_CACHE_BACKEND, settings.COMPRESS_DEBUG_TOGGLE = False, _CACHE_ALIAS, None
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(settings, name, value)


@contextmanager
def _collect_urls() -> Iterator[list[str]]:
    """Collect the URLs of the files that the block writes."""
    from compressor.signals import post_compress

    urls: list[str] = []

    def note(context: dict[str, Any], **_: Any) -> None:
        urls.append(str(context["compressed"].get("url", "")))

    post_compress.connect(note)
    try:
        yield urls
    finally:
        post_compress.disconnect(note)


def _copy_output(names: Iterable[str], directory: Path, writer: TreeWriter) -> None:
    """Copy files into the tree that the project's own storage has written to another place."""
    below = compressor.find_path_below_static(settings) or ""
    for name in names:
        if not (directory / name).exists():
            with storages[settings.COMPRESS_STORAGE_ALIAS].open(name.removeprefix(below)) as file:
                writer.write(name, file.read())


@track_overrides
def _set_static_url(static_url: str) -> None:
    """Make URLs begin with the static host; the collection needed the bare prefix to resolve references."""
    before, context = settings.STATIC_URL, settings.COMPRESS_OFFLINE_CONTEXT
    below = compressor.find_path_below_static(settings)
    settings.STATIC_URL = static_url
    if settings.COMPRESS_CSS_HASHING_METHOD == "mtime":  # the default; modification times are not part of the source
        settings.COMPRESS_CSS_HASHING_METHOD = "content"
    if below is not None:
        settings.COMPRESS_URL = static_url + below
    if isinstance(context, dict) and context.get("STATIC_URL") == before:
        context["STATIC_URL"] = static_url
    storage: Any = storages["staticfiles"]
    storage._base_url = static_url
    storage.__dict__.pop("base_url", None)  # a cached property of Django's FileSystemStorage
