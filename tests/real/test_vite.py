"""A front end that Vite builds: its chunks import one another by Vite's own names, and run in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.real.hosts import Hosting, Served
from tests.real.pages import check_file, check_page, watched
from tests.real.vite_builds import NEEDS_NODE, VITE, build_front_end

pytestmark = [pytest.mark.timeout(600), NEEDS_NODE]

PATHS = pytest.mark.parametrize("path", ["/", "/storage/"])
"""Vite's names from its own manifest, and through Django's storage."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, its front end built by Vite."""
    project = tmp_path_factory.mktemp("vite") / "project"
    build_front_end(VITE, project)
    return project


@pytest.fixture(scope="module")
def site(project: Path, hosted: Hosting) -> Iterator[Served]:
    with hosted(project, "mysite.settings") as host, host.served() as site:
        yield site


def loaded(window: Page, address: str) -> None:
    """Open the page and wait until all its modules have run."""
    window.goto(address)
    window.get_by_text("what was loaded later runs").wait_for()
    window.wait_for_load_state("networkidle")


def test_vite_s_outputs_are_immutable_by_their_own_names(project: Path, site: Served) -> None:
    _, client = site
    parts = json.loads((project / "dist/.vite/manifest.json").read_text()).values()
    outputs = {name for part in parts for name in (part["file"], *part.get("css", ()))}
    assert len(outputs) == 7, "two entries, a shared chunk, one that is loaded later, two stylesheets, a picture"
    assert {name: wrong for name in outputs if (wrong := check_file(client, f"/static/{name}"))} == {}
    assert client.get("/static/.vite/manifest.json").status_code == 404


@PATHS
def test_its_modules_run(site: Served, browser: Browser, path: str) -> None:
    url, client = site
    page = check_page(client, path, least=3)
    assert not re.search(r"\.[0-9a-f]{12}\.", page.text), "a second fingerprint"
    with watched(browser) as window:
        loaded(window, url + path)
        assert window.inner_text("#shop") == "the shop runs"
        assert window.inner_text("#basket") == "the basket runs"
        colours = "['body', '#later'].map(name => getComputedStyle(document.querySelector(name)).color)"
        assert window.evaluate(colours) == ["rgb(1, 2, 3)", "rgb(4, 5, 6)"]
        assert window.evaluate("document.getElementById('picture').naturalWidth") == 64


@PATHS
def test_a_shared_module_runs_once(site: Served, browser: Browser, path: str) -> None:
    with watched(browser) as window:
        loaded(window, site[0] + path)
        assert window.evaluate("globalThis.evaluated") == 1
