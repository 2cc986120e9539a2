"""Checks whether browsers can use the responses: status, media type, CORS, ranges, revalidation, dictionaries.

Rule: it is an error if a browser cannot use a file: its status, a media type that `nosniff` blocks, a missing CORS
header for modules and fonts, a video without ranges. It is a warning if browsers only download more than necessary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from static_host.verify.audit_issue import Issue
from static_host.verify.audit_scope import parse_origin
from static_host.verify.probe import ACCEPT_ENCODINGS, FileProbe
from static_host.verify.received_response import ReceivedResponse

ACCEPTED_MEDIA_TYPES = {
    "style": re.compile(r"text/css"),
    "script": re.compile(r"(?:text|application)/(?:x-)?(?:java|ecma)script"),
    "module": re.compile(r"(?:text|application)/(?:x-)?(?:java|ecma)script|application/(?:json|wasm)|text/css"),
}
"""Kind of a file → media types that browsers accept with `nosniff` (Fetch, "should response be blocked")."""
DICTIONARY_CODINGS = ("dcb", "dcz")


def find_access_issues(probe: FileProbe) -> Iterator[Issue]:
    """Check the responses for one file."""
    yield from _check_statuses(probe)
    yield from _check_media_type(probe)
    yield from _check_cors(probe)
    yield from _check_range(probe)
    yield from _check_revalidation(probe)
    yield from _check_dictionaries(probe)


def find_failure_issues(probe: FileProbe) -> Iterator[Issue]:
    """Check why a file is not available."""
    if probe.failure:
        yield Issue("error", "file", f"no response: {probe.failure}")
    elif probe.browser_response.status in (301, 302, 303, 307, 308):
        text = (
            f"the response is a redirect ({probe.browser_response.status}): "
            f"each visitor makes two requests, and the URL is wrong"
        )
        yield Issue("warning", "file", text)
    elif probe.browser_response.status != 200:
        yield Issue("error", "file", f"the status is {probe.browser_response.status}")
    if probe.page_url.startswith("https:") and probe.url.startswith("http:"):
        yield Issue("error", "mixed-content", "the file comes over HTTP, the page over HTTPS: browsers block the file")


def _check_statuses(probe: FileProbe) -> Iterator[Issue]:
    for responses in (probe.first, probe.second):
        for asked, response in responses.items():
            if response.status != 200:
                text = f"the status is {response.status} for Accept-Encoding: {ACCEPT_ENCODINGS[asked]}"
                yield Issue("error", "file", text)
                return


def _check_media_type(probe: FileProbe) -> Iterator[Issue]:
    kind, found = probe.reference.kind, probe.browser_response.media_type
    if kind in ACCEPTED_MEDIA_TYPES and not ACCEPTED_MEDIA_TYPES[kind].fullmatch(found):
        yield Issue("error", "media-type", f"Content-Type is {found or 'missing'} for a {kind}: browsers do not use it")


def _check_cors(probe: FileProbe) -> Iterator[Issue]:
    """Check the responses to requests with Origin; the others need no CORS header."""
    if not probe.is_cross_origin or not probe.reference.is_cors:
        return
    asked = (*probe.second.values(), probe.revalidation, probe.partial_response)
    origin = parse_origin(probe.page_url)
    closed = [response for response in asked if response is not None and not response.is_readable_by(origin)]
    if closed:
        statuses = ", ".join(sorted({str(response.status) for response in closed}))
        text = (
            f"a response ({statuses}) has no Access-Control-Allow-Origin for the page: browsers block modules, fonts "
            "and elements with crossorigin from another host"
        )
        yield Issue("error", "cors", text)


def _check_range(probe: FileProbe) -> Iterator[Issue]:
    part, whole = probe.partial_response, probe.first["identity"]
    if part is None:
        return
    if part.status == 206:
        length = whole.size if whole.is_complete and whole.coding == "identity" else None
        expected = f"bytes 0-0/{length if length is not None else _read_content_length(whole)}"
        if part.headers.get("content-range", "").lower() != expected or part.size != 1:
            found = part.headers.get("content-range", "no Content-Range")
            yield Issue("error", "range", f"the request was for the first byte, and {found} came, not {expected}")
    elif probe.reference.kind == "media":
        text = f"a range request gets {part.status}, not 206: Safari does not play it, and players cannot skip"
        yield Issue("error", "range", text)
    else:
        yield Issue("warning", "range", f"a range request gets {part.status}, not 206: downloads cannot be resumed")


def _read_content_length(response: ReceivedResponse) -> str:
    return response.headers.get("content-length", "*")


def _check_revalidation(probe: FileProbe) -> Iterator[Issue]:
    response = probe.revalidation
    if response is None:
        return
    if response.status != 304:
        text = f"a revalidation gets {response.status}, not 304: browsers download the file again"
        yield Issue("warning", "revalidation", text)
    elif response.directives and response.directives != probe.browser_response.directives:
        text = "the Cache-Control of a 304 differs from the file's: the renewed copy expires at another time"
        yield Issue("warning", "revalidation", text)


def _check_dictionaries(probe: FileProbe) -> Iterator[Issue]:
    if not probe.deltas:
        return
    own, unknown = probe.deltas
    if own.coding in DICTIONARY_CODINGS and "available-dictionary" not in own.vary_names:
        text = "a delta has no Vary: Available-Dictionary: caches send it to clients that cannot decode it"
        yield Issue("error", "dictionary", text)
    if unknown.coding in DICTIONARY_CODINGS:
        text = "a client without the dictionary gets a delta, which it cannot decode: the cache ignores Vary"
        yield Issue("error", "dictionary", text)
