"""The HTTP client: it asks in exactly the codings that it is told, and gives the bytes as they came.

Rule: nothing is decoded on the way, no cookie is kept, no redirect is followed, and no more connections are open than
requests may be under way at once. A request whose connection broke is sent once more, because a server may close an
idle connection while it is written to; what breaks twice is told.
"""

from __future__ import annotations

import time
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Self

import httpx

from static_host.origin.index import digest
from static_host.verify.response import Answer

AT_ONCE = 4
"""How many requests may be under way at the same time."""
MOST = 8 << 20
"""Bytes of a body that are read; of a longer one only the head is judged."""
MOST_DECODED = 64 << 20
"""Bytes that a body may have without its coding."""
MAX_CODINGS = 4
"""Codings of one body, on top of each other, that are decoded."""
LONGEST = 120.0
"""Seconds that an answer may take whose bytes keep coming."""
CODINGS = {"identity", "gzip", "br", "zstd", "deflate"}

_SECONDS = 20.0
_PIECE = 4 << 10
_AGENT = "Mozilla/5.0 (compatible; static-host-verify)"


class Unreachable(Exception):
    """There was no answer; the message says why."""


class Client:
    """Connections to the deployment, to be used by at most `AT_ONCE` threads."""

    def __init__(self) -> None:
        self._http = httpx.Client(
            http2=True,
            timeout=_SECONDS,
            limits=httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE),
            headers={"user-agent": _AGENT},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        del self._http.headers["accept-encoding"]  # a request has one only if it says so

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def ask(self, url: str, **fields: str) -> Answer:
        """Return the answer to a GET with these fields (an underscore in a name is a hyphen). Raises Unreachable."""
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        try:
            try:
                return self._asked(url, headers)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                return self._asked(url, headers)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # the last: a name that no host can have
            raise Unreachable(f"{type(error).__name__}: {error}".rstrip(": ")) from None

    def _asked(self, url: str, headers: dict[str, str]) -> Answer:
        end = time.monotonic() + LONGEST
        with self._http.stream("GET", url, headers=headers) as response:
            body = bytearray()
            for part in response.iter_raw():
                body += part
                if len(body) > MOST:
                    break
                if time.monotonic() > end:
                    raise Unreachable(f"the answer had not ended after {LONGEST:.0f} s")
            return _answer(response, bytes(body))


class _TooLong(Exception):
    """A body is too long to be read or decoded to its end."""


def _answer(response: httpx.Response, body: bytes) -> Answer:
    status, fields = response.status_code, dict(response.headers)
    plain, whole = None, True
    try:
        plain = _decoded(fields.get("content-encoding", "identity"), body) if status == 200 else None
    except _TooLong:
        whole = False
    content = None if plain is None else digest(plain)
    return Answer(status, fields, len(body), digest(body), whole, plain, content, response.http_version)


def _decoded(coding: str, body: bytes) -> bytes | None:
    """Return a body without its coding, or None if it cannot be decoded. Raises _TooLong."""
    names = [name.strip().lower() for name in coding.split(",")]
    if len(body) > MOST:
        raise _TooLong
    if not CODINGS.issuperset(names) or len(names) > MAX_CODINGS:
        return None
    plain = bytearray()
    pieces = (body[at : at + _PIECE] for at in range(0, len(body), _PIECE))
    try:
        for part in httpx.Response(200, headers={"content-encoding": coding}, content=pieces).iter_bytes():
            plain += part
            if len(plain) > MOST_DECODED:
                raise _TooLong
    except httpx.DecodingError:
        return None
    return bytes(plain)
