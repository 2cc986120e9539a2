"""A single-page application, served whole: Vite, React and react-router before an API of Django REST framework."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tests.real.hosts import Hosting
from tests.real.pages import check_file, static_urls, watched
from tests.real.vite_builds import NEEDS_NODE, build_front_end

pytestmark = [pytest.mark.timeout(600), NEEDS_NODE]

SOURCE = Path(__file__).parent / "react"
HTML = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
JSON = {"accept": "application/json"}
ANY = {"accept": "*/*"}
NOT_FOUND = b"<h1>Not Found</h1><p>The requested resource was not found on this server.</p>"


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def site(request: pytest.FixtureRequest, project: Path, hosted: Hosting) -> Iterator[httpx.Client]:
    """A client of the server, with no header fields but what a test gives."""
    variables = {
        "DJANGO_STATIC_FALLBACK": "index.html",
        "DJANGO_STATIC_EFFORT": "fast",
        "DJANGO_INTERFACE": request.param,
    }
    with hosted(project, "mysite.settings", **variables) as host, host.served() as (_, client):
        yield client


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, its front end built by Vite."""
    project = tmp_path_factory.mktemp("react") / "project"
    build_front_end(SOURCE, project)
    return project


def test_a_browser_follows_the_routes_of_the_application(site: httpx.Client, browser: Browser) -> None:
    url, failed = str(site.base_url), []
    with watched(browser) as window:
        window.on("requestfailed", lambda request: failed.append(request.url))
        window.goto(f"{url}/orders/7")
        window.get_by_text("7: tea").wait_for()
        window.evaluate("globalThis.kept = true")
        window.get_by_role("link", name="Order 8").click()
        window.get_by_text("8: milk").wait_for()
        window.get_by_role("link", name="About").click()
        window.get_by_text("About the orders").wait_for()
        assert window.evaluate("globalThis.kept"), "a route is no new page"
        window.reload()
        window.get_by_text("About the orders").wait_for()
        assert window.evaluate("globalThis.kept") is None
        style = "(style => [style.color, style.backgroundColor])(getComputedStyle(document.querySelector('h1')))"
        assert window.evaluate(style) == ["rgb(1, 2, 3)", "rgb(4, 5, 6)"]
        window.go_back()
        window.get_by_text("8: milk").wait_for()
        window.go_back()
        window.get_by_text("7: tea").wait_for()
        assert window.url == f"{url}/orders/7"
        window.goto(f"{url}/no/such/page")
        window.get_by_text("No such page").wait_for()
        window.wait_for_load_state("networkidle")
    assert failed == []


def test_the_admin_and_the_browsable_api_stay_themselves(site: httpx.Client, browser: Browser) -> None:
    with watched(browser) as window:
        window.goto(f"{site.base_url}/admin/orders/7")
        assert window.title() == "Log in | Django site admin"
        assert window.url == f"{site.base_url}/admin/login/?next=/admin/orders/7"
        window.goto(f"{site.base_url}/api/orders/7")
        assert window.get_by_role("heading", name="Orders Instance").is_visible()
        assert window.url == f"{site.base_url}/api/orders/7/"
        window.wait_for_load_state("networkidle")


def test_its_files_are_immutable_and_its_page_is_not(site: httpx.Client) -> None:
    page = site.get("/orders/7", headers=HTML)
    assert (page.status_code, page.headers["cache-control"]) == (200, "max-age=0, must-revalidate")
    assert page.headers["x-frame-options"] == "DENY"
    script, style, icon = static_urls(page)
    assert "/static/assets/index-" in script
    assert {address: wrong for address in (script, style) if (wrong := check_file(site, address))} == {}
    assert icon == f"{site.base_url}/static/favicon.svg"
    answer = site.get(icon)
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (
        "image/svg+xml",
        "max-age=60, must-revalidate",
    )


def test_what_the_api_does_not_have_is_its_own_404(site: httpx.Client) -> None:
    order = site.get("/api/orders/99/", headers=JSON)
    assert (order.status_code, order.headers["content-type"]) == (404, "application/json")
    assert order.content == b'{"detail":"Not found."}'
    for fields in (HTML, JSON, ANY):
        unknown = site.get("/api/nothing/", headers=fields)
        assert (unknown.status_code, NOT_FOUND in unknown.content) == (404, True)
    assert site.get("/api/orders/7/", headers=JSON).json() == {"number": 7, "item": "tea"}


@pytest.mark.parametrize("path", ["/assets/nothing.js", "/orders/7", "/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_names_no_html_gets_no_page(site: httpx.Client, path: str, method: str) -> None:
    assert site.request(method, path, headers=ANY).status_code == 404


def test_a_missing_asset_is_no_page(site: httpx.Client) -> None:
    missing = site.get("/static/assets/nothing.js", headers=HTML)
    assert (missing.status_code, missing.content) == (404, b"Not Found\n")
