"""django-compressor's step, where the project uses it: the build renders the blocks, in offline mode as in online mode.

Rule: it runs after the collection, in the collected directory, with the static host in its URLs; what it writes is
named by its content, and its manifest is in order. Without this step the first page with a ``{% compress %}`` block
would raise OfflineGenerationError, or name a file that is not in the tree. The mode changes nothing in the tree.
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
from static_host.project.overrides import overriding
from static_host_build.compressor.no_request import offline_contexts
from static_host_build.errors import BuildFailed
from static_host_build.files import Files
from static_host_build.references import Lines, find_references
from static_host_build.references.missing import MissingReference, report

log = logging.getLogger("static_host.build")

NOTHING = r"(?!)"
"""A regular expression that finds nothing."""
_CACHE = "static-host"
_REMEDY = (
    "The build renders each block once, without a request. Take what differs out of the block, or give it each of its "
    "values in COMPRESS_OFFLINE_CONTEXT; or set COMPRESS_ENABLED = False."
)
_REMEDY_FOR_CONTENT = "Correct what the block names, or take it out of the block; or set COMPRESS_ENABLED = False."


@dataclass(frozen=True, slots=True)
class Compressed:
    """What the step leaves: a pattern for the names of its output, and the name of its own manifest.

    `dangling` are the references of its stylesheets that lead nowhere.
    """

    pattern: str = NOTHING
    manifest: str = ""
    dangling: tuple[MissingReference, ...] = ()


def is_run() -> bool:
    """Whether the project has the step at all."""
    return compressor.is_active(settings)


def compress(static_url: str, directory: Path, files: Files) -> Compressed:
    """Compress the blocks of the project's templates into the tree in `directory`. Raises BuildFailed.

    `files` writes there.
    """
    if not is_run():
        if compressor.NAME in settings.INSTALLED_APPS and settings.COMPRESS_ENABLED:
            message = "COMPRESS_URL = %r is not below STATIC_URL: what django-compressor makes is not in the tree"
            log.warning(message, settings.COMPRESS_URL)
        return output()
    _point_at(static_url)
    with _settings_of_a_build(), _made() as urls:
        manifest = _rendered()
    names = sorted({name for url in urls if (name := _name_of(url, ""))})
    _take(names, directory, files)
    made = output()
    _write_manifest(dict(sorted(manifest.items())), made.manifest, files)
    return Compressed(made.pattern, made.manifest, tuple(_dangling(directory, names)))


def output() -> Compressed:
    """Return what django-compressor's files are called, wherever they come from."""
    below = compressor.path_below_static(settings)
    if compressor.NAME not in settings.INSTALLED_APPS or below is None:
        return Compressed()
    folder = re.escape(posixpath.join(below, str(settings.COMPRESS_OUTPUT_DIR).strip("/")))
    kinds = "|".join(map(re.escape, settings.COMPRESSORS))
    pattern = rf"^{folder}/(.*/)?({kinds})/(.*\.)?[0-9a-f]{{12}}\.({kinds})$"
    return Compressed(pattern, compressor.manifest_name(settings))


def report_dangling(made: Compressed, found: Collection[MissingReference], ours: Settings) -> None:
    """Report what leads nowhere in the output, but for what is `found` in sources already. Raises BuildFailed."""
    known = {posixpath.normpath(posixpath.join(posixpath.dirname(each.file), each.target)) for each in found}
    dangling = [each for each in made.dangling if _name_of(each.target, each.file) not in known]
    names = getattr(storages["staticfiles"], "hashed_files", ())
    report(dangling, names, is_fatal=ours.static_missing_references == "error")


def _rendered() -> dict[str, str]:
    from static_host_build.compressor.blocks import Blocks

    blocks = Blocks(offline_contexts())
    blocks.render()
    errors = [str(problem) for problem in blocks.problems if not problem.is_installed]
    for problem in blocks.problems:
        if problem.is_installed:
            log.warning("django-compressor: %s. This block is sent as it is written", problem)
    if errors:
        lines = "\n  ".join(["django-compressor cannot compress these blocks at a build:", *errors])
        is_unknown = blocks.exceptions or any(problem.is_unknown for problem in blocks.problems)
        remedy = _REMEDY if is_unknown else _REMEDY_FOR_CONTENT
        raise BuildFailed(f"{lines}\n{remedy}") from next(iter(blocks.exceptions), None)
    if compressor.is_offline(settings) and not (blocks.manifest or blocks.problems):
        log.warning("django-compressor is in offline mode, but no template has a {% compress %} block")
    return blocks.manifest


@contextmanager
def _settings_of_a_build() -> Iterator[None]:
    """Set what may differ at a build: no cache of the network's, and what a debug mode would not find."""
    caches.settings[_CACHE] = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": _CACHE}
    before = {name: getattr(settings, name) for name in ("DEBUG", "COMPRESS_CACHE_BACKEND", "COMPRESS_DEBUG_TOGGLE")}
    settings.DEBUG, settings.COMPRESS_CACHE_BACKEND, settings.COMPRESS_DEBUG_TOGGLE = False, _CACHE, None
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(settings, name, value)


@contextmanager
def _made() -> Iterator[list[str]]:
    """Collect the URLs of what is made meanwhile."""
    from compressor.signals import post_compress

    urls: list[str] = []

    def note(context: dict[str, Any], **_: Any) -> None:
        urls.append(str(context["compressed"].get("url", "")))

    post_compress.connect(note)
    try:
        yield urls
    finally:
        post_compress.disconnect(note)


def _take(names: Iterable[str], directory: Path, files: Files) -> None:
    """Take into the tree what the project's own storage has written elsewhere."""
    below = compressor.path_below_static(settings) or ""
    for name in names:
        if not (directory / name).exists():
            with storages[settings.COMPRESS_STORAGE_ALIAS].open(name.removeprefix(below)) as file:
                files.write(name, file.read())


def _write_manifest(manifest: dict[str, str], name: str, files: Files) -> None:
    """Write it into the tree, or, in offline mode alone, where the project has its files."""
    from compressor.cache import write_offline_manifest

    if name:
        files.write(name, json.dumps(manifest, indent=2).encode())
    else:
        write_offline_manifest(manifest)


def _dangling(directory: Path, names: Iterable[str]) -> Iterator[MissingReference]:
    for name in names:
        if name.endswith(".css"):
            text = (directory / name).read_text(encoding="utf-8", errors="surrogateescape")
            lines = Lines(text)
            for reference in find_references(name, text):
                found = _name_of(reference.target, name)
                if found and not (directory / found).exists():
                    line = lines.number(reference.start)
                    yield MissingReference(name, line, reference.target, found, reference.is_source_map)


def _name_of(url: str, file: str) -> str:
    """Return the name in the tree of what a URL in a file names; nothing where that is not below STATIC_URL."""
    base, parts = urlsplit(str(settings.STATIC_URL)), urlsplit(url)
    if parts.scheme not in ("", base.scheme) or parts.netloc not in ("", base.netloc) or not parts.path:
        return ""
    path = unquote(parts.path)
    if path.startswith("/"):
        return path.removeprefix(base.path) if path.startswith(base.path) else ""
    name = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
    return "" if name.startswith("..") else name


@overriding
def _point_at(static_url: str) -> None:
    """Make URLs begin with the static host: the collection needed the bare prefix, to find references below it."""
    before, context = settings.STATIC_URL, settings.COMPRESS_OFFLINE_CONTEXT
    below = compressor.path_below_static(settings)
    settings.STATIC_URL = static_url
    if settings.COMPRESS_CSS_HASHING_METHOD == "mtime":  # its default; file times are no property of the source
        settings.COMPRESS_CSS_HASHING_METHOD = "content"
    if below is not None:
        settings.COMPRESS_URL = static_url + below
    if isinstance(context, dict) and context.get("STATIC_URL") == before:
        context["STATIC_URL"] = static_url
    storage: Any = storages["staticfiles"]
    storage._base_url = static_url
    storage.__dict__.pop("base_url", None)  # a cached property of Django's FileSystemStorage
