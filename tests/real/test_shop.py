"""A shop: Django's own project with Oscar, as Oscar's documentation adds it; and Oscar's sandbox.

The sandbox is in Oscar's repository, and no package has it: OSCAR_SANDBOX names its directory.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.real.hosts import Host, Hosting, Served
from tests.real.pages import check_page, watched
from tests.real.test_projects import PERSON, fill, start
from tests.support.builds import append_settings

pytestmark = pytest.mark.timeout(600)

SANDBOX = os.environ.get("OSCAR_SANDBOX", "")
FAST = {"DJANGO_STATIC_EFFORT": "fast"}
SHOP = (
    "address analytics basket catalogue checkout communication customer dashboard offer order partner payment search "
    "shipping voucher wishlists"
)
DASHBOARD = "catalogue communications offers orders pages partners ranges reports reviews shipping users vouchers"
APPLICATIONS = [
    *(f"oscar.apps.{name}.apps.{name.capitalize()}Config" for name in SHOP.split()),
    *(f"oscar.apps.dashboard.{name}.apps.{name.capitalize()}DashboardConfig" for name in DASHBOARD.split()),
    "oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig",
    *("widget_tweaks", "haystack", "treebeard", "sorl.thumbnail", "django_tables2"),
]
SETTINGS = f"""
from oscar.defaults import *
INSTALLED_APPS += ["django.contrib.sites", "django.contrib.flatpages", "oscar.config.Shop", *{APPLICATIONS!r}]
SITE_ID = 1
MIDDLEWARE += [
    "oscar.apps.basket.middleware.BasketMiddleware",
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
]
TEMPLATES[0]["OPTIONS"]["context_processors"] += [
    "oscar.apps.search.context_processors.search_form",
    "oscar.apps.checkout.context_processors.checkout",
    "oscar.apps.communication.notifications.context_processors.notifications",
    "oscar.core.context_processors.metadata",
]
AUTHENTICATION_BACKENDS = [
    "oscar.apps.customer.auth_backends.EmailBackend",
    "django.contrib.auth.backends.ModelBackend",
]
HAYSTACK_CONNECTIONS = {{"default": {{"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}}}
OSCAR_DEFAULT_CURRENCY = "EUR"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
"""
URLS = """
from django.apps import apps
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("", include(apps.get_app_config("oscar").urls[0])),
]
"""
LOCAL = "HAYSTACK_CONNECTIONS = {'default': {'ENGINE': 'haystack.backends.simple_backend.SimpleEngine'}}\n"
"""What the sandbox reads from settings_local.py, so that no index for searches is written beside its code."""
PAGES = ("/", "/catalogue/", "/basket/", "/accounts/login/", "/search/?q=tea")
STAFF_PAGES = ("/dashboard/", "/dashboard/catalogue/", "/dashboard/offers/", "/dashboard/pages/create/")


def test_a_shop(tmp_path: Path, hosted_large: Hosting, browser: Browser) -> None:
    project = start("django-admin", "startproject", cwd=tmp_path)
    append_settings(project, SETTINGS)
    (project / "mysite/urls.py").write_text(URLS)
    with hosted_large(project, "mysite.settings", "shop", **FAST) as host:
        fill(host)
        host.manage("oscar_populate_countries")
        with host.served() as site:
            visit(site, browser, "")


@pytest.mark.skipif(not SANDBOX, reason="OSCAR_SANDBOX names no directory of Oscar's repository")
def test_oscar_s_sandbox(tmp_path: Path, hosted_large: Hosting, browser: Browser) -> None:
    project = tmp_path / "sandbox"
    shutil.copytree(SANDBOX, project)
    (project / "settings_local.py").write_text(LOCAL)
    with hosted_large(project, "settings", "shop", **FAST, DEBUG="false", DJANGO_SERVE_MEDIA="true") as host:
        fill(host)
        load(host)
        with host.served() as site:
            visit(site, browser, "/en-gb")


def load(host: Host) -> None:
    """Load the sandbox's own catalogue."""
    host.manage("loaddata", "fixtures/child_products.json")
    host.manage("oscar_import_catalogue", *(f"fixtures/books.{name}.csv" for name in ("hacking", "essential")))
    host.manage("oscar_populate_countries", "--initial-only")


def visit(site: Served, browser: Browser, language: str) -> None:
    """Look at the shop's pages, and with a person of the staff at the dashboard's."""
    url, client = site
    client.follow_redirects = True
    for path in PAGES:
        check_page(client, f"{language}{path}", least=4)
    with watched(browser) as window:
        for path in PAGES:
            window.goto(f"{url}{language}{path}")
            window.wait_for_load_state("networkidle")
        window.goto(f"{url}{language}/dashboard/login/")
        window.fill("#id_username", PERSON["DJANGO_SUPERUSER_EMAIL"])
        window.fill("#id_password", PERSON["DJANGO_SUPERUSER_PASSWORD"])
        window.click("[name=login_submit], [type=submit]")
        for path in STAFF_PAGES:
            window.goto(f"{url}{language}{path}")
            window.wait_for_load_state("networkidle")
            assert window.url == f"{url}{language}{path}"
