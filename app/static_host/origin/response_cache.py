"""What was answered before, by the bytes of the request that the answer depends on.

Strategy: `Responder.respond` is a pure function of a request head, so an answer is remembered by the request line and
the lines of the fields that matter, as they were written; a client that asks again in the same words costs two
dictionary look-ups. Bodies are not remembered here but fetched from the tree, whose budget decides what stays in
memory. Clients choose the words: parts of a resource, long lines and many lines are not remembered, and when there are
too many answers all are forgotten; names that are not there have a room of their own, so that who tries many drives out
nothing else.
"""

from __future__ import annotations

from static_host.origin.body_cache import Body
from static_host.origin.request_head import MAX_CACHED_LINE_BYTES, MAX_HEAD_BYTES, find_field_lines, parse_request_head
from static_host.origin.responder import Responder
from static_host.origin.response import NOT_FOUND_RESPONSES, Response, Slice

MAX_CACHED_NOT_FOUND = 1_024
"""Answers to names that are not there, of which there is no end, that are remembered at a time."""
MAX_CACHED_FIELD_LINES = 8
"""Lines of fields that an answer may be remembered by."""


class PreparedResponse:
    """A response as it goes out: its head, and the body.

    The `block` of header lines is what the head has from byte `begin` on; what comes before it is the adapter's, and so
    is the `stamp` that tells for when it was made.
    """

    __slots__ = ("begin", "body", "coding", "digest", "head", "parts", "stamp", "status")

    def __init__(self, response: Response) -> None:
        self.status = response.status
        self.head = b"".join(b"%s: %s\r\n" % field for field in response.headers) + b"\r\n"
        self.begin = 0
        self.coding = dict(response.headers).get(b"content-encoding", b"").decode()
        self.digest = response.digest
        """Of the body, where it is a whole representation's that the tree may have in memory; else empty."""
        in_memory = [part for part in response.body if not isinstance(part, Slice)]
        self.parts: tuple[Body | Slice, ...] = response.body if len(in_memory) < len(response.body) else ()
        """Of the body, where spans of an open file are among them; whoever sends them closes it."""
        self.body = b"" if self.digest or self.parts else b"".join(in_memory)
        self.stamp: object = None

    @property
    def block(self) -> bytes:
        """The header lines that do not depend on the moment."""
        return self.head[self.begin :]

    def close(self) -> None:
        """Close the file that the body lies in, if it does."""
        for part in self.parts:
            if isinstance(part, Slice):
                part.file.close()


class ResponseCache:
    """The answers of one responder."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._cached = _BoundedCache(responder.tree.bodies.max_heads)
        self._cached_not_found = _BoundedCache(MAX_CACHED_NOT_FOUND)
        self._by_line, self._not_found_by_line = self._cached.by_line, self._cached_not_found.by_line
        self._not_found = {id(response): PreparedResponse(response) for response in NOT_FOUND_RESPONSES.values()}
        self.get_body = responder.tree.bodies.get
        """Return a body by its digest, or None when it is not in memory."""

    def find(self, head: bytes) -> PreparedResponse | None:
        """Return the answer to a head that was answered before, or None."""
        line = head[: head.find(b"\r\n")]
        of_line = self._by_line.get(line) or self._not_found_by_line.get(line)
        return of_line.get(tuple(find_field_lines(head))) if of_line and len(head) <= MAX_HEAD_BYTES else None

    def respond(self, head: bytes) -> PreparedResponse | None:
        """Return the answer to a head, or None when it is not plain, or not ours. Whoever takes it closes it.

        Nor is it ours to say that a name is not there which may be found elsewhere: that takes time.
        """
        path = head[head.find(b"/") : head.find(b" ", 5)].partition(b"?")[0]
        request = parse_request_head(head) if self._responder.is_owned(path) else None
        response = self._responder.respond(*request) if request else None
        if response is None:
            return None
        miss = self._not_found.get(id(response))
        if miss and self._is_fallback_candidate(path):
            return None
        answer = miss or PreparedResponse(response)
        if miss:
            self._cached_not_found.keep(head, miss)
        elif response.digest or response.status == 304:
            self._cached.keep(head, answer)
        return answer

    def _is_fallback_candidate(self, path: bytes) -> bool:
        may_be = self._responder.is_fallback_candidate
        return may_be is not None and may_be(self._responder.resolve_name(path) or "")


class _BoundedCache:
    """At most so many answers, by request line and by the lines of fields."""

    def __init__(self, max_entries: int) -> None:
        self.by_line: dict[bytes, dict[tuple[bytes, ...], PreparedResponse]] = {}
        self._max_entries = max_entries
        self._count = 0

    def keep(self, head: bytes, answer: PreparedResponse) -> None:
        """Remember an answer, unless it would have to be by too many words."""
        line, lines = head[: head.find(b"\r\n")], tuple(find_field_lines(head))
        if max(map(len, (line, *lines))) > MAX_CACHED_LINE_BYTES or len(lines) > MAX_CACHED_FIELD_LINES:
            return
        if lines in self.by_line.get(line, ()):
            return
        if self._count >= self._max_entries:
            self.by_line.clear()
            self._count = 0
        self._count += 1
        self.by_line.setdefault(line, {})[lines] = answer
