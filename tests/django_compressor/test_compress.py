"""django-compressor in offline mode: the project "compressed", built and served."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest

from static_host.origin.index import parse_index
from tests.support.processes import run, run_server
from tests.support.projects import copy_project

VARIABLES = {"DJANGO_SETTINGS_MODULE": "shop.settings"}


@pytest.mark.parametrize("host", ["", "https://cdn.example.com/assets"])
def test_its_output_is_built_served_and_immutable(tmp_path: Path, cache: Path, host: str) -> None:
    project = copy_project("compressed", tmp_path)
    variables = {**VARIABLES, "DJANGO_STATIC_HOST": host, "DJANGO_STATIC_CACHE": str(cache)}
    result = run("static-host", "build", cwd=project, **variables)
    assert result.returncode == 0, result.stderr
    with run_server(cwd=project, **variables) as running:
        page = httpx.get(f"{running.url}/")
        assert page.status_code == 200, running.output
        (css,) = re.findall(rf'href="{host}(/static/CACHE/css/output\.[0-9a-f]{{12}}\.css)"', page.text)
        (script,) = re.findall(rf'src="{host}(/static/CACHE/js/output\.[0-9a-f]{{12}}\.js)"', page.text)
        for path in (css, script):
            answer = httpx.get(running.url + path, headers={"accept-encoding": "br"})
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.headers["content-encoding"] == "br"
        text = httpx.get(running.url + css).text
        assert "font-family:Shop" in text.replace(" ", "")
        assert ".basket" in text
        (font,) = re.findall(rf"url\(.?{host}(/static/fonts/shop\.[0-9a-f]{{12}}\.woff2)", text)
        assert httpx.get(running.url + font).text == "wOF2 not really a font"
        assert "function total" in httpx.get(running.url + script).text
        assert httpx.get(f"{running.url}/static/CACHE/manifest.json").status_code == 404


def test_two_builds_give_the_same_release(tmp_path: Path, cache: Path) -> None:
    indexes = []
    for place in ("one", "two"):
        project = copy_project("compressed", tmp_path / place)
        assert run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **VARIABLES).returncode == 0
        indexes.append((project / "static/static-host.index").read_bytes())
    assert indexes[0] == indexes[1]
    index = parse_index(indexes[0])
    assert sum(name.startswith("CACHE/") for name in index) == 2


def test_nor_do_a_storage_that_writes_the_time_and_many_templates_make_another(tmp_path: Path, cache: Path) -> None:
    project = copy_project("compressed", tmp_path)
    with (project / "shop/settings.py").open("a") as settings:
        settings.write("COMPRESS_STORAGE = 'compressor.storage.GzipCompressorFileStorage'\n")
    for number in range(20):
        (project / f"shop/templates/{number}.html").write_text(
            "{% load compress %}{% compress js %}<script>"
            + "".join(f"call({number}, {line});\n" for line in range(99))
            + "</script>{% endcompress %}"
        )
    indexes = set()
    for seed in ("1", "2", "3"):
        variables = {**VARIABLES, "DJANGO_STATIC_CACHE": str(cache), "PYTHONHASHSEED": seed}
        assert run("static-host", "build", cwd=project, **variables).returncode == 0
        indexes.add((project / "static/static-host.index").read_bytes())
    (index,) = map(parse_index, indexes)
    assert sum(name.startswith("CACHE/") for name in index) == 22
    assert not any(name.endswith(".gz") for name in index)
    rendered = json.loads((project / "static/CACHE/manifest.json").read_text())
    assert (len(set(rendered.values())), list(rendered)) == (22, sorted(rendered))


def test_files_of_a_url_elsewhere_are_made_where_the_project_wants_them(tmp_path: Path, cache: Path) -> None:
    project = copy_project("compressed", tmp_path)
    with (project / "shop/settings.py").open("a") as settings:
        settings.write("COMPRESS_URL = '/elsewhere/'\nCOMPRESS_ROOT = BASE_DIR / 'elsewhere'\n")
    text = "{% load compress %}{% compress js %}<script>call();</script>{% endcompress %}"
    (project / "shop/templates/shop.html").write_text(text)
    assert run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **VARIABLES).returncode == 0
    assert len(list((project / "elsewhere/CACHE/js").iterdir())) == 1
    with run_server(cwd=project, **VARIABLES) as running:
        assert re.search(r'src="/elsewhere/CACHE/js/output\.[0-9a-f]{12}\.js"', httpx.get(f"{running.url}/").text)


def test_a_file_that_it_cannot_compress_is_named_and_nothing_is_built(tmp_path: Path, cache: Path) -> None:
    project = copy_project("compressed", tmp_path)
    template = project / "shop/templates/shop.html"
    template.write_text(template.read_text().replace("{% static 'css/base.css' %}", "/static/css/absent.css"))
    result = run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **VARIABLES)
    assert result.returncode == 5
    assert (
        "django-compressor cannot compress these blocks in a build:\n  shop/templates/shop.html, line 3: "
        in result.stderr
    )
    assert "css/absent.css" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (project / "static").exists()


def test_its_manifest_is_of_the_templates_that_are_there(tmp_path: Path, cache: Path) -> None:
    """A comment in a block changes the block's key in the manifest, and nothing else in the tree."""
    project = copy_project("compressed", tmp_path)
    variables = {**VARIABLES, "DJANGO_STATIC_CACHE": str(cache)}
    template = project / "shop/templates/shop.html"
    for comment in ("<!-- one -->", "<!-- two -->"):
        template.write_text(template.read_text().replace("{% compress css %}", "{% compress css %}" + comment))
        assert run("static-host", "build", cwd=project, **variables).returncode == 0
        with run_server(cwd=project, **variables) as running:
            assert httpx.get(f"{running.url}/").status_code == 200, running.output


def test_a_project_without_blocks_is_told_so_in_offline_mode(tmp_path: Path, cache: Path) -> None:
    project = copy_project("compressed", tmp_path)
    (project / "shop/templates/shop.html").write_text("nothing")
    result = run("static-host", "build", cwd=project, DJANGO_STATIC_CACHE=str(cache), **VARIABLES)
    assert result.returncode == 0
    assert "but no template has a {% compress %} block\n" in result.stderr
