"""``static-host index``: trees that other tools made, served as they are."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path

import brotli
import httpx
import pytest

from static_host.origin.index import parse_index
from tests.support.builds import Build, append_settings, read_files
from tests.support.processes import run, run_server
from tests.support.required import required

LINE = b"body { margin: 0 }\n" * 50


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """What Vite leaves, with siblings of a compression plugin."""
    made = {
        "index.html": b"<!doctype html>" + LINE,
        "assets/main-BRBmoGS9.js": b"call();\n" * 50,
        "assets/main-B2yXJmqK.css": LINE,
        "assets/plain.css": LINE,
        ".vite/manifest.json": json.dumps(
            {"main.js": {"file": "assets/main-BRBmoGS9.js", "name": "main", "css": ["assets/main-B2yXJmqK.css"]}}
        ).encode(),
        "assets/main-BRBmoGS9.js.br": brotli.compress(b"call();\n" * 50),
        "assets/main-BRBmoGS9.js.gz": gzip.compress(b"call();\n" * 50, mtime=1),
        "assets/plain.css.gz": gzip.compress(b"an older version"),
        "assets/plain.css.br": brotli.compress(LINE, quality=0)[:-1],
        "assets/tiny.svg": b"<svg/>",
        "assets/tiny.svg.gz": gzip.compress(b"<svg/>"),
    }
    for name, body in made.items():
        (tmp_path / "dist" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dist" / name).write_bytes(body)
    return tmp_path / "dist"


def test_a_folder_is_served_by_its_index_file(dist: Path) -> None:
    (dist / "docs").mkdir()
    (dist / "docs/index.html").write_text("<title>docs</title>")
    variables = {"DJANGO_STATIC_DIRECTORY_INDEX": "index.html"}
    assert run("static-host", "index", "dist", cwd=dist.parent, **variables).returncode == 0
    index = parse_index((dist / "static-host.index").read_bytes())
    assert [name for name in index if "." not in name] == ["", "docs/"]
    assert index["docs/"].identity.file == "docs/index.html"


def test_a_bundler_s_output_is_served_as_it_is(dist: Path) -> None:
    before = read_files(dist)
    result = run("static-host", "index", "dist", cwd=dist.parent)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "static-host: 7 static resources in dist: 2 immutable, 1 with encoded siblings\n"
    assert result.stderr.splitlines() == [
        "static-host: assets/plain.css.br does not decode to assets/plain.css; it is served only under its own name",
        "static-host: assets/plain.css.gz does not decode to assets/plain.css; it is served only under its own name",
    ]
    assert {name: body for name, body in read_files(dist).items() if name != "static-host.index"} == before
    index = parse_index((dist / "static-host.index").read_bytes())
    assert {name: [r.coding for r in resource.representations] for name, resource in index.items()} == {
        "index.html": ["identity"],
        "assets/main-BRBmoGS9.js": ["br", "gzip", "identity"],
        "assets/main-B2yXJmqK.css": ["identity"],
        "assets/plain.css": ["identity"],
        "assets/plain.css.br": ["identity"],
        "assets/plain.css.gz": ["identity"],
        "assets/tiny.svg": ["identity"],
    }
    with run_server(cwd=dist.parent, DJANGO_STATIC_ROOT="dist") as running:
        answer = httpx.get(f"{running.url}/static/assets/main-BRBmoGS9.js", headers={"Accept-Encoding": "br"})
        assert answer.headers["Content-Encoding"] == "br"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.content == b"call();\n" * 50
        plain = httpx.get(f"{running.url}/static/assets/plain.css", headers={"Accept-Encoding": "gzip, br"})
        assert (plain.content, "Content-Encoding" in plain.headers) == (LINE, False)


def test_a_second_index_takes_the_place_of_the_first(dist: Path) -> None:
    assert run("static-host", "index", "dist", cwd=dist.parent).returncode == 0
    first = (dist / "static-host.index").read_bytes()
    assert run("static-host", "index", str(dist), cwd=dist.parent).returncode == 0
    assert (dist / "static-host.index").read_bytes() == first
    (dist / "new.txt").write_text("new")
    assert run("static-host", "index", "dist", cwd=dist.parent, DJANGO_STATIC_IMMUTABLE_PATTERN="^new").returncode == 0
    index = parse_index((dist / "static-host.index").read_bytes())
    assert index["new.txt"].immutable


def test_what_whitenoise_s_storage_made_is_served_with_its_codings(project: Path) -> None:
    storage = "whitenoise.storage.CompressedManifestStaticFilesStorage"
    append_settings(project, f"STORAGES = {{'staticfiles': {{'BACKEND': '{storage}'}}}}", "STATIC_URL = '/s/'")
    append_settings(project, f"STATIC_ROOT = {str(project / 'public')!r}")
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}
    collected = run("django-admin", "collectstatic", "--no-input", cwd=project, PYTHONPATH=str(project), **variables)
    assert collected.returncode == 0, collected.stderr
    result = run("static-host", "index", "public", cwd=project, **variables)
    assert (result.returncode, result.stderr) == (0, "")
    with run_server(cwd=project, **variables) as running:
        assert 'href="/s/site.e8e374d844cc.css"' in httpx.get(f"{running.url}/").text
        answer = httpx.get(f"{running.url}/s/site.e8e374d844cc.css", headers={"Accept-Encoding": "br"})
        assert answer.headers["Content-Encoding"] == "br"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("argument", "code", "message"),
    [
        ("nowhere", 2, "Directory 'nowhere' does not exist."),
        ("empty", 5, "/empty has no files."),
        ("staticfiles", 5, "/staticfiles: it already has an index."),
        ("odd", 5, "a static file has a name that cannot be served: 'a\\tb.css' has a tab or a line feed"),
    ],
)
def test_what_cannot_be_indexed_is_said(build: Build, project: Path, argument: str, code: int, message: str) -> None:
    (project / "empty").mkdir()
    (project / "odd").mkdir()
    (project / "odd/a\tb.css").write_text("")
    if argument == "staticfiles":
        assert build().returncode == 0
    result = run("static-host", "index", argument, cwd=project)
    assert result.returncode == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_an_index_that_cannot_be_written_is_said(dist: Path) -> None:
    assert run("static-host", "index", "dist", cwd=dist.parent).returncode == 0
    before = (dist / "static-host.index").read_bytes()
    if subprocess.run(["mount", "--bind", "-o", "ro", dist, dist], check=False).returncode:
        required("mounting needs a privilege")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", dist], check=True)
        result = run("static-host", "index", "dist", cwd=dist.parent)
        assert result.returncode == 5
        assert result.stderr.endswith(
            f"static-host: Read-only file system: {dist}/.static-host.index. The index is as it was.\n"
        )
        assert (dist / "static-host.index").read_bytes() == before
    finally:
        subprocess.run(["umount", dist], check=True)
