"""``static-host build`` as a process, on projects as people have them."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import brotli
import httpx
import pytest

from app.origin.index import loads
from tests.conftest import copied
from tests.processes import SCRIPTS, environment, run, serving

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Build = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of "plain", not built."""
    return copied("plain", tmp_path)


@pytest.fixture
def build(project: Path, cache: Path) -> Build:
    """Builds the project with the given variables."""

    def call(**variables: str) -> subprocess.CompletedProcess[str]:
        fixed = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
        return run("static-host", "build", cwd=project, **{**fixed, **variables})

    return call


def settings(project: Path, *lines: str) -> None:
    """Append lines to the project's settings."""
    path = project / "mysite/settings.py"
    path.write_text("\n".join([path.read_text(), *lines, ""]))


def own_storage(project: Path) -> None:
    """Give the project a fingerprinting storage of its own."""
    (project / "mysite/storage.py").write_text(
        "from django.contrib.staticfiles.storage import ManifestStaticFilesStorage\n"
        "class Storage(ManifestStaticFilesStorage):\n"
        "    def file_hash(self, name, content=None):\n"
        "        return 'mine'\n"
    )
    settings(project, "STORAGES = {'staticfiles': {'BACKEND': 'mysite.storage.Storage'}}")


def decompress_zstd(data: bytes) -> bytes:
    """Decode with a window of 8 MB, as browsers do (RFC 9659)."""
    return zstd.decompress(data, options={zstd.DecompressionParameter.window_log_max: 23})


def manifest(project: Path) -> dict[str, str]:
    paths: dict[str, str] = json.loads((project / "staticfiles/staticfiles.json").read_text())["paths"]
    return paths


def files(tree: Path) -> dict[str, bytes]:
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def test_it_says_what_it_made(build: Build, project: Path) -> None:
    result = build()
    assert result.returncode == 0, result.stderr
    first, second, *_ = result.stdout.splitlines()
    release = (project / "staticfiles").resolve().name
    assert first == f"static-host: 16 static resources in {project}/staticfiles, release {release}"
    assert second.startswith("static-host: 9 contents encoded, ")
    assert result.stderr == ""


def test_every_representation_decodes_to_its_file(build: Build, project: Path) -> None:
    build()
    tree = project / "staticfiles"
    index = loads((tree / "static-host.index").read_bytes())
    decode = {"identity": bytes, "br": brotli.decompress, "gzip": gzip.decompress, "zstd": decompress_zstd}
    for name, resource in index.items():
        identity = (tree / name).read_bytes()
        for representation in resource.representations:
            body = (tree / representation.file).read_bytes()
            assert len(body) == representation.length
            assert decode[representation.coding](body) == identity
    assert [r.coding for r in index["site.css"].representations] == ["br", "zstd", "gzip", "identity"]
    assert [r.coding for r in index["img/dot.png"].representations] == ["identity"]
    assert [name for name in index if index[name].immutable] == sorted(manifest(project).values())


def test_media_types_come_from_a_fixed_table(build: Build, project: Path) -> None:
    types = {
        "a.css": "text/css; charset=utf-8",
        "a.mjs": "text/javascript; charset=utf-8",
        "a.cjs": "text/javascript; charset=utf-8",
        "a.html": "text/html; charset=utf-8",
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
    index = loads((project / "staticfiles/static-host.index").read_bytes())
    assert {name: index[name].media_type for name in types} == types


def test_a_name_that_django_s_manifest_gets_wrong_is_named(build: Build, project: Path) -> None:
    own_storage(project)
    (project / "mysite/static/back\\slash.txt").write_text("")
    result = build()
    assert result.returncode == 5
    assert "the manifest names files that are not there: back/slash." in result.stderr


def test_references_are_rewritten_to_fingerprinted_names(build: Build, project: Path) -> None:
    build()
    tree = project / "staticfiles"
    assert b"url('img/dot.png')" in (tree / "site.css").read_bytes()
    assert b'url("img/dot.f829b914fc47.png")' in (tree / "site.e8e374d844cc.css").read_bytes()
    assert b'import { part } from "./part.3eb92c086480.js";' in (tree / manifest(project)["main.js"]).read_bytes()


def test_two_builds_of_one_source_are_byte_identical(tmp_path: Path, cache: Path) -> None:
    trees = []
    for place, order in (("one", 1), ("two", -1)):
        project = copied("plain", tmp_path / place)
        folder = project / "mysite/static"
        for number in list(range(40))[::order]:  # made in two orders, with two sets of times
            path = folder / f"made-{number}.css"
            path.write_text(f".made-{number} {{ color: rgb({number} 0 0); }}\n" * 20)
            os.utime(path, (1_000_000_000 * (order + 2), 1_000_000_000 * (order + 2)))
        variables = {"DJANGO_STATIC_CACHE": str(tmp_path / place / "cache")}
        result = run("static-host", "build", cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings", **variables)
        assert result.returncode == 0, result.stderr
        trees.append(files(project / "staticfiles"))
    assert trees[0] == trees[1]
    assert len(trees[0]) > 100


def test_a_second_build_encodes_nothing_and_changes_nothing(build: Build, project: Path, tmp_path: Path) -> None:
    variables = {"DJANGO_STATIC_CACHE": str(tmp_path / "cache")}
    assert "9 contents encoded, 0 of them from the cache" in build(**variables).stdout
    before = (project / "staticfiles").readlink()
    assert "9 contents encoded, 9 of them from the cache" in build(**variables).stdout
    assert (project / "staticfiles").readlink() == before
    assert sorted(path.name for path in (project / ".staticfiles.releases").iterdir()) == [
        before.name,
        "lock",
        "record.json",
    ]


def test_a_damaged_cache_entry_is_made_anew(build: Build, project: Path, tmp_path: Path) -> None:
    variables = {"DJANGO_STATIC_CACHE": str(tmp_path / "cache")}
    build(**variables)
    good = files(project / "staticfiles")
    for entry in (tmp_path / "cache").glob("*/*"):
        entry.write_bytes(entry.read_bytes()[:-1] + b"!")
    (project / "mysite/static/new.txt").write_text("new")
    assert "10 contents encoded, 0 of them from the cache" in build(**variables).stdout
    again = files(project / "staticfiles")
    assert {name: again[name] for name in good if name not in ("static-host.index", "staticfiles.json")} == {
        name: body for name, body in good.items() if name not in ("static-host.index", "staticfiles.json")
    }


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(build: Build, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert build(DJANGO_STATIC_CACHE=str(tmp_path / "file/cache")).returncode == 0


def test_a_build_that_is_killed_leaves_the_old_tree_whole(build: Build, project: Path, tmp_path: Path) -> None:
    assert build().returncode == 0
    (project / "mysite/static/digits.txt").write_text("changed")
    old = files(project / "staticfiles")
    link = (project / "staticfiles").readlink()
    chance = random.Random(7)
    for _ in range(12):
        variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(tmp_path / "cache")}
        process = subprocess.Popen([SCRIPTS / "static-host", "build"], cwd=project, env=environment(variables))
        time.sleep(chance.uniform(0.3, 1.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (project / "staticfiles").readlink() == link:
            assert files(project / "staticfiles") == old
    assert build().returncode == 0
    assert (project / "staticfiles/digits.txt").read_text() == "changed"
    assert len(list((project / ".staticfiles.releases").iterdir())) == 3  # the release, its record, and the lock


def test_a_build_waits_for_another_one(project: Path, cache: Path) -> None:
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
    builds = [
        subprocess.Popen(
            [SCRIPTS / "static-host", "build"], cwd=project, env=environment(variables), stdout=subprocess.DEVNULL
        )
        for _ in range(3)
    ]
    assert [process.wait(60) for process in builds] == [0, 0, 0]
    assert loads((project / "staticfiles/static-host.index").read_bytes())


def test_references_that_lead_nowhere_are_all_named_and_the_old_tree_stands(build: Build, project: Path) -> None:
    assert build().returncode == 0
    before = files(project / "staticfiles")
    (project / "mysite/static/broken.css").write_text(
        "a { color: red; }\nb { background: url(img/dott.png); }\n@import 'nothing.css';\n"
    )
    result = build()
    assert result.returncode == 5
    assert result.stderr.splitlines() == [
        "static-host: references that lead nowhere:",
        "  broken.css, line 2: img/dott.png does not exist. Did you mean dot.png?",
        "  broken.css, line 3: nothing.css does not exist.",
    ]
    assert files(project / "staticfiles") == before


def test_imports_and_names_in_templates_that_lead_nowhere_are_named_too(build: Build, project: Path) -> None:
    (project / "mysite/static/vendor.js").write_text(
        '// import "./in-a-comment.js";\nimport "./prat.js";\n/* import("./gone.js") */ import("./lost.js");\n'
    )
    (project / "mysite/templates/other.html").write_text(
        "{# {% static 'commented.css' %} #}\n{% comment %}\n{% static 'commented.css' %}\n{% endcomment %}\n"
        "{% static 'site.css' %}{% static 'site.css?v=2' %}{% static name %}{% static 'x-'|add:name %}\n"
        '<link href="{% static \'siet.css\' %}">{% static "img/absent.png" as url %}\n'
    )
    settings(project, "TEMPLATES[0]['DIRS'].append(BASE_DIR)")
    (project / "README.md").write_text("{% static 'example.css' %}")
    (project / "node_modules/x").mkdir(parents=True)
    (project / "node_modules/x/y.html").write_text("{% static 'example.css' %}")
    (project / "mysite/templates/space.html").write_text("{% static 'caf%C3%A9%20menu.txt' %}")
    result = build()
    assert result.returncode == 5
    lines = [
        "  mysite/templates/other.html, line 6: img/absent.png does not exist.",
        "  mysite/templates/other.html, line 6: siet.css does not exist. Did you mean site.css?",
        "  vendor.js, line 2: ./prat.js does not exist. Did you mean part.js?",
        "  vendor.js, line 3: ./lost.js does not exist.",
    ]
    assert result.stderr.splitlines() == ["static-host: references that lead nowhere:", *lines]
    warned = build(DJANGO_STATIC_MISSING_REFERENCES="warn")
    assert warned.returncode == 0
    assert warned.stderr.splitlines() == [line.replace("  ", "static-host: ", 1) for line in lines]
    built = (project / "staticfiles" / manifest(project)["vendor.js"]).read_text()
    assert built == (project / "mysite/static/vendor.js").read_text()


def test_missing_source_maps_are_warnings(build: Build, project: Path) -> None:
    (project / "mysite/static/vendor.js").write_text("export default 1;\n//# sourceMappingURL=vendor.js.map\n")
    (project / "mysite/static/vendor.css").write_text("a { color: red; }\n/*# sourceMappingURL=vendor.css.map */\n")
    result = build()
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        "static-host: vendor.css, line 2: vendor.css.map does not exist.",
        "static-host: vendor.js, line 2: vendor.js.map does not exist.",
    ]


def test_modules_that_import_each_other_in_a_circle_change_their_names_together(build: Build, project: Path) -> None:
    folder, tree = project / "mysite/static", project / "staticfiles"
    (folder / "a.js").write_text('import { b } from "./b.js";\nimport { part } from "./part.js";\nexport const a = 1;\n')
    (folder / "b.js").write_text('import { a } from "./a.js";\nexport const b = 1;\n')
    (folder / "self.js").write_text('export const me = () => import("./self.js");\n')
    (folder / "page.js").write_text('import { a } from "./a.js";\n')
    result = build()
    assert (result.returncode, result.stderr) == (0, "")
    first = manifest(project)
    a, b, me = first["a.js"], first["b.js"], first["self.js"]
    assert (tree / a).read_text() == (
        f'import {{ b }} from "./{b}";\nimport {{ part }} from "./part.3eb92c086480.js";\nexport const a = 1;\n'
    )
    assert (tree / b).read_text() == f'import {{ a }} from "./{a}";\nexport const b = 1;\n'
    assert (tree / me).read_text() == f'export const me = () => import("./{me}");\n'
    assert (tree / first["page.js"]).read_text() == f'import {{ a }} from "./{a}";\n'
    (folder / "b.js").write_text('import { a } from "./a.js";\nexport const b = 2;\n')
    build()
    second = manifest(project)
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {"a.js", "b.js", "page.js"}
    assert not [path for path in tree.iterdir() if path.name in {a, b}]


def test_names_are_django_s_own(build: Build, project: Path, tmp_path: Path) -> None:
    """Django's collectstatic, with its own storage, on Django's admin and stylesheets that refer to each other."""
    folder = project / "mysite/static"
    (folder / "deep/er").mkdir(parents=True)
    (folder / "deep/er/one.css").write_text("@import '../two.css';\na { b: url(../../img/dot.png?v=1#x) url('two.svg#i') }\n")
    (folder / "deep/er/two.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "deep/two.css").write_text('@import url("../site.css");\n/*# sourceMappingURL=two.css.map */\n')
    (folder / "deep/two.css.map").write_text("{}")
    (folder / "app.js").write_text("code();\n//# sourceMappingURL=app.js.map\n")
    (folder / "app.js.map").write_text("{}")
    (folder / "main.js").write_text("code();")  # Django rewrites no imports unless it is told to
    apps = [f"django.contrib.{app}" for app in ("admin", "auth", "contenttypes", "messages", "sessions")]
    settings(project, f"INSTALLED_APPS += {apps}", "DATABASES = {}", f"STATIC_ROOT = {str(tmp_path / 'django')!r}")
    storage = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    settings(project, f"STORAGES = {{'staticfiles': {{'BACKEND': '{storage}'}}}}")
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}
    collected = run("django-admin", "collectstatic", "--no-input", cwd=project, PYTHONPATH=str(project), **variables)
    assert collected.returncode == 0, collected.stderr
    theirs = json.loads((tmp_path / "django/staticfiles.json").read_text())["paths"]
    assert len(theirs) > 100
    assert build(DJANGO_STATIC_ROOT="staticfiles").returncode == 0
    assert manifest(project) == theirs
    assert {name: (project / "staticfiles" / name).read_bytes() for name in theirs.values()} == {
        name: (tmp_path / "django" / name).read_bytes() for name in theirs.values()
    }


def test_a_dangling_link_is_left_out_with_a_warning(build: Build, project: Path) -> None:
    (project / "mysite/static/gone[1].txt").symlink_to("/nowhere/at/all")
    result = build()
    assert result.returncode == 0
    assert "gone[1].txt is a symbolic link to a file that does not exist; it is left out" in result.stderr
    assert "gone[1].txt" not in loads((project / "staticfiles/static-host.index").read_bytes())


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
    settings(project, f"STATIC_URL = {own}")
    result = build()
    assert result.returncode == 0, result.stderr
    with serving(cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        page = httpx.get(f"{running.url}/")
        assert f'href="{href}site.e8e374d844cc.css"' in page.text
        path = href.removeprefix("https:").removeprefix("//cdn.example.com")
        assert httpx.get(f"{running.url}{path}site.e8e374d844cc.css").status_code == 200


def test_an_absolute_reference_below_the_prefix_is_rewritten(build: Build, project: Path) -> None:
    settings(project, "STATIC_URL = 'https://cdn.example.com/s/'")
    (project / "mysite/static/absolute.css").write_text("a { background: url(/s/img/dot.png); }\n")
    assert build().returncode == 0
    assert b"/s/img/dot.f829b914fc47.png" in (project / "staticfiles" / manifest(project)["absolute.css"]).read_bytes()


def test_the_project_s_own_static_root_is_respected(build: Build, project: Path) -> None:
    settings(project, "STATIC_ROOT = BASE_DIR / 'public/static'")
    assert build().returncode == 0
    assert (project / "public/static/static-host.index").is_file()
    with serving(cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        assert httpx.get(f"{running.url}/static/digits.txt").text == "0123456789"


def test_whitenoise_s_middleware_is_taken_out_unless_it_has_files_of_its_own(build: Build, project: Path) -> None:
    settings(project, "MIDDLEWARE.insert(0, 'whitenoise.middleware.WhiteNoiseMiddleware')")
    assert build().returncode == 0
    with serving(cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        assert "MIDDLEWARE without whitenoise.middleware.WhiteNoiseMiddleware" in running.output
        assert httpx.get(f"{running.url}/").status_code == 200
    (project / "public").mkdir()
    (project / "public/root.txt").write_text("from WhiteNoise")
    settings(project, "WHITENOISE_ROOT = BASE_DIR / 'public'")
    with serving(cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        assert "MIDDLEWARE without" not in running.output
        assert httpx.get(f"{running.url}/root.txt").text == "from WhiteNoise"


@pytest.mark.parametrize(
    "backend",
    ["whitenoise.storage.CompressedManifestStaticFilesStorage", "whitenoise.storage.CompressedStaticFilesStorage"],
)
def test_the_storages_that_people_come_with_are_replaced(build: Build, project: Path, backend: str) -> None:
    settings(project, f"STORAGES = {{'staticfiles': {{'BACKEND': '{backend}'}}}}")
    assert build().returncode == 0
    assert manifest(project)["digits.txt"] == "digits.781e5e245d69.txt"
    with serving(cwd=project, DJANGO_SETTINGS_MODULE="mysite.settings") as running:
        assert "STORAGES['staticfiles']['BACKEND'] = 'app.storage.StaticHostStorage'" in running.output


def test_a_fingerprinting_storage_of_the_project_s_own_is_kept(build: Build, project: Path) -> None:
    own_storage(project)
    result = build()
    assert result.returncode == 0, result.stderr
    assert manifest(project)["digits.txt"] == "digits.mine.txt"
    assert loads((project / "staticfiles/static-host.index").read_bytes())["digits.mine.txt"].immutable


def test_a_pattern_makes_other_names_immutable(build: Build, project: Path) -> None:
    assert build(DJANGO_STATIC_IMMUTABLE_PATTERN=r"^part\.js$").returncode == 0
    index = loads((project / "staticfiles/static-host.index").read_bytes())
    assert index["part.js"].immutable
    assert not index["main.js"].immutable


def test_django_compressor_s_output_is_immutable_where_it_is_installed(build: Build, project: Path) -> None:
    names = ("css/output.4a5b6c7d8e9f.css", "js/site.0123456789ab.js", "js/readme.txt", "css/output.css")
    for name in names:
        (project / "mysite/static/CACHE" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "mysite/static/CACHE" / name).write_text("")

    def judged() -> list[bool]:
        assert build().returncode == 0
        index = loads((project / "staticfiles/static-host.index").read_bytes())
        return [index[f"CACHE/{name}"].immutable for name in names]

    assert judged() == [False, False, False, False]
    settings(project, "INSTALLED_APPS += ['compressor']")
    assert judged() == [True, True, False, False]


def test_encoded_siblings_that_came_with_the_sources_are_used_if_they_decode_to_the_file(
    build: Build, project: Path
) -> None:
    folder = project / "mysite/static"
    content = (folder / "part.js").read_bytes() * 20
    own = gzip.compress(content, 1, mtime=1_000_000_000)  # not what the build would make
    (folder / "own.js").write_bytes(content)
    (folder / "own.js.gz").write_bytes(own)
    (folder / "own.js.br").write_bytes(brotli.compress(b"an older version"))
    (folder / "alone.tar.gz").write_bytes(own)
    result = build()
    assert result.returncode == 0
    assert result.stderr == "static-host: own.js.br does not decode to own.js; it is replaced\n"
    tree = project / "staticfiles"
    index = loads((tree / "static-host.index").read_bytes())
    assert {r.coding for r in index["own.js"].representations} == {"identity", "br", "zstd", "gzip"}
    assert (tree / "own.js.gz").read_bytes() == own
    assert brotli.decompress((tree / "own.js.br").read_bytes()) == content
    assert "own.js.gz" not in index
    assert index["alone.tar.gz"].media_type == "application/gzip"
    assert [r.coding for r in index["alone.tar.gz"].representations] == ["identity"]


@pytest.mark.parametrize(
    ("codings", "made"),
    [
        ("br,zstd,gzip", {".br", ".zst", ".gz"}),
        ("gzip", {".gz"}),
        ("br, zopfli", {".br", ".gz"}),
    ],
)
def test_the_codings_can_be_chosen(build: Build, project: Path, codings: str, made: set[str]) -> None:
    result = build(DJANGO_STATIC_CODINGS=codings)
    assert result.returncode == 0, result.stderr
    tree = project / "staticfiles"
    assert {path.suffix for path in tree.glob("site.css.*")} == made
    if ".gz" in made:
        assert gzip.decompress((tree / "site.css.gz").read_bytes()) == (tree / "site.css").read_bytes()


def test_a_large_file_gets_the_windows_that_browsers_can_decode(build: Build, project: Path) -> None:
    content = b"There is no place like 127.0.0.1.\n" * 150_000
    (project / "mysite/static/large.txt").write_bytes(content)
    assert build().returncode == 0
    tree = project / "staticfiles"
    assert decompress_zstd((tree / "large.txt.zst").read_bytes()) == content
    encoded = (tree / "large.txt.br").read_bytes()
    assert encoded[0] & 0b1111 == 0b1101  # WBITS of 23, the smallest window of RFC 7932, §9.1 that holds 5.1 MB
    assert brotli.decompress(encoded) == content


def test_a_static_root_that_is_a_file_is_refused(build: Build, project: Path) -> None:
    (project / "staticfiles").write_text("mine")
    result = build()
    assert result.returncode == 5
    assert result.stderr == (
        f"static-host: the static root {project}/staticfiles is a file. Remove it, or set DJANGO_STATIC_ROOT to "
        "another directory; nothing was changed.\n"
    )
    assert (project / "staticfiles").read_text() == "mine"


def test_a_directory_with_other_files_is_refused(build: Build, project: Path) -> None:
    (project / "staticfiles").mkdir()
    (project / "staticfiles/thesis.txt").write_text("the only copy")
    result = build()
    assert result.returncode == 5
    assert f"{project}/staticfiles holds files that are not a static tree of this program." in result.stderr
    assert (project / "staticfiles/thesis.txt").read_text() == "the only copy"


@pytest.mark.parametrize("content", [None, "static-host.index"])
def test_an_empty_directory_or_a_copied_tree_is_replaced(build: Build, project: Path, content: str | None) -> None:
    (project / "staticfiles").mkdir()
    if content:
        (project / "staticfiles" / content).write_text("")
    assert build().returncode == 0
    assert (project / "staticfiles").is_symlink()
    assert (project / "staticfiles/digits.txt").read_text() == "0123456789"


def test_a_release_that_lost_a_file_is_made_anew(build: Build, project: Path) -> None:
    build()
    (project / "staticfiles/digits.txt").unlink()
    assert build().returncode == 0
    assert (project / "staticfiles/digits.txt").read_text() == "0123456789"


def test_a_project_without_the_staticfiles_app_is_told(build: Build, project: Path) -> None:
    settings(project, "INSTALLED_APPS = []")
    result = build()
    assert result.returncode == 5
    assert result.stderr == (
        "static-host: the project has no collectstatic: add 'django.contrib.staticfiles' to INSTALLED_APPS.\n"
    )


def test_a_project_without_static_files_is_told(build: Build, project: Path) -> None:
    settings(project, "STATICFILES_DIRS = []")
    result = build()
    assert result.returncode == 5
    assert result.stderr == "static-host: the project has no static files: its finders find none.\n"


def test_an_exception_of_the_project_is_shown_whole(build: Build, project: Path) -> None:
    settings(project, "raise RuntimeError('no weather today')")
    result = build()
    assert result.returncode == 1
    assert "Traceback (most recent call last):" in result.stderr
    assert result.stderr.splitlines()[-1] == "RuntimeError: no weather today"


def test_a_disk_that_is_full_leaves_the_old_tree(build: Build, project: Path) -> None:
    small = project / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", small], check=False).returncode:
        pytest.skip("mounting a small file system needs a privilege")
    try:
        root = str(small / "staticfiles")
        assert build(DJANGO_STATIC_ROOT=root).returncode == 0
        before = files(Path(root))
        (project / "mysite/static/big.bin").write_bytes(random.Random(3).randbytes(250_000))
        result = build(DJANGO_STATIC_ROOT=root)
        assert result.returncode == 5
        assert "No space left on device" in result.stderr
        assert files(Path(root)) == before
        (project / "mysite/static/big.bin").unlink()
        (project / "mysite/static/digits.txt").write_text("room again")
        assert build(DJANGO_STATIC_ROOT=root).returncode == 0
    finally:
        subprocess.run(["umount", small], check=True)


def test_python_m_static_build_is_the_same_program(project: Path, cache: Path, build: Build) -> None:
    build()
    before = (project / "staticfiles").readlink()
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
    result = run("python", "-m", "static_build", cwd=project, **variables)
    assert result.returncode == 0, result.stderr
    assert (project / "staticfiles").readlink() == before


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("static-host", "--help"), "\n      2  a setting, an option or a command is wrong\n"),
        (("python", "-m", "app", "--help"), "Exit codes:"),
        (("static-host", "build", "--help"), "Needs no database and no network."),
        (("python", "-m", "static_build", "--help"), "Needs no database and no network."),
        (("static-host", "serve", "--help"), "DJANGO_STATIC_HOST"),
        (("static-host", "check", "--help"), "Django's own system checks"),
    ],
)
def test_help_is_worth_reading(project: Path, command: tuple[str, ...], expected: str) -> None:
    result = run(*command, cwd=project)
    assert result.returncode == 0
    assert expected in result.stdout


def test_check_says_what_holds_and_what_does_not(build: Build, project: Path) -> None:
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings"}
    missing = run("static-host", "check", cwd=project, **variables)
    assert (missing.returncode, "there is no static tree" in missing.stderr) == (3, True)
    build()
    good = run("static-host", "check", cwd=project, **variables)
    assert (good.returncode, good.stderr) == (0, "")
    assert "ok  16 static resources of " in good.stdout
    assert "ok  Django's system checks" in good.stdout
    settings(project, "STATICFILES_DIRS = 'not a list'")
    bad = run("static-host", "check", cwd=project, **variables)
    assert bad.returncode == 1
    assert "(staticfiles.E001) The STATICFILES_DIRS setting is not a tuple or list." in bad.stdout
