"""Bundlers' manifests, as Vite 6, Vite 4, webpack-manifest-plugin, webpack-assets-manifest and esbuild write them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from static_host.origin.index import parse_index
from static_host_build.bundler_manifests import find_entry_files, find_entry_points, parse_hashed_outputs
from tests.support.builds import append_settings, read_manifest_paths
from tests.support.processes import run
from tests.support.projects import copy_project

VITE = {
    "_shared-B7PI925R.js": {
        "file": "assets/shared-B7PI925R.js",
        "name": "shared",
        "css": ["assets/shared-ChJ_j-JJ.css"],
    },
    "_shared-ChJ_j-JJ.css": {"file": "assets/shared-ChJ_j-JJ.css", "src": "_shared-ChJ_j-JJ.css"},
    "logo.svg": {"file": "assets/logo-BuPgbDxo.svg", "src": "logo.svg"},
    "views/foo.js": {
        "file": "assets/foo-BRBmoGS9.js",
        "name": "foo",
        "src": "views/foo.js",
        "isEntry": True,
        "imports": ["_shared-B7PI925R.js"],
        "css": ["assets/foo-5UjPuW-k.css"],
    },
}
HASHED = {
    "assets/shared-B7PI925R.js",
    "assets/shared-ChJ_j-JJ.css",
    "assets/logo-BuPgbDxo.svg",
    "assets/foo-BRBmoGS9.js",
    "assets/foo-5UjPuW-k.css",
}

ENTRY = 'import "./shared-B7PI925R.js";\nimport "/static/part.js";\nimport(`./later-Bx5qHnPY.js`);\n'
"""Imports of the bundle's own names, of a file that no bundler knows, and one in a template literal."""


def judged(path: str, document: object, *names: str) -> set[str]:
    return parse_hashed_outputs(path, json.dumps(document).encode(), set(names))


def test_vite_s_outputs_are_found_beside_its_hidden_folder() -> None:
    expected = {f"dist/{name}" for name in HASHED}
    assert judged("dist/.vite/manifest.json", VITE, *expected, "dist/assets/other-BRBmoGS9.js") == expected
    assert judged("dist/manifest.json", VITE, *expected) == expected
    assert judged(".vite/manifest.json", VITE, *HASHED) == HASHED


def test_vite_without_hashes_gives_nothing() -> None:
    plain = {
        "src/page-Overview.js": {"file": "page-Overview.js", "name": "page-Overview", "css": ["page-Overview.css"]},
        "src/site-navigation.js": {"file": "js/site-navigation.js", "src": "src/site-navigation.js"},
    }
    names = ("page-Overview.js", "page-Overview.css", "js/site-navigation.js")
    assert judged(".vite/manifest.json", plain, *names) == set()


def test_webpack_s_forms() -> None:
    flat = {"main.js": "/static/build/main.8f7e6d5c4b3a29180716.js", "logo.svg": "logo.svg", "x.js": "auto/x.js"}
    assert judged("build/manifest.json", flat, "build/main.8f7e6d5c4b3a29180716.js", "build/logo.svg") == {
        "build/main.8f7e6d5c4b3a29180716.js"
    }
    nested = {"files": {"main.css": "./static/css/main.e6c13ad2.css"}, "entrypoints": ["static/css/main.e6c13ad2.css"]}
    assert judged("asset-manifest.json", nested, "static/css/main.e6c13ad2.css") == {"static/css/main.e6c13ad2.css"}
    integrity = {"main.js": {"src": "main-1a2b3c4d5e.js", "integrity": "sha384-x"}}
    assert judged("assets-manifest.json", integrity, "main-1a2b3c4d5e.js") == {"main-1a2b3c4d5e.js"}


def test_esbuild_s_metafile() -> None:
    document = {
        "inputs": {"src/main.ts": {"bytes": 10}},
        "outputs": {
            "frontend/static/dist/main-IV4KMKZG.js": {"entryPoint": "src/main.ts"},
            "frontend/static/dist/chunk-2NZOBFWZ.js": {},
            "frontend/static/dist/admin.js": {"entryPoint": "src/admin.ts"},
        },
    }
    names = ("dist/main-IV4KMKZG.js", "dist/chunk-2NZOBFWZ.js", "dist/admin.js")
    assert judged("dist/meta.json", document, *names) == {"dist/main-IV4KMKZG.js", "dist/chunk-2NZOBFWZ.js"}


def test_a_name_can_be_nothing_but_a_hash() -> None:
    listed = {"main.js": "03445ba212929bc01336.js", "a.js": "6cb17b72.js", "b.js": "20240101.js", "c.js": "facade.js"}
    assert judged("manifest.json", listed, *listed.values()) == {"03445ba212929bc01336.js", "6cb17b72.js"}


def test_who_gave_a_name_is_told_by_each_manifest() -> None:
    vite = json.dumps(VITE).encode()
    assert find_entry_points({"dist/.vite/manifest.json": vite}, {f"dist/{name}" for name in HASHED}) == {
        "dist/assets/foo-BRBmoGS9.js",
        "dist/assets/foo-5UjPuW-k.css",
    }
    webpack = {"main.js": "main.8f7e6d5c4b3a29180716.js", "33.js": "33.41b135171714819cc722.js", "x.js": "0123abcd.js"}
    assert find_entry_points({"manifest.json": json.dumps(webpack).encode()}, set(webpack.values())) == {
        "main.8f7e6d5c4b3a29180716.js"
    }
    esbuild = {
        "outputs": {
            "out/home-JISYS5ZQ.js": {
                "entryPoint": "home.js",
                "imports": [{"path": "out/chart-BGXLFDLQ.js", "kind": "dynamic-import"}],
            },
            "out/chart-BGXLFDLQ.js": {"entryPoint": "chart.js", "imports": 3},
            "out/chunk-KKSK25OR.js": {},
        }
    }
    names = {path.removeprefix("out/") for path in esbuild["outputs"]}
    assert find_entry_points({"meta.json": json.dumps(esbuild).encode(), "manifest.json": b"[3"}, names) == {
        "home-JISYS5ZQ.js"
    }


TRACKED = {
    "0.4": {
        "status": "done",
        "chunks": {
            "main": [
                {
                    "name": "main-1b2c3d4e5f60718293a4.js",
                    "publicPath": "/static/bundles/main-1b2c3d4e5f60718293a4.js",
                    "path": "/app/assets/bundles/main-1b2c3d4e5f60718293a4.js",
                },
                {"name": "main-8f7e6d5c4b3a29180716.css", "path": "/app/assets/bundles/main-8f7e6d5c4b3a29180716.css"},
            ],
            "page-Overview": [{"name": "page-Overview.js", "path": "/app/assets/bundles/page-Overview.js"}],
        },
    },
    "1 and 2": {
        "status": "done",
        "chunks": {
            "main": ["main-1b2c3d4e5f60718293a4.js", "main-8f7e6d5c4b3a29180716.css"],
            "page-Overview": ["page-Overview.js"],
        },
        "assets": {
            name: {"name": name, "path": f"/app/assets/bundles/{name}", "publicPath": "auto"}
            for name in ("main-1b2c3d4e5f60718293a4.js", "main-8f7e6d5c4b3a29180716.css", "page-Overview.js")
        },
        "publicPath": "auto",
    },
    "3": {
        "status": "done",
        "assets": {
            "main-1b2c3d4e5f60718293a4.js": {
                "name": "main-1b2c3d4e5f60718293a4.js",
                "path": "main-1b2c3d4e5f60718293a4.js",
                "integrity": "sha256-x",
                "publicPath": "https://cdn.example.com/static/bundles/main-1b2c3d4e5f60718293a4.js",
            },
            "main-8f7e6d5c4b3a29180716.css": {
                "name": "main-8f7e6d5c4b3a29180716.css",
                "path": "main-8f7e6d5c4b3a29180716.css",
                "publicPath": "https://cdn.example.com/static/bundles/main-8f7e6d5c4b3a29180716.css",
            },
            "page-Overview.js": {"name": "page-Overview.js", "path": "page-Overview.js"},
            "page-Overlook.png": {"name": "page-Overlook.png", "sourceFilename": "src/img/page-Overlook.png"},
        },
        "chunks": {"main": ["main-1b2c3d4e5f60718293a4.js", "main-8f7e6d5c4b3a29180716.css"], "page-Overview": 3},
    },
}
"""What webpack-bundle-tracker writes, by its version."""
BUNDLES = {
    "bundles/main-1b2c3d4e5f60718293a4.js",
    "bundles/main-8f7e6d5c4b3a29180716.css",
    "bundles/page-Overview.js",
    "bundles/page-Overlook.png",
}
TRACKED_HASHED = {"bundles/main-1b2c3d4e5f60718293a4.js", "bundles/main-8f7e6d5c4b3a29180716.css"}


@pytest.mark.parametrize("version", TRACKED)
@pytest.mark.parametrize("place", ["webpack-stats.json", "bundles/webpack-stats.json", "stats/stats-prod.json"])
def test_webpack_bundle_tracker_s_forms(version: str, place: str) -> None:
    assert judged(place, TRACKED[version], *BUNDLES) == TRACKED_HASHED


def test_a_chunk_s_own_name_may_have_a_hash_of_any_letters() -> None:
    document = {
        "chunks": {"main": ["js/main-BqW3xK9z.js", "js/vendors-Overview.js"], "js/shop": ["js/shop.Cx_3-Kz9.js"]},
        "assets": {
            "js/main-BqW3xK9z.js": {"name": "js/main-BqW3xK9z.js"},
            "js/vendors-Overview.js": {"name": "js/vendors-Overview.js"},
            "js/shop.Cx_3-Kz9.js": {"name": "js/shop.Cx_3-Kz9.js"},
            "img/logo.0a1b2c3d.png": {"name": "img/logo.0a1b2c3d.png", "path": "C:\\app\\img\\logo.0a1b2c3d.png"},
        },
    }
    names = ("js/main-BqW3xK9z.js", "js/vendors-Overview.js", "js/shop.Cx_3-Kz9.js", "img/logo.0a1b2c3d.png")
    assert judged("webpack-stats.json", document, *names) == {
        "js/main-BqW3xK9z.js",
        "js/shop.Cx_3-Kz9.js",
        "img/logo.0a1b2c3d.png",
    }
    tracked = {"webpack-stats.json": json.dumps(document).encode()}
    assert find_entry_points(tracked, set(names)) == {"js/main-BqW3xK9z.js", "js/shop.Cx_3-Kz9.js"}


@pytest.mark.parametrize(
    "document",
    [
        {"status": "compile", "chunks": {}, "assets": {}},
        {"status": "error", "error": "ModuleNotFoundError", "message": "Module not found"},
        {"chunks": {"main": [3, None, {"name": 3}, "absent.js"], "other": {"a": "b"}}, "assets": [3]},
        {"chunks": {"main": ["main-1b2c3d4e5f60718293a4.js"]}, "assets": {"main-1b2c3d4e5f60718293a4.js": "x"}},
    ],
)
def test_what_is_not_whole_in_a_bundle_tracker_s_list_is_left_out(document: object) -> None:
    assert judged("webpack-stats.json", document, "bundles/main.js") == set()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"3",
        b'{"name": "My app", "icons": [{"src": "icon-BRBmoGS9.png"}], "start_url": "/"}',
        b'{"a": {"file": 3, "css": "assets/foo-BRBmoGS9.js", "assets": [1]}, "b": null}',
        b'{"outputs": {"x": 3}}',
    ],
)
def test_other_files_of_these_names_give_nothing(data: bytes) -> None:
    assert parse_hashed_outputs("manifest.json", data, {"icon-BRBmoGS9.png", "assets/foo-BRBmoGS9.js"}) == set()


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    """The project "plain", with what Vite made in one of its static folders."""
    project = copy_project("plain", tmp_path)
    dist = project / "mysite/static/dist"
    for name in HASHED:
        (dist / name).parent.mkdir(parents=True, exist_ok=True)
        (dist / name).write_text("")
    (dist / "assets/foo-BRBmoGS9.js").write_text(ENTRY)
    (dist / "assets/unlisted-BRBmoGS9.js").write_text("")
    (dist / "assets/later-Bx5qHnPY.js").write_text("")
    (dist / ".vite").mkdir()
    (dist / ".vite/manifest.json").write_text(json.dumps(VITE))
    return project


def built(project: Path, cache: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    fixed = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_CACHE": str(cache)}
    return run("static-host", "build", cwd=project, **fixed, **variables)


def test_a_vite_build_s_own_names_are_immutable_in_the_tree(bundled: Path, cache: Path) -> None:
    result = built(bundled, cache)
    assert result.returncode == 0, result.stderr
    index = parse_index((bundled / "staticfiles/static-host.index").read_bytes())
    assert {name for name in index if name.startswith("dist/") and index[name].immutable and name.count(".") == 1} == {
        f"dist/{name}" for name in HASHED
    }
    assert "dist/.vite/manifest.json" not in index
    assert not index["dist/assets/unlisted-BRBmoGS9.js"].immutable


def test_a_bundler_s_names_and_bytes_are_kept(bundled: Path, cache: Path) -> None:
    (bundled / "mysite/static/page.js").write_text('import "./dist/assets/foo-BRBmoGS9.js";\n')
    assert built(bundled, cache).returncode == 0
    tree = bundled / "staticfiles"
    paths = read_manifest_paths(bundled)
    assert {name: paths[f"dist/{name}"] for name in HASHED} == {name: f"dist/{name}" for name in HASHED}
    assert {path.name for path in (tree / "dist/assets").glob("foo-*.js")} == {"foo-BRBmoGS9.js"}
    assert (tree / "dist/assets/foo-BRBmoGS9.js").read_text() == ENTRY
    assert (tree / paths["page.js"]).read_text() == 'import "./dist/assets/foo-BRBmoGS9.js";\n'
    assert paths["dist/assets/unlisted-BRBmoGS9.js"] == "dist/assets/unlisted-BRBmoGS9.d41d8cd98f00.js"


def test_what_a_bundle_refers_to_may_change_and_its_bytes_do_not(bundled: Path, cache: Path) -> None:
    built(bundled, cache)
    before, tree = read_manifest_paths(bundled), bundled / "staticfiles"
    (bundled / "mysite/static/part.js").write_text("export const part = 2;\n")
    built(bundled, cache)
    assert read_manifest_paths(bundled)["part.js"] != before["part.js"]
    assert (tree / "dist/assets/foo-BRBmoGS9.js").read_text() == ENTRY
    index = parse_index((tree / "static-host.index").read_bytes())
    assert not index["part.js"].immutable, "the bundle asks for it by this name"


def test_a_reference_of_a_bundle_s_that_leads_nowhere_is_an_error(bundled: Path, cache: Path) -> None:
    path = bundled / "mysite/static/dist/assets/foo-BRBmoGS9.js"
    path.write_text('code();\nimport "./shared-B7PI925X.js";\n')
    result = built(bundled, cache)
    assert result.returncode == 5
    assert (
        "dist/assets/foo-BRBmoGS9.js, line 2: ./shared-B7PI925X.js does not exist. "
        "Did you mean dist/assets/shared-B7PI925R.js?" in result.stderr
    )


def test_collectstatic_with_our_storage_keeps_them_too_and_an_index_knows_them(bundled: Path, cache: Path) -> None:
    append_settings(
        bundled,
        "STORAGES = {'staticfiles': {'BACKEND': 'static_host_build.storage.FingerprintStorage'}}",
    )
    append_settings(bundled, "STATIC_ROOT = BASE_DIR / 'own'")
    variables = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": str(bundled)}
    for _ in range(2):
        result = run("django-admin", "collectstatic", "--no-input", cwd=bundled, **variables)
        assert result.returncode == 0, result.stderr
    own = json.loads((bundled / "own/staticfiles.json").read_text())
    assert own["bundled"] == sorted(f"dist/{name}" for name in HASHED)
    assert built(bundled, cache, DJANGO_STATIC_ROOT="staticfiles").returncode == 0
    assert own["paths"] == read_manifest_paths(bundled)
    assert not (bundled / "own/dist/.vite").exists()
    assert run("static-host", "index", "own", cwd=bundled, **variables).returncode == 0
    index = parse_index((bundled / "own/static-host.index").read_bytes())
    assert {name for name in HASHED if index[f"dist/{name}"].immutable} == HASHED
    assert not index["dist/assets/unlisted-BRBmoGS9.js"].immutable


@pytest.mark.parametrize(
    "setting",
    [
        "WEBPACK_LOADER = {'DEFAULT': {'STATS_FILE': BASE_DIR / 'webpack-stats.json', 'BUNDLE_DIR_NAME': 'bundles/'}}",
        "WEBPACK_LOADER = {'ADMIN': {'STATS_FILE': 'absent.json'}, 'B': {'BUNDLE_DIR_NAME': '/bundles'}}",
        "WEBPACK_LOADER = {'DEFAULT': {'STATS_FILE': str(BASE_DIR / 'webpack-stats.json')}}",
    ],
)
@pytest.mark.parametrize("version", TRACKED)
def test_a_bundle_tracker_s_list_lies_where_the_project_s_settings_say(
    project: Path, cache: Path, setting: str, version: str
) -> None:
    append_settings(project, setting)
    (project / "webpack-stats.json").write_text(json.dumps(TRACKED[version]))
    (project / "mysite/static/bundles").mkdir()
    for name in BUNDLES:
        (project / "mysite/static" / name).write_text("")
    assert built(project, cache).returncode == 0
    assert {name for name in BUNDLES if read_manifest_paths(project)[name] == name} == TRACKED_HASHED
    index = parse_index((project / "staticfiles/static-host.index").read_bytes())
    assert {name for name in BUNDLES if index[name].immutable} == TRACKED_HASHED
    (project / "webpack-stats.json").unlink()
    assert built(project, cache).returncode == 0
    assert {name for name in BUNDLES if read_manifest_paths(project)[name] == name} == set()


def test_so_does_a_manifest_of_vite_s(bundled: Path, cache: Path) -> None:
    append_settings(
        bundled, "DJANGO_VITE = {'default': {'manifest_path': BASE_DIR / 'm.json', 'static_url_prefix': 'dist'}}"
    )
    (bundled / "mysite/static/dist/.vite/manifest.json").rename(bundled / "m.json")
    assert built(bundled, cache).returncode == 0
    paths = read_manifest_paths(bundled)
    assert {name: paths[f"dist/{name}"] for name in HASHED} == {name: f"dist/{name}" for name in HASHED}


def test_a_hash_that_does_not_change_with_the_bytes_is_said_once(bundled: Path, cache: Path) -> None:
    assert "other bytes" not in built(bundled, cache).stderr
    (bundled / "mysite/static/dist/assets/foo-BRBmoGS9.js").write_text("other();\n")
    (bundled / "mysite/static/part.js").write_text("other();\n")
    warned = built(bundled, cache)
    assert (warned.returncode, warned.stderr.count("other bytes")) == (0, 1)
    assert "dist/assets/foo-BRBmoGS9.js is immutable but has other bytes than in the previous release" in warned.stderr
    assert "other bytes" not in built(bundled, cache).stderr


def test_an_entry_point_loads_the_chunks_that_it_imports() -> None:
    manifest = json.dumps(VITE).encode()
    assert find_entry_files(".vite/manifest.json", manifest, HASHED) == {
        "views/foo.js": HASHED - {"assets/logo-BuPgbDxo.svg"}
    }
    assert find_entry_files(".vite/manifest.json", manifest, {"assets/foo-BRBmoGS9.js"}) == {
        "views/foo.js": {"assets/foo-BRBmoGS9.js"}
    }


@pytest.mark.parametrize(
    "document",
    [
        *("", "[]", "null", "7", "[" * 100_000, '{"chunks": {"a": 7, "b": [7, null, {"name": 7}]}}', '{"chunks": {}}'),
        *('{"a": {"isEntry": true, "imports": 7, "css": 7}}', '{"a": {"isEntry": "true", "file": "a.js"}}'),
        *('{"a": {"isEntry": true, "file": 7, "imports": [7, ["a"], "b"]}, "b": 7}', '{"name": "app", "icons": []}'),
    ],
)
def test_what_is_no_manifest_has_no_entry_points(document: str) -> None:
    assert find_entry_files("manifest.json", document.encode(), {"a.js"}) == {}


def test_entry_points_that_import_each_other_end_and_a_hundred_are_listed() -> None:
    chunks = {
        f"{n}": {"file": f"{n}.js", "isEntry": True, "imports": [f"{(n + 1) % 300}", f"{(n + 7) % 300}"]}
        for n in range(300)
    }
    found = find_entry_files("manifest.json", json.dumps(chunks).encode(), {f"{n}.js" for n in range(300)})
    assert {entry: len(files) for entry, files in found.items()} == {f"{n}": 300 for n in range(100)}
