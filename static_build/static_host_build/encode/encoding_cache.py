"""A cache of encoded bytes between builds, by content.

Rule: an entry's name is made of the SHA-256 of the unencoded bytes and of the recipe. An entry begins with the digest
of its rest, and is used only if that matches. Each writer writes its own file and renames it into place. An unusable
cache costs time, and never fails a build.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

log = logging.getLogger("static_host.build")

MAX_CACHE_BYTES = 1 << 30
"""Bytes that the cache keeps between builds; the least recently used entries are removed first."""

UNWRITABLE_CACHE_NOTICE = (
    "encoded files are not kept for the next build: %s cannot be written. Set DJANGO_STATIC_CACHE to a directory that "
    "can be written."
)


def choose_cache_directory(chosen: Path | None, beside: Path) -> Path:
    """Return the cache directory: `chosen`, else the user's cache directory.

    If that cannot be written, or the user has no home, it is a directory in `beside` for this build only: it has the
    name of a build in progress, so the next build removes it.
    """
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - Path's raises
    wanted = chosen or Path(home, "static-host")
    with suppress(OSError):
        if chosen or wanted.is_absolute():  # a "~" stays in the path if the home is unknown
            wanted.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=wanted).close()
            return wanted
    log.info(UNWRITABLE_CACHE_NOTICE, wanted)
    return beside / "building-cache"


class EncodingCache:
    """The codings of contents; each entry is one file in `directory`."""

    def __init__(self, directory: Path, recipe: str) -> None:
        self.directory = directory
        self._recipe = recipe.encode()
        self._encode_seconds: dict[Path, float] = {}
        self._reused: set[Path] = set()

    def get(self, data: bytes) -> dict[str, bytes] | None:
        """Return the codings that `put` stored for these bytes; None if there is no entry, or a damaged one."""
        path = self._locate_entry(data)
        try:
            checksum, _, entry = path.read_bytes().partition(b"\n")
            if sha256(entry).hexdigest().encode() != checksum:
                return None
            os.utime(path)
        except OSError:
            return None
        head, _, rest = entry.partition(b"\n")
        encoded = {}
        for coding, length in json.loads(head):
            encoded[coding], rest = rest[:length], rest[length:]
        return encoded

    def has(self, data: bytes) -> bool:
        """Whether there is an entry for these bytes."""
        return self._locate_entry(data).exists()

    def get_encode_seconds(self, data: bytes) -> float | None:
        """Return the seconds that this build took to encode these bytes; None if an earlier build encoded them."""
        return self._encode_seconds.get(self._locate_entry(data))

    def is_reused(self, data: bytes) -> bool:
        """Whether this build took the codings of these bytes from an earlier tree."""
        return self._locate_entry(data) in self._reused

    def put(self, data: bytes, encoded: dict[str, bytes], seconds: float | None) -> None:
        """Store the codings of these bytes, even if there are none. Does nothing if the cache cannot be written.

        `seconds` is how long encoding took; None if the codings come from an earlier tree.
        """
        path = self._locate_entry(data)
        if seconds is None:
            self._reused.add(path)
        else:
            self._encode_seconds[path] = seconds
        head = json.dumps([[coding, len(body)] for coding, body in encoded.items()]).encode()
        entry = b"\n".join([head, b"".join(encoded.values())])
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
            with os.fdopen(descriptor, "wb") as file:
                file.write(sha256(entry).hexdigest().encode() + b"\n" + entry)
            Path(temporary).replace(path)

    def prune(self) -> None:
        """Remove the least recently used entries until the rest fits into `MAX_CACHE_BYTES`."""
        with suppress(OSError):
            entries = [(path, path.stat()) for path in self.directory.glob("*/*")]
            total = sum(stat.st_size for _, stat in entries)
            for path, stat in sorted(entries, key=lambda entry: entry[1].st_mtime):
                if total <= MAX_CACHE_BYTES:
                    return
                path.unlink()
                total -= stat.st_size

    def _locate_entry(self, data: bytes) -> Path:
        return _locate_entry(data, self._recipe, self.directory)


@lru_cache(maxsize=8)  # each content is asked for several times, one after the other
def _locate_entry(data: bytes, recipe: bytes, directory: Path) -> Path:
    name = sha256(sha256(data).digest() + recipe).hexdigest()
    return directory / name[:2] / name[2:]
