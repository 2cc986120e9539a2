"""Serves the project's static files without a build, for development: from its finders, at the URLs of a tree.

Rule: names and media types are those of a build, and no request for a static file reaches Django, as in production.
Starlette sends the files (validators, 304, ranges). Nothing is cached, neither here nor in browsers: every request
searches again.
"""

from __future__ import annotations

import gzip
import os
import posixpath
import zlib
from collections.abc import Callable, Iterable, Iterator
from stat import S_ISREG

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from static_host.origin.conditional import parse_range
from static_host.origin.headers import CORS_HEADERS, PREFLIGHT, UNCACHEABLE
from static_host.origin.negotiation import CODINGS, parse_accept_encoding
from static_host.project.storage import iter_candidates

STATICFILES_APP = "django.contrib.staticfiles"
_MAX_SVG_BYTES = 64 << 20
"""As in the build."""


class FinderFiles(StaticFiles):
    """Starlette's StaticFiles, with Django's finders and the build's media types."""

    def __init__(self, media_type: Callable[[str], str]) -> None:
        super().__init__()
        self._media_type = media_type

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Return the absolute path of a static file and its stat result, or "" and None.

        Django's plain storage, which `dev` uses, leaves a query in the name of ``{% static %}`` a part of the path.
        """
        from django.apps import apps
        from django.contrib.staticfiles import finders
        from django.core.exceptions import SuspiciousFileOperation

        names = dict.fromkeys([path, *(name for name, _ in iter_candidates(path) if _is_collected(name))])
        try:
            is_there = bool(path) and apps.is_installed(STATICFILES_APP)
            found = next(filter(None, map(finders.find, filter(None, names))), None) if is_there else None
            return (str(found), os.stat(found)) if found else ("", None)  # noqa: PTH116 - Starlette's own kind of path
        except (FileNotFoundError, NotADirectoryError, SuspiciousFileOperation):
            return "", None

    def file_response(
        self, full_path: os.PathLike[str] | str, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Return the response for an existing file."""
        scope["headers"] = list(_remove_unusable_range(scope, stat_result.st_size))
        svg = _decompress_svgz(str(full_path))
        if svg is not None and not _is_gzip_accepted(scope):
            return Response(svg, headers={"vary": "Accept-Encoding"}, media_type=self._media_type(str(full_path)))
        response = super().file_response(full_path, stat_result, scope, status_code)
        if svg is not None:
            response.headers.update({"content-encoding": "gzip", "vary": "Accept-Encoding"})
        if isinstance(response, FileResponse):
            response.headers["content-type"] = self._media_type(str(full_path))
        return response


class FinderFilesMiddleware:
    """ASGI middleware that serves static files, and passes other requests on.

    `prefixes` begin and end with a slash. `root_files` are names of files that are also served at ``/``; a name that
    ends with a slash means everything below it.
    """

    def __init__(
        self, app: ASGIApp, prefixes: tuple[str, ...], root_files: Iterable[str], media_type: Callable[[str], str]
    ) -> None:
        self.app = app
        self._prefixes = prefixes
        self._root_files = frozenset(root_files)
        self._root_folders = tuple(name for name in self._root_files if name.endswith("/"))
        self._files = FinderFiles(media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a static file, or pass the request on."""
        name = None if scope["type"] == "lifespan" else await self._resolve_name(scope["path"])
        if name is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})  # as in production
        else:
            response = await self._respond(name, scope)
            await response(scope, receive, send)

    async def _resolve_name(self, path: str) -> str | None:
        """Return the name of the static file at a path, "" if there is none, or None if the path is not static."""
        if path.startswith(self._prefixes):
            name = path.removeprefix(next(filter(path.startswith, self._prefixes)))
            return name if _is_collected(name) else ""
        name = path.removeprefix("/")
        if not (name in self._root_files or name.startswith(self._root_folders)) or not _is_normalized(name):
            return None
        return name if await self._is_file(name) else None  # else Django may have a view at this path

    async def _is_file(self, name: str) -> bool:
        _, facts = await anyio.to_thread.run_sync(self._files.lookup_path, name)
        return facts is not None and S_ISREG(facts.st_mode)

    async def _respond(self, name: str, scope: Scope) -> Response:
        if scope["method"] == "OPTIONS":
            answer = Response(status_code=204)
            answer.raw_headers.extend(PREFLIGHT)
            return answer
        try:
            answer = await self._serve_file(name, scope)
            answer.headers["cache-control"] = "no-cache"
        except HTTPException as error:
            answer = PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)
            answer.headers["cache-control"] = UNCACHEABLE.decode()
        answer.raw_headers.extend(CORS_HEADERS)
        return answer

    async def _serve_file(self, name: str, scope: Scope) -> Response:
        """Return the response for a file. Raises HTTPException."""
        if scope["method"] in ("GET", "HEAD"):
            return await self._files.get_response(name, scope)
        if await self._is_file(name):
            raise HTTPException(405, headers={"Allow": "GET, HEAD, OPTIONS"})
        raise HTTPException(404)


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


def _is_normalized(name: str) -> bool:
    """Whether the name is one that a tree can have: no ``//``, no dot segment."""
    return name == posixpath.normpath(name)


def _is_collected(name: str) -> bool:
    """Whether collectstatic would collect a file of this name: production lacks what it ignores."""
    from django.apps import apps
    from django.contrib.staticfiles.utils import matches_patterns

    if not _is_normalized(name) or not apps.is_installed(STATICFILES_APP):
        return False
    ignored = getattr(apps.get_app_config("staticfiles"), "ignore_patterns", ())
    return not any(matches_patterns(part, ignored) for part in (*name.split("/"), name))
