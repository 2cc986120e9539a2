"""Real projects, each installed by name, built and served as its user would: Wagtail, Django's admin, and others."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tests.conftest import copied
from tests.processes import run
from tests.real.pages import check_page, served, watched

pytestmark = pytest.mark.timeout(300)

PERSON = {
    "DJANGO_SUPERUSER_USERNAME": "ada",
    "DJANGO_SUPERUSER_PASSWORD": "a long enough phrase",
    "DJANGO_SUPERUSER_EMAIL": "ada@localhost",
}
LOCAL = "SECRET_KEY = 'made by a test, and nowhere else in use: 0123456789'\nALLOWED_HOSTS = ['127.0.0.1']\n"
"""What Wagtail's template wants in settings/local.py, a file that it reads but does not make."""


def succeed(*command: str, cwd: Path, **variables: str) -> None:
    done = run(*command, cwd=cwd, **variables)
    assert done.returncode == 0, done.stdout + done.stderr


def log_in(client: httpx.Client, admin: str) -> httpx.Response:
    """Send the log-in form of Django's admin as a browser does; returns the page that follows."""
    path = f"{admin}login/?next={admin}"
    client.get(path)
    form = {
        "username": PERSON["DJANGO_SUPERUSER_USERNAME"],
        "password": PERSON["DJANGO_SUPERUSER_PASSWORD"],
        "csrfmiddlewaretoken": client.cookies["csrftoken"],
    }
    answer = client.post(path, data=form, headers={"referer": f"{client.base_url}{path}"}, follow_redirects=True)
    assert answer.status_code == 200
    assert "sessionid" in client.cookies
    return answer


@pytest.mark.parametrize("part", ["dev", "production"])
def test_wagtail(tmp_path: Path, cache: Path, browser: Browser, part: str) -> None:
    succeed("wagtail", "start", "mysite", cwd=tmp_path)
    project = tmp_path / "mysite"
    if part == "production":
        (project / "mysite/settings/local.py").write_text(LOCAL)
    variables = {"DJANGO_SETTINGS_MODULE": f"mysite.settings.{part}"}
    succeed("python", "manage.py", "migrate", cwd=project, **variables)
    succeed("python", "manage.py", "createsuperuser", "--noinput", cwd=project, **variables, **PERSON)
    with served(project, cache, **variables) as (running, client):
        page = check_page(client, "/", least=3)
        assert "Welcome to your new Wagtail site!" in page.text
        assert re.search(r'href="/static/css/mysite\.[0-9a-f]{12}\.css"', page.text)
        check_page(client, "/admin/login/", least=5)
        check_page(client, "/django-admin/login/", least=3)
        log_in(client, "/django-admin/")
        check_page(client, "/admin/", least=10)
        check_page(client, "/admin/pages/3/edit/", least=15)
        with watched(browser) as window:
            window.goto(f"{running.url}/admin/login/?next=/admin/pages/3/edit/")
            window.fill("input[name=username]", PERSON["DJANGO_SUPERUSER_USERNAME"])
            window.fill("input[name=password]", PERSON["DJANGO_SUPERUSER_PASSWORD"])
            window.click("button[type=submit]")
            window.locator("input#id_title").wait_for()
            window.wait_for_load_state("networkidle")
            assert window.input_value("input#id_title") == "Home"


def test_django_s_admin(tmp_path: Path, cache: Path, browser: Browser) -> None:
    succeed("django-admin", "startproject", "mysite", cwd=tmp_path)
    project = tmp_path / "mysite"
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}
    succeed("python", "manage.py", "migrate", cwd=project)
    succeed("python", "manage.py", "createsuperuser", "--noinput", cwd=project, **PERSON)
    with served(project, cache, **variables) as (running, client):
        check_page(client, "/admin/login/", least=3)
        assert "Site administration" in log_in(client, "/admin/").text
        page = check_page(client, "/admin/auth/user/", least=8)
        assert "ada@localhost" in page.text
        check_page(client, "/admin/auth/user/1/change/", least=8)
        with watched(browser) as window:
            window.goto(f"{running.url}/admin/login/?next=/admin/auth/user/1/change/")
            window.fill("#id_username", PERSON["DJANGO_SUPERUSER_USERNAME"])
            window.fill("#id_password", PERSON["DJANGO_SUPERUSER_PASSWORD"])
            window.click("[type=submit]")
            window.locator(".selector-chosen").first.wait_for()  # made by the admin's own JavaScript
            window.wait_for_load_state("networkidle")


def test_channels(tmp_path: Path, cache: Path) -> None:
    with served(copied("chat", tmp_path), cache, DJANGO_SETTINGS_MODULE="chat.settings") as (_, client):
        check_page(client, "/", least=2)


def test_django_compressor(tmp_path: Path, cache: Path) -> None:
    with served(copied("compressed", tmp_path), cache, DJANGO_SETTINGS_MODULE="shop.settings") as (_, client):
        page = check_page(client, "/", least=2)
        assert len(re.findall(r"/static/CACHE/(?:css|js)/output\.[0-9a-f]{12}\.", page.text)) == 2
