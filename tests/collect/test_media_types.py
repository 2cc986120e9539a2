"""DJANGO_STATIC_MEDIA_TYPES: media types of a project's own, in a build, in `index` and in `dev`."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from static_host.origin.index import Index, parse_index
from static_host_django.media_type import is_media_type
from tests.support.builds import Build, append_settings, read_manifest_paths
from tests.support.processes import run, run_server

TYPES = ".foo=application/x-foo, .csv=text/csv; charset=utf-16,SPECIAL=text/x,.css=text/x-css"
FILES = {"a.foo": "application/x-foo", "B.FOO": "application/x-foo", "a.csv": "text/csv; charset=utf-16"}
FILES |= {"special": "text/x; charset=utf-8", "a.css": "text/x-css; charset=utf-8", "a.png": "image/png"}


@pytest.fixture
def project(project: Path) -> Path:
    for name in FILES:
        (project / "mysite/static" / name).write_text("of text\n" * 100)
    return project


def read_index(tree: Path) -> Index:
    return parse_index((tree / "static-host.index").read_bytes())


def test_a_build_records_them_also_for_fingerprinted_names(build: Build, project: Path) -> None:
    done = build(DJANGO_STATIC_MEDIA_TYPES=TYPES)
    assert (done.returncode, "\n  text/x-css " in done.stdout) == (0, True)
    index, hashed = read_index(project / "staticfiles"), read_manifest_paths(project)
    assert {name: index[name].media_type for name in FILES} == FILES
    assert {name: index[hashed[name]].media_type for name in FILES} == FILES
    assert "br" in [each.coding for each in index["a.foo"].representations]
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_MEDIA_TYPES": TYPES}
    with run_server("static-host", "dev", cwd=project, ready=r"ready on (http://\S+),", **variables) as running:
        for name, media_type in FILES.items():
            assert httpx.get(f"{running.url}/static/{name}").headers["content-type"] == media_type


def test_the_variable_wins_over_whitenoise_s_setting(build: Build, project: Path) -> None:
    append_settings(
        project, "WHITENOISE_MIMETYPES = {'.foo': 'text/w', '.png': 'text/w'}", "WHITENOISE_CHARSET = 'koi8-r'"
    )
    assert build(DJANGO_STATIC_MEDIA_TYPES=".foo=text/v").returncode == 0
    index = read_index(project / "staticfiles")
    types = [index[name].media_type for name in ("a.foo", "a.png")]
    assert types == ["text/v; charset=koi8-r", "text/w; charset=koi8-r"]


def test_another_value_is_another_release(build: Build, project: Path) -> None:
    assert build(DJANGO_STATIC_MEDIA_TYPES=".foo=a/a").returncode == 0
    first = (project / "staticfiles").resolve()
    assert build(DJANGO_STATIC_MEDIA_TYPES=".foo=a/a").returncode == 0
    assert (project / "staticfiles").resolve() == first
    assert build(DJANGO_STATIC_MEDIA_TYPES=".foo=b/b").returncode == 0
    assert read_index(project / "staticfiles")["a.foo"].media_type == "b/b"
    assert build().returncode == 0
    assert read_index(project / "staticfiles")["a.foo"].media_type == "application/octet-stream"


def test_an_index_of_a_tree_of_other_tools_has_them(tmp_path: Path) -> None:
    (tmp_path / "dist").mkdir()
    for name in ("a.foo", "special.0123456789ab", "a.txt"):
        (tmp_path / "dist" / name).write_text("text")
    manifest = '{"version": "1.0", "paths": {"special": "special.0123456789ab"}}'
    (tmp_path / "dist/staticfiles.json").write_text(manifest)
    done = run("static-host", "index", "dist", cwd=tmp_path, DJANGO_STATIC_MEDIA_TYPES=TYPES)
    assert done.returncode == 0, done.stderr
    assert {name: each.media_type for name, each in read_index(tmp_path / "dist").items()} == {
        "a.foo": "application/x-foo",
        "a.txt": "text/plain; charset=utf-8",
        "special.0123456789ab": "text/x; charset=utf-8",
    }


def test_headers_of_the_project_win_over_the_variable(build: Build, project: Path) -> None:
    (project / "mysite/static/_headers").write_text("/static/a.foo\n  Content-Type: application/y\n")
    assert build(DJANGO_STATIC_MEDIA_TYPES=TYPES).returncode == 0
    index = read_index(project / "staticfiles")
    assert [index[name].media_type for name in ("a.foo", "B.FOO")] == ["application/y", "application/x-foo"]


@pytest.mark.parametrize(
    "value",
    ["a/b", "application/vnd.a.b+json", "text/x; charset=utf-8", "a/b;c=d ;\te=f", 'a/b; c="d; \\"e\\""', "a/b;c=''"],
)
def test_a_media_type_of_the_grammar_is_one(value: str) -> None:
    assert is_media_type(value)


@pytest.mark.parametrize(
    "value",
    [
        *("", "text", "a/", "/b", "a/b/c", "a /b", "a/ b", " a/b", "a/b ", "a/b;", "a/b; c", "a/b; c=", "a/b; c =d"),
        *("ä/b", 'a/b; c="', 'a/b; c="d"e', "a/b\r\nX: y", "a/b\n", "a/b; c=d\0", 'a/b; c="\n"', "*/*;"),
    ],
)
def test_what_the_grammar_has_not_is_none(value: str) -> None:
    assert not is_media_type(value)
