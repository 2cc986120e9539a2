"""Earlier releases in a running deployment, asked over HTTP.

Rule: the deployment shows its index (DJANGO_STATIC_SHOW_INDEX), which names its files; each is then asked for in each
coding alone (RFC 9110 §12.5.3), a delta with the hash of its dictionary (RFC 9842 §2.2), and taken as it comes. A
redirection is not followed, so that the origin's secret goes to the host that was named and to no other, and never in
the clear over a network.

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

from app.origin.index import NAME, Representation
from app.settings import Settings
from static_build.deltas import head
from static_build.previous.place import CHUNK, BodyUnusable, CodingLost, PlaceUnusable, Snapshot

_ATTEMPTS = 3
_TIMEOUT = 30.0
_LONGEST = 1 << 28
"""Bytes of an index: far more than any has."""


class _NotFollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class _Refused(Exception):
    """The deployment's answer is no file; `status` is 0 where there was no answer."""

    def __init__(self, status: int, reason: str, location: str = "") -> None:
        super().__init__(f"is answered {status} {reason}" if status else reason)
        self.status = status
        self.location = location


class Deployment:
    """The tree behind an address. Without a path its static files are below `prefix`, else right below it."""

    def __init__(self, address: str, prefix: str, settings: Settings) -> None:
        parts = urlsplit(address)
        self.name = address
        self._base = f"{parts.scheme}://{parts.netloc}{prefix if parts.path in ('', '/') else parts.path.rstrip('/')}"
        self._base = self._base.rstrip("/") + "/"
        self._opener = urllib.request.build_opener(_NotFollowed)
        self._fields = {"User-Agent": "static-host build"}
        if settings.origin_secret and (parts.scheme == "https" or _is_this_machine(parts.hostname or "")):
            secret = settings.origin_secret.get_secret_value().split(",")[0].strip()
            self._fields[settings.origin_secret_header] = secret

    def snapshots(self, most: int) -> list[Snapshot]:  # noqa: ARG002 - it has no more than one
        """Return the tree that is deployed."""
        url = self._base + NAME
        try:
            with self._answer(url, "identity") as answer:
                data = answer.read(_LONGEST)
        except _Refused as error:
            raise PlaceUnusable(f"{url} {error}. {_remedy(error)}".rstrip()) from None
        except (OSError, http.client.HTTPException) as error:
            raise PlaceUnusable(f"{url} was cut short: {error}. Try again.") from None
        return [Snapshot(data, url)]

    def body(self, name: str, representation: Representation) -> Iterator[bytes]:
        """Give the bytes of a representation, as the server sends them."""
        coding, dictionary = representation.coding, representation.dictionary
        try:
            with self._answer(self._base + quote(name), coding, dictionary) as answer:
                chunk = answer.read(CHUNK)
                is_asked_for = answer.headers.get("Content-Encoding", "identity") == coding
                if not is_asked_for or (dictionary and not chunk.startswith(head(dictionary))):
                    raise CodingLost
                while chunk:
                    yield chunk
                    chunk = answer.read(CHUNK)
        except _Refused as error:
            raise BodyUnusable(str(error)) from None
        except (OSError, http.client.HTTPException) as error:
            raise BodyUnusable(f"was cut short: {error}") from None

    def close(self) -> None:
        """Nothing is held: each file has a connection of its own."""

    def _answer(self, url: str, coding: str, dictionary: str = "") -> http.client.HTTPResponse:
        """Return the answer to a GET, which is a 200. Raises _Refused."""
        fields = {**self._fields, "Accept-Encoding": coding}
        if dictionary:
            fields["Available-Dictionary"] = f":{dictionary}:"
        request = urllib.request.Request(url, headers=fields)  # noqa: S310
        refused = _Refused(0, "")
        for attempt in range(_ATTEMPTS):
            time.sleep(attempt)
            try:
                answer: http.client.HTTPResponse = self._opener.open(request, timeout=_TIMEOUT)
            except urllib.error.HTTPError as error:
                refused = _Refused(error.code, error.reason, error.headers.get("Location") or "")
                error.close()
                if error.code < 500:
                    break
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "reason", None) or error
                refused = _Refused(0, f"cannot be reached: {reason}")
            else:
                if answer.status == 200:
                    return answer
                refused = _Refused(answer.status, answer.reason)
                answer.close()
                break
        raise refused


def _remedy(error: _Refused) -> str:
    if error.location:
        return f"It leads to {error.location}: name that host."
    if error.status == 404:
        return "Set DJANGO_STATIC_SHOW_INDEX=true there, so that the deployment shows its index."
    if error.status == 403:
        return (
            "Behind a secret, set DJANGO_ORIGIN_SECRET for the build, too; over http it is sent to this machine alone."
        )
    return "" if error.status else "Is the address right, and the deployment running?"


def _is_this_machine(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
