"""Answers requests for what visitors uploaded, from the directory as it is now.

Rule: a path below MEDIA_URL is decoded once and names one file beneath the directory, or it is 404. Empty components,
those that begin with a dot, and backslashes name no file. Every request opens its file anew. Below the prefix every
response comes from here, and no request reaches Django.

Strategy: `respond` may wait for a disk, so a thread calls it. `respond_cached` never waits, so the event loop calls it:
what is not in the kernel's memory, it leaves to the thread. Both make the same response. Header blocks and short bodies
are kept; each request looks first whether the name still leads to the same content.
"""

from __future__ import annotations

import io
import logging
import os
import re
import time
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus

from static_host.conf.files import FileSettings
from static_host.files.beneath import RootDirectory
from static_host.files.media_headers import (
    RETRY_AFTER,
    build_error,
    prepare_headers,
    select_type,
)
from static_host.files.media_place import MediaPlace
from static_host.files.short_files import MAX_SHORT_BYTES, read_short_file
from static_host.files.validators import RECENT_SECONDS, is_recent
from static_host.origin.body_cache import Body, BodyCache
from static_host.origin.conditional_response import combine_fields, respond_conditionally
from static_host.origin.headers import PreparedHeaders
from static_host.origin.percent_decoding import unescape
from static_host.origin.response import NOT_FOUND, Response, Slice
from static_host.origin.response_cache import PreparedResponse

log = logging.getLogger("static_host.media")

METHODS = b"GET, HEAD"
MAX_BODIES_BYTES = 16 << 20
"""Bytes of short files that are kept in memory."""
MAX_KEPT_HEADS = 1024
"""Files whose header blocks are kept. Clients choose the names: a full dictionary is cleared."""
MAX_PATH_BYTES = 3 * 4096
"""Bytes of a percent-encoded path that are decoded: no file name is as long as what follows."""
MAX_FIELD_BYTES = 16 << 10
"""Maximum length of the value of a conditional field, its lines joined; a longer one is refused with 431."""

_find_invalid = re.compile(rb"(?:^|/)(?:[./]|\Z)|[\0\\]").search
"""Find what no name has: a component that is empty or begins with a dot, NUL, a backslash."""
_RELEVANT_FIELDS = frozenset(
    (b"if-match", b"if-modified-since", b"if-none-match", b"if-range", b"if-unmodified-since", b"range")
)

Identity = tuple[int, int, int, int, int]


class _OpenFile:
    """An open file, until a response has it. `is_nowait`: reading fails where it would wait."""

    def __init__(self, descriptor: int, length: int, *, is_nowait: bool) -> None:
        self._descriptor = descriptor
        self._length = length
        self._is_nowait = is_nowait

    def read(self) -> bytes | Slice:
        """Return the content of a short file, or a slice of an open one, which the response closes. Raises OSError."""
        content = read_short_file(self._descriptor, self._length, may_wait=not self._is_nowait)
        if content is not None:
            return content
        file, self._descriptor = io.FileIO(self._descriptor), -1
        return Slice(file, 0, self._length)

    def close(self) -> None:
        """Close the file, unless a response has it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)


def _identify(facts: os.stat_result) -> Identity:
    """Return what no two contents have in common: device, inode, length, and the times of the last changes."""
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


class _KeptHead:
    """The header blocks of one file, and the response to a GET without conditions, which reads a short file anew."""

    __slots__ = ("identity", "prepared", "response")

    def __init__(self, identity: Identity, prepared: PreparedHeaders, read: Callable[[], Body | None]) -> None:
        self.identity = identity
        self.prepared = prepared
        self.response = PreparedResponse(Response(200, prepared.ok), "media")
        self.response.read = read


class MediaFiles:
    """The files of one place, or none without a place. `max_age` is in seconds."""

    def __init__(self, place: MediaPlace | None, max_age: int, *, is_inline: bool = False) -> None:
        self._max_age = max_age
        self._is_inline = is_inline
        self.on_replaced: list[Callable[[], None]] = []
        """Called after another place was taken, so that what was made of the former one is forgotten."""
        self.use(place)

    @classmethod
    def from_settings(cls, settings: FileSettings) -> MediaFiles | None:
        """Return the files of no place yet; None if DJANGO_SERVE_MEDIA is false."""
        if not settings.serve_media:
            return None
        return cls(None, settings.media_max_age, is_inline=settings.media_inline)

    def use(self, place: MediaPlace | None) -> None:
        """Serve this place from now on."""
        self.place = place
        self._prefixes = place.prefixes if place else ()
        self._root = RootDirectory(place.root) if place else None
        self._kept: dict[bytes, _KeptHead] = {}
        self._bodies = BodyCache(MAX_BODIES_BYTES)
        for forget in self.on_replaced:
            forget()

    def is_owned(self, path: bytes) -> bool:
        """Whether a raw path is answered here."""
        return self._decode(path).startswith(self._prefixes)

    def respond(self, method: str, path: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Response:
        """Return the response to a request whose path is owned; may wait for the disk. The caller closes it.

        `path` is the raw path, without the query; names of header fields are in lower case.
        """
        if method not in ("GET", "HEAD"):
            return build_error(method, 405, b"Method Not Allowed\n", (b"allow", METHODS))
        fields = _combine_relevant(headers)
        if fields is None:
            return build_error(method, 431, b"Request Header Fields Too Large\n")
        root, name = self._root, self._find_name(path)
        try:
            if root is None or name is None:
                return build_error(method, 404, NOT_FOUND)
            descriptor, facts = root.open_descriptor(name)
            file = _OpenFile(descriptor, facts.st_size, is_nowait=False)
            try:
                return self._respond(method, fields, name, self._find_head(root, name, facts).prepared, file)
            finally:
                file.close()
        except FileNotFoundError:
            return build_error(method, 404, NOT_FOUND)
        except PermissionError as error:
            log.error("cannot read the upload %.200r: %s", name, error.strerror)  # noqa: TRY400 - no fault of ours
            return build_error(method, 404, NOT_FOUND)
        except OSError as error:
            log.error("cannot read the upload %.200r: %s", name, error.strerror)  # noqa: TRY400
            return build_error(method, 503, b"Service Unavailable\n", RETRY_AFTER)

    def respond_cached(
        self, method: str, path: bytes, headers: Iterable[tuple[bytes, bytes]]
    ) -> PreparedResponse | None:
        """Return what `respond` does to GET or HEAD, without a wait; None where that cannot be known."""
        root, name, fields = self._root, self._find_name(path), _combine_relevant(headers)
        if root is None or name is None or fields is None:
            return None
        kept = self._kept.get(name)
        if kept is not None and method == "GET" and not fields and kept.prepared.length <= MAX_SHORT_BYTES:
            return kept.response
        try:
            descriptor, facts = root.open_descriptor(name, is_cached_only=True)
        except OSError:
            return None
        file = _OpenFile(descriptor, facts.st_size, is_nowait=True)
        try:
            kept = self._find_head(root, name, facts)
            prepared = PreparedResponse(self._respond(method, fields, name, kept.prepared, file), "media")
        except OSError:
            return None
        finally:
            file.close()
        if prepared.status == HTTPStatus.NOT_MODIFIED and name in self._kept:
            prepared.read = partial(self._confirm, root, name, kept.identity)
        return prepared

    def _is_unchanged(self, root: RootDirectory, name: bytes, identity: Identity) -> bool:
        """Whether a name still leads to the same content. Raises OSError: a thread has to find out."""
        if root is self._root and _identify(root.stat_cached(name)) == identity:
            return True
        kept = self._kept.get(name)
        if kept is not None and kept.identity == identity:  # else it is a newer one
            self._kept.pop(name, None)
        return False

    def _confirm(self, root: RootDirectory, name: bytes, identity: Identity) -> Body | None:
        """Return the empty body of a response for an unchanged file; None for any other one."""
        try:
            return b"" if self._is_unchanged(root, name, identity) else None
        except OSError:
            return None

    def _find_body(self, root: RootDirectory, name: bytes, identity: Identity, key: str) -> Body | None:
        """Return the content of a short file, if it is still the same one; None where that cannot be known at once."""
        try:
            if not self._is_unchanged(root, name, identity):
                return None
            body = self._bodies.get(key)
            return self._read_body(root, name, identity, key) if body is None else body
        except OSError:
            return None

    def _read_body(self, root: RootDirectory, name: bytes, identity: Identity, key: str) -> Body | None:
        """Read the content of a short file; keep it, unless it was changed just now. Raises OSError."""
        descriptor, facts = root.open_descriptor(name, is_cached_only=True)
        try:
            if _identify(facts) != identity:
                return None
            content = read_short_file(descriptor, facts.st_size, may_wait=False)
            if content is None:
                return None
            is_settled = time.time() - facts.st_ctime >= RECENT_SECONDS
            return self._bodies.keep(key, content) if is_settled else content
        finally:
            os.close(descriptor)

    def _respond(
        self, method: str, fields: dict[bytes, bytes], name: bytes, prepared: PreparedHeaders, file: _OpenFile
    ) -> Response:
        """Return the response from an open file. Raises OSError."""
        guard = select_type(name, is_inline=self._is_inline)[1]

        def build(status: int, text: bytes, *extra: tuple[bytes, bytes]) -> Response:
            return build_error(method, status, text, *extra, *guard)

        return respond_conditionally(method, fields, prepared, file.read if method == "GET" else bytes, build)

    def _find_head(self, root: RootDirectory, name: bytes, facts: os.stat_result) -> _KeptHead:
        """Return the header blocks of a file; they are kept once its validators are strong."""
        identity = _identify(facts)
        kept = self._kept.get(name)
        if kept is None or kept.identity != identity:
            now = time.time()
            prepared = prepare_headers(name, facts, now, self._max_age, is_inline=self._is_inline)
            kept = _KeptHead(identity, prepared, partial(self._find_body, root, name, identity, str(identity)))
            if not is_recent(facts, now):
                if len(self._kept) >= MAX_KEPT_HEADS:
                    self._kept.clear()
                self._kept[name] = kept
        return kept

    def _find_name(self, path: bytes) -> bytes | None:
        """Return the name of a file, relative to the directory; None if the path is that of no file."""
        path = self._decode(path)
        prefix = next(filter(path.startswith, self._prefixes), None)
        name = path[len(prefix) :] if prefix is not None else b""
        return name if name and not _find_invalid(name) else None

    @staticmethod
    def _decode(path: bytes) -> bytes:
        return unescape(path[:MAX_PATH_BYTES]) if b"%" in path else path


def _combine_relevant(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes] | None:
    """Return the conditions and the range of a request; None if one of the fields is too long."""
    relevant = [field for field in headers if field[0] in _RELEVANT_FIELDS]
    fields = combine_fields(relevant) if relevant else {}
    return None if any(len(value) > MAX_FIELD_BYTES for value in fields.values()) else fields
