"""The project's own STATIC_ROOT: it keeps its type, and what lies in it alone is not lost."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from static_host.origin.index import parse_index
from tests.support.builds import Build, append_settings, read_files
from tests.support.processes import run, run_server
from tests.support.projects import copy_project

VARIABLES = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}
COMMAND = """
from django.contrib.staticfiles.management.commands.collectstatic import Command as Django
from mysite.views import kind


class Command(Django):
    def handle(self, **options):
        print("collecting into", kind())
        return super().handle(**options)
"""
VIEWS = """
from django.conf import settings
from django.http import HttpResponse


def kind():
    root = settings.STATIC_ROOT
    return f"{type(root).__name__} {str(root)[-1:] == '/'}"


def page(request):
    return HttpResponse(kind())
"""
PATHS = "import pathlib\nclass Own(type(pathlib.Path())):\n    pass"
TEXTS = "class Text(str):\n    def __truediv__(self, name):\n        return f'{self}/{name}'"
TYPES = {
    "Path": ("STATIC_ROOT = BASE_DIR / 'staticfiles'", "PosixPath False"),
    "str": ("STATIC_ROOT = str(BASE_DIR / 'staticfiles')", "str False"),
    "str with a slash": ("STATIC_ROOT = f'{BASE_DIR}/staticfiles/'", "str True"),
    "relative str": ("STATIC_ROOT = 'staticfiles'", "str False"),
    "relative Path": ("STATIC_ROOT = Path('staticfiles')", "PosixPath False"),
    "a subclass of Path": (f"{PATHS}\nSTATIC_ROOT = Own(BASE_DIR, 'staticfiles')", "Own False"),
    "a subclass of str": (f"{TEXTS}\nSTATIC_ROOT = Text(BASE_DIR / 'staticfiles')", "Text False"),
    "none": ("STATIC_ROOT = None", "str False"),
    "empty": ("STATIC_ROOT = ''", "str False"),
    "unset": ("", "str False"),
}


@pytest.mark.parametrize("kind", TYPES)
def test_it_keeps_its_type(tmp_path: Path, cache: Path, kind: str) -> None:
    project = copy_project("plain", tmp_path)
    lines, expected = TYPES[kind]
    append_settings(project, lines, "INSTALLED_APPS = ['mysite', *INSTALLED_APPS]", "ROOT_URLCONF = 'mysite.more'")
    command = project / "mysite/management/commands/collectstatic.py"
    command.parent.mkdir(parents=True)
    command.write_text(COMMAND)
    (project / "mysite/views.py").write_text(VIEWS)
    (project / "mysite/more.py").write_text(
        "from django.urls import path\nfrom mysite.views import page\nurlpatterns = [path('', page)]\n"
    )
    variables = {**VARIABLES, "DJANGO_STATIC_CACHE": str(cache)}
    result = run("static-host", "build", cwd=project, **variables)
    assert f"collecting into {expected}\n" in result.stdout, result.stderr
    with run_server(cwd=project, **variables) as running:
        assert httpx.get(f"{running.url}/").text == expected
    with run_server("static-host", "dev", cwd=project, ready=r"ready on (http://\S+),", **variables) as running:
        assert httpx.get(f"{running.url}/").text == expected


MANIFEST = {
    "src/shop.js": {
        "file": "assets/shop-BRBmoGS9.js",
        "src": "src/shop.js",
        "isEntry": True,
        "css": ["assets/plain.css"],
    }
}
OUTPUT = {
    "assets/shop-BRBmoGS9.js": "shop();\n",
    "assets/shop-BRBmoGS9.js.map": "{}",
    "assets/plain.css": "p { color: red }\n",
}
PUBLIC = {"favicon.svg": "<svg/>"}
"""What Vite's manifest does not list: it is copied from the folder "public"."""


def bundle(folder: Path, manifest: str = ".vite/manifest.json", files: Mapping[str, str] = OUTPUT) -> None:
    """Write what Vite would with `folder` as its outDir."""
    for name, text in {**files, manifest: json.dumps(MANIFEST)}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def collected(project: Path, storage: str = "ManifestStaticFilesStorage") -> None:
    """Have Django itself collect into the directory "staticfiles"."""
    backend = f"django.contrib.staticfiles.storage.{storage}"
    append_settings(project, f"STORAGES = {{'staticfiles': {{'BACKEND': '{backend}'}}}}", "STATIC_ROOT = 'staticfiles'")
    command = ("django-admin", "collectstatic", "--no-input", "--verbosity", "0")
    done = run(*command, cwd=project, PYTHONPATH=str(project), **VARIABLES)
    assert done.returncode == 0, done.stderr


def immutable(tree: Path) -> dict[str, bool]:
    """Return the names in the tree below "vite", and whether they are immutable."""
    index = parse_index((tree / "static-host.index").read_bytes())
    return {name.removeprefix("vite/"): index[name].immutable for name in index if name.startswith("vite/")}


def plain(names: Mapping[str, bool]) -> dict[str, bool]:
    """Return the names without Django's fingerprinted ones."""
    return {name: is_immutable for name, is_immutable in names.items() if not re.search(r"\.[0-9a-f]{12}\.", name)}


@pytest.mark.parametrize("storage", ["ManifestStaticFilesStorage", "StaticFilesStorage"])
def test_a_bundle_that_lies_there_alone_is_taken_along_in_every_build(
    build: Build, project: Path, storage: str
) -> None:
    root, kept = project / "staticfiles", project / "staticfiles.before"
    collected(project, storage)
    bundle(root / "vite", files={**OUTPUT, **PUBLIC})
    before = read_files(root)
    result = build()
    assert result.returncode == 0, result.stderr
    assert f"{root} was a directory with files of other tools: it is kept as {kept}" in result.stderr
    assert read_files(kept) == before
    for change in ("", "1", "2"):
        if change:
            (project / "mysite/static/digits.txt").write_text(change)
            result = build()
            assert (result.returncode, result.stderr) == (0, "")
        assert plain(immutable(root)) == {
            "assets/shop-BRBmoGS9.js": True,
            "assets/shop-BRBmoGS9.js.map": False,
            "assets/plain.css": False,
            "favicon.svg": False,
        }
        assert len(immutable(root)) == 7
        assert json.loads((root / "vite/.vite/manifest.json").read_text()) == MANIFEST
    tree = root.resolve()
    assert "over the wire" in build().stdout
    assert root.resolve() == tree
    with run_server(cwd=project, **VARIABLES) as running:
        assert httpx.get(f"{running.url}/static/vite/assets/shop-BRBmoGS9.js").text == "shop();\n"
        assert httpx.get(f"{running.url}/static/vite/.vite/manifest.json").status_code == 404
    assert read_files(kept) == before


def test_what_the_bundler_writes_next_is_taken_and_what_it_removes_is_not(build: Build, project: Path) -> None:
    root = project / "staticfiles"
    append_settings(project, "STATIC_ROOT = BASE_DIR / 'staticfiles'")
    bundle(root / "vite", files={**OUTPUT, **PUBLIC})
    assert build().returncode == 0
    shutil.rmtree(root / "vite")
    bundle(root / "vite")
    (root / "vite/assets/later-Bx5qHnPY.js").write_text("later();\n")
    result = build()
    assert (result.returncode, result.stderr) == (0, "")
    assert set(plain(immutable(root))) == {*OUTPUT, "assets/later-Bx5qHnPY.js"}
    shutil.rmtree(root / "vite")
    assert build().returncode == 0
    assert immutable(root) == {}


@pytest.mark.parametrize("place", ["tree", "deeper/tree"])
def test_it_is_taken_along_into_another_static_root_as_long_as_it_is_there(
    build: Build, project: Path, place: str
) -> None:
    append_settings(project, "STATIC_ROOT = str(BASE_DIR / 'own')")
    bundle(project / "own/vite")
    for change in ("1", "2"):
        (project / "mysite/static/digits.txt").write_text(change)
        result = build(DJANGO_STATIC_ROOT=place)
        assert (result.returncode, result.stderr) == (0, "")
        assert set(plain(immutable(project / place))) == set(OUTPUT)
    assert len(read_files(project / "own")) == len(OUTPUT) + 1
    shutil.rmtree(project / "own/vite")
    assert build(DJANGO_STATIC_ROOT=place).returncode == 0
    assert immutable(project / place) == {}


def test_a_bundler_that_writes_into_static_root_itself_has_what_it_lists_taken(build: Build, project: Path) -> None:
    append_settings(project, "STATIC_ROOT = BASE_DIR / 'own'")
    bundle(project / "own", "pretalx-manifest.json", {**OUTPUT, **PUBLIC})
    result = build(DJANGO_STATIC_ROOT="tree")
    assert result.returncode == 0
    assert result.stderr == (
        f"static-host: STATIC_ROOT = {project}/own contains files that no finder and no bundler's manifest has, so the "
        "tree lacks them: favicon.svg. Put them into a static folder (STATICFILES_DIRS), or serve that directory "
        f"unchanged: `static-host index {project}/own`\n"
    )
    index = parse_index((project / "tree/static-host.index").read_bytes())
    assert {*OUTPUT, "pretalx-manifest.json"} <= set(index)
    assert "favicon.svg" not in index
    assert json.loads((project / "tree/pretalx-manifest.json").read_text()) == MANIFEST


def test_what_nothing_tells_of_is_named_and_stays(build: Build, project: Path) -> None:
    root = project / "staticfiles"
    collected(project)
    bundle(root / "vite")
    for number in range(7):
        (root / f"shop/{number}.css").parent.mkdir(exist_ok=True)
        (root / f"shop/{number}.css").write_text("")
    before = read_files(root)
    result = build()
    assert result.returncode == 5
    assert result.stderr == (
        f"static-host: {root} contains files that this program did not build. No finder has shop/0.css, "
        "shop/1.css, shop/2.css, shop/3.css, shop/4.css and 2 more. Nothing was changed. To serve this directory "
        f"unchanged, run `static-host index {root}`. To build, put these files into a static folder "
        "(STATICFILES_DIRS), or set DJANGO_STATIC_ROOT to another directory.\n"
    )
    assert read_files(root) == before
    assert not root.is_symlink()
    assert run("static-host", "index", "staticfiles", cwd=project, **VARIABLES).returncode == 0
    assert immutable(root) == {
        "assets/shop-BRBmoGS9.js": True,
        "assets/shop-BRBmoGS9.js.map": False,
        "assets/plain.css": False,
    }


def test_an_earlier_collection_is_no_stranger(build: Build, project: Path) -> None:
    collected(project)
    (project / "mysite/static/digits.txt").write_text("changed")
    command = ("django-admin", "collectstatic", "--no-input", "--verbosity", "0")
    assert run(*command, cwd=project, PYTHONPATH=str(project), **VARIABLES).returncode == 0
    (project / "staticfiles/.gitignore").write_text("*")
    (project / "staticfiles/site.css.gz").write_bytes(b"a compressor's")
    before = read_files(project / "staticfiles")
    assert build().returncode == 0
    assert read_files(project / "staticfiles.before") == before
    assert (project / "staticfiles").is_symlink()


def test_nothing_that_is_kept_is_written_over(build: Build, project: Path) -> None:
    for number, kept in enumerate(("before", "before-2", "before-3")):
        collected(project)
        (project / "staticfiles/.number").write_text(str(number))
        assert build().returncode == 0
        assert (project / f"staticfiles.{kept}/.number").read_text() == str(number)
        (project / "staticfiles").unlink()


def test_a_bundle_that_the_finders_have_is_theirs_alone(build: Build, project: Path) -> None:
    """What an earlier release, or an earlier collection, has of it is no source."""
    source = project / "mysite/static/vite"
    bundle(source, "manifest.json")
    collected(project)
    shutil.rmtree(source)
    result = build(DJANGO_STATIC_ROOT="tree")
    assert result.returncode == 0
    assert "the tree lacks them: vite/assets/plain.css, " in result.stderr
    assert immutable(project / "tree") == {}
    shutil.rmtree(project / "staticfiles")
    for _ in range(2):
        bundle(source, "manifest.json")
        assert build().returncode == 0
        assert set(plain(immutable(project / "staticfiles"))) == {*OUTPUT, "manifest.json"}
        shutil.rmtree(source / "assets")
        (source / "manifest.json").write_text("{}")
        assert build().returncode == 0
        assert set(plain(immutable(project / "staticfiles"))) == {"manifest.json"}
        shutil.rmtree(source)
        assert build().returncode == 0
        assert immutable(project / "staticfiles") == {}


def test_what_others_put_into_the_tree_is_named_and_kept_when_it_is_replaced(build: Build, project: Path) -> None:
    assert build().stderr == ""
    root = project / "staticfiles"
    (root / "css").mkdir()
    (root / "css/tailwind.css").write_text("of no manifest")
    named = (
        f"static-host: the tree at {root} contains files that no finder and no bundler's manifest has: "
        "css/tailwind.css. They are not served. Put them into a static folder (STATICFILES_DIRS)\n"
    )
    assert build().stderr == named
    assert (root / "css/tailwind.css").exists()
    (project / "mysite/static/more.css").write_text("a { color: red }")
    kept = f"static-host: unknown files of the previous tree are kept in {project}/staticfiles.before\n"
    assert build().stderr == named + kept
    assert (project / "staticfiles.before/css/tailwind.css").read_text() == "of no manifest"
    assert not (root / "css").exists()
    assert build().stderr == ""
