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

from starlette.types import Scope

from static_host.files.beneath import RootDirectory
from static_host.files.media_types import guess_media_type
from static_host.files.sendfile_roots import FIELDS, NamedFileError, SendfileRoots
from static_host.files.validators import find_validators
from static_host.files.view_file import respond_with_file
from static_host.origin.conditional import format_http_date
from static_host.origin.headers import UNCACHEABLE
from static_host.origin.response import NOT_FOUND, Response, Slice
from static_host.telemetry.scope_keys import HANDLER_KEY
from static_host.workers.exchange import Exchange
from static_host.workers.request_head import describe_request

log = logging.getLogger("static_host.workers")

Fields = list[tuple[bytes, bytes]]


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
        named = {name: value for name, value in reversed(fields) if name in FIELDS}
        fields = [field for field in fields if field[0] not in named]
        method, request_fields = scope["method"], scope["headers"]
        if named and self._roots:
            scope[HANDLER_KEY] = "sendfile"
            field = next(name for name in FIELDS if name in named)
            try:
                root, name = self._roots.find(field, named[field])
                file, facts = await _open(root, name)
            except (NamedFileError, OSError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                shown = f"{field.decode().title()} {named[field].decode('latin-1')!r:.300}"
                log.error("%s: %s: %s", describe_request(scope), shown, reason)  # noqa: TRY400
                return _build_not_found(method), fields
            fields = _add_facts(fields, facts, name)
            source = Slice(file, 0, facts.st_size)
            return respond_with_file(method, request_fields, status, fields, facts.st_size, source), fields
        if named and not self._has_warned:
            self._has_warned = True
            text = "%s: its %s is removed: DJANGO_SENDFILE_ROOTS names no directory"
            log.warning(text, describe_request(scope), next(iter(named)).decode().title())
        if exchange.file_length is None or exchange.error is not None:
            return None, fields
        scope[HANDLER_KEY] = "file"
        body = exchange.file or exchange.take()
        return respond_with_file(method, request_fields, status, fields, exchange.file_length, body), fields


async def _open(root: RootDirectory, name: bytes) -> tuple[io.FileIO, os.stat_result]:
    """Open a file beneath a root: a thread does so if the kernel would have to wait for the disk. Raises OSError."""
    try:
        descriptor, facts = root.open_descriptor(name, is_cached_only=True)
    except BlockingIOError:
        descriptor, facts = await asyncio.to_thread(root.open_descriptor, name)
    return io.FileIO(descriptor), facts


def _add_facts(fields: Fields, facts: os.stat_result, name: bytes) -> Fields:
    """Return the fields with what a file says of itself, where the view has not said it."""
    fields = [field for field in fields if field[0] != b"content-type" or field[1].strip()]
    given = {name for name, _ in fields}
    validators = find_validators(facts, time.time())
    own = {b"etag": validators.etag, b"last-modified": format_http_date(validators.modified or 0)}
    if b"content-encoding" not in given:
        own[b"content-type"] = guess_media_type(name).encode()
    return [*fields, *((name, value) for name, value in own.items() if name not in given)]


def _build_not_found(method: str) -> Response:
    fields = (
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(NOT_FOUND)),
        (b"cache-control", UNCACHEABLE),
    )
    return Response(404, fields, () if method == "HEAD" else (NOT_FOUND,))
