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
from static_host.origin.request_head import LONGEST, LONGEST_LINE, fields, parsed
from static_host.origin.responder import MISSES, Responder, Response, Slice

MOST_MISSES = 1_024
"""Answers to names that are not there, of which there is no end, that are remembered at a time."""
MOST_LINES = 8
"""Lines of fields that an answer may be remembered by."""


class Answer:
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


class Memo:
    """The answers of one responder."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._kept = _Remembered(responder.tree.bodies.heads)
        self._missed = _Remembered(MOST_MISSES)
        self._by_line, self._misses_by_line = self._kept.by_line, self._missed.by_line
        self._misses = {id(response): Answer(response) for response in MISSES.values()}
        self.body = responder.tree.bodies.get
        """Return a body by its digest, or None when it is not in memory."""

    def find(self, head: bytes) -> Answer | None:
        """Return the answer to a head that was answered before, or None."""
        line = head[: head.find(b"\r\n")]
        of_line = self._by_line.get(line) or self._misses_by_line.get(line)
        return of_line.get(tuple(fields(head))) if of_line and len(head) <= LONGEST else None

    def respond(self, head: bytes) -> Answer | None:
        """Return the answer to a head, or None when it is not plain, or not ours. Whoever takes it closes it.

        Nor is it ours to say that a name is not there which may be found elsewhere: that takes time.
        """
        path = head[head.find(b"/") : head.find(b" ", 5)].partition(b"?")[0]
        request = parsed(head) if self._responder.owns(path) else None
        response = self._responder.respond(*request) if request else None
        if response is None:
            return None
        miss = self._misses.get(id(response))
        if miss and self._may_be_elsewhere(path):
            return None
        answer = miss or Answer(response)
        if miss:
            self._missed.keep(head, miss)
        elif response.digest or response.status == 304:
            self._kept.keep(head, answer)
        return answer

    def _may_be_elsewhere(self, path: bytes) -> bool:
        may_be = self._responder.may_be_elsewhere
        return may_be is not None and may_be(self._responder.name_of(path) or "")


class _Remembered:
    """At most so many answers, by request line and by the lines of fields."""

    def __init__(self, most: int) -> None:
        self.by_line: dict[bytes, dict[tuple[bytes, ...], Answer]] = {}
        self._most = most
        self._count = 0

    def keep(self, head: bytes, answer: Answer) -> None:
        """Remember an answer, unless it would have to be by too many words."""
        line, lines = head[: head.find(b"\r\n")], tuple(fields(head))
        if max(map(len, (line, *lines))) > LONGEST_LINE or len(lines) > MOST_LINES:
            return
        if lines in self.by_line.get(line, ()):
            return
        if self._count >= self._most:
            self.by_line.clear()
            self._count = 0
        self._count += 1
        self.by_line.setdefault(line, {})[lines] = answer
