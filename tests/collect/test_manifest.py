"""Django's manifest: kept elsewhere by a storage of the project's own, and in order whoever writes it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import httpx
import pytest

from tests.support.builds import Build, add_own_storage, append_settings
from tests.support.processes import run, run_server

VARIABLES = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}
STORAGE = """
from django.conf import settings
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage, StaticFilesStorage


class Storage(ManifestStaticFilesStorage):
    def __init__(self, *args, **kwargs):
        kwargs["manifest_storage"] = StaticFilesStorage(location=settings.BASE_DIR / "manifests")
        super().__init__(*args, **kwargs)

    def file_hash(self, name, content=None):
        return None if name is None else "mine"
"""
SITE = 'href="/static/site.mine.css"'


@pytest.fixture
def elsewhere(project: Path) -> Path:
    """The project with a storage that keeps its manifest outside of STATIC_ROOT, as Django documents it."""
    (project / "mysite/storage.py").write_text(STORAGE)
    append_settings(project, "STORAGES = {'staticfiles': {'BACKEND': 'mysite.storage.Storage'}}")
    (project / "mysite/templates/page.html").write_text("{% load static %}<link href=\"{% static 'site.css' %}\">")
    return project


def test_a_manifest_outside_of_the_static_root_is_found(build: Build, elsewhere: Path) -> None:
    result = build()
    assert result.returncode == 0, result.stderr
    paths = json.loads((elsewhere / "staticfiles/staticfiles.json").read_text())["paths"]
    assert paths["site.css"] == "site.mine.css"
    with run_server(cwd=elsewhere, **VARIABLES) as running:
        assert SITE in httpx.get(f"{running.url}/").text
        assert httpx.get(f"{running.url}/static/site.mine.css").headers["cache-control"].endswith("immutable")
        assert httpx.get(f"{running.url}/static/staticfiles.json").status_code == 404


@pytest.mark.parametrize("other", [None, '{"paths": {"site.css": "site.other.css"}, "version": "1.1", "hash": ""}'])
def test_what_the_build_recorded_counts_whatever_lies_there_later(
    build: Build, elsewhere: Path, other: str | None
) -> None:
    assert build().returncode == 0
    shutil.rmtree(elsewhere / "manifests")
    if other:
        (elsewhere / "manifests").mkdir()
        (elsewhere / "manifests/staticfiles.json").write_text(other)
    moved = elsewhere.rename(elsewhere.with_name("moved"))
    for workers in ("1", "2"):
        with run_server(cwd=moved, WEB_CONCURRENCY=workers, **VARIABLES) as running:
            assert SITE in httpx.get(f"{running.url}/").text
    checked = run("static-host", "check", cwd=moved, **VARIABLES)
    assert "names of Django's manifest are in the tree" in checked.stdout, checked.stdout


def test_a_manifest_is_written_in_order(build: Build, project: Path) -> None:
    add_own_storage(project)
    storage = project / "mysite/storage.py"
    storage.write_text(
        storage.read_text()
        + "    def save_manifest(self):\n"
        + "        self.hashed_files = dict(reversed(sorted(self.hashed_files.items())))\n"
        + "        super().save_manifest()\n"
    )
    assert build().returncode == 0
    text = (project / "staticfiles/staticfiles.json").read_text()
    assert list(json.loads(text)["paths"]) == sorted(json.loads(text)["paths"])
    assert len(json.loads(text)["paths"]) == 8
    before = (project / "staticfiles").readlink()
    storage.write_text(storage.read_text().replace("dict(reversed(", "dict(list("))
    assert build().returncode == 0
    assert (project / "staticfiles").readlink() == before
