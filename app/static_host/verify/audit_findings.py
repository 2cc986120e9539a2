"""Turns an audit into findings: issues grouped by their text, and checks that passed.

Rule: one cause is one finding, whatever the number of files, with the remedy for the CDN that served them. A check
without an issue is a finding, too, with the number of files that it covered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from static_host.findings import Finding
from static_host.verify import browser_access, caching, cdn, codings
from static_host.verify.audit_issue import Issue
from static_host.verify.audit_scope import Scope, count_out_of_scope, parse_origin
from static_host.verify.page_references import PageReference
from static_host.verify.probe import FileProbe, NotFoundProbe, Page
from static_host.verify.received_response import ReceivedResponse
from static_host.verify.remedies import find_remedy

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
MIN_UNCACHED_FILES = 3
"""The number of uncached files of one host from which on it is an error; fewer may be chance."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """All probes of one audit."""

    page: Page
    scope: Scope
    files: list[FileProbe]
    not_found: list[NotFoundProbe]
    not_examined: list[PageReference]

    @property
    def hosts(self) -> dict[str, ReceivedResponse]:
        """Origin → one of its responses; the page's if no file was available."""
        responses = {parse_origin(each.url): each.browser_response for each in self.files if "browser" in each.first}
        return responses or {parse_origin(self.page.url): self.page.first}


def build_findings(audit: AuditResult) -> list[Finding]:
    """Return all findings."""
    return [
        *_check_page(audit),
        *_check_hosts(audit),
        *_group_file_issues(audit),
        *_check_not_found(audit),
        *_report_passed_checks(audit),
        *_report_not_examined(audit),
    ]


def find_file_issues(probe: FileProbe) -> list[Issue]:
    """Return the issues of one file."""
    if not probe.is_available or probe.failure:
        return list(browser_access.find_failure_issues(probe))
    judges = (
        browser_access.find_failure_issues,
        codings.find_coding_issues,
        caching.find_caching_issues,
        browser_access.find_access_issues,
    )
    return [issue for judge in judges for issue in judge(probe)]


def shorten_url(url: str, page: str) -> str:
    """Return a URL as short as it is clear beside that of the page."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.path}{query}" if parse_origin(url) == parse_origin(page) else url


def _check_page(audit: AuditResult) -> Iterator[Finding]:
    page, name = audit.page, cdn.find_nearest_cdn(audit.page.first)
    if page.first.status != 200:
        yield Finding("error", "page", f"{page.url} returns {page.first.status}", find_remedy("page-status", ""))
    elif page.first.decoded_digest is None:
        why = (
            f"cannot be decoded as {page.first.coding}, which its Content-Encoding says"
            if page.first.is_complete
            else "is too long"
        )
        yield Finding("error", "page", f"{page.url} {why}", find_remedy("references", ""))
    elif not page.references and not audit.files:
        yield Finding(
            "error",
            "page",
            f"{page.url} refers to no static files: nothing can be verified",
            find_remedy("references", ""),
        )
    for issue in caching.find_page_issues(page):
        yield Finding(
            issue.level, issue.check, f"{page.url}: {issue.text}", find_remedy(issue.remedy_check or issue.check, name)
        )
    parts = urlsplit(page.url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        found = f"{page.url} comes over HTTP: browsers ask for br and zstd over HTTPS only"
        yield Finding("warning", "https", found, find_remedy("https", ""))
    if audit.scope.is_guessed and audit.files:
        found = "no name on the page has a fingerprint, so all files of its host count as static files"
        yield Finding("warning", "fingerprint", found, "Name the prefixes of your static files: --static-prefix URL.")


def _check_hosts(audit: AuditResult) -> Iterator[Finding]:
    for origin, response in audit.hosts.items():
        names = ", ".join(cdn.identify_cdns(response)) or "no known CDN"
        version = response.http_version + (", HTTP/3 offered" if "h3" in response.headers.get("alt-svc", "") else "")
        yield Finding("info", "cdn", f"{origin}: {names}; {version}")
        if origin.startswith("https:") and response.http_version not in ("HTTP/2", "HTTP/3"):
            found = f"{origin} speaks {response.http_version}: browsers request six files at a time, not all at once"
            yield Finding("warning", "http-version", found, find_remedy("http-version", cdn.find_nearest_cdn(response)))
        files = [each for each in _select_available(audit) if parse_origin(each.url) == origin]
        if files and not any(caching.format_cache_states(each) for each in files):
            found = f"{origin}: no header field says whether a response comes from a cache"
            yield Finding("info", "cache-state", found, find_remedy("cache-state", cdn.find_nearest_cdn(response)))


def _group_file_issues(audit: AuditResult) -> Iterator[Finding]:
    together: dict[tuple[Issue, str], list[str]] = defaultdict(list)
    for each in audit.files:
        name = cdn.find_nearest_cdn(each.browser_response) if "browser" in each.first else ""
        for issue in find_file_issues(each):
            together[issue, name].append(each.url)
    for (issue, name), urls in together.items():
        level = "error" if _is_whole_host_uncached(issue, urls, audit) else issue.level
        found = f"{_join_names(shorten_url(url, audit.page.url) for url in urls)}: {issue.text}"
        yield Finding(
            level, issue.check, found, "" if level == "info" else find_remedy(issue.remedy_check or issue.check, name)
        )


def _is_whole_host_uncached(issue: Issue, urls: Sequence[str], audit: AuditResult) -> bool:
    """Whether the cache stored none of the fingerprinted files of a host."""
    fixed = {
        each.url
        for each in _select_available(audit)
        if each.is_immutable and parse_origin(each.url) == parse_origin(urls[0])
    }
    return issue.check == "cache" and len(urls) >= MIN_UNCACHED_FILES and fixed <= set(urls)


def _check_not_found(audit: AuditResult) -> Iterator[Finding]:
    for probe in audit.not_found:
        name = cdn.find_nearest_cdn(probe.responses[0]) if probe.responses else ""
        for issue in caching.find_not_found_issues(probe):
            found = f"{shorten_url(probe.url, audit.page.url)}: {issue.text}"
            yield Finding(issue.level, issue.check, found, find_remedy(issue.remedy_check or issue.check, name))


def _select_available(audit: AuditResult) -> list[FileProbe]:
    return [each for each in audit.files if each.is_available and not each.failure]


def _report_passed_checks(audit: AuditResult) -> Iterator[Finding]:
    files = _select_available(audit)
    wrong = {issue.check for each in audit.files for issue in find_file_issues(each) if issue.level != "info"}
    wrong |= {issue.check for probe in audit.not_found for issue in caching.find_not_found_issues(probe)}
    encoded = [each for each in files if each.is_compressible]
    fixed = [each for each in files if each.is_immutable]
    closed = [each for each in files if each.is_cross_origin and each.reference.is_cors]
    kept = [each for each in fixed if cdn.parse_cache_state(each.second["browser"]) == cdn.HIT]
    lines = (
        ("file", files, "available (200)"),
        ("compression", encoded, "compressed for browsers, with br or zstd"),
        ("coding", files, "sent in a coding that was requested"),
        ("body", files, "the same bytes in each coding, from the origin and from the cache"),
        ("cache-control", fixed, "with a fingerprint, cached by browsers for a year"),
        ("cache", kept, "from the cache at the second request"),
        ("vary", encoded, "with Vary: Accept-Encoding"),
        ("cors", closed, "readable for pages of another host"),
        ("range", [each for each in files if each.partial_response], "available in ranges"),
        ("revalidation", [each for each in files if each.revalidation], "revalidated without a body (304)"),
        ("not-found", audit.not_found, "a name that does not exist gets 404, which caches do not store"),
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


def _report_not_examined(audit: AuditResult) -> Iterator[Finding]:
    more = sum(audit.scope.has_url(each.url) for each in audit.not_examined)
    if more:
        yield Finding("info", "left-out", f"{_format_count(more)} more not examined", find_remedy("left-out", ""))
    for prefix, number in count_out_of_scope(audit.not_examined, audit.scope).items():
        found = f"{_format_count(number)} below {prefix} not examined: they may not be your static files"
        yield Finding("info", "left-out", found, find_remedy("left-out", ""))


def _format_count(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"


def _join_names(names: Iterable[str]) -> str:
    first, *others = names
    return f"{first} and {len(others)} more" if len(others) > 2 else ", ".join([first, *others])
