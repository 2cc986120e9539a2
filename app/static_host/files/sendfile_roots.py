"""The files that a view names in ``X-Accel-Redirect`` (nginx) or ``X-Sendfile`` (Apache, lighttpd).

Rule: a name counts if it leads to a regular file beneath one of the directories of DJANGO_SENDFILE_ROOTS.
``X-Accel-Redirect`` has a URL path, percent-encoded, whose beginning stands for a directory. ``X-Sendfile`` has the
path of the file itself, beneath one of the directories.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from email.errors import HeaderParseError
from email.header import decode_header
from pathlib import Path

from static_host.conf.settings import Settings
from static_host.files.beneath import RootDirectory
from static_host.origin.percent_decoding import unescape

ACCEL_FIELD = b"x-accel-redirect"
SENDFILE_FIELD = b"x-sendfile"
FIELDS = (ACCEL_FIELD, SENDFILE_FIELD)
"""The fields; the first one of a response counts."""
_MAX_ENCODED_CHARACTERS = 16 << 10
"""Enough for the longest path of Linux; to decode many encoded words takes more than linear time."""


class NamedFileError(Exception):
    """The field names nothing that may be sent; the text says why."""


class SendfileRoots:
    """The directories, by the prefix that stands for each."""

    def __init__(self, pairs: Iterable[str]) -> None:
        self._by_prefix: dict[bytes, RootDirectory] = {}
        self._by_path: dict[bytes, RootDirectory] = {}
        for pair in pairs:
            prefix, _, path = pair.partition("=")
            root = self._by_prefix[prefix.encode()] = RootDirectory(Path(path))
            for own in (path, os.path.realpath(path)):
                self._by_path[os.fsencode(own.rstrip("/")) + b"/"] = root

    @classmethod
    def from_settings(cls, settings: Settings) -> SendfileRoots:
        """Return the directories of DJANGO_SENDFILE_ROOTS."""
        return cls(settings.sendfile_roots)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._by_prefix)

    def find(self, field: bytes, value: bytes) -> tuple[RootDirectory, bytes]:
        """Return the directory and the name beneath it that a field's value stands for. Raises NamedFileError."""
        if field == ACCEL_FIELD:
            path, roots = unescape(value.partition(b"?")[0]), self._by_prefix
        else:
            path, roots = _decode(value), self._by_path
        prefix = max(filter(path.startswith, roots), key=len, default=None)
        if prefix is None:
            raise NamedFileError("it is beneath none of DJANGO_SENDFILE_ROOTS")
        return roots[prefix], path[len(prefix) :]


def _decode(value: bytes) -> bytes:
    """Return a path as the file system has it: UTF-8, which Django writes as an encoded word, or as Latin-1.

    Raises NamedFileError.
    """
    text = value.decode("latin-1")
    if len(text) <= _MAX_ENCODED_CHARACTERS and text.lower().startswith("=?utf-8?"):  # RFC 2047
        try:
            parts = decode_header(text)
        except HeaderParseError:
            raise NamedFileError("its encoded word is malformed") from None
        return b"".join(part if isinstance(part, bytes) else part.encode("latin-1") for part, _ in parts)
    try:
        value.decode()
    except UnicodeDecodeError:
        return text.encode()
    return value
