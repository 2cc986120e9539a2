"""From what was seen to findings: flaws put together by what they say, and what is in order.

Rule: one finding for one cause, however many files it befell, with the remedy for the CDN that they came through. A
check without a flaw is told as in order, with what was looked at, so that silence never passes for approval.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from static_host.findings import Finding
from static_host.verify import browser_access, caching, cdn, codings
from static_host.verify.issues import Issue
from static_host.verify.page_references import PageReference
from static_host.verify.probe import FileProbe, NotFoundProbe, Page
from static_host.verify.remedies import find_remedy
from static_host.verify.response import ReceivedResponse
from static_host.verify.scope import Scope, count_out_of_scope, parse_origin

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
MIN_UNCACHED_FILES = 3
"""Files of one host of which none was in the cache: fewer may be chance."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """All that was seen."""

    page: Page
    scope: Scope
    files: list[FileProbe]
    not_found: list[NotFoundProbe]
    not_examined: list[PageReference]

    @property
    def hosts(self) -> dict[str, ReceivedResponse]:
        """One answer of each origin that has served a file, or at least the page."""
        answers = {parse_origin(each.url): each.browser_response for each in self.files if "browser" in each.first}
        return answers or {parse_origin(self.page.url): self.page.first}


def build_findings(audit: AuditResult) -> list[Finding]:
    """Return everything that is to be told."""
    return [
        *_check_page(audit),
        *_check_hosts(audit),
        *_group_file_issues(audit),
        *_check_not_found(audit),
        *_report_passed_checks(audit),
        *_report_not_examined(audit),
    ]


def find_file_issues(examination: FileProbe) -> list[Issue]:
    """Return the flaws of one file."""
    if not examination.is_available or examination.failure:
        return list(browser_access.find_failure_issues(examination))
    judges = (
        browser_access.find_failure_issues,
        codings.find_coding_issues,
        caching.find_caching_issues,
        browser_access.find_access_issues,
    )
    return [flaw for judge in judges for flaw in judge(examination)]


def find_nearest_cdn(answer: ReceivedResponse) -> str:
    """Return the name of the CDN that is nearest to the visitor, or ""."""
    return next(iter(cdn.identify_cdns(answer)), "")


def shorten_url(url: str, page: str) -> str:
    """Return a URL as short as it is clear beside that of the page."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.path}{query}" if parse_origin(url) == parse_origin(page) else url


def _check_page(seen: AuditResult) -> Iterator[Finding]:
    page, name = seen.page, find_nearest_cdn(seen.page.first)
    if page.first.status != 200:
        yield Finding("error", "page", f"{page.url} is answered {page.first.status}", find_remedy("page-status", ""))
    elif page.first.decoded_digest is None:
        why = (
            f"cannot be decoded: it says that it is {page.first.coding}"
            if page.first.is_complete
            else "is too long to be read"
        )
        yield Finding("error", "page", f"{page.url} {why}", find_remedy("references", ""))
    elif not page.references and not seen.files:
        yield Finding(
            "error", "page", f"{page.url} names no static files: nothing can be verified", find_remedy("references", "")
        )
    for flaw in caching.find_page_issues(page):
        yield Finding(
            flaw.level, flaw.check, f"{page.url}: {flaw.text}", find_remedy(flaw.remedy_check or flaw.check, name)
        )
    parts = urlsplit(page.url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        found = f"{page.url} comes over HTTP: browsers ask for br and zstd over HTTPS only"
        yield Finding("warning", "https", found, find_remedy("https", ""))
    if seen.scope.is_guessed and seen.files:
        found = "no name on the page has a fingerprint, so that all files of its host are taken for static files"
        yield Finding("warning", "fingerprint", found, "Name the prefixes of your static files: --static-prefix URL.")


def _check_hosts(seen: AuditResult) -> Iterator[Finding]:
    for origin, answer in seen.hosts.items():
        names = ", ".join(cdn.identify_cdns(answer)) or "no CDN is recognised"
        version = answer.http_version + (", HTTP/3 offered" if "h3" in answer.headers.get("alt-svc", "") else "")
        yield Finding("info", "cdn", f"{origin}: {names}; {version}")
        if origin.startswith("https:") and answer.http_version not in ("HTTP/2", "HTTP/3"):
            found = f"{origin} speaks {answer.http_version}: browsers ask for six files at a time, not for all at once"
            yield Finding("warning", "http-version", found, find_remedy("http-version", find_nearest_cdn(answer)))
        files = [each for each in _select_available(seen) if parse_origin(each.url) == origin]
        if files and not any(caching.format_cache_states(each) for each in files):
            found = f"{origin}: nothing tells whether an answer comes from a cache"
            yield Finding("info", "cache-state", found, find_remedy("cache-state", find_nearest_cdn(answer)))


def _group_file_issues(seen: AuditResult) -> Iterator[Finding]:
    together: dict[tuple[Issue, str], list[str]] = defaultdict(list)
    for each in seen.files:
        name = find_nearest_cdn(each.browser_response) if "browser" in each.first else ""
        for flaw in find_file_issues(each):
            together[flaw, name].append(each.url)
    for (flaw, name), urls in together.items():
        level = "error" if _is_whole_host_uncached(flaw, urls, seen) else flaw.level
        found = f"{_join_names(shorten_url(url, seen.page.url) for url in urls)}: {flaw.text}"
        yield Finding(
            level, flaw.check, found, "" if level == "info" else find_remedy(flaw.remedy_check or flaw.check, name)
        )


def _is_whole_host_uncached(flaw: Issue, urls: Sequence[str], seen: AuditResult) -> bool:
    """Whether nothing of a host is kept that could be."""
    fixed = {
        each.url
        for each in _select_available(seen)
        if each.is_immutable and parse_origin(each.url) == parse_origin(urls[0])
    }
    return flaw.check == "cache" and len(urls) >= MIN_UNCACHED_FILES and fixed <= set(urls)


def _check_not_found(seen: AuditResult) -> Iterator[Finding]:
    for absence in seen.not_found:
        name = find_nearest_cdn(absence.responses[0]) if absence.responses else ""
        for flaw in caching.find_not_found_issues(absence):
            found = f"{shorten_url(absence.url, seen.page.url)}: {flaw.text}"
            yield Finding(flaw.level, flaw.check, found, find_remedy(flaw.remedy_check or flaw.check, name))


def _select_available(seen: AuditResult) -> list[FileProbe]:
    return [each for each in seen.files if each.is_available and not each.failure]


def _report_passed_checks(seen: AuditResult) -> Iterator[Finding]:
    files = _select_available(seen)
    wrong = {flaw.check for each in seen.files for flaw in find_file_issues(each) if flaw.level != "info"}
    wrong |= {flaw.check for absence in seen.not_found for flaw in caching.find_not_found_issues(absence)}
    encoded = [each for each in files if each.is_compressible]
    fixed = [each for each in files if each.is_immutable]
    closed = [each for each in files if each.is_cross_origin and each.reference.is_cors]
    kept = [each for each in fixed if cdn.parse_cache_state(each.second["browser"]) == cdn.HIT]
    lines = (
        ("file", files, "answered 200"),
        ("compression", encoded, "compressed for browsers, with br or zstd"),
        ("coding", files, "sent in a coding that was asked for"),
        ("body", files, "the same bytes in each coding, from the origin and from the cache"),
        ("cache-control", fixed, "with a fingerprint, kept by browsers for a year"),
        ("cache", kept, "from the cache when asked for again"),
        ("vary", encoded, "told apart by Vary: Accept-Encoding"),
        ("cors", closed, "open to the page from another host"),
        ("range", [each for each in files if each.partial_response], "sent in parts"),
        ("revalidation", [each for each in files if each.revalidation], "not sent again to who has them (304)"),
        ("not-found", seen.not_found, "a name that does not exist is answered 404, and the answer is not kept"),
    )
    for check, looked_at, found in lines:
        if looked_at and check not in wrong:
            yield Finding("ok", check, found if check == "not-found" else f"{_format_count(len(looked_at))} {found}")
    yield from _report_dictionaries(files)


def _report_dictionaries(files: list[FileProbe]) -> Iterator[Finding]:
    offered = [each for each in files if each.deltas]
    came = [each for each in offered if each.deltas[0].coding in browser_access.DICTIONARY_CODINGS]
    if not offered:
        yield Finding("info", "dictionary", "no file is offered as a compression dictionary (RFC 9842)")
    else:
        found = (
            f"{_format_count(len(offered))} offered as compression dictionaries; {len(came)} came as a delta to itself"
        )
        yield Finding("info", "dictionary", found)


def _report_not_examined(seen: AuditResult) -> Iterator[Finding]:
    more = sum(seen.scope.has_url(each.url) for each in seen.not_examined)
    if more:
        yield Finding("info", "left-out", f"{_format_count(more)} more not examined", find_remedy("left-out", ""))
    for prefix, number in count_out_of_scope(seen.not_examined, seen.scope).items():
        found = (
            f"{_format_count(number)} below {prefix} not examined: nothing tells that they are static files of yours"
        )
        yield Finding("info", "left-out", found, find_remedy("left-out", ""))


def _format_count(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"


def _join_names(names: Iterable[str]) -> str:
    first, *others = names
    return f"{first} and {len(others)} more" if len(others) > 2 else ", ".join([first, *others])
