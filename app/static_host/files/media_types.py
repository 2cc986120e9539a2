"""File names → media types, the same on every machine."""

from __future__ import annotations

import mimetypes
import os

_TYPES = mimetypes.MimeTypes()


def guess_media_type(name: bytes) -> str:
    """Return the media type that a file name stands for; that of a compressed file is the archive's."""
    last = name.rpartition(b"/")[2]  # a name with slashes may look like a URL, whose data: scheme says a type
    kind, coding = _TYPES.guess_type(os.fsdecode(last).lower())
    return (kind if coding is None else f"application/{coding}") or "application/octet-stream"
