"""``static-host build`` as a process, on projects as people have them."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest

from static_host.origin.index import parse_index
from tests.support.builds import Build, append_settings, read_files
from tests.support.processes import run, run_server
from tests.support.projects import copy_project


def test_it_says_what_it_made(build: Build, project: Path) -> None:
    result = build()
    assert result.returncode == 0, result.stderr
    first, second, *_ = result.stdout.splitlines()
    release = (project / "staticfiles").resolve().name
    assert first == f"static-host: 16 static resources in {project}/staticfiles, release {release}"
    assert second.startswith("static-host: 9 contents encoded, ")
    assert result.stderr == ""


def test_media_types_come_from_a_fixed_table(build: Build, project: Path) -> None:
    types = {
        "a.css": "text/css; charset=utf-8",
        "a.mjs": "text/javascript; charset=utf-8",
        "a.cjs": "text/javascript; charset=utf-8",
        "a.html": "text/html; charset=utf-8",
        "a.d.ts": "text/plain; charset=utf-8",
        "a.ts": "video/mp2t",
        "a.csv": "text/csv; charset=utf-8",
        "a.json": "application/json",
        "a.js.map": "application/json",
        "a.webmanifest": "application/manifest+json",
        "a.wasm": "application/wasm",
        "a.svg": "image/svg+xml",
        "a.avif": "image/avif",
        "a.webp": "image/webp",
        "a.ico": "image/x-icon",
        "a.woff2": "font/woff2",
        "a.woff": "font/woff",
        "a.ttf": "font/ttf",
        "a.mp4": "video/mp4",
        "a.pdf": "application/pdf",
        "A.PNG": "image/png",
        "a.unheard-of": "application/octet-stream",
        "none": "application/octet-stream",
        "apple-app-site-association": "application/json",
    }
    for name in types:
        (project / "mysite/static" / name).write_text("")
    assert build().returncode == 0
    index = parse_index((project / "staticfiles/static-host.index").read_bytes())
    assert {name: index[name].media_type for name in types} == types


def test_two_builds_of_one_source_are_byte_identical(tmp_path: Path, cache: Path) -> None:
    trees = []
    for place, order in (("one", 1), ("two", -1)):
        project = copy_project("plain", tmp_path / place)
        folder = project / "mysite/static"
        for number in list(range(40))[::order]:  # made in two orders, with two sets of times
            path = folder / f"made-{number}.css"
            path.write_text(f".made-{number} {{ color: rgb({number} 0 0); }}\n" * 20)
            os.utime(path, (1_000_000_000 * (order + 2), 1_000_000_000 * (order + 2)))
        variables = {"DJANGO_STATIC_CACHE": str(tmp_path / place / "cache"), "PYTHONHASHSEED": str(order + 2)}
        result = run("static-host", "build", cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings", **variables)
        assert result.returncode == 0, result.stderr
        trees.append(read_files(project / "staticfiles"))
    assert trees[0] == trees[1]
    assert len(trees[0]) > 100


def test_a_dangling_link_is_left_out_with_a_warning(build: Build, project: Path) -> None:
    (project / "mysite/static/gone[1].txt").symlink_to("/nowhere/at/all")
    result = build()
    assert result.returncode == 0
    assert "gone[1].txt is a symbolic link to a file that does not exist; it is left out" in result.stderr
    assert "gone[1].txt" not in parse_index((project / "staticfiles/static-host.index").read_bytes())


@pytest.mark.parametrize(
    ("own", "href"),
    [
        ("None", "/static/"),
        ("''", "/static/"),
        ("'/'", "/static/"),
        ("'static/'", "/static/"),
        ("'/s/'", "/s/"),
        ("'/app/static/'", "/app/static/"),
        ("'/nowhere'", "/nowhere/"),
        ("'https://cdn.example.com/assets/'", "https://cdn.example.com/assets/"),
        ("'//cdn.example.com/'", "//cdn.example.com/static/"),
    ],
)
def test_every_form_of_static_url_has_a_meaning(build: Build, project: Path, own: str, href: str) -> None:
    append_settings(project, f"STATIC_URL = {own}")
    result = build()
    assert result.returncode == 0, result.stderr
    with run_server(cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        page = httpx.get(f"{running.url}/")
        assert f'href="{href}site.e8e374d844cc.css"' in page.text
        path = href.removeprefix("https:").removeprefix("//cdn.example.com")
        assert httpx.get(f"{running.url}{path}site.e8e374d844cc.css").status_code == 200


def test_the_project_s_own_static_root_is_respected(build: Build, project: Path) -> None:
    append_settings(project, "STATIC_ROOT = BASE_DIR / 'public/static'")
    assert build().returncode == 0
    assert (project / "public/static/static-host.index").is_file()
    with run_server(cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        assert httpx.get(f"{running.url}/static/digits.txt").text == "0123456789"


def test_whitenoise_s_middleware_is_taken_out(build: Build, project: Path) -> None:
    append_settings(project, "MIDDLEWARE.insert(0, 'whitenoise.middleware.WhiteNoiseMiddleware')")
    assert build().returncode == 0
    with run_server(cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        assert "MIDDLEWARE without whitenoise.middleware.WhiteNoiseMiddleware" in running.output
        assert httpx.get(f"{running.url}/").status_code == 200


def test_a_pattern_makes_other_names_immutable(build: Build, project: Path) -> None:
    assert build(DJANGO_STATIC_IMMUTABLE_PATTERN=r"^part\.js$").returncode == 0
    index = parse_index((project / "staticfiles/static-host.index").read_bytes())
    assert index["part.js"].immutable
    assert not index["main.js"].immutable


def test_django_compressor_s_output_is_immutable_where_it_is_installed(build: Build, project: Path) -> None:
    names = ("css/output.4a5b6c7d8e9f.css", "js/site.0123456789ab.js", "js/readme.txt", "css/output.css")
    for name in names:
        (project / "mysite/static/CACHE" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "mysite/static/CACHE" / name).write_text("")

    def judged() -> list[bool]:
        assert build().returncode == 0
        index = parse_index((project / "staticfiles/static-host.index").read_bytes())
        return [index[f"CACHE/{name}"].immutable for name in names]

    assert judged() == [False, False, False, False]
    append_settings(project, "INSTALLED_APPS += ['compressor']")
    assert judged() == [True, True, False, False]


def test_a_project_without_the_staticfiles_app_is_told(build: Build, project: Path) -> None:
    append_settings(project, "INSTALLED_APPS = []")
    result = build()
    assert result.returncode == 5
    assert result.stderr == (
        "static-host: the project has no collectstatic: add 'django.contrib.staticfiles' to INSTALLED_APPS.\n"
    )


def test_a_project_without_static_files_is_told(build: Build, project: Path) -> None:
    append_settings(project, "STATICFILES_DIRS = []")
    result = build()
    assert result.returncode == 5
    assert result.stderr == "static-host: the project has no static files: its finders find none.\n"


def test_an_exception_of_the_project_is_shown_whole(build: Build, project: Path) -> None:
    append_settings(project, "raise RuntimeError('no weather today')")
    result = build()
    assert result.returncode == 1
    assert "Traceback (most recent call last):" in result.stderr
    assert result.stderr.splitlines()[-1] == "RuntimeError: no weather today"


def test_python_m_static_build_is_the_same_program(project: Path, cache: Path, build: Build) -> None:
    build()
    before = (project / "staticfiles").readlink()
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
    result = run("python", "-m", "static_host_build", cwd=project, **variables)
    assert result.returncode == 0, result.stderr
    assert (project / "staticfiles").readlink() == before


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("static-host", "--help"), "\n      2  a setting, an option or a command is wrong\n"),
        (("python", "-m", "static_host", "--help"), "Exit codes:"),
        (("static-host", "build", "--help"), "Needs no database and no network."),
        (("python", "-m", "static_host_build", "--help"), "Needs no database and no network."),
        (("static-host", "serve", "--help"), "DJANGO_STATIC_HOST"),
        (("static-host", "check", "--help"), "Django's own system checks"),
    ],
)
def test_help_is_worth_reading(project: Path, command: tuple[str, ...], expected: str) -> None:
    result = run(*command, cwd=project)
    assert result.returncode == 0
    assert expected in result.stdout
