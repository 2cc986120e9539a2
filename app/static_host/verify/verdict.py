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
from static_host.verify.issues import Flaw
from static_host.verify.page_references import Reference
from static_host.verify.probe import Absence, Examination, Page
from static_host.verify.remedies import remedy
from static_host.verify.response import Answer
from static_host.verify.scope import Scope, left_out, origin_of

LOOPBACK = ("localhost", "127.0.0.1", "::1")
ENOUGH = 3
"""Files of one host of which none was in the cache: fewer may be chance."""


@dataclass(frozen=True, slots=True)
class Verified:
    """All that was seen."""

    page: Page
    scope: Scope
    files: list[Examination]
    absences: list[Absence]
    beside: list[Reference]

    @property
    def hosts(self) -> dict[str, Answer]:
        """One answer of each origin that has served a file, or at least the page."""
        answers = {origin_of(each.url): each.usual for each in self.files if "browser" in each.first}
        return answers or {origin_of(self.page.url): self.page.first}


def findings(seen: Verified) -> list[Finding]:
    """Return everything that is to be told."""
    return [
        *_of_page(seen),
        *_of_hosts(seen),
        *_of_files(seen),
        *_of_absences(seen),
        *_in_order(seen),
        *_not_examined(seen),
    ]


def flaws_of(examination: Examination) -> list[Flaw]:
    """Return the flaws of one file."""
    if not examination.is_there or examination.failure:
        return list(browser_access.of_failure(examination))
    judges = (browser_access.of_failure, codings.flaws, caching.flaws, browser_access.flaws)
    return [flaw for judge in judges for flaw in judge(examination)]


def network(answer: Answer) -> str:
    """Return the name of the CDN that is nearest to the visitor, or ""."""
    return next(iter(cdn.recognised(answer)), "")


def shown(url: str, page: str) -> str:
    """Return a URL as short as it is clear beside that of the page."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.path}{query}" if origin_of(url) == origin_of(page) else url


def _of_page(seen: Verified) -> Iterator[Finding]:
    page, name = seen.page, network(seen.page.first)
    if page.first.status != 200:
        yield Finding("error", "page", f"{page.url} is answered {page.first.status}", remedy("page-status", ""))
    elif page.first.content is None:
        why = (
            f"cannot be decoded: it says that it is {page.first.coding}"
            if page.first.whole
            else "is too long to be read"
        )
        yield Finding("error", "page", f"{page.url} {why}", remedy("references", ""))
    elif not page.references and not seen.files:
        yield Finding(
            "error", "page", f"{page.url} names no static files: nothing can be verified", remedy("references", "")
        )
    for flaw in caching.of_page(page):
        yield Finding(flaw.level, flaw.check, f"{page.url}: {flaw.text}", remedy(flaw.cure or flaw.check, name))
    parts = urlsplit(page.url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        found = f"{page.url} comes over HTTP: browsers ask for br and zstd over HTTPS only"
        yield Finding("warning", "https", found, remedy("https", ""))
    if seen.scope.is_guessed and seen.files:
        found = "no name on the page has a fingerprint, so that all files of its host are taken for static files"
        yield Finding("warning", "fingerprint", found, "Name the prefixes of your static files: --static-prefix URL.")


def _of_hosts(seen: Verified) -> Iterator[Finding]:
    for origin, answer in seen.hosts.items():
        names = ", ".join(cdn.recognised(answer)) or "no CDN is recognised"
        version = answer.version + (", HTTP/3 offered" if "h3" in answer.headers.get("alt-svc", "") else "")
        yield Finding("info", "cdn", f"{origin}: {names}; {version}")
        if origin.startswith("https:") and answer.version not in ("HTTP/2", "HTTP/3"):
            found = f"{origin} speaks {answer.version}: browsers ask for six files at a time, not for all at once"
            yield Finding("warning", "http-version", found, remedy("http-version", network(answer)))
        files = [each for each in _there(seen) if origin_of(each.url) == origin]
        if files and not any(caching.seen(each) for each in files):
            found = f"{origin}: nothing tells whether an answer comes from a cache"
            yield Finding("info", "cache-state", found, remedy("cache-state", network(answer)))


def _of_files(seen: Verified) -> Iterator[Finding]:
    together: dict[tuple[Flaw, str], list[str]] = defaultdict(list)
    for each in seen.files:
        name = network(each.usual) if "browser" in each.first else ""
        for flaw in flaws_of(each):
            together[flaw, name].append(each.url)
    for (flaw, name), urls in together.items():
        level = "error" if _is_all(flaw, urls, seen) else flaw.level
        found = f"{_listed(shown(url, seen.page.url) for url in urls)}: {flaw.text}"
        yield Finding(level, flaw.check, found, "" if level == "info" else remedy(flaw.cure or flaw.check, name))


def _is_all(flaw: Flaw, urls: Sequence[str], seen: Verified) -> bool:
    """Whether nothing of a host is kept that could be."""
    fixed = {each.url for each in _there(seen) if each.is_fixed and origin_of(each.url) == origin_of(urls[0])}
    return flaw.check == "cache" and len(urls) >= ENOUGH and fixed <= set(urls)


def _of_absences(seen: Verified) -> Iterator[Finding]:
    for absence in seen.absences:
        name = network(absence.answers[0]) if absence.answers else ""
        for flaw in caching.of_absence(absence):
            found = f"{shown(absence.url, seen.page.url)}: {flaw.text}"
            yield Finding(flaw.level, flaw.check, found, remedy(flaw.cure or flaw.check, name))


def _there(seen: Verified) -> list[Examination]:
    return [each for each in seen.files if each.is_there and not each.failure]


def _in_order(seen: Verified) -> Iterator[Finding]:
    files = _there(seen)
    wrong = {flaw.check for each in seen.files for flaw in flaws_of(each) if flaw.level != "info"}
    wrong |= {flaw.check for absence in seen.absences for flaw in caching.of_absence(absence)}
    encoded = [each for each in files if each.gains]
    fixed = [each for each in files if each.is_fixed]
    closed = [each for each in files if each.is_elsewhere and each.reference.cors]
    kept = [each for each in fixed if cdn.state(each.again["browser"]) == cdn.HIT]
    lines = (
        ("file", files, "answered 200"),
        ("compression", encoded, "compressed for browsers, with br or zstd"),
        ("coding", files, "sent in a coding that was asked for"),
        ("body", files, "the same bytes in each coding, from the origin and from the cache"),
        ("cache-control", fixed, "with a fingerprint, kept by browsers for a year"),
        ("cache", kept, "from the cache when asked for again"),
        ("vary", encoded, "told apart by Vary: Accept-Encoding"),
        ("cors", closed, "open to the page from another host"),
        ("range", [each for each in files if each.part], "sent in parts"),
        ("revalidation", [each for each in files if each.revalidated], "not sent again to who has them (304)"),
        ("not-found", seen.absences, "a name that does not exist is answered 404, and the answer is not kept"),
    )
    for check, looked_at, found in lines:
        if looked_at and check not in wrong:
            yield Finding("ok", check, found if check == "not-found" else f"{_counted(len(looked_at))} {found}")
    yield from _of_dictionaries(files)


def _of_dictionaries(files: list[Examination]) -> Iterator[Finding]:
    offered = [each for each in files if each.deltas]
    came = [each for each in offered if each.deltas[0].coding in browser_access.SHARED_DICTIONARY]
    if not offered:
        yield Finding("info", "dictionary", "no file is offered as a compression dictionary (RFC 9842)")
    else:
        found = f"{_counted(len(offered))} offered as compression dictionaries; {len(came)} came as a delta to itself"
        yield Finding("info", "dictionary", found)


def _not_examined(seen: Verified) -> Iterator[Finding]:
    more = sum(seen.scope.covers(each.url) for each in seen.beside)
    if more:
        yield Finding("info", "left-out", f"{_counted(more)} more not examined", remedy("left-out", ""))
    for prefix, number in left_out(seen.beside, seen.scope).items():
        found = f"{_counted(number)} below {prefix} not examined: nothing tells that they are static files of yours"
        yield Finding("info", "left-out", found, remedy("left-out", ""))


def _counted(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"


def _listed(names: Iterable[str]) -> str:
    first, *others = names
    return f"{first} and {len(others)} more" if len(others) > 2 else ", ".join([first, *others])
