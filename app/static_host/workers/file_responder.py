"""Responses of the project whose body is a file: one that the view has opened, or one that it names.

Rule: the front sends it, at the client's pace, and the worker is free meanwhile. Ranges and conditions are decided by
`files.view_file`. A file that a view names, and that is not there, is a 404.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import time
from typing import NamedTuple

from starlette.types import Scope

from static_host.files.beneath import RootDirectory
from static_host.files.media_types import format_content_type, guess_media_type
from static_host.files.sendfile_roots import FIELDS, NamedFileError, SendfileRoots
from static_host.files.short_files import read_short_file
from static_host.files.validators import find_validators
from static_host.files.view_file import respond_with_file
from static_host.origin.body_cache import Body
from static_host.origin.headers import UNCACHEABLE
from static_host.origin.response import NOT_FOUND, Response, Slice
from static_host.telemetry.request_record import format_target, get_raw_path
from static_host.telemetry.scope_keys import HANDLER_KEY
from static_host.workers.exchange import Exchange

log = logging.getLogger("static_host.workers")

Fields = list[tuple[bytes, bytes]]


class RequestFacts(NamedTuple):
    """What a response depends on: method, raw path and header fields of the request."""

    method: str
    path: bytes
    fields: Fields

    def describe(self) -> str:
        """Return method and path, for the log."""
        return f"{self.method} {format_target(self.path, b'')}"


class FileResponder:
    """Makes these responses. `roots` are the directories of files that views may name."""

    def __init__(self, roots: SendfileRoots) -> None:
        self._roots = roots
        self._has_warned = False

    def is_concerned(self, exchange: Exchange, fields: Fields) -> bool:
        """Whether a response has a file for its body, or a field that may name one."""
        return exchange.file_length is not None or any(name in FIELDS for name, _ in fields)

    async def respond(
        self, scope: Scope, exchange: Exchange, status: int, fields: Fields
    ) -> tuple[Response | None, Fields]:
        """Return the response, which the caller closes; None if the body is as the worker sends it. And the fields."""
        request = RequestFacts(scope["method"], get_raw_path(scope), scope["headers"])
        try:
            handler, response, fields = self.respond_at_once(request, exchange, status, fields)
        except BlockingIOError:
            handler, response, fields = await asyncio.to_thread(
                self.respond_at_once, request, exchange, status, fields, may_wait=True
            )
        scope[HANDLER_KEY] = handler
        return response, fields

    def respond_at_once(
        self, request: RequestFacts, exchange: Exchange, status: int, fields: Fields, *, may_wait: bool = False
    ) -> tuple[str, Response | None, Fields]:
        """Return the same with the handler that is logged. Raises BlockingIOError where a thread has to wait."""
        named = {name: value for name, value in reversed(fields) if name in FIELDS}
        fields = [field for field in fields if field[0] not in named]
        if named and self._roots:
            field = next(name for name in FIELDS if name in named)
            response = self._respond_with_named(request, status, fields, (field, named[field]), may_wait=may_wait)
            return "sendfile", response, fields
        if named and not self._has_warned:
            self._has_warned = True
            text = "%s: its %s is removed: DJANGO_SENDFILE_ROOTS names no directory"
            log.warning(text, request.describe(), next(iter(named)).decode().title())
        if exchange.file_length is None or exchange.error is not None:
            return "django", None, fields
        body, exchange.file = exchange.file or exchange.take(), None
        length = exchange.file_length
        return "file", respond_with_file(request.method, request.fields, status, fields, length, body), fields

    def _respond_with_named(
        self, request: RequestFacts, status: int, fields: Fields, named: tuple[bytes, bytes], *, may_wait: bool
    ) -> Response:
        """Return the response with the file that a field names, or 404. Raises BlockingIOError."""
        try:
            root, name = self._roots.find(*named)
            source, facts = _open(root, name, may_wait=may_wait)
        except BlockingIOError:
            raise
        except (NamedFileError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            shown = f"{named[0].decode().title()} {named[1].decode('latin-1')!r:.300}"
            log.error("%s: %s: %s", request.describe(), shown, reason)  # noqa: TRY400 - no traceback helps
            return _build_not_found(request.method)
        fields = _add_facts(fields, facts, name)
        return respond_with_file(request.method, request.fields, status, fields, facts.st_size, source)


def _open(root: RootDirectory, name: bytes, *, may_wait: bool) -> tuple[Body | Slice, os.stat_result]:
    """Open a file beneath a root; return its content if it is short. Raises OSError."""
    descriptor, facts = root.open_descriptor(name, is_cached_only=not may_wait)
    try:
        content = read_short_file(descriptor, facts.st_size, may_wait=may_wait)
        if content is None:
            file, descriptor = io.FileIO(descriptor), -1
            return Slice(file, 0, facts.st_size), facts
        return content, facts
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _add_facts(fields: Fields, facts: os.stat_result, name: bytes) -> Fields:
    """Return the fields with what a file says of itself, where the view has not said it."""
    fields = [field for field in fields if field[0] != b"content-type" or field[1].strip()]
    given = {name for name, _ in fields}
    own = dict(find_validators(facts, time.time())[1])
    if b"content-encoding" not in given:
        own[b"content-type"] = format_content_type(guess_media_type(name))
    return [*fields, *((name, value) for name, value in own.items() if name not in given)]


def _build_not_found(method: str) -> Response:
    fields = (
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(NOT_FOUND)),
        (b"cache-control", UNCACHEABLE),
    )
    return Response(404, fields, () if method == "HEAD" else (NOT_FOUND,))
