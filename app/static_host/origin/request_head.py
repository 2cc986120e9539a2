"""A request head as bytes → its method, its raw path and the fields that matter to the origin.

Rule: an HTTP parser judges the head, and decides where it ends; this only finds lines in what the parser accepts, in
which a line ends with CRLF and is never folded (RFC 9112 §2.2, §5.2). What is not plain is not read: a request with a
body, or that expects, upgrades or closes; a target that is not a path in ASCII; a head without exactly one Host that
is a host name or an address; a head that is long.
"""

from __future__ import annotations

import re

LONGEST = 64 << 10
"""Bytes of a head that is accepted at all."""
LONGEST_LINE = 256
"""Bytes of a request line or a field's line, CR included, that an answer may be remembered by."""

_OFTEN = ("[Aa]ccept-[Ee]ncoding", "[Hh]ost", "[Cc]onnection")
_NAMES = (
    *("accept-encoding", "available-dictionary"),
    *("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range"),
    *("host", "connection", "proxy-connection", "content-length", "transfer-encoding", "expect", "upgrade"),
)


def _in_any_case(name: str) -> str:
    return "".join(f"[{letter.upper()}{letter}]" if letter.isalpha() else letter for letter in name)


_FIRST, _SECOND = ("".join(sorted({name[place] for name in _NAMES})) for place in (0, 1))
_LINES = "|".join((*_OFTEN, *map(_in_any_case, _NAMES)))
fields = re.compile(f"\n(?=[{_FIRST}{_FIRST.upper()}][{_SECOND}{_SECOND.upper()}])((?:{_LINES}):.*)".encode()).findall
"""Return the lines of a head, as they are written, whose fields can change the answer; each ends with its CR. Spelled
out in both cases: a pattern that ignores case takes twice as long; one that leaves out the CR, a quarter longer."""

_LINE = re.compile(rb"(GET|HEAD) (/(?!/)[!-\"$->@-~]*)(?:\?[!-\"$-~]*)? HTTP/1\.1\r\n")
_HOST = re.compile(rb"[ \t]*(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(?::[0-9]+)?[ \t]*")
_KEEPS = re.compile(rb"[ \t]*keep-alive[ \t]*", re.IGNORECASE)


def parsed(head: bytes) -> tuple[str, bytes, list[tuple[bytes, bytes]]] | None:
    """Return method, raw path and fields (names in lower case, values stripped), or None when it is not plain."""
    line = _LINE.match(head)
    if line is None or len(head) > LONGEST:
        return None
    hosts = 0
    found: list[tuple[bytes, bytes]] = []
    for each in fields(head):
        name, _, value = each.removesuffix(b"\r").partition(b":")
        name = name.lower()
        if name == b"host":
            hosts += 1 if _HOST.fullmatch(value) else 2
        elif name in (b"connection", b"proxy-connection"):
            if not _KEEPS.fullmatch(value):
                return None
        elif name in (b"content-length", b"transfer-encoding", b"expect", b"upgrade"):
            return None
        else:
            found.append((name, value.strip(b" \t")))
    return (line[1].decode(), line[2], found) if hosts == 1 else None
