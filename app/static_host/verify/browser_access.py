"""Whether a browser can use what it gets: status, media type, CORS, ranges, revalidation, dictionaries.

Rule: what stops a browser from using a file is an error: a status, a type that `nosniff` refuses, a host that does not
allow modules and fonts to the page, a video without ranges. What only costs a download more is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from static_host.verify.issues import Issue
from static_host.verify.probe import ACCEPT_ENCODINGS, FileProbe
from static_host.verify.response import ReceivedResponse
from static_host.verify.scope import parse_origin

ACCEPTED_MEDIA_TYPES = {
    "style": re.compile(r"text/css"),
    "script": re.compile(r"(?:text|application)/(?:x-)?(?:java|ecma)script"),
    "module": re.compile(r"(?:text|application)/(?:x-)?(?:java|ecma)script|application/(?:json|wasm)|text/css"),
}
"""Kind of a file → media types that browsers accept for it under `nosniff` (Fetch, "should response be blocked")."""
DICTIONARY_CODINGS = ("dcb", "dcz")


def find_access_issues(examination: FileProbe) -> Iterator[Issue]:
    """Judge one file."""
    yield from _check_statuses(examination)
    yield from _check_media_type(examination)
    yield from _check_cors(examination)
    yield from _check_range(examination)
    yield from _check_revalidation(examination)
    yield from _check_dictionaries(examination)


def find_failure_issues(examination: FileProbe) -> Iterator[Issue]:
    """Judge why there is no file."""
    if examination.failure:
        yield Issue("error", "file", f"it cannot be had: {examination.failure}")
    elif examination.browser_response.status in (301, 302, 303, 307, 308):
        text = (
            f"it is answered {examination.browser_response.status}: "
            f"each visitor makes two requests, and the name was wrong"
        )
        yield Issue("warning", "file", text)
    elif examination.browser_response.status != 200:
        yield Issue("error", "file", f"it is answered {examination.browser_response.status}")
    if examination.page_url.startswith("https:") and examination.url.startswith("http:"):
        yield Issue("error", "mixed-content", "it comes over HTTP, and the page over HTTPS: browsers refuse it")


def _check_statuses(examination: FileProbe) -> Iterator[Issue]:
    for answers in (examination.first, examination.second):
        for asked, answer in answers.items():
            if answer.status != 200:
                text = f"it is answered {answer.status} to who asks with Accept-Encoding: {ACCEPT_ENCODINGS[asked]}"
                yield Issue("error", "file", text)
                return


def _check_media_type(examination: FileProbe) -> Iterator[Issue]:
    kind, found = examination.reference.kind, examination.browser_response.media_type
    if kind in ACCEPTED_MEDIA_TYPES and not ACCEPTED_MEDIA_TYPES[kind].fullmatch(found):
        yield Issue("error", "media-type", f"Content-Type is {found or 'missing'} for a {kind}: browsers do not use it")


def _check_cors(examination: FileProbe) -> Iterator[Issue]:
    """Find answers to requests with Origin that do not let it in; those without it need not."""
    if not examination.is_cross_origin or not examination.reference.is_cors:
        return
    asked = (*examination.second.values(), examination.revalidation, examination.partial_response)
    origin = parse_origin(examination.page_url)
    closed = [answer for answer in asked if answer is not None and not answer.is_readable_by(origin)]
    if closed:
        statuses = ", ".join(sorted({str(answer.status) for answer in closed}))
        text = (
            f"an answer ({statuses}) has no Access-Control-Allow-Origin that lets the page in: browsers refuse "
            "modules, fonts, and whatever carries crossorigin, from another host"
        )
        yield Issue("error", "cors", text)


def _check_range(examination: FileProbe) -> Iterator[Issue]:
    part, whole = examination.partial_response, examination.first["identity"]
    if part is None:
        return
    if part.status == 206:
        length = whole.size if whole.is_complete and whole.coding == "identity" else None
        expected = f"bytes 0-0/{length if length is not None else _read_content_length(whole)}"
        if part.headers.get("content-range", "").lower() != expected or part.size != 1:
            found = part.headers.get("content-range", "no Content-Range")
            yield Issue("error", "range", f"the first byte was asked for, and {found} came, not {expected}")
    elif examination.reference.kind == "media":
        text = f"a part is answered {part.status}, not 206: Safari does not play it, and nobody can skip"
        yield Issue("error", "range", text)
    else:
        yield Issue("warning", "range", f"a part is answered {part.status}, not 206: no download can be resumed")


def _read_content_length(answer: ReceivedResponse) -> str:
    return answer.headers.get("content-length", "*")


def _check_revalidation(examination: FileProbe) -> Iterator[Issue]:
    answer = examination.revalidation
    if answer is None:
        return
    if answer.status != 304:
        text = f"what a browser has already is answered {answer.status}, not 304: it is sent again"
        yield Issue("warning", "revalidation", text)
    elif answer.directives and answer.directives != examination.browser_response.directives:
        text = "a 304 has another Cache-Control than the file: the copy that it renews lives shorter or longer"
        yield Issue("warning", "revalidation", text)


def _check_dictionaries(examination: FileProbe) -> Iterator[Issue]:
    if not examination.deltas:
        return
    own, unknown = examination.deltas
    if own.coding in DICTIONARY_CODINGS and "available-dictionary" not in own.vary_names:
        text = "a delta comes without Vary: Available-Dictionary: a cache gives it to those who cannot decode it"
        yield Issue("error", "dictionary", text)
    if unknown.coding in DICTIONARY_CODINGS:
        text = "a delta comes to who has none of its dictionary, and cannot decode it: the cache mixes them up"
        yield Issue("error", "dictionary", text)
