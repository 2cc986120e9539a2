"""The asking: a page, the static files that it names, and names that do not exist.

Rule: no more than `MAX_CONCURRENT_REQUESTS` requests are under way at a time: each file has one thread, which asks in
turn. The first round comes without Origin and the second one with it, because a cache that keeps an answer without CORS
headers gives it to those who need them. What there is nothing to learn from is not asked: a picture is not tried in
every coding.
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
from static_host.verify.client import MAX_CONCURRENT_REQUESTS, Client, NoResponseError
from static_host.verify.page_references import PageReference, parse_page, parse_stylesheet, resolve_url
from static_host.verify.probe import ACCEPT_ENCODINGS, BROWSER_ACCEPT_ENCODING, FileProbe, NotFoundProbe, Page
from static_host.verify.response import ReceivedResponse
from static_host.verify.scope import Scope, parse_origin

MAX_REDIRECTS = 10

_COMPRESSED_MEDIA_TYPES = re.compile(
    r"image/(?!svg|bmp|x-icon|vnd\.microsoft\.icon)|video/|audio/|font/woff|application/(?:g?zip|pdf)\b"
)
"""Media types of files that are compressed in themselves: neither a build nor a CDN encodes them."""
_MAX_COMPRESSION_RATIO = 0.9  # a file is worth a coding if gzip makes it smaller by a tenth, and
_MIN_SAVED_BYTES = 500  # by as many bytes: below that it matters to nobody


def fetch_page(client: Client, url: str) -> Page:
    """Return the page that is there. Raises NoResponseError."""
    answer = client.fetch(url, accept="text/html,*/*;q=0.8", accept_encoding=BROWSER_ACCEPT_ENCODING)
    for _ in range(MAX_REDIRECTS):
        if answer.status not in (301, 302, 303, 307, 308) or "location" not in answer.headers:
            break
        url = _resolve_redirect(url, answer.headers["location"])
        answer = client.fetch(url, accept="text/html,*/*;q=0.8", accept_encoding=BROWSER_ACCEPT_ENCODING)
    again = client.fetch(url, accept="text/html,*/*;q=0.8", accept_encoding=BROWSER_ACCEPT_ENCODING)
    references = (
        parse_page(_decode_text(answer), url) if answer.media_type in ("text/html", "application/xhtml+xml") else []
    )
    return Page(url, answer, again, references)


def _resolve_redirect(url: str, location: str) -> str:
    found = resolve_url(url, location)
    if found is None:
        raise NoResponseError(f"{url} is redirected to {location!r}, which is not the URL of a page")
    return found


def probe_files(
    client: Client, page: Page, scope: Scope, max_files: int, on_progress: Callable[[], None] = lambda: None
) -> tuple[list[FileProbe], list[PageReference]]:
    """Return the examinations of at most `most` files, and what is named beside them, in scope or not.

    `done` is called after each file. Stylesheets name further files, which come after those of the page.
    """
    found = {each.url: each for each in page.references}
    examinations: dict[str, FileProbe] = {}
    pool = ThreadPoolExecutor(MAX_CONCURRENT_REQUESTS)
    try:
        while batch := _select_batch(list(found.values()), examinations, scope, max_files):
            futures = [pool.submit(_probe_file, client, each, page.url) for each in batch]
            for future in as_completed(futures):
                examinations[future.result().url] = future.result()
                on_progress()
            for each in batch:
                for further in examinations[each.url].stylesheet_references:
                    found.setdefault(further.url, further)
    finally:
        pool.shutdown(cancel_futures=True)
    ordered = [examinations[url] for url in found if url in examinations]
    return ordered, [each for url, each in found.items() if url not in examinations]


def probe_missing_names(client: Client, scope: Scope) -> list[NotFoundProbe]:
    """Ask below each prefix of the scope for a name that no release ever had."""
    return [
        _probe_missing_name(client, f"{prefix}static-host-verify.{secrets.token_hex(6)}.css")
        for prefix in scope.prefixes
    ]


def _select_batch(
    found: Sequence[PageReference], seen: dict[str, FileProbe], scope: Scope, max_files: int
) -> list[PageReference]:
    return [each for each in found if each.url not in seen and scope.has_url(each.url)][: max_files - len(seen)]


def _find_stylesheet_references(examination: FileProbe) -> list[PageReference]:
    if not examination.is_available or examination.browser_response.media_type != "text/css":
        return []
    return parse_stylesheet(_decode_text(examination.first["identity"]), examination.url)


def _decode_text(answer: ReceivedResponse) -> str:
    charset = re.search(r"charset\s*=\s*\"?([A-Za-z0-9._-]+)", answer.headers.get("content-type", ""))
    try:
        return (answer.decoded_body or b"").decode(charset[1] if charset else "utf-8", "replace")
    except LookupError:  # a charset that nobody knows
        return (answer.decoded_body or b"").decode("utf-8", "replace")


def _probe_file(client: Client, reference: PageReference, page: str) -> FileProbe:
    examination = FileProbe(reference, page)
    try:
        _fetch_in_codings(client, examination)
        if examination.is_available:
            _fetch_part_and_revalidation(client, examination)
            _fetch_with_dictionaries(client, examination)
    except NoResponseError as error:
        examination.failure = str(error)
    examination.stylesheet_references = _find_stylesheet_references(examination)
    examination.drop_bodies()
    return examination


def _fetch_in_codings(client: Client, examination: FileProbe) -> None:
    url, first, again = examination.url, examination.first, examination.second
    first["browser"] = client.fetch(url, accept_encoding=BROWSER_ACCEPT_ENCODING)
    if first["browser"].status != 200:
        return
    first["identity"] = client.fetch(url, accept_encoding="identity")
    examination.is_compressible = _is_compressible(first)
    names = list(ACCEPT_ENCODINGS) if examination.is_compressible else list(first)
    for name in names:
        if name not in first:
            first[name] = client.fetch(url, accept_encoding=ACCEPT_ENCODINGS[name])
    for name in names:
        again[name] = client.fetch(
            url, accept_encoding=ACCEPT_ENCODINGS[name], origin=parse_origin(examination.page_url)
        )
    if (
        cdn.parse_cache_state(again["browser"]) == cdn.MISS
    ):  # a CDN is many machines: the second one may not have had it
        again["browser"] = client.fetch(
            url, accept_encoding=BROWSER_ACCEPT_ENCODING, origin=parse_origin(examination.page_url)
        )


def _is_compressible(answers: dict[str, ReceivedResponse]) -> bool:
    """Whether an answer has a coding, or the plain bytes would gain from one."""
    if _COMPRESSED_MEDIA_TYPES.match(answers["browser"].media_type):
        return False
    if any(answer.coding != "identity" for answer in answers.values()):
        return True
    plain = answers["identity"].decoded_body
    if not plain:
        return False
    smaller = len(zlib.compress(plain))
    return smaller < _MAX_COMPRESSION_RATIO * len(plain) and len(plain) - smaller >= _MIN_SAVED_BYTES


def _fetch_part_and_revalidation(client: Client, examination: FileProbe) -> None:
    origin = parse_origin(examination.page_url)
    if examination.browser_response.etag:
        examination.revalidation = client.fetch(
            examination.url,
            accept_encoding=BROWSER_ACCEPT_ENCODING,
            if_none_match=examination.browser_response.etag,
            origin=origin,
        )
    if examination.first["identity"].size:
        examination.partial_response = client.fetch(
            examination.url, accept_encoding="identity", range="bytes=0-0", origin=origin
        )


def _fetch_with_dictionaries(client: Client, examination: FileProbe) -> None:
    """Ask as a browser that keeps the file as dictionary (RFC 9842 §2.2), and as one that keeps an unknown one."""
    plain = examination.first["identity"].decoded_body
    if plain is None or "use-as-dictionary" not in examination.browser_response.headers:
        return
    hashes = (sha256(plain).digest(), secrets.token_bytes(32))
    examination.deltas = tuple(
        client.fetch(
            examination.url,
            accept_encoding=f"{BROWSER_ACCEPT_ENCODING}, dcb, dcz",
            available_dictionary=f":{b64encode(each).decode()}:",
        )
        for each in hashes
    )


def _probe_missing_name(client: Client, url: str) -> NotFoundProbe:
    answers: list[ReceivedResponse] = []
    try:
        answers += [client.fetch(url, accept_encoding=BROWSER_ACCEPT_ENCODING) for _ in range(2)]
        if not cdn.parse_cache_state(answers[-1]):
            time.sleep(1.2)  # Age counts whole seconds, and where nothing else tells it has to be 1
            answers.append(client.fetch(url, accept_encoding=BROWSER_ACCEPT_ENCODING))
    except NoResponseError as error:
        return NotFoundProbe(url, tuple(answers), str(error))
    return NotFoundProbe(url, tuple(answers))
