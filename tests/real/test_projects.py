"""Real projects, each installed by name, built and served as its user would: Wagtail, Django's admin, and others."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.real.hosts import Host, Hosting
from tests.real.pages import check_page, watched
from tests.support.builds import append_settings
from tests.support.processes import run
from tests.support.projects import copy_project

pytestmark = pytest.mark.timeout(600)

PERSON = {
    "DJANGO_SUPERUSER_USERNAME": "ada",
    "DJANGO_SUPERUSER_PASSWORD": "a long enough phrase",
    "DJANGO_SUPERUSER_EMAIL": "ada@localhost",
}
LOCAL = "SECRET_KEY = 'made by a test, and nowhere else in use: 0123456789'\nALLOWED_HOSTS = ['127.0.0.1']\n"
"""What Wagtail's template wants in settings/local.py, a file that it reads but does not make."""
APPLICATION = {
    "urls.py": "from django.urls import path\nfrom app.views import count\nurlpatterns = [path('', count)]\n",
    "views.py": (
        "from django.contrib.auth.models import User\nfrom django.shortcuts import render\n"
        "def count(request):\n    return render(request, 'page.html', {'count': User.objects.count()})\n"
    ),
    "templates/page.html": (
        "{% load static %}<!doctype html><title>app</title><link rel=stylesheet href=\"{% static 'app/style.css' %}\">"
        "<p id=text>{{ count }} person<script type=module src=\"{% static 'app/page.js' %}\"></script>"
    ),
    "static/app/style.css": "body { background: rgb(1, 2, 3) }\n",
    "static/app/page.js": (
        "import { name } from './name.js'\ndocument.getElementById('text').append(`, counted by ${name}`)\n"
    ),
    "static/app/name.js": "export const name = 'app'\n",
}
"""The files of an application called app, with a page."""


def start(*command: str, cwd: Path, name: str = "mysite") -> Path:
    """Run the command that makes a new project of this name; returns its directory."""
    done = run(*command, name, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return cwd / name


def fill(host: Host) -> None:
    """Make the project's database, with a person who may log in to the admin."""
    host.manage("migrate", "--verbosity", "0")
    host.manage("createsuperuser", "--noinput", **PERSON)


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
def test_wagtail(tmp_path: Path, hosted: Hosting, browser: Browser, part: str) -> None:
    project = start("wagtail", "start", cwd=tmp_path)
    if part == "production":
        (project / "mysite/settings/local.py").write_text(LOCAL)
    with hosted(project, f"mysite.settings.{part}") as host:
        fill(host)
        with host.served() as (url, client):
            page = check_page(client, "/", least=3)
            assert "Welcome to your new Wagtail site!" in page.text
            assert re.search(r'href="/static/css/mysite\.[0-9a-f]{12}\.css"', page.text)
            check_page(client, "/admin/login/", least=5)
            check_page(client, "/django-admin/login/", least=3)
            log_in(client, "/django-admin/")
            check_page(client, "/admin/", least=10)
            check_page(client, "/admin/pages/3/edit/", least=15)
            with watched(browser) as window:
                window.goto(f"{url}/admin/login/?next=/admin/pages/3/edit/")
                window.fill("input[name=username]", PERSON["DJANGO_SUPERUSER_USERNAME"])
                window.fill("input[name=password]", PERSON["DJANGO_SUPERUSER_PASSWORD"])
                window.click("button[type=submit]")
                window.locator("input#id_title").wait_for()
                window.wait_for_load_state("networkidle")
                assert window.input_value("input#id_title") == "Home"


@pytest.mark.parametrize("name", ["mysite", "app"])
def test_django_s_admin(tmp_path: Path, hosted: Hosting, browser: Browser, name: str) -> None:
    with hosted(start("django-admin", "startproject", cwd=tmp_path, name=name), f"{name}.settings") as host:
        fill(host)
        with host.served() as (url, client):
            check_page(client, "/admin/login/", least=3)
            assert "Site administration" in log_in(client, "/admin/").text
            page = check_page(client, "/admin/auth/user/", least=8)
            assert "ada@localhost" in page.text
            check_page(client, "/admin/auth/user/1/change/", least=8)
            with watched(browser) as window:
                window.goto(f"{url}/admin/login/?next=/admin/auth/user/1/change/")
                window.fill("#id_username", PERSON["DJANGO_SUPERUSER_USERNAME"])
                window.fill("#id_password", PERSON["DJANGO_SUPERUSER_PASSWORD"])
                window.click("[type=submit]")
                window.locator(".selector-chosen").first.wait_for()  # made by the admin's own JavaScript
                window.wait_for_load_state("networkidle")


def test_an_application_called_app(tmp_path: Path, hosted: Hosting, browser: Browser) -> None:
    project = start("django-admin", "startproject", cwd=tmp_path)
    start("python", "manage.py", "startapp", cwd=project, name="app")
    for path, text in APPLICATION.items():
        (project / "app" / path).parent.mkdir(parents=True, exist_ok=True)
        (project / "app" / path).write_text(text)
    append_settings(project, "INSTALLED_APPS.append('app')", "ROOT_URLCONF = 'app.urls'")
    with hosted(project, "mysite.settings") as host:
        fill(host)
        with host.served() as (url, client):
            page = check_page(client, "/", least=2)
            assert re.search(r'href="/static/app/style\.[0-9a-f]{12}\.css"', page.text)
            with watched(browser) as window:
                window.goto(f"{url}/")
                window.get_by_text("1 person, counted by app").wait_for()
                colour = "getComputedStyle(document.body).backgroundColor"
                assert window.evaluate(colour) == "rgb(1, 2, 3)"


def entered(url: str) -> ClientConnection:
    """Enter the chat's room."""
    return connect(f"{url.replace('http', 'ws')}/ws/room/", origin=Origin(url))


def test_channels(tmp_path: Path, hosted: Hosting, browser: Browser) -> None:
    with hosted(copy_project("chat", tmp_path), "chat.settings") as host, host.served() as (url, client):
        check_page(client, "/", least=2)
        with entered(url) as one, entered(url) as other:
            one.send(json.dumps({"text": "hello"}))
            assert [json.loads(each.recv(10)) for each in (one, other)] == [{"text": "hello"}] * 2
            other.send(json.dumps({"text": "hello to you"}))
            assert [json.loads(each.recv(10)) for each in (one, other)] == [{"text": "hello to you"}] * 2
            with watched(browser) as window:
                window.goto(f"{url}/")
                window.get_by_text("hello from the browser").wait_for()
            assert [json.loads(each.recv(10)) for each in (one, other)] == [{"text": "hello from the browser"}] * 2


@pytest.mark.parametrize("mode", ["offline", "online", "manage.py compress"])
def test_django_compressor(tmp_path: Path, hosted: Hosting, browser: Browser, mode: str) -> None:
    project = copy_project("compressed", tmp_path)
    if mode == "online":
        append_settings(project, "COMPRESS_OFFLINE = False", package="shop")
    if mode == "manage.py compress":
        for command in (["collectstatic", "--noinput"], ["compress"]):
            done = run("python", "-m", "django", *command, cwd=project, DJANGO_SETTINGS_MODULE="shop.settings")
            assert done.returncode == 0, done.stderr
    with hosted(project, "shop.settings") as host, host.served() as (url, client):
        page = check_page(client, "/", least=2)
        assert len(re.findall(r"/static/CACHE/(?:css|js)/output\.[0-9a-f]{12}\.", page.text)) == 2
        with watched(browser) as window:
            window.goto(f"{url}/")
            window.wait_for_load_state("networkidle")
