"""Bytes of a connection → one request after the other, as httptools reads them.

Rule: the parser gets the bytes of one request at a time, never one byte of the next: what follows a request stays with
the caller until the response is sent. So requests are answered in order, each with its own response, and nothing of a
body is ever read as a request. httptools judges every byte; this only knows how far a request may go: a head ends with
its first empty line, a body after Content-Length bytes, a chunked one with an empty line behind its last chunk
(RFC 9112 §6, §7.1). A head is judged when it is complete: until then it takes the memory of its bytes, and no more.

What httptools lets pass and is wrong is refused here: versions other than 1.0 and 1.1 and targets that are none
(`request_line`), not exactly one Host, transfer codings other than chunked.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import httptools

from static_host.http.request_line import (
    RequestRefusedError,
    check_begin,
    check_method,
    is_host,
    parse_version,
    split_target,
)
from static_host.origin.request_head import MAX_HEAD_BYTES

Fields = list[tuple[bytes, bytes]]

_END_OF_HEAD = re.compile(rb"\n\r?\n")
"""An empty line, also one that httptools refuses for its missing CR."""
_FRAMING_FIELDS = (b"content-length", b"transfer-encoding")
_MAX_LENGTH_DIGITS = 20
"""Digits of the longest Content-Length that the parser accepts, but for zeros in front, without end."""


class Request(NamedTuple):
    """The head of a request. Names of fields are in lower case, their values stripped."""

    method: str
    path: bytes
    """Percent-encoded."""
    query: bytes
    version: str
    fields: Fields
    is_persistent: bool
    """Whether the client expects the connection to stay open (RFC 9112 §9.3)."""
    is_upgrade_to_web_socket: bool
    expects_continue: bool


class RequestParser:
    """Reads one request; `reset` prepares for the next one."""

    def __init__(self) -> None:
        self._new_parser()
        self.reset()

    def reset(self) -> None:
        """Forget the request, which is complete."""
        self.head = bytearray()
        """The bytes of the head so far."""
        self.request: Request | None = None
        """The request, once its head is complete."""
        self.is_complete = False
        """Whether the body has arrived, too."""
        self._url = b""
        self._fields: Fields = []
        self._body = bytearray()
        self._is_head_complete = self._is_persistent = self._is_upgrade = False
        self._is_chunked = self._is_last_chunk = False
        self._left = 0  # bytes of the body or of the chunk that are to come
        self._line = b""  # of a chunked body, what has arrived of a line
        self._lines_bytes = 0  # length of such lines since the last bytes of the body
        self._status = 0  # of the refusal, once a chunked body is not to be read further

    def close(self) -> None:
        """Read no more. Frees at once what has arrived, which a cycle of references would keep for a while."""
        self.reset()
        del self._parser

    def feed(self, data: bytes) -> bytes:
        """Parse what belongs to this request; return what follows it. Raises RequestRefusedError."""
        if self.request is None:
            data = self._feed_head(data)
        return self._feed_body(data) if data and self.request is not None and not self.is_complete else data

    def take_body(self) -> bytes:
        """Return what has arrived of the body since the last call."""
        body = bytes(self._body)
        self._body.clear()
        return body

    def _feed_head(self, data: bytes) -> bytes:
        if not self.head:
            data = data.lstrip(b"\r\n")  # RFC 9112 §2.2: empty lines before a request
        last = bytes(self.head[-2:])
        found = _END_OF_HEAD.search(last + data)
        end = found.end() - len(last) if found else len(data)
        self.head += data[:end]
        if len(self.head) > MAX_HEAD_BYTES:
            raise RequestRefusedError(431)
        if found:
            self._parse(self.head)
        else:
            check_begin(self.head)
        if self._is_head_complete:
            self._begin()
        return data[end:]

    def _begin(self) -> None:
        """Check the head, and prepare for the body. Raises RequestRefusedError."""
        self.request = request = self._make_request()
        lengths = [value for name, value in self._fields if name == b"content-length"]
        if lengths and len(lengths[0]) > _MAX_LENGTH_DIGITS:
            raise RequestRefusedError(400)
        self._left = int(lengths[0]) if lengths else 0
        if self._is_upgrade and not request.is_upgrade_to_web_socket:
            self._ignore_upgrade(request)

    def _make_request(self) -> Request:
        version = parse_version(self.head)
        method = self._parser.get_method().decode("ascii")
        authority, path, query = split_target(method, self._url)
        hosts = [value for name, value in self._fields if name == b"host"]
        if not (len(hosts) == 1 and is_host(hosts[0])) and (hosts or version == "1.1"):
            raise RequestRefusedError(400)
        fields = self._fields
        if authority:
            fields = [(b"host", authority), *(field for field in fields if field[0] != b"host")]
        self._is_chunked = _is_chunked(fields, version)
        connection = [token.strip().lower() for token in _join(fields, b"connection").split(b",")]
        upgrade = _join(fields, b"upgrade").strip().lower()
        return Request(
            method,
            path,
            query,
            version,
            fields,
            version == "1.1" and self._is_persistent,
            method == "GET" and version == "1.1" and b"upgrade" in connection and upgrade == b"websocket",
            version == "1.1" and _join(fields, b"expect").strip().lower() == b"100-continue",
        )

    def _ignore_upgrade(self, request: Request) -> None:
        """Go on with a parser that has read the same framing, but no Upgrade: behind one a parser reads no more."""
        self._new_parser()
        self.is_complete = False
        lines = [b"%s: %s\r\n" % field for field in request.fields if field[0] in _FRAMING_FIELDS]
        self._parse(b"POST / HTTP/1.1\r\n%s\r\n" % b"".join(lines))

    def _feed_body(self, data: bytes) -> bytes:
        end = self._find_end_of_chunks(data) if self._is_chunked else min(self._left, len(data))
        if not self._is_chunked:
            self._left -= end
        self._parse(data[:end])
        if self._status:
            raise RequestRefusedError(self._status)
        return data[end:]

    def _find_end_of_chunks(self, data: bytes) -> int:
        """Return how many bytes of the data belong to a chunked body (RFC 9112 §7.1), before the parser judges them."""
        at = 0
        while at < len(data) and not self._status:
            if self._left:
                length = min(self._left, len(data) - at)
                self._left -= length
                self._lines_bytes = 0
                at += length
                continue
            end = data.find(b"\n", at) + 1 or len(data)
            line = self._line + data[at:end]
            self._lines_bytes += end - at
            at = end
            self._line = b"" if line.endswith(b"\n") else line
            if self._lines_bytes > MAX_HEAD_BYTES:
                self._status = 431
            elif not self._line and not self._is_last_chunk:
                self._begin_chunk(line)
            elif line == b"\r\n":
                break
        return at

    def _begin_chunk(self, line: bytes) -> None:
        """Read the length from a chunk's first line; one that is no number is refused, by the parser first."""
        digits = line.partition(b";")[0].strip()
        try:
            length = int(digits, 16) if digits.isalnum() else -1
        except ValueError:
            length = -1
        if length < 0:
            self._status = 400
            return
        self._is_last_chunk = not length
        self._left = length + 2 if length else 0  # with the end of line behind the data

    def _explain(self) -> int:
        """Return the status for bytes that the parser refuses."""
        if self.request is None:
            try:
                parse_version(self.head)
                check_method(self.head)
                if self._is_head_complete:
                    self._make_request()
            except RequestRefusedError as error:
                return error.status
        return 400

    def _new_parser(self) -> None:
        self._parser = httptools.HttpRequestParser(self)

    def _parse(self, data: bytes | bytearray) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # `_begin` decides
        except httptools.HttpParserError:
            raise RequestRefusedError(self._explain()) from None

    def on_url(self, url: bytes) -> None:
        """Add a piece of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a field of the head; trailers are ignored (RFC 9110 §6.5.1)."""
        if self.request is None:
            self._fields.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """Note the end of the head, and what the parser knows only now."""
        self._is_head_complete = True
        self._is_persistent = self._parser.should_keep_alive()
        self._is_upgrade = self._parser.should_upgrade()

    def on_body(self, body: bytes) -> None:
        """Add a piece of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Note the end of the request."""
        self.is_complete = True


def _is_chunked(fields: Fields, version: str) -> bool:
    """Whether the body is chunked. Raises RequestRefusedError: 501 for a coding that is unknown (RFC 9112 §6.1)."""
    if not any(name == b"transfer-encoding" for name, _ in fields):
        return False
    codings = [coding.strip().lower() for coding in _join(fields, b"transfer-encoding").split(b",")]
    if version == "1.0" or b"chunked" in codings[:-1] or b"" in codings:
        raise RequestRefusedError(400)
    if codings != [b"chunked"]:
        raise RequestRefusedError(501)
    return True


def _join(fields: Fields, name: bytes) -> bytes:
    return b",".join([value for each, value in fields if each == name])
