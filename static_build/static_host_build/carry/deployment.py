"""Earlier releases in a running deployment, asked over HTTP.

Rule: the deployment shows its index (DJANGO_STATIC_SHOW_INDEX), which names its files; each is then asked for in each
coding alone (RFC 9110 §12.5.3), a delta with the hash of its dictionary (RFC 9842 §2.2), and taken as it comes. A
redirection is not followed, so that the origin's secret goes to the host that was named and to no other, and never in
the clear over a network, be it to a proxy.

Silence is waited for _TIMEOUT seconds, three times; a body has to come at _SLOWEST bytes a second; and a deployment
that has gone away in between is asked for nothing more.

What a CDN on the way does to a coding is not the deployment's fault: an answer in another coding than was asked for, or
against another dictionary, is no damage. When the index was written is not told.
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
from static_host.origin.index import NAME, Representation
from static_host_build.carry.release_source import CHUNK, BodyUnusable, CodingLost, PlaceUnusable, Snapshot
from static_host_build.carry.source_errors import Refused, answered, unreachable
from static_host_build.encode.dcz import HEADER, head

_ATTEMPTS = 3
_TIMEOUT = 30.0
_SLOWEST = 10_000
_LONGEST = 1 << 28
"""Bytes of an index: far more than any has."""


class _NotFollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Deployment:
    """The tree behind an address. Without a path its static files are below `prefix`, else right below it."""

    def __init__(self, address: str, prefix: str, settings: Settings) -> None:
        parts = urlsplit(address)
        self.name = address
        self._base = f"{parts.scheme}://{parts.netloc}{prefix if parts.path in ('', '/') else parts.path.rstrip('/')}"
        self._base = self._base.rstrip("/") + "/"
        is_here = _is_this_machine(parts.hostname or "")
        proxies = urllib.request.ProxyHandler({} if is_here else None)
        self._opener = urllib.request.build_opener(_NotFollowed, proxies)
        self._gone: Refused | None = None
        self._fields = {"User-Agent": "static-host build"}
        if settings.origin_secret and (parts.scheme == "https" or is_here):
            secret = settings.origin_secret.get_secret_value().split(",")[0].strip()
            self._fields[settings.origin_secret_header] = secret

    def snapshots(self, most: int) -> list[Snapshot]:  # noqa: ARG002 - it has no more than one
        """Return the tree that is deployed."""
        url = self._base + NAME
        try:
            with self._answer(url, "identity") as answer:
                data = b"".join(_pieces(answer, _LONGEST))
        except Refused as error:
            raise PlaceUnusable(f"{url} {error}. {error.remedy}".rstrip()) from None
        except (OSError, http.client.HTTPException) as error:
            raise PlaceUnusable(f"{url} was cut short: {error}. Try again.") from None
        return [Snapshot(data, url)]

    def body(self, name: str, representation: Representation) -> Iterator[bytes]:
        """Give the bytes of a representation, as the server sends them."""
        coding, dictionary = representation.coding, representation.dictionary
        try:
            with self._answer(self._base + quote(name), coding, dictionary) as answer:
                if answer.headers.get("Content-Encoding", "identity") != coding:
                    raise CodingLost
                begin = answer.read(HEADER) if dictionary else b""
                if dictionary and begin != head(dictionary):
                    raise CodingLost
                yield begin
                yield from _pieces(answer, representation.length + 1)
        except Refused as error:
            raise BodyUnusable(str(error)) from None
        except (OSError, http.client.HTTPException) as error:
            raise BodyUnusable(f"was cut short: {error}") from None

    def close(self) -> None:
        """Nothing is held: each file has a connection of its own."""

    def _answer(self, url: str, coding: str, dictionary: str = "") -> http.client.HTTPResponse:
        """Return the answer to a GET, which is a 200. Raises Refused."""
        fields = {**self._fields, "Accept-Encoding": coding}
        if dictionary:
            fields["Available-Dictionary"] = f":{dictionary}:"
        request = urllib.request.Request(url, headers=fields)  # noqa: S310
        for attempt in range(_ATTEMPTS):
            if self._gone:
                raise Refused(str(self._gone))
            time.sleep(attempt)
            try:
                return self._asked(request)
            except Refused as error:
                refused = error
            if refused.final:
                break
        if not refused.status:
            self._gone = refused
        raise refused

    def _asked(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        try:
            answer: http.client.HTTPResponse = self._opener.open(request, timeout=_TIMEOUT)
        except urllib.error.HTTPError as error:
            error.close()
            location = error.headers.get("Location") or ""
            raise answered(error.code, error.reason, request.full_url, location) from None
        except (OSError, http.client.HTTPException, UnicodeError) as error:  # the last of a host's name
            raise unreachable(error) from None
        if answer.status != 200:
            answer.close()
            raise answered(answer.status, answer.reason, request.full_url)
        return answer


def _pieces(answer: http.client.HTTPResponse, most: int) -> Iterator[bytes]:
    """Give the body as it comes, `most` bytes of it and what came with them. Raises TimeoutError if it is slow."""
    began, received = time.monotonic(), 0
    while received < most and (piece := answer.read1(CHUNK)):
        received += len(piece)
        if time.monotonic() - began > _TIMEOUT + received / _SLOWEST:
            raise TimeoutError(f"fewer than {_SLOWEST} bytes a second came")
        yield piece


def _is_this_machine(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
