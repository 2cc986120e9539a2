"""django-compressor's offline step, where the project uses it.

Rule: it runs after the collection, in the collected directory, with the static host in its URLs; what it writes is
named by its content. Without this step the first page with a ``{% compress %}`` block would raise
OfflineGenerationError.
"""

from __future__ import annotations

import io
import logging
import re
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from app.overrides import overriding
from static_build.releases import BuildFailed

log = logging.getLogger("static_host.build")

NOTHING = r"(?!)"
"""A regular expression that finds nothing."""


@dataclass(frozen=True, slots=True)
class Compressed:
    """What the step leaves: a pattern for the names of its output, and the name of its own manifest."""

    pattern: str = NOTHING
    manifest: str = ""


def compress(static_url: str) -> Compressed:
    """Run ``manage.py compress`` if the project has it in offline mode. Raises BuildFailed."""
    if is_offline():
        _point_at(static_url)
        _run()
    return output()


def is_offline() -> bool:
    """Whether the project has the step at all."""
    return apps.is_installed("compressor") and bool(settings.COMPRESS_ENABLED and settings.COMPRESS_OFFLINE)


def output() -> Compressed:
    """Return what django-compressor's files are called, wherever they come from."""
    if not apps.is_installed("compressor"):
        return Compressed()
    folder = str(settings.COMPRESS_OUTPUT_DIR).strip("/")
    pattern = rf"^{re.escape(folder)}/(css|js)/(.*\.)?[0-9a-f]{{12}}\.(css|js)$"
    return Compressed(pattern, f"{folder}/{settings.COMPRESS_OFFLINE_MANIFEST}")


def _run() -> None:
    from compressor.exceptions import CompressorError, OfflineGenerationError

    try:
        call_command("compress", force=True, verbosity=0, stdout=io.StringIO(), stderr=io.StringIO())
    except CommandError as error:
        if "No 'compress' template tags found" not in str(error):
            raise BuildFailed(f"django-compressor: {error}") from None
        log.warning("django-compressor is in offline mode, but no template has a {%% compress %%} block")
    except (CompressorError, OfflineGenerationError) as error:
        raise BuildFailed(f"django-compressor: {error}") from None


@overriding
def _point_at(static_url: str) -> None:
    """Make URLs begin with the static host: the collection needed the bare prefix, to find references below it."""
    before, context = settings.STATIC_URL, settings.COMPRESS_OFFLINE_CONTEXT
    settings.STATIC_URL = static_url
    if settings.COMPRESS_CSS_HASHING_METHOD == "mtime":  # its default; file times are no property of the source
        settings.COMPRESS_CSS_HASHING_METHOD = "content"
    if before == settings.COMPRESS_URL:
        settings.COMPRESS_URL = static_url
    if isinstance(context, dict) and context.get("STATIC_URL") == before:
        context["STATIC_URL"] = static_url
    storage: Any = storages["staticfiles"]
    storage._base_url = static_url
    storage.__dict__.pop("base_url", None)  # a cached property of Django's FileSystemStorage
