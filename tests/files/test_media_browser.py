"""Uploads in a real browser: what a visitor uploaded is shown, or saved, and never runs as the site."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Page
from playwright.sync_api import Error as PlaywrightError

from tests.support.builds import append_settings
from tests.support.media import write
from tests.support.processes import Running, run_server
from tests.support.projects import SETTINGS, copy_project

PAGE = """<!doctype html><title>page</title><link rel=icon href=data:,>
<link rel=stylesheet href=/media/x.css><p id=text>text</p>
<img id=svg src=/media/x.svg>
<script src=/media/x.js></script><script type=module src=/media/x.mjs></script>
<iframe src=/media/x.html></iframe><iframe src=/media/x.xml></iframe><iframe src=/media/x.svg></iframe>
<object data=/media/x.svg></object><embed src=/media/x.xhtml>
<script>
const failed = [];
for (const name of ["x.js", "x.html", "x.svg"]) {
  const worker = new Worker("/media/" + name);
  worker.onerror = () => failed.push(name);
}
navigator.serviceWorker.register("/media/x.js").catch(() => failed.push("service worker"));
</script>"""
MARK = b"top.hasRun = true; self.hasRun = true; fetch('/ran')"
HTML = b"<!doctype html><script>" + MARK + b"</script>"
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><style>rect { fill: red }</style>'
    b'<rect width="40" height="30"/><script>' + MARK + b"</script></svg>"
)
XHTML = b'<html xmlns="http://www.w3.org/1999/xhtml"><head><script>' + MARK + b"</script></head></html>"


class Site(NamedTuple):
    """A server, and whether it has DJANGO_MEDIA_INLINE."""

    server: Running
    url: str
    is_inline: bool


@pytest.fixture(scope="module", params=["false", "true"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, plain: Path) -> Iterator[Site]:
    """A site with uploads; with DJANGO_MEDIA_INLINE, too, for the test of the test."""
    project = copy_project("plain", tmp_path_factory.mktemp("browser"))
    shutil.copytree(plain / "staticfiles", project / "staticfiles")
    (project / "mysite/uploads.py").write_text(
        "from django.http import HttpResponse\nfrom django.urls import path\n"
        f"urlpatterns = [path('', lambda request: HttpResponse({PAGE!r}))]\n"
    )
    append_settings(project, 'MEDIA_ROOT = BASE_DIR / "media"\nMEDIA_URL = "media/"\nROOT_URLCONF = "mysite.uploads"')
    for name in ("x.js", "x.mjs"):
        write(project / "media", name, MARK)
    for name in ("x.html", "x.svg", "x.xml", "x.xhtml"):
        write(project / "media", name, {"x.html": HTML, "x.svg": SVG}.get(name, XHTML))
    write(project / "media", "x.css", b"#text { color: red }")
    variables = {**SETTINGS, "DJANGO_PYTHON": sys.executable, "DJANGO_SERVE_MEDIA": "true"}
    with run_server(cwd=project, DJANGO_MEDIA_INLINE=request.param, **variables) as running:
        yield Site(running, running.url.replace("127.0.0.1", "localhost"), request.param == "true")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_nothing_that_a_page_refers_to_runs_or_is_applied(site: Site, page: Page) -> None:
    page.goto(site.url, wait_until="load")
    assert page.evaluate("document.getElementById('svg').naturalWidth") == 40
    assert page.evaluate("top.hasRun === true") is site.is_inline
    color = page.evaluate("getComputedStyle(document.getElementById('text')).color")
    assert color == ("rgb(255, 0, 0)" if site.is_inline else "rgb(0, 0, 0)")
    if not site.is_inline:
        page.wait_for_function("failed.length == 4")
        assert "GET /ran " not in site.server.output


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.xml", "x.xhtml", "x.js", "x.mjs", "x.css"])
def test_what_is_visited_is_saved_and_not_shown(site: Site, page: Page, name: str) -> None:
    if site.is_inline:
        pytest.skip("it is shown then")
    with page.expect_download() as saved, pytest.raises(PlaywrightError, match="Download is starting"):
        page.goto(f"{site.url}/media/{name}")
    assert saved.value.suggested_filename.startswith("x.")
    assert "GET /ran " not in site.server.output


def test_an_svg_image_has_its_own_styles(site: Site, page: Page) -> None:
    page.goto(site.url, wait_until="load")
    pixel = page.evaluate(
        "(() => { const c = document.createElement('canvas').getContext('2d');"
        "c.drawImage(document.getElementById('svg'), 0, 0); return [...c.getImageData(5, 5, 1, 1).data] })()"
    )
    assert pixel == [255, 0, 0, 255]
