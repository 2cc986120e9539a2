"""A request head as bytes → what a worker gets of a plain request for a page.

Rule: as for the origin (`origin.request_head`), an HTTP parser accepts the head and decides where it ends, and every
unusual request is left alone: one with a body, Expect, Upgrade or a Connection other than keep-alive, or without
exactly one Host.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from static_host.origin.request_head import HOST, KEEP_ALIVE, MAX_HEAD_BYTES

_REQUEST_LINE = re.compile(rb"(GET|HEAD) (/(?!/)[!-\"$->@-~]*)(?:\?([!-\"$-~]*))? HTTP/1\.1\r\n")
_FIELD = re.compile(rb"(?<=\n)([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*)\r\n")
_UNUSUAL = frozenset({b"content-length", b"transfer-encoding", b"expect", b"upgrade"})


class PageHead(NamedTuple):
    """The parts of a head; names of fields are in lower case, their values stripped."""

    method: bytes
    path: bytes
    """The target's path, percent-encoded."""
    query: bytes
    fields: list[tuple[bytes, bytes]]


def parse_page_head(head: bytes) -> PageHead | None:
    """Return the parts of a complete head, or None for an unusual request."""
    line = _REQUEST_LINE.match(head)
    if line is None or len(head) > MAX_HEAD_BYTES:
        return None
    hosts = 0
    fields = []
    found = _FIELD.findall(head, line.end())
    if len(found) + 2 != head.count(b"\n"):
        return None
    for name, value in found:
        name = name.lower()
        value = value.rstrip(b" \t")
        if name == b"host":
            hosts += 1 if HOST.fullmatch(value) else 2
        elif name in _UNUSUAL or (name in (b"connection", b"proxy-connection") and not KEEP_ALIVE.fullmatch(value)):
            return None
        fields.append((name, value))
    return PageHead(line[1], line[2], line[3] or b"", fields) if hosts == 1 else None
