"""The bundled site in a real browser: the delivery inspector."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import brotli
import pytest
from playwright.sync_api import Browser, Page

from tests.support.processes import Running, run, run_server

FILES = ["inspector.css", "main.js", "timing.js", "panel.js", "journey.svg", "bytes.png", "instrument-sans.woff2"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Running]:
    """The bundled site, built and served from an empty directory."""
    directory = tmp_path_factory.mktemp("site")
    built = run("static-host", "build", cwd=directory, DJANGO_STATIC_CACHE=str(cache))
    assert built.returncode == 0, built.stderr
    with run_server(cwd=directory) as running:
        yield running


def rows(page: Page) -> dict[str, str]:
    """Return the live table's text, a row for each file, once it is complete."""
    lines = page.locator("table.travel tbody tr")
    lines.nth(len(FILES)).wait_for()  # the page itself, and each of its files
    texts = lines.all_inner_texts()
    return {re.split(r"\s", text.strip())[0].rpartition("/")[2]: re.sub(r"\s+", " ", text) for text in texts}


def test_it_shows_how_each_file_travelled_and_then_the_cache(site: Running, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(site.url)
    first = rows(page)
    for name in FILES:
        coding = "identity" if name.endswith(("png", "woff2")) else "br"
        assert re.search(rf"{re.escape(name)} .*{coding}.*network", first[name]), first
    page.reload()
    again = rows(page)
    assert [name for name in FILES if "cache" not in again[name]] == []
    assert errors == []
    context.close()


def test_the_font_is_the_one_that_was_sent(site: Running, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(site.url)
    assert page.evaluate("document.fonts.ready.then(() => [...document.fonts].some(font => font.status === 'loaded'))")
    page.close()


def test_without_javascript_it_shows_the_index_s_figures(site: Running, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.url)
    text = re.sub(r"\s+", " ", page.inner_text("main"))
    for name in FILES:
        assert name in text
    assert re.search(r"The whole tree \d+ files [\d,]+ [\d,]+ [\d,]+", text)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_overflows(site: Running, browser: Browser, scheme: str, width: int) -> None:
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(site.url)
    rows(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    channels = [float(number) for number in re.findall(r"[\d.]+", colour)][:3]
    assert (sum(channels) < 300) == (scheme == "dark"), colour
    context.close()


def test_the_picture_of_compression_tells_the_tree_s_own_figures(site: Running, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(site.url)
    caption = page.inner_text("main")
    page.close()
    licence = "app/static_host_site/static/inspector/instrument-sans.LICENSE.txt"
    body = (Path(__file__).parents[2] / licence).read_bytes()
    assert f"{len(body):,} as written, {len(brotli.compress(body, quality=11)):,} after brotli" in caption
