"""The project's own page for missing static files (DJANGO_STATIC_NOT_FOUND).

Rule: it is the 404 for a GET or HEAD that asks for HTML, as a browser does for a page. Missing scripts, styles and
images get the server's line of text. The page is a file of the static tree, with its codings and its own fields. It is
never cached, has no entity tag, and evaluates neither conditions nor ranges: they are those of the missing file.
"""

from __future__ import annotations

from dataclasses import replace

from static_host.files.fallback_page import find_page, is_page_requested
from static_host.origin.headers import UNCACHEABLE
from static_host.origin.responder import Responder
from static_host.origin.response import Response

_OF_FILE = frozenset(
    (*(b"accept-ranges", b"cache-control", b"etag", b"expires", b"last-modified"), b"use-as-dictionary", b"vary")
)
"""Fields that the page has under its own name alone."""
_OWN_FIELDS = ((b"cache-control", UNCACHEABLE), (b"vary", b"Accept, Accept-Encoding"))


class NotFoundPage:
    """The file `name` of a responder's tree."""

    def __init__(self, responder: Responder, name: str) -> None:
        responder.has_not_found_page = True
        self._responder = responder
        self._name = name

    def respond(self, method: str, request_fields: list[tuple[bytes, bytes]]) -> Response | None:
        """Return the page, which the caller closes; None if none is asked for, or if it cannot be read."""
        if method not in ("GET", "HEAD") or not is_page_requested(request_fields):
            return None
        name = find_page(self._responder.tree.index, self._name)
        if name is None:
            return None
        codings = [field for field in request_fields if field[0] == b"accept-encoding"]
        response = self._responder.respond_with_name(method, name, codings)
        if response.status != 200:
            return None
        kept = tuple(field for field in response.headers if field[0] not in _OF_FILE)
        return replace(response, status=404, headers=(*kept, *_OWN_FIELDS), digest="", release="")
