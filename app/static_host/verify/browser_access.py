"""Whether a browser can use what it gets: status, media type, CORS, ranges, revalidation, dictionaries.

Rule: what stops a browser from using a file is an error: a status, a type that `nosniff` refuses, a host that does not
allow modules and fonts to the page, a video without ranges. What only costs a download more is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from static_host.verify.issues import Flaw
from static_host.verify.probe import ASKED, Examination
from static_host.verify.response import Answer
from static_host.verify.scope import origin_of

TYPES = {
    "style": re.compile(r"text/css"),
    "script": re.compile(r"(?:text|application)/(?:x-)?(?:java|ecma)script"),
    "module": re.compile(r"(?:text|application)/(?:x-)?(?:java|ecma)script|application/(?:json|wasm)|text/css"),
}
"""Kind of a file → media types that browsers accept for it under `nosniff` (Fetch, "should response be blocked")."""
SHARED_DICTIONARY = ("dcb", "dcz")


def flaws(examination: Examination) -> Iterator[Flaw]:
    """Judge one file."""
    yield from _refused(examination)
    yield from _typed(examination)
    yield from _closed(examination)
    yield from _ranges(examination)
    yield from _revalidation(examination)
    yield from _dictionaries(examination)


def of_failure(examination: Examination) -> Iterator[Flaw]:
    """Judge why there is no file."""
    if examination.failure:
        yield Flaw("error", "file", f"it cannot be had: {examination.failure}")
    elif examination.usual.status in (301, 302, 303, 307, 308):
        text = f"it is answered {examination.usual.status}: each visitor makes two requests, and the name was wrong"
        yield Flaw("warning", "file", text)
    elif examination.usual.status != 200:
        yield Flaw("error", "file", f"it is answered {examination.usual.status}")
    if examination.page.startswith("https:") and examination.url.startswith("http:"):
        yield Flaw("error", "mixed-content", "it comes over HTTP, and the page over HTTPS: browsers refuse it")


def _refused(examination: Examination) -> Iterator[Flaw]:
    for answers in (examination.first, examination.again):
        for asked, answer in answers.items():
            if answer.status != 200:
                text = f"it is answered {answer.status} to who asks with Accept-Encoding: {ASKED[asked]}"
                yield Flaw("error", "file", text)
                return


def _typed(examination: Examination) -> Iterator[Flaw]:
    kind, found = examination.reference.kind, examination.usual.media_type
    if kind in TYPES and not TYPES[kind].fullmatch(found):
        yield Flaw("error", "media-type", f"Content-Type is {found or 'missing'} for a {kind}: browsers do not use it")


def _closed(examination: Examination) -> Iterator[Flaw]:
    """Find answers to requests with Origin that do not let it in; those without it need not."""
    if not examination.is_elsewhere or not examination.reference.cors:
        return
    asked = (*examination.again.values(), examination.revalidated, examination.part)
    origin = origin_of(examination.page)
    closed = [answer for answer in asked if answer is not None and not answer.is_open_to(origin)]
    if closed:
        statuses = ", ".join(sorted({str(answer.status) for answer in closed}))
        text = (
            f"an answer ({statuses}) has no Access-Control-Allow-Origin that lets the page in: browsers refuse "
            "modules, fonts, and whatever carries crossorigin, from another host"
        )
        yield Flaw("error", "cors", text)


def _ranges(examination: Examination) -> Iterator[Flaw]:
    part, whole = examination.part, examination.first["identity"]
    if part is None:
        return
    if part.status == 206:
        length = whole.size if whole.whole and whole.coding == "identity" else None
        expected = f"bytes 0-0/{length if length is not None else _length(whole)}"
        if part.headers.get("content-range", "").lower() != expected or part.size != 1:
            found = part.headers.get("content-range", "no Content-Range")
            yield Flaw("error", "range", f"the first byte was asked for, and {found} came, not {expected}")
    elif examination.reference.kind == "media":
        text = f"a part is answered {part.status}, not 206: Safari does not play it, and nobody can skip"
        yield Flaw("error", "range", text)
    else:
        yield Flaw("warning", "range", f"a part is answered {part.status}, not 206: no download can be resumed")


def _length(answer: Answer) -> str:
    return answer.headers.get("content-length", "*")


def _revalidation(examination: Examination) -> Iterator[Flaw]:
    answer = examination.revalidated
    if answer is None:
        return
    if answer.status != 304:
        text = f"what a browser has already is answered {answer.status}, not 304: it is sent again"
        yield Flaw("warning", "revalidation", text)
    elif answer.directives and answer.directives != examination.usual.directives:
        text = "a 304 has another Cache-Control than the file: the copy that it renews lives shorter or longer"
        yield Flaw("warning", "revalidation", text)


def _dictionaries(examination: Examination) -> Iterator[Flaw]:
    if not examination.deltas:
        return
    own, unknown = examination.deltas
    if own.coding in SHARED_DICTIONARY and "available-dictionary" not in own.varies_by:
        text = "a delta comes without Vary: Available-Dictionary: a cache gives it to those who cannot decode it"
        yield Flaw("error", "dictionary", text)
    if unknown.coding in SHARED_DICTIONARY:
        text = "a delta comes to who has none of its dictionary, and cannot decode it: the cache mixes them up"
        yield Flaw("error", "dictionary", text)
