"""Requests a page, the static files that it refers to, and names that do not exist.

Rule: at most `MAX_CONCURRENT_REQUESTS` requests run at a time: each file has one thread. The first round has no Origin
and the second one has, because a cache that stored a response without CORS headers sends it to pages that need them.
Requests without use are left out: a picture is not requested in every coding.
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
from static_host.verify.audit_scope import Scope, parse_origin
from static_host.verify.client import MAX_CONCURRENT_REQUESTS, Client, NoResponseError
from static_host.verify.page_references import PageReference, parse_page, parse_stylesheet, resolve_url
from static_host.verify.probe import ACCEPT_ENCODINGS, BROWSER_ACCEPT_ENCODING, FileProbe, NotFoundProbe, Page
from static_host.verify.received_response import ReceivedResponse

MAX_REDIRECTS = 10

_COMPRESSED_MEDIA_TYPES = re.compile(
    r"image/(?!svg|bmp|x-icon|vnd\.microsoft\.icon)|video/|audio/|font/woff|application/(?:g?zip|pdf)\b"
)
"""Media types that are compressed in themselves: neither the build nor a CDN encodes such files."""
_MAX_COMPRESSION_RATIO = 0.9  # a file is compressible if gzip makes it smaller by a tenth, and
_MIN_SAVED_BYTES = 500  # by so many bytes


def fetch_page(client: Client, url: str) -> Page:
    """Return the page at `url`, after redirects, with its references. Raises NoResponseError."""
    response = client.fetch(url, accept="text/html,*/*;q=0.8", accept_encoding=BROWSER_ACCEPT_ENCODING)
    for _ in range(MAX_REDIRECTS):
        if response.status not in (301, 302, 303, 307, 308) or "location" not in response.headers:
            break
        url = _resolve_redirect(url, response.headers["location"])
        response = client.fetch(url, accept="text/html,*/*;q=0.8", accept_encoding=BROWSER_ACCEPT_ENCODING)
    again = client.fetch(url, accept="text/html,*/*;q=0.8", accept_encoding=BROWSER_ACCEPT_ENCODING)
    references = (
        parse_page(_decode_text(response), url) if response.media_type in ("text/html", "application/xhtml+xml") else []
    )
    return Page(url, response, again, references)


def _resolve_redirect(url: str, location: str) -> str:
    found = resolve_url(url, location)
    if found is None:
        raise NoResponseError(f"{url} redirects to {location!r}, which is not the URL of a page")
    return found


def probe_files(
    client: Client, page: Page, scope: Scope, max_files: int, on_progress: Callable[[], None] = lambda: None
) -> tuple[list[FileProbe], list[PageReference]]:
    """Probe at most `max_files` files. Returns the probes and all other references, in scope or not.

    `on_progress` is called after each file. Files of stylesheets come after those of the page.
    """
    found = {each.url: each for each in page.references}
    probes: dict[str, FileProbe] = {}
    pool = ThreadPoolExecutor(MAX_CONCURRENT_REQUESTS)
    try:
        while batch := _select_batch(list(found.values()), probes, scope, max_files):
            futures = [pool.submit(_probe_file, client, each, page.url) for each in batch]
            for future in as_completed(futures):
                probes[future.result().url] = future.result()
                on_progress()
            for each in batch:
                for further in probes[each.url].stylesheet_references:
                    found.setdefault(further.url, further)
    finally:
        pool.shutdown(cancel_futures=True)
    ordered = [probes[url] for url in found if url in probes]
    return ordered, [each for url, each in found.items() if url not in probes]


def probe_missing_names(client: Client, scope: Scope) -> list[NotFoundProbe]:
    """Request a name that no release ever had, below each prefix of the scope."""
    return [
        _probe_missing_name(client, f"{prefix}static-host-verify.{secrets.token_hex(6)}.css")
        for prefix in scope.prefixes
    ]


def _select_batch(
    found: Sequence[PageReference], probed: dict[str, FileProbe], scope: Scope, max_files: int
) -> list[PageReference]:
    return [each for each in found if each.url not in probed and scope.has_url(each.url)][: max_files - len(probed)]


def _find_stylesheet_references(probe: FileProbe) -> list[PageReference]:
    if not probe.is_available or probe.browser_response.media_type != "text/css":
        return []
    return parse_stylesheet(_decode_text(probe.first["identity"]), probe.url)


def _decode_text(response: ReceivedResponse) -> str:
    charset = re.search(r"charset\s*=\s*\"?([A-Za-z0-9._-]+)", response.headers.get("content-type", ""))
    try:
        return (response.decoded_body or b"").decode(charset[1] if charset else "utf-8", "replace")
    except LookupError:  # an unknown charset
        return (response.decoded_body or b"").decode("utf-8", "replace")


def _probe_file(client: Client, reference: PageReference, page: str) -> FileProbe:
    probe = FileProbe(reference, page)
    try:
        _fetch_in_codings(client, probe)
        if probe.is_available:
            _fetch_part_and_revalidation(client, probe)
            _fetch_with_dictionaries(client, probe)
    except NoResponseError as error:
        probe.failure = str(error)
    probe.stylesheet_references = _find_stylesheet_references(probe)
    probe.drop_bodies()
    return probe


def _fetch_in_codings(client: Client, probe: FileProbe) -> None:
    url, first, again = probe.url, probe.first, probe.second
    first["browser"] = client.fetch(url, accept_encoding=BROWSER_ACCEPT_ENCODING)
    if first["browser"].status != 200:
        return
    first["identity"] = client.fetch(url, accept_encoding="identity")
    probe.is_compressible = _is_compressible(first)
    names = list(ACCEPT_ENCODINGS) if probe.is_compressible else list(first)
    for name in names:
        if name not in first:
            first[name] = client.fetch(url, accept_encoding=ACCEPT_ENCODINGS[name])
    for name in names:
        again[name] = client.fetch(url, accept_encoding=ACCEPT_ENCODINGS[name], origin=parse_origin(probe.page_url))
    if (
        cdn.parse_cache_state(again["browser"]) == cdn.MISS
    ):  # a CDN is many machines: the second one may not have had it
        again["browser"] = client.fetch(
            url, accept_encoding=BROWSER_ACCEPT_ENCODING, origin=parse_origin(probe.page_url)
        )


def _is_compressible(responses: dict[str, ReceivedResponse]) -> bool:
    """Whether a response has a coding, or the plain bytes are compressible."""
    if _COMPRESSED_MEDIA_TYPES.match(responses["browser"].media_type):
        return False
    if any(response.coding != "identity" for response in responses.values()):
        return True
    plain = responses["identity"].decoded_body
    if not plain:
        return False
    smaller = len(zlib.compress(plain))
    return smaller < _MAX_COMPRESSION_RATIO * len(plain) and len(plain) - smaller >= _MIN_SAVED_BYTES


def _fetch_part_and_revalidation(client: Client, probe: FileProbe) -> None:
    origin = parse_origin(probe.page_url)
    if probe.browser_response.etag:
        probe.revalidation = client.fetch(
            probe.url, accept_encoding=BROWSER_ACCEPT_ENCODING, if_none_match=probe.browser_response.etag, origin=origin
        )
    if probe.first["identity"].size:
        probe.partial_response = client.fetch(probe.url, accept_encoding="identity", range="bytes=0-0", origin=origin)


def _fetch_with_dictionaries(client: Client, probe: FileProbe) -> None:
    """Request the file with itself as dictionary (RFC 9842 §2.2), and with an unknown dictionary."""
    plain = probe.first["identity"].decoded_body
    if plain is None or "use-as-dictionary" not in probe.browser_response.headers:
        return
    hashes = (sha256(plain).digest(), secrets.token_bytes(32))
    probe.deltas = tuple(
        client.fetch(
            probe.url,
            accept_encoding=f"{BROWSER_ACCEPT_ENCODING}, dcb, dcz",
            available_dictionary=f":{b64encode(each).decode()}:",
        )
        for each in hashes
    )


def _probe_missing_name(client: Client, url: str) -> NotFoundProbe:
    responses: list[ReceivedResponse] = []
    try:
        responses += [client.fetch(url, accept_encoding=BROWSER_ACCEPT_ENCODING) for _ in range(2)]
        if not cdn.parse_cache_state(responses[-1]):
            time.sleep(1.2)  # Age counts whole seconds, and has to become 1 if no other field tells a hit
            responses.append(client.fetch(url, accept_encoding=BROWSER_ACCEPT_ENCODING))
    except NoResponseError as error:
        return NotFoundProbe(url, tuple(responses), str(error))
    return NotFoundProbe(url, tuple(responses))
