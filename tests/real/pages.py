"""The page check: a page, and every static file that it names, as a browser that takes br gets them.

Rule: every URL below the static URL in the page's markup answers 200 and immutable, and a text of some length comes
as br.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin

import httpx
from playwright.sync_api import Browser, Page

IMMUTABLE = "public, max-age=31536000, immutable"
TEXT = re.compile(r"text/|application/(javascript|json|manifest\+json)|image/svg\+xml")
SHORT = 400
"""A text below this length may gain nothing from compression; from it on, these projects' texts all do."""


class _Links(HTMLParser):
    """Every ``href`` and ``src`` of a page, as written."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in {"href", "src"} and value]


def static_urls(page: httpx.Response, static_url: str = "/static/") -> list[str]:
    """Return the addresses below the static URL that the page's markup names, absolute, each once."""
    links = _Links()
    links.feed(page.text)
    below = urljoin(str(page.url), static_url)
    addresses = {urldefrag(urljoin(str(page.url), link)).url for link in links.found}
    return sorted(address for address in addresses if address.startswith(below))


def check_page(client: httpx.Client, path: str, *, least: int) -> httpx.Response:
    """Fetch a page and every static file that it names, `least` of them at least; returns the page."""
    page = client.get(path)
    assert page.status_code == 200, f"{path}: {page.status_code} {page.text[:2000]}"
    addresses = static_urls(page)
    assert len(addresses) >= least, f"{path} names only {addresses}"
    wrong = {address: found for address in addresses if (found := check_file(client, address))}
    assert wrong == {}, path
    return page


def check_file(client: httpx.Client, address: str) -> list[str]:
    """Return what is wrong with a file's answer; the client decodes its body."""
    answer = client.get(address, headers={"accept-encoding": "br"})
    if answer.status_code != 200:
        return [f"status {answer.status_code}"]
    wrong = []
    if answer.headers["cache-control"] != IMMUTABLE:
        wrong.append(f"cache-control: {answer.headers['cache-control']}")
    coding = answer.headers.get("content-encoding")
    if coding != "br" and TEXT.match(answer.headers["content-type"]) and len(answer.content) >= SHORT:
        wrong.append(f"{answer.headers['content-type']}, {len(answer.content)} bytes, content-encoding: {coding}")
    return wrong


@contextmanager
def watched(browser: Browser) -> Iterator[Page]:
    """Give a new page of the browser; in the end it must have logged no error, and no file of it have failed.

    What other hosts do not answer (Wagtail asks Gravatar) and the icon that these projects lack are not counted.
    """
    context = browser.new_context()
    page = context.new_page()
    wrong: list[tuple[str, str]] = []
    page.on(
        "console",
        lambda said: wrong.append((said.location["url"] or page.url, said.text)) if said.type == "error" else None,
    )
    page.on("pageerror", lambda error: wrong.append((page.url, str(error))))
    page.on("response", lambda got: wrong.append((got.url, str(got.status))) if got.status >= 400 else None)
    yield page
    page_url = page.url
    context.close()
    host = "/".join(page_url.split("/")[:3])
    told = [(url, what) for url, what in wrong if url.startswith(host) and not url.endswith("/favicon.ico")]
    assert told == [], told
