"""The HTTP client of the audit: requests exactly the given codings, and returns the bytes as they were sent.

Rule: it decodes nothing on the way, stores no cookie and follows no redirect. It opens at most one connection for each
concurrent request. A request whose connection breaks is repeated once, because a server may close an idle connection
at that moment. The second failure is an error.
"""

from __future__ import annotations

import time
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Self

import httpx

from static_host.origin.representation import compute_digest
from static_host.verify.received_response import ReceivedResponse

MAX_CONCURRENT_REQUESTS = 4
"""The largest number of requests at the same time."""
MAX_BODY_BYTES = 8 << 20
"""The longest body that is read, in bytes. Of a longer one only the head is checked."""
MAX_DECODED_BYTES = 64 << 20
"""The longest decoded body, in bytes."""
MAX_CODINGS = 4
"""The largest number of codings of one body that are decoded."""
MAX_RESPONSE_SECONDS = 120.0
"""The longest time for a whole response, in seconds."""
DECODABLE_CODINGS = {"identity", "gzip", "br", "zstd", "deflate"}

_TIMEOUT_SECONDS = 20.0
_DECODE_CHUNK_BYTES = 4 << 10
_USER_AGENT = "Mozilla/5.0 (compatible; static-host-verify)"


class NoResponseError(Exception):
    """There was no complete response; the message says why."""


class Client:
    """A client for at most `MAX_CONCURRENT_REQUESTS` threads."""

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
        del self._http.headers["accept-encoding"]  # `fetch` sets it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def fetch(self, url: str, **fields: str) -> ReceivedResponse:
        """Send a GET with these header fields (an underscore in a name is a hyphen), and return the response.

        Raises NoResponseError.
        """
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        try:
            try:
                return self._fetch_once(url, headers)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                return self._fetch_once(url, headers)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # UnicodeError: an invalid host name
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
                    raise NoResponseError(f"the response took longer than {MAX_RESPONSE_SECONDS:.0f} s")
            return _build_response(response, bytes(body))


class _BodyTooLongError(Exception):
    """A body is longer than `MAX_BODY_BYTES`, or than `MAX_DECODED_BYTES` when decoded."""


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
    """Return the decoded body, or None if it cannot be decoded. Raises _BodyTooLongError."""
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
