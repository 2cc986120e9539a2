"""Encoded bytes kept between builds, by content.

Rule: an entry is named by the SHA-256 of the unencoded bytes and by the recipe; it begins with the digest of what
follows, and is used only if that is true. Writers never meet: each writes a file of its own and renames it into place.
A cache that cannot be used costs time, never a build.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

log = logging.getLogger("static_host.build")

MAX_CACHE_BYTES = 1 << 30
"""Bytes that the cache may keep between builds; the entries that were used longest ago go first."""

UNWRITABLE_CACHE_NOTICE = (
    "encoded files are not kept for the next build: %s cannot be written. Set DJANGO_STATIC_CACHE to a directory that "
    "can be written."
)


def choose_cache_directory(chosen: Path | None, beside: Path) -> Path:
    """Return where encoded files are kept: the directory `chosen`, else the user's own for caches.

    Where that cannot be written, or where the user has no home, it is one `beside` the releases, for this build alone:
    its name is that of a build in progress, which the next build removes.
    """
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - Path's raises
    wanted = chosen or Path(home, "static-host")
    with suppress(OSError):
        if chosen or wanted.is_absolute():  # a "~" is left where nobody knows the home
            wanted.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=wanted).close()
            return wanted
    log.info(UNWRITABLE_CACHE_NOTICE, wanted)
    return beside / "building-cache"


class EncodingCache:
    """Codings by content, in a directory of which every entry is one file."""

    def __init__(self, directory: Path, recipe: str) -> None:
        self.directory = directory
        self._recipe = recipe.encode()
        self._encode_seconds: dict[Path, float] = {}
        self._reused: set[Path] = set()

    def get(self, data: bytes) -> dict[str, bytes] | None:
        """Return what `put` kept for these bytes, or None. A damaged entry counts as none."""
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
        """Whether something is kept for these bytes."""
        return self._locate_entry(data).exists()

    def get_encode_seconds(self, data: bytes) -> float | None:
        """Return the seconds in which this very build encoded these bytes; None if an earlier one did."""
        return self._encode_seconds.get(self._locate_entry(data))

    def is_reused(self, data: bytes) -> bool:
        """Whether this very build took the codings of these bytes out of an earlier tree."""
        return self._locate_entry(data) in self._reused

    def put(self, data: bytes, encoded: dict[str, bytes], seconds: float | None) -> None:
        """Keep the codings of these bytes, an empty dictionary included; does nothing where it cannot write.

        `seconds` is how long they took to make; None where an earlier tree had them.
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
        """Remove the entries that were used longest ago, until the rest is within the limit."""
        with suppress(OSError):
            entries = [(path, path.stat()) for path in self.directory.glob("*/*")]
            held = sum(stat.st_size for _, stat in entries)
            for path, stat in sorted(entries, key=lambda entry: entry[1].st_mtime):
                if held <= MAX_CACHE_BYTES:
                    return
                path.unlink()
                held -= stat.st_size

    def _locate_entry(self, data: bytes) -> Path:
        name = sha256(sha256(data).digest() + self._recipe).hexdigest()
        return self.directory / name[:2] / name[2:]
