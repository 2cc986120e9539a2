"""What ``static-host build`` tells of its work: the bar, the table, ``--json`` and ``--report``, as people see them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import random
import re
import shutil
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from static_host_build.report.build_report import format_size
from tests.support.processes import SCRIPTS, make_environment, run
from tests.support.projects import copy_project

SUFFIXES = {"identity": "", "br": ".br", "zstd": ".zst", "gzip": ".gz"}
NASTY = "</script><img src=x onerror=alert(1)>\"'&amp;.txt"

Build = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of "plain", not built."""
    return copy_project("plain", tmp_path)


@pytest.fixture
def build(project: Path) -> Build:
    """Builds the project with the given options, and a cache of its own."""

    def call(*options: str) -> subprocess.CompletedProcess[str]:
        return run("static-host", "build", *options, cwd=project, **variables(project))

    return call


def variables(project: Path) -> dict[str, str]:
    return {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(project / "cache")}


def table(output: str) -> dict[str, list[str]]:
    """Return the rows by media type: each a list of the other cells."""
    rows = [re.split(r" {2,}", line.strip()) for line in output.splitlines() if line.startswith("  ")]
    return {first: cells for first, *cells in rows}


def weighed(tree: Path) -> dict[str, int]:
    """Return the length by SHA-256 of every file that is no sibling, no manifest and no index."""
    names = [path for path in tree.rglob("*") if path.suffix not in (".br", ".zst", ".gz", ".index")]
    bodies = [path.read_bytes() for path in names if path.is_file() and path.name != "staticfiles.json"]
    return {sha256(body).hexdigest(): len(body) for body in bodies}


def on_terminal(project: Path, columns: int = 80) -> tuple[str, str]:
    """Build with standard error on a terminal; return standard output, and what the terminal was sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [SCRIPTS / "static-host", "build"],
        cwd=project,
        env=make_environment(variables(project)),
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    sent = b""
    with suppress(OSError):  # Linux's way to say that the other end is closed
        while chunk := os.read(ours, 4096):
            sent += chunk
    os.close(ours)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, sent.decode()
    return output.decode(), sent.decode()


def test_the_table_has_a_row_for_each_media_type_and_one_for_all(build: Build) -> None:
    result = build()
    lines = result.stdout.splitlines()
    rows = table(result.stdout)
    assert lines[2] == "static-host: 10 distinct contents behind 16 names, each counted once"
    assert rows.pop("media type") == ["files", "bytes", "br", "zstd", "gzip", "saved", "time", "from cache"]
    assert {name: cells[:2] for name, cells in rows.items()} == {
        "text/css": ["2", "9.9 kB"],
        "text/javascript": ["3", "387 B"],
        "image/png": ["1", "70 B"],
        "text/plain": ["4", "49 B"],
        "all": ["10", "10.4 kB"],
    }
    assert list(rows) == ["text/css", "text/javascript", "image/png", "text/plain", "all"]  # the heaviest first
    assert rows["image/png"][2:] == ["\N{EN DASH}"] * 6
    assert rows["text/javascript"][2:6] == ["\N{EN DASH}"] * 4  # too short to gain by encoding
    assert re.fullmatch(r"9\d %", rows["text/css"][5])
    assert re.fullmatch(r"\d+\.\d\d s", rows["text/css"][6])
    assert [rows[name][7] for name in ("text/css", "text/javascript", "text/plain", "all")] == ["0", "0", "0", "0"]
    assert len({len(line) for line in lines[3:]}) == 1  # aligned
    again = table(build().stdout)
    assert [again[name][7] for name in ("text/css", "text/javascript", "text/plain", "all")] == ["2", "3", "4", "9"]


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (47_595, "47.6 kB"),
        (99_949, "99.9 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_501, "1.0 MB"),
        (1_557_453, "1.6 MB"),
        (3_000_000_000, "3.0 GB"),
    ],
)
def test_sizes_are_in_decimal_units(length: int, shown: str) -> None:
    assert format_size(length) == shown


def test_a_terminal_gets_a_bar_with_bytes(project: Path) -> None:
    for number in range(3):  # enough work for an estimate, which comes after a second
        (project / f"mysite/static/{number}.txt").write_text(random.Random(number).randbytes(500_000).hex())
    output, sent = on_terminal(project)
    frames = [frame.removeprefix("\x1b[?25l") for frame in sent.split("\r")]
    assert re.match(r"static-host: encoding  \[-+\]    0%  0 B of 3\.0 MB", frames[1])
    assert re.match(r"static-host: encoding  \[#+\]  100%  3\.0 MB of 3\.0 MB", frames[-2])
    assert any(re.search(r"%  \d\d:\d\d:\d\d", frame) for frame in frames)  # the time left
    assert all(len(frame.partition("\x1b")[0].rstrip()) <= 80 for frame in frames)
    assert output.startswith("static-host: 22 static resources in ")
    assert "encoding  [" not in output


def test_the_json_document_is_all_that_standard_output_gets(build: Build, project: Path) -> None:
    settings = project / "mysite/settings.py"
    settings.write_text(settings.read_text() + "\nprint('a chatty project')\n")
    result = build("--json")
    document = json.loads(result.stdout)
    assert "a chatty project" in result.stderr
    weight = ["files", "names", "identity", "wire", "codings", "seconds", "tried", "from_cache"]
    after = ["releases", "dropped", "deltas"]
    assert list(document) == ["release", "root", "changed", "seconds", "totals", "media_types", "contents", *after]
    assert list(document["totals"]) == weight
    assert list(document["totals"]["codings"]) == ["br", "zstd", "gzip"]
    assert {tuple(each) for each in document["media_types"]} == {("media_type", *weight)}
    facts = ("names", "media_type", "lengths", "wire", "tried", "seconds", "from_cache")
    assert {tuple(each) for each in document["contents"]} == {facts}
    assert document["release"] == (project / "staticfiles").resolve().name
    assert document["root"] == str(project / "staticfiles")
    assert (document["changed"], json.loads(build("--json").stdout)["changed"]) == (True, False)


def test_the_document_is_described_in_the_help(project: Path) -> None:
    lines = run("static-host", "build", "--help", cwd=project).stdout.splitlines()
    assert "      release, root      the tree" in lines  # not wrapped into a paragraph


def test_the_figures_are_those_of_the_files(build: Build, project: Path) -> None:
    (project / "mysite/static/long.txt").write_text("a" * 50_000)  # many bytes, few of them over the wire
    document = json.loads(build("--json").stdout)
    tree = project / "staticfiles"
    for content in document["contents"]:
        for name in content["names"]:
            on_disk = {coding: tree / (name + suffix) for coding, suffix in SUFFIXES.items()}
            lengths = {coding: path.stat().st_size for coding, path in on_disk.items() if path.exists()}
            assert content["lengths"] == lengths
        assert content["wire"] == min(content["lengths"].values())
    wires = [content["wire"] for content in document["contents"]]
    assert wires == sorted(wires, reverse=True)
    distinct = weighed(tree)
    totals = document["totals"]
    assert (totals["files"], totals["names"]) == (len(distinct), 18)
    assert (totals["identity"], totals["wire"]) == (sum(distinct.values()), sum(wires))
    every = [content["lengths"] for content in document["contents"]]
    for coding in ("br", "zstd", "gzip"):
        assert totals["codings"][coding] == sum(each.get(coding, each["identity"]) for each in every)
    assert document["media_types"][0]["media_type"] == "text/css"
    by_type = [each["wire"] for each in document["media_types"]]
    assert by_type == sorted(by_type, reverse=True)
    images = next(each for each in document["media_types"] if each["media_type"] == "image/png")
    assert images["codings"] == {"br": None, "zstd": None, "gzip": None}


def test_a_report_changes_nothing_in_the_tree(build: Build, project: Path) -> None:
    build()
    release = (project / "staticfiles").resolve()
    shutil.rmtree(project / "cache")  # other timings
    result = build("--report", "report.html", "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["changed"], document["release"]) == (False, release.name)
    assert (project / "staticfiles").resolve() == release


@pytest.mark.parametrize(
    ("name", "reason"), [("no/such/folder.html", "No such file or directory"), ("mysite", "Is a directory")]
)
def test_a_report_that_cannot_be_written_stops_the_build_before_it_begins(
    build: Build, project: Path, name: str, reason: str
) -> None:
    result = build("--report", name)
    assert result.returncode == 2
    assert result.stderr == f"static-host: --report {name}: {reason}. Name a file that can be written.\n"
    assert result.stdout == ""
    assert not (project / "staticfiles").exists()


def test_a_report_that_can_no_longer_be_written_leaves_the_new_tree(build: Build, project: Path) -> None:
    (project / "pages").mkdir()
    settings = project / "mysite/settings.py"
    settings.write_text(settings.read_text() + "\nimport shutil; shutil.rmtree('pages', ignore_errors=True)\n")
    result = build("--report", "pages/report.html")
    assert result.returncode == 5
    assert result.stderr == (
        "static-host: --report pages/report.html: No such file or directory. "
        "The tree is built; only this page is missing.\n"
    )
    assert (project / "staticfiles/digits.txt").read_text() == "0123456789"


def test_a_build_that_fails_leaves_no_empty_page_and_keeps_an_older_one(build: Build, project: Path) -> None:
    (project / "older.html").write_text("older")
    (project / "mysite/static/main.js").write_text('import "./missing.js";')
    (project / "staticfiles").write_text("in the way")
    assert build("--report", "new.html").returncode == 5
    assert build("--report", "older.html").returncode == 5
    assert not (project / "new.html").exists()
    assert (project / "older.html").read_text() == "older"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a project with a file of a nasty name, and with more files than the page shows at first."""
    project = copy_project("plain", tmp_path_factory.mktemp("report"))
    nasty = project / "mysite/static" / NASTY
    nasty.parent.mkdir()
    nasty.write_text("<" * 400)
    for number in range(200):
        (project / f"mysite/static/{number}.txt").write_text(f"{number}" * number)
    result = run("static-host", "build", "--report", "report.html", cwd=project, **variables(project))
    assert result.returncode == 0, result.stderr
    return project / "report.html"


@pytest.fixture
def page(report: Path, browser: Browser) -> Iterator[Page]:
    """The page, open; at the end of the test it has not complained, and has asked for nothing but itself."""
    context = browser.new_context()
    page = context.new_page()
    told: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("dialog", lambda dialog: told.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    yield page
    context.close()
    assert (told, asked) == ([], [report.as_uri()])


def column(page: Page, table: str, number: int) -> list[str]:
    """Return the texts of one column of a table's body, the first being 1."""
    texts = page.locator(f"{table} tbody tr > :nth-child({number})").all_text_contents()
    return [text.strip() for text in texts]


def test_the_heaviest_files_come_first_and_a_click_sorts(page: Page) -> None:
    wire = [int(text.replace(",", "")) for text in column(page, "#files", 7)]
    assert wire == sorted(wire, reverse=True)
    heads = page.locator("#files thead th")
    assert heads.nth(6).get_attribute("aria-sort") == "descending"
    assert page.locator("#files [aria-sort]").count() == 1
    heads.nth(0).get_by_role("button", name="File").click()
    assert heads.nth(0).get_attribute("aria-sort") == "ascending"
    assert heads.nth(6).get_attribute("aria-sort") is None
    assert column(page, "#files", 1)[:2] == [f"{NASTY}+1 name".replace("+", " +"), "0.txt +3 names"]
    heads.nth(2).get_by_role("button", name="Bytes").click()
    assert column(page, "#files", 3)[0] == "4,942"
    heads.nth(2).get_by_role("button", name="Bytes").press("Enter")
    assert heads.nth(2).get_attribute("aria-sort") == "ascending"
    assert column(page, "#files", 3)[:2] == ["0", "1"]


def test_what_has_no_value_comes_last_either_way(page: Page) -> None:
    button = page.locator("#types thead th").nth(3).get_by_role("button", name="br")
    for _ in range(2):
        button.click()
        assert [text.isdigit() or "," in text for text in column(page, "#types", 4)] == [True, True, False, False]


def test_all_rows_come_when_they_are_asked_for(page: Page) -> None:
    assert page.locator("#files tbody tr").count() == 200
    page.get_by_role("button", name="Show all 210").click()
    assert page.locator("#files tbody tr").count() == 210
    assert page.locator("#more").is_hidden()


def test_names_are_text(page: Page) -> None:
    assert page.locator("img").count() == 0
    assert any(NASTY in text for text in column(page, "#files", 1))


def test_a_tile_is_as_large_as_what_it_weighs(page: Page) -> None:
    areas: dict[str, Any] = page.evaluate(
        """Object.fromEntries([...document.querySelectorAll(".tile")].map((tile) => {
            const box = tile.getBoundingClientRect();
            return [tile.getAttribute("aria-label").split(",")[0], box.width * box.height];
        }))"""
    )
    plain = next(area for name, area in areas.items() if name == "site.css")
    hashed = next(area for name, area in areas.items() if name.startswith("site.e8e374d844cc"))
    document = json.loads(page.locator("#document").text_content() or "")
    wire = {name: content["wire"] for content in document["contents"] for name in content["names"]}
    assert plain / hashed == pytest.approx(wire["site.css"] / wire["site.e8e374d844cc.css"], rel=0.01)
    boxes = page.evaluate("[...document.querySelectorAll('#map > *')].map(e => e.getBoundingClientRect().toJSON())")
    frame = page.evaluate("document.querySelector('#map').getBoundingClientRect().toJSON()")
    assert all(frame["left"] - 1 <= box["left"] and box["right"] <= frame["right"] + 1 for box in boxes)
    assert all(frame["top"] - 1 <= box["top"] and box["bottom"] <= frame["bottom"] + 1 for box in boxes)
    tiles = [box for box in boxes if box["height"] != 22]
    assert not any(overlap(one, other) for i, one in enumerate(tiles) for other in tiles[:i])


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    across = min(one["right"], other["right"]) - max(one["left"], other["left"])
    down = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
    return across > 0.1 and down > 0.1


def test_the_map_can_be_walked_with_the_keyboard_and_leads_to_the_row(page: Page) -> None:
    assert page.locator(".tile[tabindex='0']").count() == 1  # one stop for the Tab key
    page.locator(".tile[tabindex='0']").focus()
    first = page.locator("#readout").inner_text()
    page.keyboard.press("ArrowRight")
    second = page.locator("#readout").inner_text()
    assert first != second
    name = page.locator("#readout b").inner_text()
    page.keyboard.press("Enter")
    assert page.locator(".picked th").inner_text().startswith(name)
    page.set_viewport_size({"width": 700, "height": 800})  # drawn anew, the focus stays
    page.wait_for_function("document.querySelector('#map').scrollWidth <= 700")
    assert page.evaluate("document.activeElement.className").startswith("tile")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1080, 1081, 1280])
def test_nothing_overflows(report: Path, browser: Browser, scheme: str, width: int) -> None:
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    channels = [float(number) for number in re.findall(r"[\d.]+", colour)][:3]
    assert (sum(channels) < 300) == (scheme == "dark"), colour
    context.close()


def test_releases_that_were_carried_or_dropped_are_on_the_page(
    build: Build, project: Path, report: Path, browser: Browser
) -> None:
    for number in range(3):
        (project / "mysite/static/number.txt").write_text(f"{number}" * 500)
        (project / "mysite/static/digits.txt").write_text(f"{number}")
        result = run(
            *("static-host", "build", "--previous", "staticfiles", "--report", "report.html", "--json"),
            cwd=project,
            **variables(project),
            DJANGO_STATIC_KEEP_RELEASES="1",
            DJANGO_STATIC_PREVIOUS_PROBLEMS="warn",
            SOURCE_DATE_EPOCH=str(1_780_000_000 + 60 * number),
        )
        assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    digests = [each["release"] for each in (*document["releases"], *document["dropped"])]
    bytes_alone = [each["bytes_alone"] for each in document["releases"]] + [document["dropped"][0]["bytes"]]
    page = browser.new_page()
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto((project / "report.html").as_uri())
    rows = [row.inner_text().split("\t") for row in page.locator("#releases tbody tr").all()]
    assert [row[:3] for row in rows] == [
        [digests[0], "built", "2026-05-28 20:28Z"],
        [digests[1], "carried from staticfiles", "2026-05-28 20:27Z"],
        [digests[2], "dropped: DJANGO_STATIC_KEEP_RELEASES is 1", "2026-05-28 20:26Z"],
    ]
    assert [row[5] for row in rows] == ["18", "2", "2"]
    assert [row[6] for row in rows] == [f"{length:,}" for length in bytes_alone]
    for width in (360, 1080, 1281):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(report.as_uri())
    assert not page.locator("#history").is_visible()  # of one release there is nothing to tell
    page.close()


def test_without_javascript_it_says_where_the_figures_are(report: Path, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert "static-host build --json" in page.inner_text("main")
    context.close()
