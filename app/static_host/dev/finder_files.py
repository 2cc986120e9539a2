"""Serves the project's static files without a build, for development: from its finders, at the URLs of a tree.

Rule: names and media types are those of a build, and no request for a static file reaches a view, as in production.
Starlette sends the files (validators, 304, ranges). Nothing is cached, neither here nor in browsers: every
request searches again.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from static_host.dev.finder import ProjectFinder, is_normalized, read_facts
from static_host.dev.header_fields import FinderHeaderFields
from static_host.dev.whitenoise import DevWhiteNoise
from static_host.files.fallback_page import is_page_requested
from static_host.origin.conditional import parse_range
from static_host.origin.header_rules import FILE_NAME as HEADER_FILE_NAME
from static_host.origin.headers import CORS_HEADERS, UNCACHEABLE, OwnHeaders, prepare_preflight, replace_fields
from static_host.origin.negotiation import CODINGS, parse_accept_encoding
from static_host.telemetry.scope_keys import HANDLER_KEY

_MAX_SVG_BYTES = 64 << 20
"""As in the build."""
_MAX_NAME_CHARACTERS = 200
"""Characters of a missing name that are shown."""


class FinderFilesMiddleware:
    """ASGI middleware that serves static files, and passes other requests on.

    `prefixes` begin and end with a slash. `root_files` are names of files that are also served at ``/``; a name that
    ends with a slash means everything below it. `on_missing` is called with each name that has no file, and the
    nearest one. `whitenoise` are the project's settings of WhiteNoise. `not_found_page` is the name of the page for
    missing files, or "".
    """

    def __init__(
        self,
        app: ASGIApp,
        finder: ProjectFinder,
        prefixes: tuple[str, ...],
        root_files: Iterable[str],
        on_missing: Callable[[str, str], None],
        whitenoise: DevWhiteNoise,
        not_found_page: str = "",
    ) -> None:
        self.app = app
        self._finder = finder
        self._prefixes = prefixes
        self._root_files = frozenset(root_files)
        self._root_folders = tuple(name for name in self._root_files if name.endswith("/"))
        self._on_missing = on_missing
        self._fields = FinderHeaderFields(finder, whitenoise.header_file)
        self._whitenoise = whitenoise
        self._not_found_page = not_found_page
        self._responses = _FileResponses(whitenoise.make_media_type_function(load_media_type_function()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a static file, or pass the request on."""
        found = await self._resolve(scope["path"])
        if found is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})  # as in production
        else:
            scope[HANDLER_KEY] = "static"
            response = await self._respond(*found, scope)
            await response(scope, receive, send)

    async def _resolve(self, path: str) -> tuple[str, str] | None:
        """Return name and path of the static file at a URL, without a path if there is none; None if it is no URL."""
        if path.startswith(self._prefixes):
            name = path.removeprefix(next(filter(path.startswith, self._prefixes)))
            name = self._whitenoise.add_index_file(name)
            is_rules = name.rpartition("/")[2] == HEADER_FILE_NAME
            return name, "" if is_rules else await self._finder.find(name)
        name = path.removeprefix("/")
        at_root = await asyncio.to_thread(self._whitenoise.find_root_file, path)
        if at_root and not at_root.endswith(f"/{HEADER_FILE_NAME}"):
            return name, at_root
        if not (name in self._root_files or name.startswith(self._root_folders)) or not is_normalized(name):
            return None
        found = await self._finder.find(name, is_at_root=True)
        is_file = await asyncio.to_thread(read_facts, found) is not None
        return (name, found) if is_file else None  # else Django may have a view at this path

    async def _respond(self, name: str, path: str, scope: Scope) -> Response:
        own = await self._fields.find([scope["path"]])
        if scope["method"] == "OPTIONS":
            answer = Response(status_code=204)
            answer.raw_headers.extend(prepare_preflight(own))
            return answer
        facts = await asyncio.to_thread(read_facts, path)
        if facts is None:
            answer = await self._respond_with_missing(name, scope)
        elif scope["method"] not in ("GET", "HEAD"):
            allowed = {"Allow": "GET, HEAD, OPTIONS", "Cache-Control": UNCACHEABLE.decode()}
            answer = PlainTextResponse("Method Not Allowed\n", 405, allowed)
        else:
            answer = await asyncio.to_thread(self._responses.file_response, path, facts, scope)
            answer.headers["cache-control"] = "no-cache"
            answer.raw_headers.extend(CORS_HEADERS)
            _replace_fields(answer, own)
            return answer
        answer.raw_headers.extend(CORS_HEADERS)
        return answer

    async def _respond_with_missing(self, name: str, scope: Scope) -> Response:
        """Return the 404: the project's own page for requests for HTML, else text with the nearest name."""
        caching = {"Cache-Control": UNCACHEABLE.decode()}
        text = await self._describe_missing(name)
        page = self._not_found_page
        if page and scope["method"] in ("GET", "HEAD") and is_page_requested(scope["headers"]):
            path = await self._finder.find(page)
            path = path or await asyncio.to_thread(self._whitenoise.find_root_file, f"/{page}")
            with suppress(OSError):
                content = await asyncio.to_thread(Path(path).read_bytes)
                return Response(content, 404, caching, self._responses.media_type(path))
        return PlainTextResponse(text, 404, caching)

    async def _describe_missing(self, name: str) -> str:
        nearest = await self._finder.find_nearest(name)
        self._on_missing(name, nearest)
        hint = f"Did you mean {nearest}?\n" if nearest else ""
        return f"Not Found\nThe project has no static file {name[:_MAX_NAME_CHARACTERS]!r}.\n{hint}"


class _FileResponses(StaticFiles):
    """Starlette's StaticFiles, with the build's media types."""

    def __init__(self, media_type: Callable[[str], str]) -> None:
        super().__init__()
        self.media_type = media_type

    def file_response(
        self, full_path: os.PathLike[str] | str, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Return the response for an existing file."""
        scope["headers"] = list(_remove_unusable_range(scope, stat_result.st_size))
        svg = _decompress_svgz(str(full_path))
        if svg is not None and not _is_gzip_accepted(scope):
            return Response(svg, headers={"vary": "Accept-Encoding"}, media_type=self.media_type(str(full_path)))
        response = super().file_response(full_path, stat_result, scope, status_code)
        if svg is not None:
            response.headers.update({"content-encoding": "gzip", "vary": "Accept-Encoding"})
        if isinstance(response, FileResponse):
            response.headers["content-type"] = self.media_type(str(full_path))
        return response


@cache
def load_media_type_function() -> Callable[[str], str]:
    """Return the build's function for media types. It comes by entry point: no module here imports the build."""
    (point,) = entry_points(group="static_host.media_types")
    media_type: Callable[[str], str] = point.load()
    return media_type


def _replace_fields(response: Response, own: OwnHeaders) -> None:
    """Give a response the fields of the project's own; those that describe a body only if it has one."""
    is_sent = response.status_code != 304
    fields = [field for field in own if is_sent or not field[0].startswith(b"content-")]
    response.raw_headers[:] = replace_fields(tuple(response.raw_headers), fields)


def _decompress_svgz(path: str) -> bytes | None:
    """Return the decompressed content of an .svgz file, or None if the file is another one or not gzip."""
    if not path.lower().endswith(".svgz"):
        return None
    try:
        with gzip.open(path) as file:
            data = file.read(_MAX_SVG_BYTES + 1)
        return data if 0 < len(data) <= _MAX_SVG_BYTES else None
    except (OSError, EOFError, zlib.error):
        return None


def _is_gzip_accepted(scope: Scope) -> bool:
    fields = [value for name, value in scope["headers"] if name == b"accept-encoding"]
    return bool(parse_accept_encoding(b", ".join(fields) if fields else None)[CODINGS.index("gzip")])


def _remove_unusable_range(scope: Scope, length: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the request's header fields without a Range that has to be ignored (RFC 9110 §14.2)."""
    fields = [value for name, value in scope["headers"] if name == b"range"]
    status, spans = parse_range(fields[0], length) if len(fields) == 1 and scope["method"] == "GET" else (200, [])
    yield from ((name, value) for name, value in scope["headers"] if name != b"range")
    if status == 206:
        yield b"range", b"bytes=" + b",".join(b"%d-%d" % (first, after - 1) for first, after in spans)
    elif status == 416:
        yield b"range", fields[0]
