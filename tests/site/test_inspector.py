"""The bundled site in a real browser: the delivery inspector."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import brotli
import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.support.processes import SCRIPTS, Running, run, run_server

SOURCE = Path(__file__).parents[2] / "app/static_host_site/static"
COMMANDS = "cd mysite\nstatic-host build\nPORT=8001 static-host serve"
DAY_SECONDS = 24 * 60 * 60
FILES = ["inspector.css", "main.js", "timing.js", "panel.js", "journey.svg", "bytes.png", "instrument-sans.woff2"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Running]:
    """The bundled site, built and served from an empty directory."""
    directory = tmp_path_factory.mktemp("site")
    built = run("static-host", "build", cwd=directory, DJANGO_STATIC_CACHE=str(cache))
    assert built.returncode == 0, built.stderr
    with run_server(cwd=directory) as running:
        yield running


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Running]:
    """The bundled site after three builds with other scripts. The first one's time is unknown, as from an address."""
    directory = tmp_path_factory.mktemp("deployed")
    folder = directory / "static/inspector"
    folder.mkdir(parents=True)
    (directory / "changed.py").write_text(
        "from static_host_site.settings import *\nSTATICFILES_DIRS = ['static']\nSTATIC_ROOT = 'staticfiles'\n"
    )
    now = int(time.time())
    times = {1: now - 5 * DAY_SECONDS, 2: now - 3 * DAY_SECONDS - 60, 3: now - DAY_SECONDS // 2 - 60}
    for number, epoch in times.items():
        for name in ("panel.js", "timing.js"):
            text = (SOURCE / "inspector" / name).read_text()
            (folder / name).write_text(f"{text}\n/* release {number} */\n")
        built = run(
            *("static-host", "build", "--previous", "staticfiles" if number > 1 else "nothing"),
            cwd=directory,
            DJANGO_SETTINGS_MODULE="changed",
            DJANGO_STATIC_CACHE=str(cache),
            DJANGO_STATIC_PREVIOUS_PROBLEMS="warn",
            SOURCE_DATE_EPOCH=str(epoch),
        )
        assert built.returncode == 0, built.stderr
    index = directory / "staticfiles/static-host.index"
    index.write_bytes(index.read_bytes().replace(f", {times[1]},".encode(), b", null,", 1))
    with run_server(cwd=directory, DJANGO_SETTINGS_MODULE="changed") as running:
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


def test_without_javascript_it_is_complete(site: Running, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.url)
    assert page.inner_text("#commands") == COMMANDS
    assert re.search(r"Its dictionary is page-dictionary\.[0-9a-f]{12}\.txt, the text", squeeze(page, "#page"))
    assert "This page itself" in page.inner_text("#page")
    assert page.locator("#page-readings, #anew, #copy").filter(visible=True).count() == 0
    assert re.search(r"text/css 21 [\d,]+ [\d,]+ font/woff2 1 30,092 30,092 ", squeeze(page, "#map"))
    releases = squeeze(page, "#releases tbody")
    assert re.fullmatch(r"[0-9a-f]{16} newest (just now|\d+ minutes? ago) \d+ — —", releases), releases
    context.close()


def test_the_page_shows_its_own_coding_and_dictionary(site: Running, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    with page.expect_event("requestfinished", lambda request: "page-dictionary" in request.url):
        page.goto(site.url)
    seen = [describe_page(page)]
    page.reload()
    seen.append(describe_page(page))
    page.click("#anew")
    page.wait_for_url("**/?*")
    seen.append(describe_page(page))
    (first, first_text), (again, again_text), (anew, anew_text) = seen
    assert re.fullmatch(
        r"Coding zstd On the wire [5-9],\d{3} bytes Uncompressed \d+,\d{3} bytes Dictionary not used", first
    )
    assert first_text == (
        "The browser used no dictionary. Once the browser has the dictionary, "
        "“Open it anew” brings the difference alone."
    )
    assert re.fullmatch(r"Coding zstd On the wire 0 bytes Uncompressed \S+ bytes Dictionary not needed", again)
    assert again_text == (
        "Not sent: Django answered 304, so this is the browser\N{RIGHT SINGLE QUOTATION MARK}s copy, "
        "which came with the coding zstd."
    )
    assert re.fullmatch(r"Coding dcz On the wire [12],\d{3} bytes Uncompressed \S+ bytes Dictionary used", anew)
    assert anew_text == "The browser had the dictionary, so only the difference to it was sent."
    assert page.locator("#deltas").is_hidden()  # it sums up files
    context.close()


def test_a_browser_that_reports_no_coding_asks_the_server(site: Running, browser: Browser) -> None:
    context = browser.new_context()
    context.add_init_script("delete PerformanceResourceTiming.prototype.contentEncoding")
    page = context.new_page()
    page.goto(site.url)
    assert describe_page(page)[0].startswith("Coding zstd On the wire ")
    assert " zstd network " in rows(page)["this"]
    context.close()


def describe_page(page: Page) -> tuple[str, str]:
    """Return the readings of the page itself, and the sentence below them."""
    page.locator("#page-readings").wait_for()
    return squeeze(page, "#page-readings"), page.inner_text("#page-summary")


def squeeze(page: Page, selector: str) -> str:
    """Return a part of the page as text in one line."""
    return re.sub(r"\s+", " ", page.inner_text(selector)).strip()


def test_releases_are_shown_with_their_age(deployed: Running, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(deployed.url)
    text = squeeze(page, "#releases tbody")
    digest, number = "[0-9a-f]{16}", r"\d[\d,]*"
    assert re.fullmatch(
        f"{digest} newest 12 hours ago {number} — — "
        f"{digest} 3 days ago {number} 4 {number} {digest} time unknown {number} 4 {number}",
        text,
    ), text
    times = page.locator("#releases time")
    shown = [times.nth(number).get_attribute("datetime") or "" for number in range(times.count())]
    assert [bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", each)) for each in shown] == [True, True]
    assert re.fullmatch(
        r"Browsers that have an earlier release get only the change: "
        r"6 differences \(dcz\), \d{3} bytes in place of \d{1,2},\d{3}\.",
        squeeze(page, "#changes"),
    )
    page.close()


def test_the_commands_can_be_copied(site: Running, browser: Browser) -> None:
    context = browser.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_viewport_size({"width": 360, "height": 640})
    page.goto(site.url)
    assert page.locator("#commands").bounding_box()["y"] < 500  # type: ignore[index]
    page.click("#copy")
    page.locator("#copied").filter(has_text="Copied").wait_for(state="attached")
    assert page.evaluate("navigator.clipboard.readText()") == COMMANDS
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.click("#copy")
    page.locator("#copied").filter(has_text="Selected").wait_for(state="attached")
    assert page.evaluate("getSelection().toString()") == COMMANDS
    context.close()


def test_the_commands_serve_a_project(tmp_path: Path, cache: Path) -> None:
    assert run("django-admin", "startproject", "mysite", cwd=tmp_path).returncode == 0
    script = COMMANDS.replace("8001", "0")
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    shell = shutil.which("sh") or "sh"
    with run_server(shell, "-ec", script, cwd=tmp_path, PATH=path, DJANGO_STATIC_CACHE=str(cache)) as running:
        assert httpx.get(f"{running.url}/admin/login/").status_code == 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("which", ["site", "deployed"])
def test_nothing_overflows(
    request: pytest.FixtureRequest, browser: Browser, which: str, scheme: str, width: int
) -> None:
    site: Running = request.getfixturevalue(which)
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
    body = (SOURCE / "inspector/instrument-sans.LICENSE.txt").read_bytes()
    assert f"{len(body):,} as written, {len(brotli.compress(body, quality=11)):,} after brotli" in caption
