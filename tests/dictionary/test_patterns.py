"""Which files are dictionaries for later versions, by what pattern, and what a bundler renamed (RFC 9842 §2.1.1)."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from static_host.origin.representation import Representation, Resource
from static_host_build.dictionary.deltas import find_pairs
from static_host_build.dictionary.patterns import BrowserDictionaries, assign_patterns, find_patterns
from tests.dictionary.test_deltas import BROWSER, VARIES, deltas
from tests.support.builds import Build, decode_delta, format_available_dictionary
from tests.support.delta_releases import BUNDLES, Rollout, build_bundled_rollout, make_script
from tests.support.processes import run, run_server
from tests.support.projects import SETTINGS
from tests.support.releases import build_afresh, read_index

RESOURCE_TYPES = {"js": "text/javascript; charset=utf-8", "wasm": "application/wasm", "woff2": "font/woff2"}


def resource(name: str, length: int = 5000, digest: str = "") -> Resource:
    media_type = RESOURCE_TYPES.get(name.rpartition(".")[2], "text/plain; charset=utf-8")
    return Resource(media_type, True, (Representation("identity", name, length, digest or name),))


@pytest.mark.parametrize(
    ("name", "logical", "pattern"),
    [
        ("js/app.e8e374d844cc.js", "js/app.js", "../js/app.*.js"),
        ("app.min.e8e374d844cc.js", "app.min.js", "app.min.*.js"),
        ("app.mine.js", "app.js", "app.*.js"),  # a storage with a hash of its own
        ("LICENSE.e8e374d844cc", "LICENSE", "LICENSE.*"),
        ("a b+c:d.e8e374d844cc.js", "a b+c:d.js", "a%20b%2Bc%3Ad.*.js"),
        ("a(1)*.e8e374d844cc.js", "a(1)*.js", r"a\(1\)\*.*.js"),
        ("café.e8e374d844cc.js", "café.js", "caf%C3%A9.*.js"),
        ("assets/index-BxYz12_Q.js", "", "../assets/index-*.js"),
        ("caf(é/a b/index-D-1x_abc.js", "", r"../../caf\(%C3%A9/a%20b/index-*.js"),
        ("main.0123456789abcdef0123.wasm", "", "main.*.wasm"),
        ("CACHE/js/output.0123456789ab.js", "", "../../CACHE/js/output.*.js"),
        ("0123456789abcdef.js", "", "*.js"),  # webpack's [contenthash].js
        ("assets/6cb17b72.js", "", "../assets/*.js"),
        ("assets/6cb17b72.e8e374d844cc.js", "assets/6cb17b72.js", "../assets/6cb17b72.*.js"),  # no bundler's
        ("20240101.js", "", None),
        ("deadbeef.js", "", None),
        ("773.74b9365eed5264f1bd79.js", "", "773.*.js"),
        ("app.js", "", None),
        ("fonts/sans.e8e374d844cc.woff2", "fonts/sans.woff2", None),
        ("app.e8e374d844cc.js.map", "app.js.map", None),
    ],
)
def test_a_pattern_is_the_name_with_a_star_for_its_fingerprint(name: str, logical: str, pattern: str | None) -> None:
    found = find_patterns({name: resource(name)}, {name: logical} if logical else {})
    assert found.get(name) == pattern


def test_a_bundlers_file_and_its_fingerprinted_copy_have_one_pattern() -> None:
    names = ["assets/index-BxYz12_Q.js", "assets/index-BxYz12_Q.e8e374d844cc.js"]
    found = find_patterns({name: resource(name, digest="one") for name in names}, {names[1]: names[0]})
    assert found == dict.fromkeys(names, "../assets/index-*.js")


def test_of_several_contents_with_one_pattern_the_largest_is_the_dictionary() -> None:
    lengths = {"a/chunk-AAAAAAA1.js": 5000, "a/chunk-AAAAAAA2.js": 7000, "b/chunk-AAAAAAA3.js": 2000}
    resources = {name: resource(name, length) for name, length in lengths.items()}
    found = assign_patterns(resources, find_patterns(resources, {}))
    assert {name: each.match for name, each in found.items()} == {
        "a/chunk-AAAAAAA1.js": "",
        "a/chunk-AAAAAAA2.js": "../a/chunk-*.js",
        "b/chunk-AAAAAAA3.js": "../b/chunk-*.js",
    }


def test_what_a_bundler_renamed_is_found_again(tmp_path: Path, project: Path, build: Build) -> None:
    folder = project / "mysite/static/vite/assets"
    folder.mkdir(parents=True)
    variables = {"DJANGO_STATIC_IMMUTABLE_PATTERN": "^vite/assets/", "DJANGO_STATIC_PREVIOUS_PROBLEMS": "warn"}
    for place, (name, previous) in enumerate((("main-BxYz12_Q.js", "nothing"), ("main-C0ffee-1.js", "one")), 1):
        for old in folder.iterdir():
            old.unlink()
        (folder / name).write_text(make_script(place))
        result = build_afresh(project, build, DJANGO_STATIC_PREVIOUS=str(tmp_path / previous), **variables)
        assert result.returncode == 0, result.stderr
        shutil.copytree((project / "staticfiles").resolve(), tmp_path / ("one", "two")[place - 1])
    index = read_index(tmp_path / "two")
    delta = (tmp_path / "two" / deltas(index["vite/assets/main-C0ffee-1.js"])[0].file).read_bytes()
    assert decode_delta(delta, make_script(1).encode()) == make_script(2).encode()


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Rollout:
    return build_bundled_rollout(tmp_path_factory.mktemp("bundled"), cache)


def test_one_file_of_a_folder_is_offered_for_what_a_bundler_will_name_otherwise(bundles: Rollout) -> None:
    offers = {name: each.match for name, each in read_index(bundles.trees[0]).items() if name.startswith("dist/")}
    assert {name: match for name, match in offers.items() if match and "manifest" not in name} == {
        "dist/esbuild/home-JISYS5ZQ.js": "../../dist/esbuild/home-*.js",
        "dist/esbuild/chunk-KKSK25OR.js": "../../dist/esbuild/*.js",
        "dist/renamed/home-CqJO47W0.js": "../../dist/renamed/home-*.js",
        "dist/renamed/store-Bgi5yR97.js": "../../dist/renamed/*.js",
        "dist/numbers/main.03445ba212929bc01336.js": "../../dist/numbers/main.*.js",
        "dist/numbers/33.41b135171714819cc722.js": "../../dist/numbers/*.js",
        "dist/hashes/c784de2ca2c84f6dd2d2.js": "../../dist/hashes/*.js",
    }


def test_a_chunk_that_a_bundler_renamed_comes_as_the_change_alone(bundles: Rollout) -> None:
    with run_server(cwd=bundles.project, **SETTINGS, DJANGO_STATIC_ROOT=str(bundles.trees[1])) as server:
        for folder, (_, chunk) in BUNDLES[1].items():
            old, new = (f"/*{folder}*/{make_script(release)}".encode() for release in (1, 2))
            path = f"{server.url}/static/dist/{folder}/{chunk}"
            asking = {"accept-encoding": BROWSER, "available-dictionary": format_available_dictionary(old)}
            with httpx.stream("GET", path, headers=asking) as response:
                delta = b"".join(response.iter_raw())
            assert (response.headers["content-encoding"], response.headers["vary"]) == ("dcz", VARIES)
            assert decode_delta(delta, old) == new
            assert 10 * len(delta) < int(httpx.head(path, headers={"accept-encoding": "br"}).headers["content-length"])


def test_the_build_tells_how_many_deltas_are_against_another_name(bundles: Rollout) -> None:
    listed = run("static-host", "releases", str(bundles.trees[1]), cwd=bundles.project, **SETTINGS)
    told = "deltas: 4 files against 4 earlier versions (3 under another name): "
    assert listed.stdout.splitlines()[-1].startswith(told)


ENTRY, CHUNK, OTHER = "a/main-AAAAAAA1.js", "a/store-AAAAAAA2.js", "a/chart-AAAAAAA3.js"
BUNDLE = {ENTRY: 9000, CHUNK: 8000, OTHER: 7000}


@pytest.mark.parametrize(
    ("lengths", "entries", "earlier", "chosen"),
    [
        (BUNDLE, set(), {}, ENTRY),
        (BUNDLE, {ENTRY}, {}, CHUNK),
        (BUNDLE, set(), {"../b/main-*.js": "b/main-AAAAAAA0.js"}, ENTRY),
        # in browsers it has a longer pattern already
        (BUNDLE, set(), {"../a/main-*.js": "a/main-AAAAAAA0.js", "../a/store-*.js": "a/store-AAAAAAA0.js"}, OTHER),
        # whose it was, and whose it was has another stem
        (BUNDLE, set(), {"../a/*.js": "a/chart-AAAAAAA0.js"}, OTHER),
        (BUNDLE, set(), {"../a/*.js": "a/table-AAAAAAA0.js"}, ENTRY),
        # two have main-*.js; main-*.js is longer, and matches main-page-*.js; hashes have it already
        ({**BUNDLE, "a/main-AAAAAAA4.js": 100_000}, set(), {}, CHUNK),
        ({**BUNDLE, "a/main-page-AAAAAAA4.js": 100_000}, set(), {}, ENTRY),
        ({**BUNDLE, "a/0123456789abcdef.js": 2000}, set(), {}, "a/0123456789abcdef.js"),
    ],
)
def test_the_widest_pattern_is_for_the_largest_that_no_other_could_push_aside(
    *, lengths: dict[str, int], entries: set[str], earlier: dict[str, str], chosen: str
) -> None:
    resources = {name: resource(name, length) for name, length in lengths.items()}
    found = assign_patterns(resources, find_patterns(resources, {}), set(lengths) - entries, earlier)
    assert [name for name, each in found.items() if each.match == "../a/*.js"] == [chosen]


def test_the_widest_pattern_stays_with_a_file_that_is_the_largest_no_more(
    tmp_path: Path, project: Path, build: Build
) -> None:
    folder = project / "mysite/static/dist"
    for place, names in enumerate((("store-AAAAAAA1.js",), ("store-BBBBBBB2.js", "table-AAAAAAA1.js")), 1):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in names:
            (folder / name).write_text(make_script(place) * (2 if "table" in name else 1))
        (folder / "manifest.json").write_text(json.dumps({f"_{name}": {"file": name} for name in names}))
        previous = {"DJANGO_STATIC_PREVIOUS": str(tmp_path / "1"), "DJANGO_STATIC_PREVIOUS_PROBLEMS": "warn"}
        result = build_afresh(project, build, **previous)
        assert result.returncode == 0, result.stderr
        shutil.copytree((project / "staticfiles").resolve(), tmp_path / str(place))
    assert {
        name: each.match for name, each in read_index(tmp_path / "2").items() if "dist/" in name and each.match
    } == {
        "dist/store-AAAAAAA1.js": "../dist/*.js",
        "dist/store-BBBBBBB2.js": "../dist/*.js",
        "dist/table-AAAAAAA1.js": "../dist/table-*.js",
    }
    assert deltas(read_index(tmp_path / "2")["dist/store-BBBBBBB2.js"])


def test_what_kept_its_name_is_tried_first_and_then_what_is_larger() -> None:
    earlier = {"store-1Aaaaaa1.js": "../a/*.js", "chart-1Aaaaaa1.js": "../a/chart-*.js"}
    carried = {
        f"a/{name}": replace(resource(f"a/{name}"), match=match, releases=(1,)) for name, match in earlier.items()
    }
    lengths = {
        "store-2Aaaaaa2.js": 3000,
        "chart-2Aaaaaa2.js": 2000,
        "graph-2Aaaaaa2.js": 9000,
        "table-2Aaaaaa2.js": 8000,
    }
    own = {f"a/{name}": resource(f"a/{name}", length) for name, length in lengths.items()}
    assert [(pair.names[0], pair.dictionary.file) for pair in find_pairs({**carried, **own})] == [
        ("a/store-2Aaaaaa2.js", "a/store-1Aaaaaa1.js"),
        ("a/chart-2Aaaaaa2.js", "a/chart-1Aaaaaa1.js"),
        ("a/graph-2Aaaaaa2.js", "a/store-1Aaaaaa1.js"),
        ("a/table-2Aaaaaa2.js", "a/store-1Aaaaaa1.js"),
    ]


def test_a_browser_names_what_has_the_longest_pattern() -> None:
    matches = {"x-1.js": "../a/index-*.js", "y-1.js": "../a/index-page-*.js", "z-1.js": "../a/*.js", "w-1.js": "*.js"}
    kept = BrowserDictionaries(replace(resource(name), match=match) for name, match in matches.items())
    found = {
        name: each and each.identity.file
        for name in ("a/index-2.js", "a/index-page-2.js", "a/other.js", "a/index-2.css", "b/index-2.js", "top.js")
        for each in [kept.select_dictionary(name)]
    }
    assert found == {
        "a/index-2.js": "x-1.js",
        "a/index-page-2.js": "y-1.js",
        "a/other.js": "z-1.js",
        "a/index-2.css": None,
        "b/index-2.js": None,
        "top.js": "w-1.js",
    }
