"""A project that cookiecutter-django made with its defaults, with its production settings.

The template is in a repository, and no package has it. COOKIECUTTER_DJANGO names a project that it made, and
DATABASE_URL a PostgreSQL database, which the test empties: the project's migrations do not run on SQLite.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.real.hosts import Hosting
from tests.real.pages import check_page, watched
from tests.real.test_projects import PERSON, fill

SOURCE = os.environ.get("COOKIECUTTER_DJANGO", "")
DATABASE = os.environ.get("DATABASE_URL", "")
VARIABLES = {
    "DATABASE_URL": DATABASE,
    "DJANGO_SECRET_KEY": "made by a test, and nowhere else in use: 0123456789",
    "DJANGO_ADMIN_URL": "admin/",
    "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
    "DJANGO_SECURE_SSL_REDIRECT": "False",
    "DJANGO_AWS_ACCESS_KEY_ID": "none",
    "DJANGO_AWS_SECRET_ACCESS_KEY": "none",
    "DJANGO_AWS_STORAGE_BUCKET_NAME": "none",
    "MAILGUN_API_KEY": "none",
    "MAILGUN_DOMAIN": "example.com",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "DJANGO_STATIC_HOST": "//",  # its STATIC_URL is that of a bucket
}
PAGES = {"/": 3, "/about/": 3, "/accounts/login/": 3, "/accounts/signup/": 3, "/admin/login/": 3}

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not (SOURCE and DATABASE), reason="COOKIECUTTER_DJANGO or DATABASE_URL names nothing"),
]


def test_cookiecutter_django(tmp_path: Path, hosted_large: Hosting, browser: Browser) -> None:
    project = tmp_path / "project"
    shutil.copytree(SOURCE, project, ignore=shutil.ignore_patterns("staticfiles", ".staticfiles*", "__pycache__"))
    with hosted_large(project, "config.settings.production", "cookiecutter", **VARIABLES) as host:
        host.manage("migrate", "--verbosity", "0")
        host.manage("flush", "--noinput")
        fill(host)
        with host.served() as (url, client):
            for path, least in PAGES.items():
                check_page(client, path, least=least)
            with watched(browser) as window:
                for path in PAGES:
                    window.goto(f"{url}{path}")
                    window.wait_for_load_state("networkidle")
                window.fill("#id_username", PERSON["DJANGO_SUPERUSER_USERNAME"])
                window.fill("#id_password", PERSON["DJANGO_SUPERUSER_PASSWORD"])
                window.click("[type=submit]")
                window.locator("#user-tools").wait_for()
                for path in ("/admin/users/user/", "/admin/users/user/add/"):
                    window.goto(f"{url}{path}")
                    window.wait_for_load_state("networkidle")
