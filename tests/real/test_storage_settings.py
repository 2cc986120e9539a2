"""STATICFILES_STORAGE, which Django knows up to 5.0, and STORAGES: a project on Django 4.2 may have either."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.real.environments import require_environment
from tests.support.builds import append_settings
from tests.support.processes import run_server
from tests.support.projects import SETTINGS, copy_project
from tests.support.worker_projects import get

pytestmark = pytest.mark.timeout(600)

OWN_STORAGE = """
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

class Storage(ManifestStaticFilesStorage):
    def file_hash(self, name, content=None):
        return "mine"
"""
SHOW = "from django.templatetags.static import static; print(static('site.css'))"
MISSING = "{% with name='no-such.css' %} {% static name %}{% endwith %}"
"""A name without a file, for which both storages would raise an exception; the build does not see it."""


@pytest.mark.parametrize("setting", ["STATICFILES_STORAGE = {!r}", "STORAGES = {{'staticfiles': {{'BACKEND': {!r}}}}}"])
@pytest.mark.parametrize(
    ("storage", "more", "page"),
    [
        (
            "whitenoise.storage.CompressedManifestStaticFilesStorage",
            MISSING,
            "//cdn.example.com/static/site.e8e374d844cc.css //cdn.example.com/static/no-such.css",
        ),
        ("mysite.storage.Storage", "", "//cdn.example.com/static/site.mine.css"),
    ],
    ids=["WhiteNoise's", "own"],
)
def test_a_storage_is_replaced_or_kept_whichever_setting_names_it(
    tmp_path: Path, cache: Path, setting: str, storage: str, more: str, page: str
) -> None:
    environment = require_environment("3.11", "older")
    project = copy_project("plain", tmp_path)
    append_settings(project, "STATIC_ROOT = BASE_DIR / 'staticfiles'", setting.format(storage))
    (project / "mysite/storage.py").write_text(OWN_STORAGE)
    (project / "mysite/templates/page.html").write_text("{% load static %}{% static 'site.css' %}" + more)
    environment.run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **SETTINGS)
    variables = {**SETTINGS, "DJANGO_STATIC_HOST": "cdn.example.com"}
    with run_server(cwd=project, DJANGO_PYTHON=environment.python, **variables) as server:
        assert get(server, "/").text == page
        url = page.split()[0]
        assert get(server, url.removeprefix("//cdn.example.com")).status_code == 200
    for command in (("manage", "shell", "-c", SHOW), ("run", "python", "-c", f"import django; django.setup(); {SHOW}")):
        assert environment.run("static-host", *command, cwd=project, **variables) == f"{url}\n"
    checked = environment.run("static-host", "check", "--json", cwd=project, **variables)
    assert json.loads(checked)["ok"] is True
