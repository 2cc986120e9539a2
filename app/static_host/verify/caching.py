"""Who keeps what, and how long: Cache-Control, hits, and what must not be kept (RFC 9111, RFC 8246).

Rule: a name with a fingerprint is kept for a year and never asked for again, so anything less is an error; another name
is revalidated after a short while. An error that is kept outlives a rolling deploy, and a page that is kept shows one
visitor another's. A single miss is no flaw: a CDN has many machines, and the first visitor of each one waits.
"""

from __future__ import annotations

from collections.abc import Iterator

from static_host.verify import cdn
from static_host.verify.issues import Issue
from static_host.verify.probe import FileProbe, NotFoundProbe, Page
from static_host.verify.response import ReceivedResponse

YEAR_SECONDS = 31_536_000
MAX_UNFINGERPRINTED_SECONDS = 3_600
"""Seconds after which an outdated copy of a file without a fingerprint hurts."""
SHARED_VARY_NAMES = frozenset({"accept-encoding", "available-dictionary", "origin"})
"""What an answer may vary by without being kept once for each visitor."""


def find_caching_issues(examination: FileProbe) -> Iterator[Issue]:
    """Judge one file."""
    yield from _check_lifetime(examination)
    yield from _check_cache_key(examination)
    if "set-cookie" in examination.browser_response.headers:
        text = "a cookie is set along with the file: most CDNs do not keep such an answer"
        yield Issue("warning", "cookie", text)
    if examination.is_immutable and examination.browser_response.is_cacheable:
        yield from _check_hits(examination)


def format_cache_states(examination: FileProbe) -> str:
    """Return the states of the first and the second answer to a browser, as ``miss, hit``; "" where nothing tells."""
    states = (cdn.parse_cache_state(examination.browser_response), cdn.parse_cache_state(examination.second["browser"]))
    return ", ".join(states) if all(states) else "".join(states)


def _format_cache_control(answer: ReceivedResponse) -> str:
    value = answer.headers.get("cache-control", "")
    return f"Cache-Control: {value}" if value else "no Cache-Control"


def _check_lifetime(examination: FileProbe) -> Iterator[Issue]:
    for _, answer in examination.successful_responses:
        age, forbidden = answer.max_age or 0, {"no-store", "no-cache", "private"} & set(answer.directives)
        if examination.is_immutable and (forbidden or age < YEAR_SECONDS or "immutable" not in answer.directives):
            text = (
                f"{_format_cache_control(answer)}, though the name has a fingerprint: "
                f"visitors ask again for what never changes; the "
                "origin says public, max-age=31536000, immutable"
            )
            yield Issue("error", "cache-control", text)
            return
        if not examination.is_immutable and answer.max_age is None and not forbidden:
            text = f"{_format_cache_control(answer)}: browsers and caches keep the file for as long as they like"
            yield Issue("warning", "cache-control", text)
            return
        if not examination.is_immutable and age > MAX_UNFINGERPRINTED_SECONDS:
            text = (
                f"{_format_cache_control(answer)}, though the name has no fingerprint: "
                f"visitors use an outdated file for that long"
            )
            yield Issue("warning", "cache-control", text)
            return


def _check_cache_key(examination: FileProbe) -> Iterator[Issue]:
    names = (
        {name for _, answer in examination.successful_responses for name in answer.vary_names}
        - SHARED_VARY_NAMES
        - {"*"}
    )
    if names:
        listed = ", ".join(sorted(names))
        yield Issue(
            "warning", "vary", f"Vary names {listed} too: a copy is kept for each of its values, and rarely hit"
        )


def _check_hits(examination: FileProbe) -> Iterator[Issue]:
    state = cdn.parse_cache_state(examination.second["browser"])
    if state == cdn.BYPASS:
        yield Issue("warning", "cache", "the CDN does not keep the file, though Cache-Control lets it")
    elif state == cdn.MISS:
        yield Issue("warning", "cache", "the file was not in the cache when it was asked for again")


def find_not_found_issues(absence: NotFoundProbe) -> Iterator[Issue]:
    """Judge what is said of a name that does not exist."""
    if not absence.responses or absence.failure:
        yield Issue("error", "not-found", f"a name that does not exist is not answered: {absence.failure}")
        return
    last = absence.responses[-1]
    if last.status == 200:
        text = "a name that does not exist is answered 200: a page of another release gets this in place of its file"
        yield Issue("error", "not-found", text)
    elif last.status not in (404, 410):
        yield Issue("warning", "not-found", f"a name that does not exist is answered {last.status}, not 404")
    elif cdn.parse_cache_state(last) == cdn.HIT:
        text = "a 404 is kept: a file that a page asks for during a deploy stays missing after it is there"
        yield Issue("error", "not-found", text)
    elif last.is_cacheable or (not {"no-store", "private", "no-cache"} & set(last.directives) and last.max_age is None):
        text = (
            f"a 404 has {_format_cache_control(last)}, "
            f"which lets caches keep it; the origin says private, no-store, max-age=0"
        )
        yield Issue("warning", "not-found", text, remedy_check="cache-control")


def find_page_issues(page: Page) -> Iterator[Issue]:
    """Judge whether a page comes from a cache that is not allowed to keep it."""
    if cdn.parse_cache_state(page.second) != cdn.HIT:
        return
    if "set-cookie" in page.second.headers:
        text = "the page comes from a cache along with a cookie: visitors get each other's"
        yield Issue("error", "page", text)
    elif {"no-store", "private"} & set(page.second.directives):
        yield Issue("error", "page", f"the page comes from a cache in spite of {_format_cache_control(page.second)}")
