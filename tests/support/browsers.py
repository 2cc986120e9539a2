"""Drives a real browser, Debian's Chromium, and records a visit.

Bytes are the browser's own count (DevTools: bytes over the network, head included).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright

CHROMIUM = shutil.which("chromium")
MAX_RESPONSE_HEAD_BYTES = 700
"""Upper limit of a response head's length."""


@contextmanager
def run_chromium() -> Iterator[Browser]:
    """Run the browser."""
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A browser's record of one visit: bytes and content coding by path, the release that ran, errors."""

    release: str = ""
    received: dict[str, float] = field(default_factory=dict)
    codings: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)


def visit(context: BrowserContext, url: str) -> Visit:
    """Open the page in a new tab, wait until everything has loaded, close the tab."""
    found, paths = Visit(), {}
    coming: set[str] = set()
    page = context.new_page()
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")

    def came(event: dict[str, Any]) -> None:
        path = re.sub(r"^https?://[^/]+", "", event["response"]["url"])
        headers = {name.lower(): value for name, value in event["response"]["headers"].items()}
        paths[event["requestId"]] = path
        coming.add(event["requestId"])
        found.codings[path] = headers.get("content-encoding", "identity")
        found.statuses[path] = headers.get("x-cache-status", "")

    def finished(event: dict[str, Any]) -> None:
        found.received[paths[event["requestId"]]] = event["encodedDataLength"]
        coming.discard(event["requestId"])

    def failed(event: dict[str, Any]) -> None:
        found.complaints.append(event["errorText"])
        coming.discard(event["requestId"])

    devtools.on("Network.loadingFailed", failed)
    devtools.on("Network.responseReceived", came)
    devtools.on("Network.loadingFinished", finished)
    page.goto(url, wait_until="load")
    while coming:
        page.wait_for_timeout(10)
    found.release = page.evaluate("() => document.documentElement.dataset.release")
    page.close()
    return found
