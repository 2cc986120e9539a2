"""Checks caching: Cache-Control, cache hits, and responses that caches must not store (RFC 9111, RFC 8246).

Rule: caches may store a fingerprinted file for a year without revalidation; anything less is an error. Other files are
revalidated after a short time. A stored 404 outlives a rolling deployment, and a stored page may show one visitor
another one's data. A single miss is not an issue: a CDN has many machines, each with its own first request.
"""

from __future__ import annotations

from collections.abc import Iterator

from static_host.verify import cdn
from static_host.verify.audit_issue import Issue
from static_host.verify.probe import FileProbe, NotFoundProbe, Page
from static_host.verify.received_response import ReceivedResponse

YEAR_SECONDS = 31_536_000
MAX_UNFINGERPRINTED_SECONDS = 3_600
"""The longest acceptable max-age of a file without a fingerprint."""
SHARED_VARY_NAMES = frozenset({"accept-encoding", "available-dictionary", "origin"})
"""Names in Vary that do not split a cache into one copy for each visitor."""


def find_caching_issues(probe: FileProbe) -> Iterator[Issue]:
    """Check the responses for one file."""
    yield from _check_lifetime(probe)
    yield from _check_cache_key(probe)
    if "set-cookie" in probe.browser_response.headers:
        text = "the response sets a cookie: most CDNs do not store such a response"
        yield Issue("warning", "cookie", text)
    if probe.is_immutable and probe.browser_response.is_cacheable:
        yield from _check_hits(probe)


def format_cache_states(probe: FileProbe) -> str:
    """Return the cache states of the browser's first and second response, as ``miss, hit``; "" if unknown."""
    states = (cdn.parse_cache_state(probe.browser_response), cdn.parse_cache_state(probe.second["browser"]))
    return ", ".join(states) if all(states) else "".join(states)


def _format_cache_control(response: ReceivedResponse) -> str:
    value = response.headers.get("cache-control", "")
    return f"Cache-Control: {value}" if value else "no Cache-Control"


def _check_lifetime(probe: FileProbe) -> Iterator[Issue]:
    for _, response in probe.successful_responses:
        age, forbidden = response.max_age or 0, {"no-store", "no-cache", "private"} & set(response.directives)
        if probe.is_immutable and (forbidden or age < YEAR_SECONDS or "immutable" not in response.directives):
            text = (
                f"{_format_cache_control(response)}, though the name has a fingerprint: "
                "browsers revalidate what never changes; the origin sends public, max-age=31536000, immutable"
            )
            yield Issue("error", "cache-control", text)
            return
        if not probe.is_immutable and response.max_age is None and not forbidden:
            text = f"{_format_cache_control(response)}: browsers and caches choose the lifetime themselves"
            yield Issue("warning", "cache-control", text)
            return
        if not probe.is_immutable and age > MAX_UNFINGERPRINTED_SECONDS:
            text = (
                f"{_format_cache_control(response)}, though the name has no fingerprint: "
                "visitors may use an outdated file for that long"
            )
            yield Issue("warning", "cache-control", text)
            return


def _check_cache_key(probe: FileProbe) -> Iterator[Issue]:
    names = (
        {name for _, response in probe.successful_responses for name in response.vary_names} - SHARED_VARY_NAMES - {"*"}
    )
    if names:
        listed = ", ".join(sorted(names))
        yield Issue(
            "warning", "vary", f"Vary also has {listed}: caches store a copy for each value, and rarely have a hit"
        )


def _check_hits(probe: FileProbe) -> Iterator[Issue]:
    state = cdn.parse_cache_state(probe.second["browser"])
    if state == cdn.BYPASS:
        yield Issue("warning", "cache", "the CDN does not cache the file, though Cache-Control allows it")
    elif state == cdn.MISS:
        yield Issue("warning", "cache", "the file was not in the cache at the second request")


def find_not_found_issues(probe: NotFoundProbe) -> Iterator[Issue]:
    """Check the responses for a name that does not exist."""
    if not probe.responses or probe.failure:
        yield Issue("error", "not-found", f"a name that does not exist gets no response: {probe.failure}")
        return
    last = probe.responses[-1]
    if last.status == 200:
        text = "a name that does not exist gets 200: a page of another release gets this content instead of its file"
        yield Issue("error", "not-found", text)
    elif last.status not in (404, 410):
        yield Issue("warning", "not-found", f"a name that does not exist gets {last.status}, not 404")
    elif cdn.parse_cache_state(last) == cdn.HIT:
        text = "a 404 is cached: a file that a page requests during a deployment stays missing afterwards"
        yield Issue("error", "not-found", text)
    elif last.is_cacheable or (not {"no-store", "private", "no-cache"} & set(last.directives) and last.max_age is None):
        text = (
            f"a 404 has {_format_cache_control(last)}, "
            "which lets caches store it; the origin sends private, no-store, max-age=0"
        )
        yield Issue("warning", "not-found", text, remedy_check="cache-control")


def find_page_issues(page: Page) -> Iterator[Issue]:
    """Check whether a page comes from a cache that must not store it."""
    if cdn.parse_cache_state(page.second) != cdn.HIT:
        return
    if "set-cookie" in page.second.headers:
        text = "the page comes from a cache with a cookie: visitors get each other's"
        yield Issue("error", "page", text)
    elif {"no-store", "private"} & set(page.second.directives):
        yield Issue("error", "page", f"the page comes from a cache, despite {_format_cache_control(page.second)}")
