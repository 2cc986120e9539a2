"""Earlier releases in a running deployment, read over HTTP.

Rule: the deployment shows its index (DJANGO_STATIC_SHOW_INDEX), which lists its files. Each representation is one
request for its coding alone (RFC 9110 §12.5.3), and for a delta also with the hash of its dictionary (RFC 9842 §2.2).
Redirects are not followed, so the origin's secret goes to the named host only, and never unencrypted over a network,
not even to a proxy.

Each request waits `_TIMEOUT_SECONDS` for data and is repeated up to `_MAX_ATTEMPTS` times. A body must arrive at
`_MIN_BYTES_PER_SECOND`. After a request that gets no response at all, no further one is sent.

A CDN may change or drop a coding. So a response in another coding, or against another dictionary, counts as a lost
coding, not as damage. The time at which the index was written is unknown.
"""

from __future__ import annotations

import http.client
import ipaddress
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlsplit

from static_host.conf.settings import Settings
from static_host.origin.index import INDEX_FILE_NAME
from static_host.origin.representation import Representation
from static_host.telemetry.request_record import BUILD_USER_AGENT
from static_host_build.carry.deployment_errors import FetchError, explain_connection_error, explain_status
from static_host_build.carry.release_source import (
    SOURCE_CHUNK_BYTES,
    BodyUnusableError,
    CodingLostError,
    ReleaseSourceError,
    Snapshot,
)
from static_host_build.encode.dcz import HEADER_BYTES, make_header

_MAX_ATTEMPTS = 3
_TIMEOUT_SECONDS = 30.0
_MIN_BYTES_PER_SECOND = 10_000
_MAX_INDEX_BYTES = 1 << 28
"""Bytes of an index: far more than a real one has."""


def build_opener(*, is_here: bool) -> urllib.request.OpenerDirector:
    """Return what opens URLs: it follows no redirect, and asks this machine without a proxy."""
    return urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({} if is_here else None))


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class DeploymentSource:
    """The tree of a deployment. Its files are below the path of `address`, or below `prefix` if that has none."""

    def __init__(self, address: str, prefix: str, settings: Settings) -> None:
        parts = urlsplit(address)
        self.name = address
        self._base = f"{parts.scheme}://{parts.netloc}{prefix if parts.path in ('', '/') else parts.path.rstrip('/')}"
        self._base = self._base.rstrip("/") + "/"
        is_here = is_this_machine(parts.hostname or "")
        self._opener = build_opener(is_here=is_here)
        self._last_error: FetchError | None = None
        self._fields = {"User-Agent": BUILD_USER_AGENT}
        if settings.origin_secret and (parts.scheme == "https" or is_here):
            secret = settings.origin_secret.get_secret_value().split(",")[0].strip()
            self._fields[settings.origin_secret_header] = secret

    def read_snapshots(self, max_count: int) -> list[Snapshot]:  # noqa: ARG002 - there is only one
        """Return the deployed tree. Raises ReleaseSourceError."""
        url = self._base + INDEX_FILE_NAME
        try:
            with self._request(url, "identity") as answer:
                data = b"".join(read_pieces(answer, _MAX_INDEX_BYTES))
        except FetchError as error:
            raise ReleaseSourceError(f"{url} {error}. {error.remedy}".rstrip()) from None
        except (OSError, http.client.HTTPException) as error:
            raise ReleaseSourceError(f"{url} was cut short: {error}. Try again.") from None
        return [Snapshot(data, url)]

    def read_body(self, name: str, representation: Representation) -> Iterator[bytes]:
        """Yield the bytes of a representation. Raises BodyUnusableError, CodingLostError."""
        coding, dictionary = representation.coding, representation.dictionary
        try:
            with self._request(self._base + quote(name), coding, dictionary) as answer:
                if answer.headers.get("Content-Encoding", "identity") != coding:
                    raise CodingLostError
                begin = answer.read(HEADER_BYTES) if dictionary else b""
                if dictionary and begin != make_header(dictionary):
                    raise CodingLostError
                yield begin
                yield from read_pieces(answer, representation.length + 1)
        except FetchError as error:
            raise BodyUnusableError(str(error)) from None
        except (OSError, http.client.HTTPException) as error:
            raise BodyUnusableError(f"was cut short: {error}") from None

    def close(self) -> None:
        """Do nothing: each request has its own connection."""

    def _request(self, url: str, coding: str, dictionary: str = "") -> http.client.HTTPResponse:
        """Send a GET request, and return the response with status 200. Raises FetchError."""
        fields = {**self._fields, "Accept-Encoding": coding}
        if dictionary:
            fields["Available-Dictionary"] = f":{dictionary}:"
        request = urllib.request.Request(url, headers=fields)  # noqa: S310
        for attempt in range(_MAX_ATTEMPTS):
            if self._last_error:
                raise FetchError(str(self._last_error))
            time.sleep(attempt)
            try:
                return self._send(request)
            except FetchError as error:
                refused = error
            if refused.is_final:
                break
        if not refused.status:
            self._last_error = refused
        raise refused

    def _send(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        try:
            answer: http.client.HTTPResponse = self._opener.open(request, timeout=_TIMEOUT_SECONDS)
        except urllib.error.HTTPError as error:
            error.close()
            location = error.headers.get("Location") or ""
            raise explain_status(error.code, error.reason, request.full_url, location) from None
        except (OSError, http.client.HTTPException, UnicodeError) as error:  # UnicodeError: for the host name
            raise explain_connection_error(error) from None
        if answer.status != 200:
            answer.close()
            raise explain_status(answer.status, answer.reason, request.full_url)
        return answer


def read_pieces(answer: http.client.HTTPResponse, max_bytes: int) -> Iterator[bytes]:
    """Yield the body in pieces; end with the one that reaches `max_bytes`. Raises TimeoutError if it is slow."""
    began, received = time.monotonic(), 0
    while received < max_bytes and (piece := answer.read1(SOURCE_CHUNK_BYTES)):
        received += len(piece)
        if time.monotonic() - began > _TIMEOUT_SECONDS + received / _MIN_BYTES_PER_SECOND:
            raise TimeoutError(f"fewer than {_MIN_BYTES_PER_SECOND} bytes a second arrived")
        yield piece


def is_this_machine(host: str) -> bool:
    """Whether a host name or address is that of this machine."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
