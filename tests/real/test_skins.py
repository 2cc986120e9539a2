"""The zoo's admin with the looks of three packages, which replace the admin's templates."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.real.everything import IN_PROJECTS_ALL
from tests.real.hosts import in_a_process
from tests.real.pages import check_page, watched
from tests.real.test_projects import PERSON, log_in
from tests.real.test_zoo import FAST, SOURCE, fill, list_pages

pytestmark = [pytest.mark.timeout(600), IN_PROJECTS_ALL]

BROKEN = {("jazzmin", "/admin/zoo/animal/import/")}
"""There jazzmin loads the admin's jQuery after the script of import-export that wants it."""


@pytest.mark.parametrize("skin", ["grappelli", "jazzmin", "unfold"])
def test_the_admin_has_another_look(tmp_path: Path, cache: Path, browser: Browser, skin: str) -> None:
    project = tmp_path / "project"
    shutil.copytree(SOURCE, project, ignore=shutil.ignore_patterns("__pycache__"))
    paths = [path for path in list_pages() if path.startswith("/admin/") and (skin, path) not in BROKEN]
    with in_a_process(cache, project, "zoo.settings", "zoo", **FAST, ZOO_SKIN=skin) as host:
        fill(host)
        with host.served() as (url, client):
            log_in(client, "/admin/")
            for path in paths:
                assert f"/static/{skin}/" in check_page(client, path, least=3).text
            with watched(browser) as window:
                window.goto(f"{url}/admin/login/?next=/admin/")
                window.fill("[name=username]", PERSON["DJANGO_SUPERUSER_USERNAME"])
                window.fill("[name=password]", PERSON["DJANGO_SUPERUSER_PASSWORD"])
                window.click("[type=submit]")
                window.wait_for_url(lambda address: "/login/" not in address)
                for path in paths:
                    window.goto(f"{url}{path}")
                    window.wait_for_load_state("networkidle")
