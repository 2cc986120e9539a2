"""Files with names that mean something else in a URL: ``{% static %}`` and references lead to that very file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote, urljoin

import httpx
import pytest

from tests.support.builds import Build, append_settings, read_manifest_paths
from tests.support.processes import run, run_server

NAMES = (
    "a b.js",
    "100%.js",
    "a%20b.js",
    "50%25.js",
    "what?.js",
    "c#.js",
    "q?v=1#x.js",
    "caf\u00e9.js",
    "cafe\u0301.js",
    "\u65e5\u672c\U0001f600.js",
    'it\'s (1) & "2".js',
    "semi;colon,comma+plus=.js",
    "a:b.js",
    "@at!~$.js",
)


@pytest.fixture
def strange(project: Path) -> Path:
    """The project "plain" with one module of each name, a module that imports them, and a page that names them."""
    folder = project / "mysite/static/names"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        (folder / name).write_text(f"export default {number};\n")
    imports = [f"import n{number} from './{quote(name)}';" for number, name in enumerate(NAMES)]
    (folder / "all.js").write_text("\n".join([*imports, ""]))
    (folder / "all.css").write_text("".join(f'a {{ b: url("{quote(name)}?x#y") }}\n' for name in NAMES))
    page = "{% load static %}{% for name in names %}<p>{% static name %}</p>{% endfor %}"
    (project / "mysite/templates/names.html").write_text(page)
    urls = project / "mysite/urls.py"
    view = "lambda request: render(request, 'names.html', {'names': NAMES})"
    urls.write_text(
        f"{urls.read_text()}\nfrom django.shortcuts import render\nfrom django.urls import path\n"
        f"NAMES = {[f'names/{name}' for name in NAMES]!r}\nurlpatterns = [path('names/', {view}), *urlpatterns]\n"
    )
    return project


def on_page(url: str) -> list[str]:
    """Return the URLs that the page names, as a browser reads them."""
    from html import unescape

    return [unescape(found) for found in re.findall("<p>(.*?)</p>", httpx.get(f"{url}/names/").text)]


def test_every_name_is_built_and_served_by_the_url_that_pages_and_files_have(build: Build, strange: Path) -> None:
    result = build()
    assert (result.returncode, result.stderr) == (0, "")
    tree, names = strange / "staticfiles", read_manifest_paths(strange)
    script = (tree / names["names/all.js"]).read_text()
    styles = (tree / names["names/all.css"]).read_text()
    specifiers = re.findall(r"from '(.*)';", script)
    targets = re.findall(r'url\("(.*?)"\)', styles)
    assert len(specifiers) == len(targets) == len(NAMES)
    with run_server(cwd=strange, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        base = f"{running.url}/static/names/"
        urls = on_page(running.url)
        for number, name in enumerate(NAMES):
            assert names[f"names/{name}"] != f"names/{name}"
            bodies = {
                httpx.get(urljoin(running.url, urls[number])).text,
                httpx.get(urljoin(base, specifiers[number])).text,
                httpx.get(urljoin(base, targets[number])).text,
                httpx.get(base + quote(name)).text,
            }
            assert bodies == {f"export default {number};\n"}, name
            assert re.search(r"\.[0-9a-f]{12}\.js\?x#y$", targets[number])
            assert "immutable" in httpx.get(urljoin(running.url, urls[number])).headers["cache-control"]


def test_while_developing_they_are_served_too(strange: Path) -> None:
    ready = r"ready on (http://[^\s,]+), development: "
    with run_server(
        "static-host", "dev", cwd=strange, ready=ready, DJANGO_SETTINGS_MODULE="mysite.settings"
    ) as running:
        for number, url in enumerate(on_page(running.url)):
            assert httpx.get(urljoin(running.url, url)).text == f"export default {number};\n", NAMES[number]


def test_a_query_and_a_fragment_behind_a_name_stay_behind_it(build: Build, project: Path) -> None:
    (project / "mysite/templates/page.html").write_text(
        "{% load static %}{% static 'site.css?v=2' %} {% static 'site.css#x' %} {% static 'site.css?v=2#x' %} "
        "{% static 'caf%C3%A9%20menu.txt' %} {% static 'img/' %}"
    )
    assert build().returncode == 0
    menu = read_manifest_paths(project)["caf\u00e9 menu.txt"].removeprefix("caf\u00e9 menu.").removesuffix(".txt")
    with run_server(cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        assert httpx.get(running.url).text.split() == [
            "/static/site.e8e374d844cc.css?v=2",
            "/static/site.e8e374d844cc.css#x",
            "/static/site.e8e374d844cc.css?v=2#x",
            f"/static/caf%C3%A9%20menu.{menu}.txt",
            "/static/img/",
        ]
        assert "is not in the manifest" not in running.output


ENDS = {
    "a#b.txt?v=1": ("a#b.txt", "?v=1"),
    "a#b.txt#x": ("a#b.txt", "#x"),
    "a#b.txt": ("a#b.txt", ""),
    "q?v=1#x.txt?w#y": ("q?v=1#x.txt", "?w#y"),
    "a.eot?#iefix": ("a.eot", "?#iefix"),
    "b.eot?#iefix": ("b.eot?", "#iefix"),
    "a%20b.txt?v=1": ("a b.txt", "?v=1"),
    "a%23b%20c.txt?v": ("a#b c.txt", "?v"),
    "100%.txt?v#%": ("100%.txt", "?v#%"),
}
"""What a tag names → the file, and what follows it."""


@pytest.fixture
def ends(project: Path) -> Path:
    """The project "plain" with files that hold their own names, and a page with a line for each of `ENDS`."""
    for name in {name for name, _ in ENDS.values()}:
        (project / "mysite/static" / name).write_text(name)
    tags = "\n".join("{% static '" + name + "' %}" for name in ENDS)
    (project / "mysite/templates/page.html").write_text("{% load static %}" + tags)
    return project


def test_a_name_ends_as_late_as_there_is_such_a_file(build: Build, ends: Path) -> None:
    result = build()
    assert (result.returncode, result.stderr) == (0, "")
    with run_server(cwd=ends, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        urls = httpx.get(running.url).text.splitlines()
        for url, (name, rest) in zip(urls, ENDS.values(), strict=True):
            assert url.endswith(rest)
            answer = httpx.get(urljoin(running.url, url))
            assert (answer.text, "immutable" in answer.headers["cache-control"]) == (name, True)
        assert "is not in the manifest" not in running.output


def test_while_developing_it_ends_there_too(ends: Path) -> None:
    ready = r"ready on (http://[^\s,]+), development: "
    with run_server("static-host", "dev", cwd=ends, ready=ready, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        urls = httpx.get(running.url).text.splitlines()
        assert [httpx.get(urljoin(running.url, url)).text for url in urls] == [name for name, _ in ENDS.values()]
        assert httpx.get(f"{running.url}/static/gone.css%3Fv=1").status_code == 404
        assert httpx.get(f"{running.url}/static/%252e%252e/settings.py").status_code == 404


def test_the_manifest_has_the_names_as_they_are(build: Build, strange: Path) -> None:
    assert build().returncode == 0
    document = json.loads((strange / "staticfiles/staticfiles.json").read_text())
    assert {f"names/{name}" for name in NAMES} <= document["paths"].keys()


def test_a_backslash_is_a_character_of_a_name(build: Build, project: Path) -> None:
    """A browser takes one for a slash, so URLs have %5C; on the disk they are two files."""
    folder = project / "mysite/static"
    (folder / "back").mkdir()
    (folder / "back/slash.txt").write_text("slash")
    (folder / "back\\slash.txt").write_text("backslash")
    (folder / "back.css").write_text('a { b: url("back%5Cslash.txt") url("back\\\\slash.txt") }\n')
    (project / "mysite/templates/page.html").write_text(
        "{% load static %}{% static 'back\\slash.txt' %} {% static 'back/slash.txt' %} {% static 'img\\dot.png' %}"
    )
    result = build()
    assert (result.returncode, result.stderr) == (0, "")
    assert (project / "staticfiles" / read_manifest_paths(project)["back.css"]).read_text() == (
        'a { b: url("back%5Cslash.c57aeddaffce.txt") url("back/slash.9fbbaa4cc515.txt") }\n'
    )
    with run_server(cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        urls = httpx.get(running.url).text.split()
        assert urls == [
            "/static/back%5Cslash.c57aeddaffce.txt",
            "/static/back/slash.9fbbaa4cc515.txt",
            "/static/img/dot.f829b914fc47.png",
        ]
        assert [httpx.get(running.url + url).text for url in urls[:2]] == ["backslash", "slash"]


def test_collectstatic_with_our_storage_gives_such_names_their_urls(project: Path, tmp_path: Path) -> None:
    backend = "{'staticfiles': {'BACKEND': 'static_host_build.storage.FingerprintStorage'}}"
    append_settings(project, f"STORAGES = {backend}", f"STATIC_ROOT = {str(tmp_path / 'own')!r}")
    for name in ("what?.txt", "a#b.txt", "50% off.txt", "a%20b.txt", "c:d.txt", "back\\slash.txt", " x.txt"):
        (project / "mysite/static" / name).write_text("x")
    names = ["what?.txt", "a#b.txt", "50% off.txt", "a%20b.txt", "c:d.txt", "back\\slash.txt", " x.txt", "site.css#x"]
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": str(project)}
    collected = run("django-admin", "collectstatic", "--no-input", cwd=project, **variables)
    assert collected.returncode == 0, collected.stderr
    url = "from django.templatetags.static import static"
    script = f"import django; django.setup(); {url}; print(*(static(name) for name in {names!r}), sep='\\n')"
    result = run("python", "-c", script, cwd=project, **variables)
    assert result.stdout.splitlines() == [
        "/static/what%3F.9dd4e461268c.txt",
        "/static/a%23b.9dd4e461268c.txt",
        "/static/50%25%20off.9dd4e461268c.txt",
        "/static/a%2520b.9dd4e461268c.txt",
        "/static/c%3Ad.9dd4e461268c.txt",
        "/static/back%5Cslash.9dd4e461268c.txt",
        "/static/%20x.9dd4e461268c.txt",
        "/static/site.e8e374d844cc.css#x",
    ], result.stderr
