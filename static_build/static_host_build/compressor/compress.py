"""The step for django-compressor: the build renders all blocks, in offline mode and in online mode.

Rule: the step runs after the collection, in the collected directory, with the static host in its URLs. Its files are
named by their content, and its manifest is sorted. Without this step, the first page with a ``{% compress %}`` block
would raise OfflineGenerationError, or name a file that the tree lacks. The mode does not change the tree.
"""

from __future__ import annotations

import json
import logging
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.cache import caches
from django.core.files.storage import storages

from static_host.conf.settings import Settings
from static_host.project import compressor
from static_host.project.overrides import track_overrides
from static_host_build.compressor.template_context import read_offline_contexts
from static_host_build.errors import BuildError
from static_host_build.references import Lines, find_references
from static_host_build.references.missing import MissingReference, report_missing
from static_host_build.tree_writer import TreeWriter

log = logging.getLogger("static_host.build")

MATCH_NOTHING = r"(?!)"
"""A regular expression that matches nothing."""
_CACHE_ALIAS = "static-host"
_REMEDY = (
    "The build renders each block once, without a request. Move what differs out of the block, or list its values in "
    "COMPRESS_OFFLINE_CONTEXT; or set COMPRESS_ENABLED = False."
)
_REMEDY_FOR_CONTENT = "Correct the names in the block, or remove them from it; or set COMPRESS_ENABLED = False."


@dataclass(frozen=True, slots=True)
class CompressionResult:
    """The result of the step: a pattern for the names of its files, and the name of its manifest.

    `dangling` are the references in its stylesheets that do not resolve.
    """

    name_pattern: str = MATCH_NOTHING
    manifest_name: str = ""
    dangling: tuple[MissingReference, ...] = ()


def is_compressor_used() -> bool:
    """Whether the project uses django-compressor."""
    return compressor.is_active(settings)


def compress(static_url: str, directory: Path, writer: TreeWriter) -> CompressionResult:
    """Compress the blocks of the project's templates into the tree in `directory`. Raises BuildError.

    `writer` writes into that directory.
    """
    if not is_compressor_used():
        if compressor.COMPRESSOR_APP in settings.INSTALLED_APPS and settings.COMPRESS_ENABLED:
            message = "COMPRESS_URL = %r is not below STATIC_URL: the tree lacks the files of django-compressor"
            log.warning(message, settings.COMPRESS_URL)
        return describe_output()
    _set_static_url(static_url)
    with _override_settings(), _collect_urls() as urls:
        manifest = _render_blocks()
    names = sorted({name for url in urls if (name := _resolve_name(url, ""))})
    _copy_output(names, directory, writer)
    made = describe_output()
    _write_manifest(dict(sorted(manifest.items())), made.manifest_name, writer)
    return CompressionResult(made.name_pattern, made.manifest_name, tuple(_find_dangling(directory, names)))


def describe_output() -> CompressionResult:
    """Return the names of django-compressor's files, without making any."""
    below = compressor.find_path_below_static(settings)
    if compressor.COMPRESSOR_APP not in settings.INSTALLED_APPS or below is None:
        return CompressionResult()
    folder = re.escape(posixpath.join(below, str(settings.COMPRESS_OUTPUT_DIR).strip("/")))
    kinds = "|".join(map(re.escape, settings.COMPRESSORS))
    pattern = rf"^{folder}/(.*/)?({kinds})/(.*\.)?[0-9a-f]{{12}}\.({kinds})$"
    return CompressionResult(pattern, compressor.format_manifest_name(settings))


def report_dangling(made: CompressionResult, found: Collection[MissingReference], build_settings: Settings) -> None:
    """Report references in the output that do not resolve, except those `found` in sources. Raises BuildError."""
    known = {posixpath.normpath(posixpath.join(posixpath.dirname(each.file), each.target)) for each in found}
    dangling = [each for each in made.dangling if _resolve_name(each.target, each.file) not in known]
    names = getattr(storages["staticfiles"], "hashed_files", ())
    report_missing(dangling, names, is_fatal=build_settings.static_missing_references == "error")


def _render_blocks() -> dict[str, str]:
    from static_host_build.compressor.django_blocks import BlockRenderer

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
        raise BuildError(f"{lines}\n{remedy}") from next(iter(blocks.exceptions), None)
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


def _write_manifest(manifest: dict[str, str], name: str, writer: TreeWriter) -> None:
    """Write the manifest into the tree; without a `name`, to where the project keeps it."""
    from compressor.cache import write_offline_manifest

    if name:
        writer.write(name, json.dumps(manifest, indent=2).encode())
    else:
        write_offline_manifest(manifest)


def _find_dangling(directory: Path, names: Iterable[str]) -> Iterator[MissingReference]:
    for name in names:
        if name.endswith(".css"):
            text = (directory / name).read_text(encoding="utf-8", errors="surrogateescape")
            lines = Lines(text)
            for reference in find_references(name, text):
                found = _resolve_name(reference.target, name)
                if found and not (directory / found).exists():
                    line = lines.find_line(reference.start)
                    yield MissingReference(name, line, reference.target, found, reference.is_source_map)


def _resolve_name(url: str, file: str) -> str:
    """Return the name in the tree for a URL in a file; empty if that is not below STATIC_URL."""
    base, parts = urlsplit(str(settings.STATIC_URL)), urlsplit(url)
    if parts.scheme not in ("", base.scheme) or parts.netloc not in ("", base.netloc) or not parts.path:
        return ""
    path = unquote(parts.path)
    if path.startswith("/"):
        return path.removeprefix(base.path) if path.startswith(base.path) else ""
    name = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
    return "" if name.startswith("..") else name


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
