"""Responses by the bytes of the request that they depend on.

Strategy: `Responder.respond` is a pure function of the request head. So a response is cached by the request line and
the unchanged lines of the relevant fields, and a repeated request costs two dictionary look-ups. Bodies are not cached
here but come from the tree, whose budget decides what stays in memory. Clients choose the keys: partial responses, long
lines and many lines are not cached, and a full cache is cleared. Responses to missing names have a cache of their own,
so a client that tries many names evicts nothing else. Where the scheme counts (`SecurityPolicy`), the fields that tell
it are relevant, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from static_host.origin.body_cache import Body
from static_host.origin.request_head import (
    MAX_CACHED_LINE_BYTES,
    MAX_HEAD_BYTES,
    PlainRequest,
    find_field_lines,
    make_line_finder,
    parse_request_head,
)
from static_host.origin.responder import Responder
from static_host.origin.response import NOT_FOUND_RESPONSES, Response, Slice

MAX_CACHED_NOT_FOUND = 1_024
"""Maximum number of cached responses to missing names, of which there is no end."""
MAX_CACHED_OTHERS = 1_024
"""Maximum number of cached responses with files outside the tree."""
MAX_CACHED_FIELD_LINES = 8
"""Maximum number of field lines in a cache key."""


class PreparedResponse:
    """A response as bytes: its head, and the body.

    The adapter puts the status line and its own header lines into `head`, in front of `block`, which starts at byte
    `begin`. It sets `stamp` to an object that tells whether these lines are current.
    """

    __slots__ = (
        *("begin", "body", "coding", "digest", "handler", "head", "logged", "parts", "read", "release", "stamp"),
        "status",
    )

    def __init__(self, response: Response, handler: str = "fast") -> None:
        self.handler = handler
        """Who responds, for the access log."""
        self.status = response.status
        self.head = b"".join(b"%s: %s\r\n" % field for field in response.headers) + b"\r\n"
        self.begin = 0
        self.coding = dict(response.headers).get(b"content-encoding", b"").decode()
        self.digest = response.digest
        """The body's digest if it is a whole representation that the tree may have in memory, else empty."""
        self.release = response.release
        """The digest of the release that alone has the file, else empty."""
        in_memory = [part for part in response.body if not isinstance(part, Slice)]
        self.parts: tuple[Body | Slice, ...] = response.body if len(in_memory) < len(response.body) else ()
        """The parts of a body with slices of an open file, else empty; the sender calls `close`."""
        self.body = b"" if self.digest or self.parts else b"".join(in_memory)
        self.read: Callable[[], Body | None] | None = None
        """Read the body, where each request has it read anew; it returns None if another path has to respond."""
        self.stamp: object = None
        self.logged = ""
        """What the access log says of the response, once it was sent whole."""

    @property
    def block(self) -> bytes:
        """The header lines that never change."""
        return self.head[self.begin :]

    def close(self) -> None:
        """Close the files of slices, if there are any."""
        for part in self.parts:
            if isinstance(part, Slice):
                part.file.close()


class OtherFiles(Protocol):
    """Files outside the tree, whose responses depend on the time of the request.

    `on_replaced` are called when all that was made of them is to be forgotten.
    """

    on_replaced: list[Callable[[], None]]

    def is_owned(self, path: bytes) -> bool:
        """Whether a raw path is theirs."""

    def respond_cached(
        self, method: str, path: bytes, headers: Iterable[tuple[bytes, bytes]]
    ) -> PreparedResponse | None:
        """Return the response to GET or HEAD, without a wait; None if it is not known."""


Fields = list[tuple[bytes, bytes]]


def _resolve_plain_scheme(fields: Fields) -> tuple[str, Fields]:
    """Return the scheme of a connection without TLS, whose peer is no trusted proxy."""
    return "http", fields


class ResponseCache:
    """The cached responses of one responder. What it does not own, `others` may respond to.

    `resolve_scheme` returns the scheme of a request, and the fields that count, or None if fields tell it that no key
    has; it is the same for all connections that use this cache.
    """

    def __init__(
        self,
        responder: Responder,
        others: OtherFiles | None = None,
        resolve_scheme: Callable[[Fields], tuple[str, Fields] | None] = _resolve_plain_scheme,
    ) -> None:
        self._responder = responder
        self._resolve_scheme = resolve_scheme
        self._find_lines = find_field_lines
        self._others = others
        self._cached = _BoundedCache(responder.tree.bodies.max_heads)
        self._cached_not_found = _BoundedCache(MAX_CACHED_NOT_FOUND)
        self._cached_others = _BoundedCache(MAX_CACHED_OTHERS)
        self._by_line, self._not_found_by_line = self._cached.by_line, self._cached_not_found.by_line
        self._others_by_line = self._cached_others.by_line
        self._not_found = {id(response): PreparedResponse(response) for response in NOT_FOUND_RESPONSES.values()}
        self.get_body = responder.tree.bodies.get
        """Return a body by its digest, or None if it is not in memory."""
        responder.on_replaced += [self._cached.clear, self._cached_not_found.clear, self._choose_lines]
        self._choose_lines()
        if others is not None:
            others.on_replaced.append(self._cached_others.clear)

    def _choose_lines(self) -> None:
        """Have the fields in the key that tell the scheme, if that counts."""
        names = self._responder.security.scheme_fields
        self._find_lines = make_line_finder(*names) if names else find_field_lines

    def find(self, head: bytes) -> PreparedResponse | None:
        """Return the cached response to a head, or None."""
        line = head[: head.find(b"\r\n")]
        of_line = self._by_line.get(line) or self._others_by_line.get(line) or self._not_found_by_line.get(line)
        find_lines = self._find_lines  # called as an attribute, CPython 3.11 takes 25 ns longer
        return of_line.get(tuple(find_lines(head))) if of_line and len(head) <= MAX_HEAD_BYTES else None

    def respond(self, head: bytes) -> PreparedResponse | None:
        """Return the response to a head, or None for an unusual request and for a path that is not a static one.

        Also None for a missing name that the fallback has to look for, because that takes time; what it knows already
        is not cached here, for it may forget. And None for what is redirected, where the scheme counts and is not
        clear, and for a missing name whose request may ask for the project's own page. The caller closes the response.
        """
        path = head[head.find(b"/") : head.find(b" ", 5)].partition(b"?")[0]
        if not self._responder.is_owned(path):
            return self._respond_with_others(head, path)
        request = parse_request_head(head, self._find_lines)
        if request is None:
            return None
        security, is_secure = self._responder.security, True
        if security.depends_on_scheme:
            resolved = self._resolve_scheme(request[2])
            if resolved is None:
                return None
            is_secure = security.is_secure(*resolved)
            if not is_secure and security.requires_redirect(path):
                return None
        response = self._responder.respond(*request)
        if response is None:
            return None
        not_found = self._not_found.get(id(response))
        if not_found is not None:
            return self._respond_not_found(head, request, not_found, is_secure=is_secure)
        prepared = PreparedResponse(security.adapt(response, is_secure=is_secure))
        if response.digest or response.status == 304:
            self._cached.keep(head, self._find_lines(head), prepared)
        return prepared

    def _respond_with_others(self, head: bytes, path: bytes) -> PreparedResponse | None:
        if self._others is None or not self._others.is_owned(path):
            return None
        request = parse_request_head(head, self._find_lines)
        prepared = self._others.respond_cached(*request) if request is not None else None
        if prepared is not None and prepared.read is not None:
            self._cached_others.keep(head, self._find_lines(head), prepared)
        return prepared

    def _respond_not_found(
        self, head: bytes, request: PlainRequest, not_found: PreparedResponse, *, is_secure: bool
    ) -> PreparedResponse | None:
        """Return the response to a missing name; None if the fallback or the project's own page may be that."""
        has_page = self._responder.has_not_found_page
        if has_page and b"html" in head.lower():
            return None
        method, path, fields = request
        if self._responder.is_fallback_candidate is not None:
            name = self._responder.resolve_name(path) or ""
            if self._responder.is_fallback_candidate(name):
                return self._recall(method, name, fields, not_found, is_secure=is_secure)
        if not has_page:  # else the response depends on Accept, which no key has
            self._cached_not_found.keep(head, self._find_lines(head), not_found)
        return not_found

    def _recall(
        self, method: str, name: str, fields: Fields, not_found: PreparedResponse, *, is_secure: bool
    ) -> PreparedResponse | None:
        """Return what the fallback responds without a look-up; None if it does not know."""
        if self._responder.recall is None:
            return None
        response, is_absent = self._responder.recall(method, name, fields)
        if response is not None:
            return PreparedResponse(self._responder.security.adapt(response, is_secure=is_secure), "store")
        return not_found if is_absent else None


class _BoundedCache:
    """At most `max_entries` responses, by request line and field lines; cleared when it is full."""

    def __init__(self, max_entries: int) -> None:
        self.by_line: dict[bytes, dict[tuple[bytes, ...], PreparedResponse]] = {}
        self._max_entries = max_entries
        self._count = 0

    def clear(self) -> None:
        """Drop all responses."""
        self.by_line.clear()
        self._count = 0

    def keep(self, head: bytes, field_lines: list[bytes], response: PreparedResponse) -> None:
        """Cache a response, unless its key is too long."""
        line, lines = head[: head.find(b"\r\n")], tuple(field_lines)
        if max(map(len, (line, *lines))) > MAX_CACHED_LINE_BYTES or len(lines) > MAX_CACHED_FIELD_LINES:
            return
        if lines not in self.by_line.get(line, ()):
            if self._count >= self._max_entries:
                self.clear()
            self._count += 1
        self.by_line.setdefault(line, {})[lines] = response
