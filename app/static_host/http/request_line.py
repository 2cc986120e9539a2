"""The first line of a request: its method, target and version (RFC 9112 §3).

Rule: a line that is not written as one gets 400, a well-formed version other than 1.0 and 1.1 gets 505, and a method
that httptools does not know 501 (RFC 9110 §9.1).
"""

from __future__ import annotations

import re

import httptools

_TCHAR = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
"""RFC 9110 §5.6.2: the characters of a token."""
_BEGIN = re.compile(rb"%b{65}|%b+ |%b*\Z" % (_TCHAR, _TCHAR, _TCHAR))
_LINE = re.compile(rb"%b+ +[^\x00-\x20\x7f]+ +HTTP/([0-9]\.[0-9])" % _TCHAR)
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")
"""RFC 9110 §7.2: uri-host [":" port], possibly empty."""
_ABSOLUTE_FORM = re.compile(rb"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
"""RFC 9112 §3.2.2: the schemes of this server, authority, path and query."""
_VERSIONS = {b"1.1": "1.1", b"1.0": "1.0"}


class RequestRefusedError(Exception):
    """The bytes are no request that this server understands; `status` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def check_begin(head: bytearray) -> None:
    """Raise RequestRefusedError if a head that is not complete does not begin with a method, or a part of one."""
    if not _BEGIN.match(head):
        raise RequestRefusedError(400)


def parse_version(head: bytearray) -> str:
    """Return the version in the first line of a head. Raises RequestRefusedError."""
    line = _LINE.fullmatch(head, 0, head.find(b"\r\n"))
    if line is None:
        raise RequestRefusedError(400)
    if line[1] not in _VERSIONS:
        raise RequestRefusedError(505)
    return _VERSIONS[line[1]]


def check_method(head: bytearray) -> None:
    """Raise RequestRefusedError if the method of a head is none that httptools knows."""
    method = bytes(head.partition(b" ")[0])
    try:
        httptools.HttpRequestParser(object()).feed_data(method + b" / HTTP/1.1\r\nHost: a\r\n\r\n")
    except httptools.HttpParserError:
        if method != b"CONNECT":  # which has another form of target
            raise RequestRefusedError(501) from None


def is_host(value: bytes) -> bool:
    """Whether this is a valid value of a Host field."""
    return _HOST.fullmatch(value) is not None


def split_target(method: str, target: bytes) -> tuple[bytes, bytes, bytes]:
    """Return authority (of the absolute form, else empty), path and query. Raises RequestRefusedError."""
    authority = b""
    if absolute := _ABSOLUTE_FORM.match(target):
        authority, target = absolute[1], absolute[2]
        if not is_host(authority) or not authority.partition(b":")[0]:
            raise RequestRefusedError(400)
        target = target if target.startswith(b"/") else b"/" + target
    if method == "CONNECT" or not (target.startswith(b"/") or (target == b"*" and method == "OPTIONS")):
        raise RequestRefusedError(400)
    path, _, query = target.partition(b"#")[0].partition(b"?")
    return authority, path, query
