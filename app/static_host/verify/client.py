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

from static_host.origin.representation import compute_digest
from static_host.verify.response import ReceivedResponse

MAX_CONCURRENT_REQUESTS = 4
"""How many requests may be under way at the same time."""
MAX_BODY_BYTES = 8 << 20
"""Bytes of a body that are read; of a longer one only the head is judged."""
MAX_DECODED_BYTES = 64 << 20
"""Bytes that a body may have without its coding."""
MAX_CODINGS = 4
"""Codings of one body, on top of each other, that are decoded."""
MAX_RESPONSE_SECONDS = 120.0
"""Seconds that an answer may take whose bytes keep coming."""
DECODABLE_CODINGS = {"identity", "gzip", "br", "zstd", "deflate"}

_TIMEOUT_SECONDS = 20.0
_DECODE_CHUNK_BYTES = 4 << 10
_USER_AGENT = "Mozilla/5.0 (compatible; static-host-verify)"


class NoResponseError(Exception):
    """There was no answer; the message says why."""


class Client:
    """Connections to the deployment, to be used by at most `MAX_CONCURRENT_REQUESTS` threads."""

    def __init__(self) -> None:
        self._http = httpx.Client(
            http2=True,
            timeout=_TIMEOUT_SECONDS,
            limits=httpx.Limits(
                max_connections=MAX_CONCURRENT_REQUESTS, max_keepalive_connections=MAX_CONCURRENT_REQUESTS
            ),
            headers={"user-agent": _USER_AGENT},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )
        del self._http.headers["accept-encoding"]  # a request has one only if it says so

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def fetch(self, url: str, **fields: str) -> ReceivedResponse:
        """Return the answer to a GET with these fields (an underscore in a name is a hyphen).

        Raises NoResponseError.
        """
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        try:
            try:
                return self._fetch_once(url, headers)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                return self._fetch_once(url, headers)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # the last: a name that no host can have
            raise NoResponseError(f"{type(error).__name__}: {error}".rstrip(": ")) from None

    def _fetch_once(self, url: str, headers: dict[str, str]) -> ReceivedResponse:
        end = time.monotonic() + MAX_RESPONSE_SECONDS
        with self._http.stream("GET", url, headers=headers) as response:
            body = bytearray()
            for part in response.iter_raw():
                body += part
                if len(body) > MAX_BODY_BYTES:
                    break
                if time.monotonic() > end:
                    raise NoResponseError(f"the answer had not ended after {MAX_RESPONSE_SECONDS:.0f} s")
            return _build_response(response, bytes(body))


class _BodyTooLongError(Exception):
    """A body is too long to be read or decoded to its end."""


def _build_response(response: httpx.Response, body: bytes) -> ReceivedResponse:
    status, fields = response.status_code, dict(response.headers)
    plain, whole = None, True
    try:
        plain = _decode_body(fields.get("content-encoding", "identity"), body) if status == 200 else None
    except _BodyTooLongError:
        whole = False
    content = None if plain is None else compute_digest(plain)
    return ReceivedResponse(
        status, fields, len(body), compute_digest(body), whole, plain, content, response.http_version
    )


def _decode_body(coding: str, body: bytes) -> bytes | None:
    """Return a body without its coding, or None if it cannot be decoded. Raises _BodyTooLongError."""
    names = [name.strip().lower() for name in coding.split(",")]
    if len(body) > MAX_BODY_BYTES:
        raise _BodyTooLongError
    if not DECODABLE_CODINGS.issuperset(names) or len(names) > MAX_CODINGS:
        return None
    plain = bytearray()
    pieces = (body[at : at + _DECODE_CHUNK_BYTES] for at in range(0, len(body), _DECODE_CHUNK_BYTES))
    try:
        for part in httpx.Response(200, headers={"content-encoding": coding}, content=pieces).iter_bytes():
            plain += part
            if len(plain) > MAX_DECODED_BYTES:
                raise _BodyTooLongError
    except httpx.DecodingError:
        return None
    return bytes(plain)
