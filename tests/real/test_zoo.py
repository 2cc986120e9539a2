"""Popular packages in one project: the pages with their widgets, and the pages of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.real.hosts import Host, Hosting, Served
from tests.real.pages import check_page, watched
from tests.real.test_projects import PERSON, log_in

pytestmark = pytest.mark.timeout(600)

SOURCE = Path(__file__).parent / "zoo"
FAST = {"DJANGO_STATIC_EFFORT": "fast"}
MODELS = {"animal": 20, "cage": 10, "house": 10, "keeper": 10, "nestedhouse": 10, "sign": 8, "species": 8}
"""Each model, and how many files the page that adds one names at least."""
PAGES = {
    "/": 8,
    "/toolbar/": 10,
    "/accounts/email/": 0,
    "/admin/constance/config/": 5,
    "/admin/django_celery_beat/periodictask/add/": 8,
    "/admin/zoo/animal/import/": 8,
    "/api/keepers/": 10,
    "/rosetta/files/project/": 1,
    "/schema/redoc/": 1,
    "/schema/swagger/": 3,
    "/silk/": 8,
    "/yasg/redoc/": 2,
    "/yasg/swagger/": 4,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, hosted_large: Hosting) -> Iterator[Served]:
    project = tmp_path_factory.mktemp("zoo") / "project"
    shutil.copytree(SOURCE, project, ignore=shutil.ignore_patterns("__pycache__"))
    with hosted_large(project, "zoo.settings", "zoo", **FAST) as host:
        fill(host)
        with host.served() as (url, client):
            log_in(client, "/admin/")
            client.headers["accept"] = "text/html"  # the browsable API is for those who ask for HTML
            yield url, client


def fill(host: Host) -> None:
    """Make the project's database, the tables of its own models too, with a person who may log in to the admin."""
    host.manage("migrate", "--run-syncdb", "--verbosity", "0")
    host.manage("createsuperuser", "--noinput", **PERSON)


def list_pages() -> dict[str, int]:
    models = {f"/admin/zoo/{name}/add/": least for name, least in MODELS.items()}
    return {**PAGES, **models, **{f"/admin/zoo/{name}/": 5 for name in MODELS}}


def test_every_file_that_a_page_names_is_there(site: Served) -> None:
    for path, least in list_pages().items():
        check_page(site[1], path, least=least)


def test_no_page_has_an_error_in_a_browser(site: Served, browser: Browser) -> None:
    url, _ = site
    with watched(browser) as window:
        enter(window, url)
        for path in list_pages():
            window.goto(f"{url}{path}")
            window.wait_for_load_state("networkidle")


def enter(window: Page, url: str) -> None:
    """Log in to the admin."""
    window.goto(f"{url}/admin/login/")
    window.fill("#id_username", PERSON["DJANGO_SUPERUSER_USERNAME"])
    window.fill("#id_password", PERSON["DJANGO_SUPERUSER_PASSWORD"])
    window.click("[type=submit]")
