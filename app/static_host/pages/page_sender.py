"""Sends a page, encoded as its client accepts it.

Rule: the event loop encodes the first `MAX_INLINE_BYTES` of a body, threads the rest, so a long page delays no other
request. What Django yields is sent at once: each piece can be decoded when it has arrived.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from starlette.types import Scope, Send

from static_host.pages.encoders import Encoder
from static_host.pages.page_codings import Fields, PageCodings

MAX_INLINE_BYTES = 64 << 10
"""Bytes of a body that the event loop encodes, in less than half a millisecond."""
MAX_OPEN_ENCODERS = 64
"""Bodies that are encoded at a time, with up to 900 kB of memory each. Further ones are sent as they are."""

_threads = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "page-encoder")


class BodyLengthError(Exception):
    """A body is longer or shorter than its Content-Length; a coding would hide it."""


class PageSender:
    """One response: its start, then its body in pieces, then `close`."""

    open_encoders = 0
    """The bodies that are encoded now, of all responses."""

    def __init__(self, codings: PageCodings, scope: Scope, send: Send) -> None:
        self._codings = codings
        self._scope = scope
        self._send = send
        self._encoder: Encoder | None = None
        self._encoded_bytes = 0
        self._stated_length: int | None = None

    async def send_whole(self, status: int, fields: Fields, body: bytes) -> None:
        """Send a response whose body is complete."""
        fields = self._begin(status, fields, len(body))
        if self._encoder is not None:
            body = await self._encode(self._encoder, body, is_last=True)
            fields.append((b"content-length", b"%d" % len(body)))
        await self._send({"type": "http.response.start", "status": status, "headers": fields})
        await self._send({"type": "http.response.body", "body": body})

    async def start(self, status: int, fields: Fields) -> None:
        """Send the head of a response whose body follows."""
        fields = self._begin(status, fields, -1)
        await self._send({"type": "http.response.start", "status": status, "headers": fields})

    def _begin(self, status: int, fields: Fields, length: int) -> Fields:
        """Open an encoder, if the response is to be encoded; return its fields."""
        method, request = self._scope["method"], self._scope["headers"]
        described, open_encoder = self._codings.describe(method, request, status, fields, length)
        if open_encoder and method != "HEAD":
            if PageSender.open_encoders >= MAX_OPEN_ENCODERS:
                return self._codings.describe(method, [], status, fields, length)[0]
            self._encoder = open_encoder()
            PageSender.open_encoders += 1
            stated = next((value for name, value in fields if name == b"content-length"), b"")
            self._stated_length = int(stated[:18]) if stated.isdigit() else None
        return described

    async def send(self, piece: bytes, *, is_last: bool) -> None:
        """Send a piece of the body. Raises BodyLengthError."""
        if self._encoder is not None:
            piece = await self._encode(self._encoder, piece, is_last=is_last)
        await self._send({"type": "http.response.body", "body": piece, "more_body": not is_last})

    async def _encode(self, encoder: Encoder, piece: bytes, *, is_last: bool) -> bytes:
        self._encoded_bytes += len(piece)
        stated = self._stated_length
        if stated is not None and (self._encoded_bytes > stated or (is_last and self._encoded_bytes < stated)):
            raise BodyLengthError(f"the body is not as long as its Content-Length ({stated})")
        if self._encoded_bytes <= MAX_INLINE_BYTES:
            return encoder.encode(piece, is_last=is_last)
        work = partial(encoder.encode, piece, is_last=is_last)
        return await asyncio.get_running_loop().run_in_executor(_threads, work)

    def close(self) -> None:
        """Free what encoding took."""
        if self._encoder is not None:
            self._encoder = None
            PageSender.open_encoders -= 1
