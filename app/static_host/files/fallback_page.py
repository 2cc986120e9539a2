"""The page of a single-page application, for paths that its own script knows (DJANGO_STATIC_FALLBACK).

Rule: it answers a GET or HEAD that asks for HTML, as a browser does for a page, where Django's response is a 404 for a
path that the URLconf does not know. Data, scripts and images that are missing stay 404. The page is a file of the
static tree: its codings, its entity tag and its conditions; caches revalidate it each time. Of Django's response,
everything stays that does not describe its content: cookies, and the fields of its security middleware.
"""

from __future__ import annotations

from collections.abc import Iterable

from static_host.origin.headers import CORS_HEADERS, format_cache_control
from static_host.origin.index import ROOT_FOLDER, Index
from static_host.origin.responder import Responder
from static_host.origin.response import Response

_OF_STATIC = frozenset(field for field in CORS_HEADERS if field[0] != b"x-content-type-options")
"""Fields that a file of the tree has, and a page has not."""
_OF_CONTENT = frozenset(
    (
        *(b"cache-control", b"content-disposition", b"content-encoding", b"content-language", b"content-length"),
        *(b"content-type", b"etag", b"expires", b"last-modified", b"x-content-type-options"),
    )
)


class FallbackPage:
    """The file `name` of a responder's tree: a static file or, if there is none, one of WHITENOISE_ROOT."""

    def __init__(self, responder: Responder, name: str) -> None:
        self._responder = responder
        self._name = name

    def respond(
        self, method: str, request_fields: list[tuple[bytes, bytes]], fields: Iterable[tuple[bytes, bytes]]
    ) -> Response | None:
        """Return the page, which the caller closes, with the `fields` of the project; None if no page is asked for."""
        if not is_page_requested(request_fields):
            return None
        name = find_page(self._responder.tree.index, self._name)
        if name is None:
            return None
        response = self._responder.respond_with_name(method, name, request_fields)
        kept = [field for field in fields if field[0] not in _OF_CONTENT]
        others = {name for name, _ in kept if name != b"vary"} | {b"cache-control", b"cdn-cache-control"}
        of_static = _OF_STATIC.union(self._responder.security.select_fields("text/html"))  # Django has set its own
        own = [field for field in response.headers if field not in of_static and field[0] not in others]
        caching = (b"cache-control", format_cache_control(0, immutable=False))
        return Response(response.status, (*own, caching, (b"vary", b"Accept"), *kept), response.body, response.digest)


def find_page(index: Index, file: str) -> str | None:
    """Return the name that the index has for a page: its folder's, if that is served by it (WHITENOISE_INDEX_FILE)."""
    for path in (file, ROOT_FOLDER + file):
        folder = path[: path.rfind("/") + 1]
        if path in index:
            return path
        if folder in index and index[folder].identity.file == path:
            return folder
    return None


def is_page_requested(request_fields: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request asks for HTML."""
    return any(accepts_html(value) for name, value in request_fields if name == b"accept")


def accepts_html(value: bytes) -> bool:
    """Whether an Accept field names HTML (RFC 9110 §12.5.1); ``*/*`` alone is what scripts and tools send."""
    for part in value.lower().split(b","):
        media_range, *parameters = (each.strip() for each in part.split(b";"))
        if media_range in (b"text/html", b"application/xhtml+xml"):
            return not any(each.startswith(b"q=") and not each[2:].strip(b"0.") for each in parameters)
    return False
