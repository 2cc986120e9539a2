"""Fixtures: a browser, and the two ways to host a project."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.real.hosts import Hosting, in_a_container, in_a_process

CHROMIUM = shutil.which("chromium")

collect_ignore = ["packages"]
"""Packages that are built; their own tests are their own affair."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM and "CI" not in os.environ:
        pytest.skip("no chromium on this machine")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session", params=["process", "image"])
def hosted(request: pytest.FixtureRequest) -> Hosting:
    """Hosts a project, in a process or in a container."""
    if request.param == "process":
        return partial(in_a_process, request.getfixturevalue("cache"))
    return partial(in_a_container, request.getfixturevalue("image"))
