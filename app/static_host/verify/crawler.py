"""The asking: a page, the static files that it names, and names that do not exist.

Rule: no more than `AT_ONCE` requests are under way at a time: each file has one thread, which asks in turn. The first
round comes without Origin and the second one with it, because a cache that keeps an answer without CORS headers gives
it to those who need them. What there is nothing to learn from is not asked: a picture is not tried in every coding.
"""

from __future__ import annotations

import re
import secrets
import time
import zlib
from base64 import b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from hashlib import sha256

from static_host.verify import cdn
from static_host.verify.client import AT_ONCE, Client, Unreachable
from static_host.verify.page_references import Reference, of_page, of_stylesheet, resolved
from static_host.verify.probe import ASKED, BROWSER, Absence, Examination, Page
from static_host.verify.response import Answer
from static_host.verify.scope import Scope, origin_of

REDIRECTS = 10

_COMPRESSED = re.compile(
    r"image/(?!svg|bmp|x-icon|vnd\.microsoft\.icon)|video/|audio/|font/woff|application/(?:g?zip|pdf)\b"
)
"""Media types of files that are compressed in themselves: neither a build nor a CDN encodes them."""
_GAIN = 0.9  # a file is worth a coding if gzip makes it smaller by a tenth, and
_LEAST = 500  # by as many bytes: below that it matters to nobody


def page_at(client: Client, url: str) -> Page:
    """Return the page that is there. Raises Unreachable."""
    answer = client.ask(url, accept="text/html,*/*;q=0.8", accept_encoding=BROWSER)
    for _ in range(REDIRECTS):
        if answer.status not in (301, 302, 303, 307, 308) or "location" not in answer.headers:
            break
        url = _target(url, answer.headers["location"])
        answer = client.ask(url, accept="text/html,*/*;q=0.8", accept_encoding=BROWSER)
    again = client.ask(url, accept="text/html,*/*;q=0.8", accept_encoding=BROWSER)
    references = of_page(_text(answer), url) if answer.media_type in ("text/html", "application/xhtml+xml") else []
    return Page(url, answer, again, references)


def _target(url: str, location: str) -> str:
    found = resolved(url, location)
    if found is None:
        raise Unreachable(f"{url} is redirected to {location!r}, which is not the URL of a page")
    return found


def examined(
    client: Client, page: Page, scope: Scope, most: int, done: Callable[[], None] = lambda: None
) -> tuple[list[Examination], list[Reference]]:
    """Return the examinations of at most `most` files, and what is named beside them, in scope or not.

    `done` is called after each file. Stylesheets name further files, which come after those of the page.
    """
    found = {each.url: each for each in page.references}
    examinations: dict[str, Examination] = {}
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        while batch := _next(list(found.values()), examinations, scope, most):
            futures = [pool.submit(_examination, client, each, page.url) for each in batch]
            for future in as_completed(futures):
                examinations[future.result().url] = future.result()
                done()
            for each in batch:
                for further in examinations[each.url].named:
                    found.setdefault(further.url, further)
    finally:
        pool.shutdown(cancel_futures=True)
    ordered = [examinations[url] for url in found if url in examinations]
    return ordered, [each for url, each in found.items() if url not in examinations]


def absences(client: Client, scope: Scope) -> list[Absence]:
    """Ask below each prefix of the scope for a name that no release ever had."""
    return [_absence(client, f"{prefix}static-host-verify.{secrets.token_hex(6)}.css") for prefix in scope.prefixes]


def _next(found: Sequence[Reference], seen: dict[str, Examination], scope: Scope, most: int) -> list[Reference]:
    return [each for each in found if each.url not in seen and scope.covers(each.url)][: most - len(seen)]


def _named_by(examination: Examination) -> list[Reference]:
    if not examination.is_there or examination.usual.media_type != "text/css":
        return []
    return of_stylesheet(_text(examination.first["identity"]), examination.url)


def _text(answer: Answer) -> str:
    charset = re.search(r"charset\s*=\s*\"?([A-Za-z0-9._-]+)", answer.headers.get("content-type", ""))
    try:
        return (answer.plain or b"").decode(charset[1] if charset else "utf-8", "replace")
    except LookupError:  # a charset that nobody knows
        return (answer.plain or b"").decode("utf-8", "replace")


def _examination(client: Client, reference: Reference, page: str) -> Examination:
    examination = Examination(reference, page)
    try:
        _ask_in_codings(client, examination)
        if examination.is_there:
            _ask_for_less(client, examination)
            _ask_with_dictionaries(client, examination)
    except Unreachable as error:
        examination.failure = str(error)
    examination.named = _named_by(examination)
    examination.forget_bytes()
    return examination


def _ask_in_codings(client: Client, examination: Examination) -> None:
    url, first, again = examination.url, examination.first, examination.again
    first["browser"] = client.ask(url, accept_encoding=BROWSER)
    if first["browser"].status != 200:
        return
    first["identity"] = client.ask(url, accept_encoding="identity")
    examination.gains = _gains(first)
    names = list(ASKED) if examination.gains else list(first)
    for name in names:
        if name not in first:
            first[name] = client.ask(url, accept_encoding=ASKED[name])
    for name in names:
        again[name] = client.ask(url, accept_encoding=ASKED[name], origin=origin_of(examination.page))
    if cdn.state(again["browser"]) == cdn.MISS:  # a CDN is many machines: the second one may not have had it
        again["browser"] = client.ask(url, accept_encoding=BROWSER, origin=origin_of(examination.page))


def _gains(answers: dict[str, Answer]) -> bool:
    """Whether an answer has a coding, or the plain bytes would gain from one."""
    if _COMPRESSED.match(answers["browser"].media_type):
        return False
    if any(answer.coding != "identity" for answer in answers.values()):
        return True
    plain = answers["identity"].plain
    if not plain:
        return False
    smaller = len(zlib.compress(plain))
    return smaller < _GAIN * len(plain) and len(plain) - smaller >= _LEAST


def _ask_for_less(client: Client, examination: Examination) -> None:
    origin = origin_of(examination.page)
    if examination.usual.etag:
        examination.revalidated = client.ask(
            examination.url, accept_encoding=BROWSER, if_none_match=examination.usual.etag, origin=origin
        )
    if examination.first["identity"].size:
        examination.part = client.ask(examination.url, accept_encoding="identity", range="bytes=0-0", origin=origin)


def _ask_with_dictionaries(client: Client, examination: Examination) -> None:
    """Ask as a browser that keeps the file as dictionary (RFC 9842 §2.2), and as one that keeps an unknown one."""
    plain = examination.first["identity"].plain
    if plain is None or "use-as-dictionary" not in examination.usual.headers:
        return
    hashes = (sha256(plain).digest(), secrets.token_bytes(32))
    examination.deltas = tuple(
        client.ask(
            examination.url,
            accept_encoding=f"{BROWSER}, dcb, dcz",
            available_dictionary=f":{b64encode(each).decode()}:",
        )
        for each in hashes
    )


def _absence(client: Client, url: str) -> Absence:
    answers: list[Answer] = []
    try:
        answers += [client.ask(url, accept_encoding=BROWSER) for _ in range(2)]
        if not cdn.state(answers[-1]):
            time.sleep(1.2)  # Age counts whole seconds, and where nothing else tells it has to be 1
            answers.append(client.ask(url, accept_encoding=BROWSER))
    except Unreachable as error:
        return Absence(url, tuple(answers), str(error))
    return Absence(url, tuple(answers))
