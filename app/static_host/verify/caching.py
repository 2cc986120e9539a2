"""Who keeps what, and how long: Cache-Control, hits, and what must not be kept (RFC 9111, RFC 8246).

Rule: a name with a fingerprint is kept for a year and never asked for again, so anything less is an error; another name
is revalidated after a short while. An error that is kept outlives a rolling deploy, and a page that is kept shows one
visitor another's. A single miss is no flaw: a CDN has many machines, and the first visitor of each one waits.
"""

from __future__ import annotations

from collections.abc import Iterator

from static_host.verify import cdn
from static_host.verify.issues import Flaw
from static_host.verify.probe import Absence, Examination, Page
from static_host.verify.response import Answer

YEAR = 31_536_000
LONG = 3_600
"""Seconds after which an outdated copy of a file without a fingerprint hurts."""
SHARED_BY_ALL = frozenset({"accept-encoding", "available-dictionary", "origin"})
"""What an answer may vary by without being kept once for each visitor."""


def flaws(examination: Examination) -> Iterator[Flaw]:
    """Judge one file."""
    yield from _lifetime(examination)
    yield from _splitting(examination)
    if "set-cookie" in examination.usual.headers:
        text = "a cookie is set along with the file: most CDNs do not keep such an answer"
        yield Flaw("warning", "cookie", text)
    if examination.is_fixed and examination.usual.may_be_kept:
        yield from _missed(examination)


def seen(examination: Examination) -> str:
    """Return the states of the first and the second answer to a browser, as ``miss, hit``; "" where nothing tells."""
    states = (cdn.state(examination.usual), cdn.state(examination.again["browser"]))
    return ", ".join(states) if all(states) else "".join(states)


def _shown(answer: Answer) -> str:
    value = answer.headers.get("cache-control", "")
    return f"Cache-Control: {value}" if value else "no Cache-Control"


def _lifetime(examination: Examination) -> Iterator[Flaw]:
    for _, answer in examination.answers:
        age, forbidden = answer.max_age or 0, {"no-store", "no-cache", "private"} & set(answer.directives)
        if examination.is_fixed and (forbidden or age < YEAR or "immutable" not in answer.directives):
            text = (
                f"{_shown(answer)}, though the name has a fingerprint: visitors ask again for what never changes; the "
                "origin says public, max-age=31536000, immutable"
            )
            yield Flaw("error", "cache-control", text)
            return
        if not examination.is_fixed and answer.max_age is None and not forbidden:
            text = f"{_shown(answer)}: browsers and caches keep the file for as long as they like"
            yield Flaw("warning", "cache-control", text)
            return
        if not examination.is_fixed and age > LONG:
            text = f"{_shown(answer)}, though the name has no fingerprint: visitors use an outdated file for that long"
            yield Flaw("warning", "cache-control", text)
            return


def _splitting(examination: Examination) -> Iterator[Flaw]:
    names = {name for _, answer in examination.answers for name in answer.varies_by} - SHARED_BY_ALL - {"*"}
    if names:
        listed = ", ".join(sorted(names))
        yield Flaw("warning", "vary", f"Vary names {listed} too: a copy is kept for each of its values, and rarely hit")


def _missed(examination: Examination) -> Iterator[Flaw]:
    state = cdn.state(examination.again["browser"])
    if state == cdn.BYPASS:
        yield Flaw("warning", "cache", "the CDN does not keep the file, though Cache-Control lets it")
    elif state == cdn.MISS:
        yield Flaw("warning", "cache", "the file was not in the cache when it was asked for again")


def of_absence(absence: Absence) -> Iterator[Flaw]:
    """Judge what is said of a name that does not exist."""
    if not absence.answers or absence.failure:
        yield Flaw("error", "not-found", f"a name that does not exist is not answered: {absence.failure}")
        return
    last = absence.answers[-1]
    if last.status == 200:
        text = "a name that does not exist is answered 200: a page of another release gets this in place of its file"
        yield Flaw("error", "not-found", text)
    elif last.status not in (404, 410):
        yield Flaw("warning", "not-found", f"a name that does not exist is answered {last.status}, not 404")
    elif cdn.state(last) == cdn.HIT:
        text = "a 404 is kept: a file that a page asks for during a deploy stays missing after it is there"
        yield Flaw("error", "not-found", text)
    elif last.may_be_kept or (not {"no-store", "private", "no-cache"} & set(last.directives) and last.max_age is None):
        text = f"a 404 has {_shown(last)}, which lets caches keep it; the origin says private, no-store, max-age=0"
        yield Flaw("warning", "not-found", text, cure="cache-control")


def of_page(page: Page) -> Iterator[Flaw]:
    """Judge whether a page comes from a cache that is not allowed to keep it."""
    if cdn.state(page.again) != cdn.HIT:
        return
    if "set-cookie" in page.again.headers:
        text = "the page comes from a cache along with a cookie: visitors get each other's"
        yield Flaw("error", "page", text)
    elif {"no-store", "private"} & set(page.again.directives):
        yield Flaw("error", "page", f"the page comes from a cache in spite of {_shown(page.again)}")
