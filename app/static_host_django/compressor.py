"""django-compressor in a running project: serves its blocks as the build rendered them.

Rule: django-compressor's files are in the tree, below COMPRESS_URL, so COMPRESS_ROOT is the tree. In both modes the
build renders every block, and a page gets the build's result for the content of its block. By itself, online mode would
write a file at a page's first request, which the tree's index does not list. Offline mode would fail for a block that
the build lacks. Such a block is sent as it is written: its files are in the tree, too. The manifest also has
django-compressor's own keys, for a `manage.py` that runs without static-host.
"""

from __future__ import annotations

import json
import logging
import posixpath
from hashlib import sha256
from pathlib import Path
from typing import Any

from static_host_django.setting_values import remove_location_options

log = logging.getLogger("static_host.compressor")

COMPRESSOR_APP = "compressor"
NO_BLOCKS_MESSAGE = "the tree has no files of django-compressor: its blocks are sent as they are written"
_MAX_LOGGED_BLOCKS = 1000
"""The largest number of missing blocks that are logged. Bounded, because a block may hold a visitor's input."""


def apply_overlay(settings: Any, static_url: str, root: Path) -> list[str]:
    """Make django-compressor write into the tree at `root`, unless COMPRESS_URL lies outside STATIC_URL.

    Call it before applications are loaded and before STATIC_URL is overridden. Returns a line for each setting whose
    value was another one.
    """
    before = {name: getattr(settings, name, None) for name in ("COMPRESS_URL", "COMPRESS_ROOT")}
    below = find_path_below_static(settings)
    if COMPRESSOR_APP not in settings.INSTALLED_APPS or below is None:
        return []
    after = {"COMPRESS_URL": static_url + below, "COMPRESS_ROOT": str(root / below)}
    for name, value in after.items():
        setattr(settings, name, value)
    if hasattr(settings, "COMPRESS_OFFLINE_MANIFEST_STORAGE"):
        settings.COMPRESS_OFFLINE_MANIFEST_STORAGE = "compressor.storage.OfflineManifestFileStorage"
    settings.STORAGES = {
        alias: {**storage, "OPTIONS": remove_location_options(storage.get("OPTIONS", {}))}
        if alias == COMPRESSOR_APP
        else storage
        for alias, storage in settings.STORAGES.items()
        if alias != "compressor-offine"  # django-compressor's own spelling
    }
    return [f"{name} = {after[name]!r}" for name, value in before.items() if value not in (None, after[name])]


def find_path_below_static(settings: Any) -> str | None:
    """Return the part of COMPRESS_URL below STATIC_URL, or None if it lies outside."""
    given = getattr(settings, "COMPRESS_URL", None)
    if given is None:
        return ""
    raw = getattr(settings, "_wrapped", settings).STATIC_URL  # without the slash that Django puts before "static/"
    return find_path_below(given, settings.STATIC_URL, raw)


def find_path_below(given: Any, *static_urls: Any) -> str | None:
    """Return the part of a URL below the first of the static URLs that it begins with, or None."""
    own = next((str(url) for url in static_urls if url and str(given).startswith(str(url))), None)
    return None if own is None else str(given).removeprefix(own)


def is_offline(settings: Any) -> bool:
    """Whether django-compressor is in offline mode, in which it looks blocks up in its manifest."""
    return bool(COMPRESSOR_APP in settings.INSTALLED_APPS and settings.COMPRESS_ENABLED and settings.COMPRESS_OFFLINE)


def is_active(settings: Any) -> bool:
    """Whether blocks are compressed, in either mode. With precompilers, some are even if COMPRESS_ENABLED is false."""
    if COMPRESSOR_APP not in settings.INSTALLED_APPS:
        return False
    is_below = find_path_below_static(settings) is not None
    return is_offline(settings) or (is_below and bool(settings.COMPRESS_ENABLED or settings.COMPRESS_PRECOMPILERS))


def format_manifest_name(settings: Any) -> str:
    """Return the name, in the tree, of the manifest of rendered blocks, in either mode."""
    folder = str(settings.COMPRESS_OUTPUT_DIR).strip("/")
    return posixpath.join(find_path_below_static(settings) or "", folder, str(settings.COMPRESS_OFFLINE_MANIFEST))


def make_key(settings: Any, block: Any, kind: str, mode: str, name: str | None, content: str) -> str:
    """Return the manifest's key for a block with this content. It does not depend on the static host."""
    named = name or getattr(block, "name", None) or ""
    text = "\0".join((kind, mode, named, content.replace(str(settings.STATIC_URL), "")))
    return sha256(text.encode()).hexdigest()


def use_built_blocks(settings: Any, root: Path) -> None:
    """Patch django-compressor: pages get their blocks from the manifest of the tree at `root`, in either mode."""
    if not is_active(settings):
        return
    from compressor.cache import get_offline_hexdigest
    from compressor.templatetags.compress import CompressorMixin

    try:
        built = _read_manifest(settings, root)
    except FileNotFoundError:
        log.warning("%s. Build it again", NO_BLOCKS_MESSAGE)
        built = {}
    compress = CompressorMixin.render_compressed
    logged: set[str] = set()

    def render_compressed(
        self: Any, context: Any, kind: str, mode: str, name: str | None = None, forced: bool = False, **options: Any
    ) -> Any:
        if forced:
            return compress(self, context, kind, mode, name, forced, **options)
        content = self.get_original_content(context)
        key = make_key(settings, self, kind, mode, name, content)
        if key not in built and is_offline(settings):  # `manage.py compress` may have made it
            key = get_offline_hexdigest(content)
        if key in built:
            return built[key].replace(settings.COMPRESS_URL_PLACEHOLDER, str(settings.COMPRESS_URL))
        if built and key not in logged and len(logged) < _MAX_LOGGED_BLOCKS:
            logged.add(key)
            log.warning(
                "%s: the build has no such block, it is sent as it is written: %.200s",
                _format_block_location(self),
                content,
            )
        return content

    CompressorMixin.render_compressed = render_compressed


def _read_manifest(settings: Any, root: Path) -> dict[str, str]:
    """Read the manifest of rendered blocks: the tree's; the project's own if COMPRESS_URL is outside STATIC_URL."""
    from compressor.cache import get_offline_manifest

    if find_path_below_static(settings) is None:
        return dict(get_offline_manifest())
    return dict(json.loads((root / format_manifest_name(settings)).read_bytes()))


def _format_block_location(block: Any) -> str:
    """Return template and line of a block. Jinja gives no line."""
    line = getattr(getattr(block, "token", None), "lineno", None)
    return f"{block.origin}, line {line}" if line else "a {% compress %} block"
