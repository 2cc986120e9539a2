"""The fingerprints that the build's storage gives, and the storages that projects come with."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from static_host.origin.index import parse_index
from tests.support.builds import Build, add_own_storage, append_settings, read_manifest_paths
from tests.support.processes import run, run_server


def test_a_name_that_django_s_manifest_gets_wrong_is_named(build: Build, project: Path) -> None:
    add_own_storage(project)
    (project / "mysite/static/back\\slash.txt").write_text("")
    result = build()
    assert result.returncode == 5
    assert "the manifest lists missing files: back/slash." in result.stderr


def test_modules_that_import_each_other_in_a_circle_change_their_names_together(build: Build, project: Path) -> None:
    folder, tree = project / "mysite/static", project / "staticfiles"
    (folder / "a.js").write_text(
        'import { b } from "./b.js";\nimport { part } from "./part.js";\nexport const a = 1;\n'
    )
    (folder / "b.js").write_text('import { a } from "./a.js";\nexport const b = 1;\n')
    (folder / "self.js").write_text('export const me = () => import("./self.js");\n')
    (folder / "page.js").write_text('import { a } from "./a.js";\n')
    result = build()
    assert (result.returncode, result.stderr) == (0, "")
    first = read_manifest_paths(project)
    a, b, me = first["a.js"], first["b.js"], first["self.js"]
    assert (tree / a).read_text() == (
        f'import {{ b }} from "./{b}";\nimport {{ part }} from "./part.3eb92c086480.js";\nexport const a = 1;\n'
    )
    assert (tree / b).read_text() == f'import {{ a }} from "./{a}";\nexport const b = 1;\n'
    assert (tree / me).read_text() == f'export const me = () => import("./{me}");\n'
    assert (tree / first["page.js"]).read_text() == f'import {{ a }} from "./{a}";\n'
    (folder / "b.js").write_text('import { a } from "./a.js";\nexport const b = 2;\n')
    build()
    second = read_manifest_paths(project)
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {"a.js", "b.js", "page.js"}
    assert not [path for path in tree.iterdir() if path.name in {a, b}]


def test_a_circle_s_fingerprints_tell_which_of_its_references_are_rewritten(build: Build, project: Path) -> None:
    """Below another prefix the last of these is no file of the tree's."""
    (project / "mysite/static/self.js").write_text('import "./self.js";\nimport "/static/self.js";\n')
    build()
    first = read_manifest_paths(project)["self.js"]
    assert (project / "staticfiles" / first).read_text() == f'import "./{first}";\nimport "/static/{first}";\n'
    result = build(DJANGO_STATIC_PREFIX="/s/")
    assert (result.returncode, result.stderr) == (0, "")
    second = read_manifest_paths(project)["self.js"]
    assert second != first
    assert (project / "staticfiles" / second).read_text() == f'import "./{second}";\nimport "/static/self.js";\n'


@pytest.mark.slow
def test_names_and_references_are_django_s_own(build: Build, project: Path, tmp_path: Path) -> None:
    """Django's collectstatic, with its own storage, on Django's admin and stylesheets that refer to each other."""
    folder = project / "mysite/static"
    (folder / "deep/er").mkdir(parents=True)
    (folder / "deep/er/one.css").write_text(
        "@import url('../two.css');\na { b: url(../../img/dot.png?v=1#x) url('two.svg#i') }\n"
    )
    (folder / "deep/er/two.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "deep/two.css").write_text('@import url("../site.css");\n/*# sourceMappingURL=two.css.map */\n')
    (folder / "deep/two.css.map").write_text("{}")
    (folder / "app.js").write_text("code();\n//# sourceMappingURL=app.js.map\n")
    (folder / "app.js.map").write_text("{}")
    (folder / "main.js").write_text("code();")  # Django rewrites no imports unless it is told to
    apps = [f"django.contrib.{app}" for app in ("admin", "auth", "contenttypes", "messages", "sessions")]
    append_settings(
        project, f"INSTALLED_APPS += {apps}", "DATABASES = {}", f"STATIC_ROOT = {str(tmp_path / 'django')!r}"
    )
    storage = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    append_settings(project, f"STORAGES = {{'staticfiles': {{'BACKEND': '{storage}'}}}}")
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}
    collected = run("django-admin", "collectstatic", "--no-input", cwd=project, PYTHONPATH=str(project), **variables)
    assert collected.returncode == 0, collected.stderr
    theirs = json.loads((tmp_path / "django/staticfiles.json").read_text())["paths"]
    assert len(theirs) > 100
    assert build(DJANGO_STATIC_ROOT="staticfiles").returncode == 0
    ours = read_manifest_paths(project)
    assert ours.keys() == theirs.keys()
    unlike = {name for name in ours if ours[name] != theirs[name]}  # Django writes quotes round every target
    assert {"admin/css/base.css", "deep/er/one.css"} <= unlike
    assert {name.rpartition(".")[2] for name in unlike} == {"css"}

    def with_plain_names(folder: Path, names: dict[str, str], name: str) -> bytes:
        body = (folder / names[name]).read_bytes()
        for plain, hashed in names.items():
            body = body.replace(hashed.rpartition("/")[2].encode(), plain.rpartition("/")[2].encode())
        return body.replace(b'"', b"").replace(b"'", b"")

    for name in ours:
        assert with_plain_names(project / "staticfiles", ours, name) == with_plain_names(
            tmp_path / "django", theirs, name
        )


@pytest.mark.parametrize(
    "backend",
    ["whitenoise.storage.CompressedManifestStaticFilesStorage", "whitenoise.storage.CompressedStaticFilesStorage"],
)
def test_the_storages_that_people_come_with_are_replaced(build: Build, project: Path, backend: str) -> None:
    append_settings(project, f"STORAGES = {{'staticfiles': {{'BACKEND': '{backend}'}}}}")
    assert build().returncode == 0
    assert read_manifest_paths(project)["digits.txt"] == "digits.781e5e245d69.txt"
    with run_server(cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        assert "STORAGES['staticfiles']['BACKEND'] = 'static_host_django.storage.StaticHostStorage'" in running.output


def test_a_fingerprinting_storage_of_the_project_s_own_is_kept(build: Build, project: Path) -> None:
    add_own_storage(project)
    result = build()
    assert result.returncode == 0, result.stderr
    assert read_manifest_paths(project)["digits.txt"] == "digits.mine.txt"
    assert parse_index((project / "staticfiles/static-host.index").read_bytes())["digits.mine.txt"].immutable


def test_collectstatic_with_our_storage_makes_the_build_s_names(build: Build, project: Path, tmp_path: Path) -> None:
    append_settings(
        project,
        "STORAGES = {'staticfiles': {'BACKEND': 'static_host_build.storage.FingerprintStorage'}}",
    )
    append_settings(project, f"STATIC_ROOT = {str(tmp_path / 'own')!r}")
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": str(project)}
    for _ in range(2):  # into an empty directory, and over what is there
        result = run("django-admin", "collectstatic", "--no-input", cwd=project, **variables)
        assert result.returncode == 0, result.stderr
    assert build(DJANGO_STATIC_ROOT="staticfiles").returncode == 0
    manifest = json.loads((tmp_path / "own/staticfiles.json").read_text())
    assert manifest == json.loads((project / "staticfiles/staticfiles.json").read_text())
    own = manifest["paths"]
    assert {name: (tmp_path / "own" / name).read_bytes() for name in own.values()} == {
        name: (project / "staticfiles" / name).read_bytes() for name in own.values()
    }
    assert run("static-host", "index", str(tmp_path / "own"), cwd=project, **variables).returncode == 0
    with run_server(cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        assert 'href="/static/site.e8e374d844cc.css"' in httpx.get(f"{running.url}/").text


def test_with_our_storage_a_development_server_has_plain_names(project: Path) -> None:
    append_settings(
        project,
        "STORAGES = {'staticfiles': {'BACKEND': 'static_host_build.storage.FingerprintStorage'}}",
    )
    append_settings(project, "DEBUG = True", "STATIC_ROOT = BASE_DIR / 'unused'")
    url = "from django.templatetags.static import static; print(static('site.css'))"
    script = f"import django; django.setup(); {url}"
    result = run("python", "-c", script, cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings")
    assert result.stdout == "/static/site.css\n", result.stderr


def test_collectstatic_with_our_storage_lists_what_leads_nowhere(project: Path, tmp_path: Path) -> None:
    append_settings(
        project,
        "STORAGES = {'staticfiles': {'BACKEND': 'static_host_build.storage.FingerprintStorage'}}",
    )
    append_settings(project, f"STATIC_ROOT = {str(tmp_path / 'own')!r}")
    (project / "mysite/static/broken.css").write_text("a { b: url(gone.png) }\nc { d: url(../../../far/away.png) }\n")
    (project / "mysite/static/modules.js").write_text('import("lodash");\nimport("./lost.js");\n')
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": str(project)}
    result = run("django-admin", "collectstatic", "--no-input", cwd=project, **variables)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "CommandError: references that do not resolve:",
        "  broken.css, line 1: gone.png does not exist.",
        "  broken.css, line 2: ../../../far/away.png does not exist.",
        "  modules.js, line 2: ./lost.js does not exist.",
        "  DJANGO_STATIC_MISSING_REFERENCES=warn turns these errors into warnings.",
    ]
    assert not (tmp_path / "own/staticfiles.json").exists()
    variables["DJANGO_STATIC_MISSING_REFERENCES"] = "warn"
    assert run("django-admin", "collectstatic", "--no-input", cwd=project, **variables).returncode == 0
    variables["DJANGO_STATIC_MISSING_REFERENCES"] = "maybe"
    refused = run("django-admin", "collectstatic", "--no-input", cwd=project, **variables)
    assert refused.returncode == 1
    assert "CommandError: this variable is wrong:\n  DJANGO_STATIC_MISSING_REFERENCES='maybe'" in refused.stderr


def test_a_file_of_any_encoding_is_fingerprinted_as_it_is(build: Build, project: Path) -> None:
    """Latin-1 keeps its bytes and gets its references; UTF-16 has none that a lexer of ASCII would find."""
    latin = "/* \xe9t\xe9 */ a { b: url(img/dot.png) }\n".encode("latin-1")
    wide = "a { b: url(img/dot.png) }".encode("utf-16")
    (project / "mysite/static/latin.css").write_bytes(latin)
    (project / "mysite/static/wide.css").write_bytes(wide)
    assert build().returncode == 0
    names = read_manifest_paths(project)
    assert (project / "staticfiles" / names["latin.css"]).read_bytes() == latin.replace(
        b"url(img/dot.png)", b"url(img/dot.f829b914fc47.png)"
    )
    assert (project / "staticfiles" / names["wide.css"]).read_bytes() == wide


def test_an_own_collectstatic_never_writes_into_the_release_before(build: Build, project: Path) -> None:
    """It changes files where they were collected: they must not be links to the files that are served."""
    commands = project / "mysite/management/commands"
    commands.mkdir(parents=True)
    for folder in (commands, commands.parent):
        (folder / "__init__.py").write_text("")
    (commands / "collectstatic.py").write_text(
        "import os\nfrom django.conf import settings\n"
        "from django.contrib.staticfiles.management.commands.collectstatic import Command as Base\n"
        "class Command(Base):\n"
        "    def copy_file(self, path, prefixed_path, source_storage):\n"
        "        super().copy_file(path, prefixed_path, source_storage)\n"
        "        if path == 'digits.txt':\n"
        "            with open(os.path.join(settings.STATIC_ROOT, path), 'r+') as file:\n"
        "                file.write(os.environ['STAMP'])\n"
    )
    append_settings(project, "INSTALLED_APPS.insert(0, 'mysite')")
    assert build(STAMP="one").returncode == 0
    before = (project / "staticfiles").resolve()
    with run_server(cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        assert build(STAMP="two").returncode == 0
        assert (before / "digits.txt").read_text() == "one3456789"
        assert httpx.get(f"{running.url}/static/digits.txt").text == "one3456789"
    assert (project / "staticfiles/digits.txt").read_text() == "two3456789"


@pytest.mark.parametrize("package", ["collectfast", "collectfasta"])
def test_a_collectstatic_that_compares_with_a_bucket_collects_without_it(
    build: Build, project: Path, package: str
) -> None:
    commands = project / "mysite/management/commands"
    commands.mkdir(parents=True)
    (commands / "collectstatic.py").write_text(
        "from django.contrib.staticfiles.management.commands.collectstatic import Command as Base\n"
        "class Command(Base):\n"
        f"    {package}_enabled = True\n"
        "    def copy_file(self, path, prefixed_path, source_storage):\n"
        f"        if self.{package}_enabled:\n"
        "            self.storage.entries\n"
        "        super().copy_file(path, prefixed_path, source_storage)\n"
    )
    append_settings(project, "INSTALLED_APPS.insert(0, 'mysite')")
    built = build()
    assert built.returncode == 0, built.stderr
    assert (project / "staticfiles/digits.txt").read_bytes() == b"0123456789"


def test_a_name_is_rewritten_once(build: Build, project: Path) -> None:
    folder, tree = project / "mysite/static", project / "staticfiles"
    (folder / "leaf.js").write_text("export const l = 1;\n")
    (folder / "c.js").write_text('import {l} from "./leaf.js";export const c = 1;\n')
    (folder / "top.js").write_text(
        'import "./leaf.js";\nexport {c} from "./c.js";\nexport {l} from "./leaf.js";\nimport x from "./c.js";\n'
    )
    (folder / "query.css").write_text("@import 'site.css?v=1';\na { b: url(img/dot.png?x) }\n")
    result = build()
    assert (result.returncode, result.stderr) == (0, "")
    names = read_manifest_paths(project)
    top = (tree / names["top.js"]).read_text()
    assert top.count(f'"./{names["leaf.js"]}"') == 2
    assert top.count(f'"./{names["c.js"]}"') == 2
    styled = (tree / names["query.css"]).read_text()
    assert f"{names['site.css']}?v=1" in styled
    assert f"{names['img/dot.png']}?x" in styled


def test_a_source_that_its_storage_changes_is_built_every_time(build: Build, project: Path) -> None:
    (project / "mysite/finders.py").write_text(
        "import os\n"
        "from django.contrib.staticfiles.finders import FileSystemFinder\n"
        "from django.core.files.base import ContentFile\n"
        "from django.core.files.storage import FileSystemStorage\n"
        "class Stamped(FileSystemStorage):\n"
        "    def _open(self, name, mode='rb'):\n"
        "        stamp = ContentFile(os.environ['STAMP'].encode())\n"
        "        return stamp if name == 'digits.txt' else super()._open(name, mode)\n"
        "class Finder(FileSystemFinder):\n"
        "    def __init__(self, *args, **kwargs):\n"
        "        super().__init__(*args, **kwargs)\n"
        "        for root, storage in list(self.storages.items()):\n"
        "            self.storages[root] = Stamped(location=storage.location)\n"
        "            self.storages[root].prefix = ''\n"
    )
    append_settings(project, "STATICFILES_FINDERS = ['mysite.finders.Finder']")
    for stamp in ("one", "two"):
        result = build(STAMP=stamp)
        assert result.returncode == 0, result.stderr
        assert (project / "staticfiles/digits.txt").read_text() == stamp
