"""Encoded files of earlier trees, used again by a build that has no cache: what is, and what is not."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import brotli
import pytest
from zopfli.gzip import compress as zopfli

from static_host.origin.index import INDEX_FILE_NAME
from static_host.origin.representation import compute_digest
from tests.support.builds import Build, read_files
from tests.support.processes import run, run_server
from tests.support.projects import SETTINGS, build_plain_with
from tests.support.releases import read_index

LARGE = "".join(f"call({number**3}, '{number**7}');\n" for number in range(6000)).encode()


@pytest.fixture
def caches(tmp_path: Path) -> Callable[[], str]:
    """Gives the directory of a cache that is empty, another one at each call."""
    numbers = iter(range(100))
    return lambda: str(tmp_path / f"cache-{next(numbers)}")


@pytest.fixture
def anew(project: Path, build: Build, caches: Callable[[], str]) -> Callable[..., dict[str, Any]]:
    """Builds with an empty cache, and where no tree stands, and returns what the build says."""

    def call(*, stands: bool = False, **variables: str) -> dict[str, Any]:
        if not stands:
            (project / "staticfiles").unlink(missing_ok=True)
            shutil.rmtree(project / ".staticfiles.releases", ignore_errors=True)
        cache = {"DJANGO_STATIC_CACHE": caches()}
        result = run("static-host", "build", "--json", cwd=project, **SETTINGS, **cache, **variables)
        assert result.returncode == 0, result.stderr
        document: dict[str, Any] = json.loads(result.stdout)
        return document

    return call


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with a large script, built. Tests do not change it."""
    place = tmp_path_factory.mktemp("earlier")
    return build_plain_with({"large.js": LARGE}, place, place / "cache")


@pytest.fixture
def before(project: Path, earlier: Path, tmp_path: Path) -> Path:
    """A tree of the release before, in a directory. The project has changed since."""
    shutil.copytree(earlier, project, symlinks=True, dirs_exist_ok=True)
    shutil.copytree((project / "staticfiles").resolve(), tmp_path / "before")
    (project / "mysite/static/new.css").write_text(".new { color: red }\n" * 20)
    return tmp_path / "before"


def fresh(document: dict[str, Any]) -> list[str]:
    """Return the shortest names of what a build has encoded itself."""
    return sorted(
        min(each["names"], key=len) for each in document["contents"] if each["tried"] and not each["from_cache"]
    )


def head(tree: Path, **changes: object) -> dict[str, Any]:
    """Return the first line of a tree's index, and change it."""
    first, _, body = (tree / INDEX_FILE_NAME).read_bytes().partition(b"\n")
    facts: dict[str, Any] = {**json.loads(first), **changes, "crc32": f"{crc32(body):08x}"}
    (tree / INDEX_FILE_NAME).write_bytes(json.dumps(facts).encode() + b"\n" + body)
    return facts


def test_a_release_encodes_only_what_the_one_before_has_not(
    project: Path, anew: Callable[..., dict[str, Any]], before: Path
) -> None:
    document = anew(DJANGO_STATIC_PREVIOUS=str(before))
    assert fresh(document) == ["new.css"]
    carried = read_files(project / "staticfiles")
    assert anew()["totals"]["from_cache"] == 0
    made = read_files(project / "staticfiles")
    assert {name: carried[name] for name in made if name != INDEX_FILE_NAME} == {
        n: made[n] for n in made if n != INDEX_FILE_NAME
    }


def test_the_tree_that_stands_takes_the_place_of_an_empty_cache(
    project: Path, anew: Callable[..., dict[str, Any]], before: Path
) -> None:
    assert fresh(anew(stands=True)) == ["new.css"]
    reused = read_files(project / "staticfiles")
    anew()
    assert read_files(project / "staticfiles") == reused


def test_a_build_says_what_it_took_from_where(
    project: Path, build: Build, before: Path, caches: Callable[[], str]
) -> None:
    empty = {"DJANGO_STATIC_CACHE": caches()}
    assert "11 contents encoded, 0 of them from the cache, 10 from an earlier tree; " in build(**empty).stdout
    (project / "mysite/static/more.txt").write_text("more")
    assert "12 contents encoded, 11 of them from the cache; " in build(**empty).stdout


@pytest.mark.slow
def test_best_after_fast_is_best_and_fast_after_best_is_fast(
    project: Path, anew: Callable[..., dict[str, Any]], before: Path
) -> None:
    trees = {}
    for effort in ("best", "fast"):
        anew(DJANGO_STATIC_EFFORT=effort)
        trees[effort] = read_files(project / "staticfiles")
    assert len(trees["fast"]["large.js.zst"]) > len(trees["best"]["large.js.zst"])
    assert len(trees["fast"]["large.js.br"]) > len(trees["best"]["large.js.br"])
    assert brotli.decompress(trees["fast"]["large.js.br"]) == LARGE
    shutil.copytree((project / "staticfiles").resolve(), before.with_name("fast"))
    for first, second in (("fast", "best"), ("best", "fast"), ("fast", "best")):
        anew(DJANGO_STATIC_EFFORT=first)
        assert len(fresh(anew(stands=True, DJANGO_STATIC_EFFORT=second))) == 11
        assert read_files(project / "staticfiles") == trees[second]
    anew(DJANGO_STATIC_PREVIOUS=str(before.with_name("fast")), DJANGO_STATIC_EFFORT="best")
    after = read_files(project / "staticfiles")
    assert {name: after[name] for name in trees["best"] if name != INDEX_FILE_NAME} == {
        name: body for name, body in trees["best"].items() if name != INDEX_FILE_NAME
    }


def test_fast_and_best_do_not_meet_in_a_cache(project: Path, build: Build, tmp_path: Path) -> None:
    cache = {"DJANGO_STATIC_CACHE": str(tmp_path / "cache")}
    trees = []
    for effort, told in (("best", "0 of them"), ("fast", "0 of them"), ("best", "9 of them"), ("fast", "9 of them")):
        result = build(DJANGO_STATIC_EFFORT=effort, **cache)
        assert f"9 contents encoded, {told} from the cache" in result.stdout
        trees.append(read_files(project / "staticfiles"))
    assert (trees[0], trees[1]) == (trees[2], trees[3])
    assert trees[0] != trees[1]


def test_of_a_tree_with_other_codings_those_in_common_are_used(
    project: Path, anew: Callable[..., dict[str, Any]], before: Path
) -> None:
    made = read_files(before)
    for name in list(made):
        if name.endswith(".zst"):
            (before / name).unlink()
    first, _, body = (before / INDEX_FILE_NAME).read_bytes().partition(b"\n")
    facts = json.loads(first)
    del facts["recipes"]["zstd"]
    (before / INDEX_FILE_NAME).write_bytes(json.dumps(facts).encode() + b"\n" + body)
    anew(DJANGO_STATIC_PREVIOUS=str(before), DJANGO_STATIC_PREVIOUS_PROBLEMS="warn")
    assert (project / "staticfiles/large.js.zst").read_bytes() == made["large.js.zst"]
    assert (project / "staticfiles/large.js.br").read_bytes() == made["large.js.br"]


@pytest.mark.parametrize("recipes", [None, {}, [], "best", {"br": 1, "zstd": None, "gzip": []}])
def test_a_tree_that_does_not_tell_how_it_was_encoded_is_not_used(
    project: Path, anew: Callable[..., dict[str, Any]], before: Path, recipes: object
) -> None:
    head(before, recipes=recipes, supplied=7)
    assert len(fresh(anew(DJANGO_STATIC_PREVIOUS=str(before)))) == 11


def test_a_damaged_file_is_not_used(project: Path, anew: Callable[..., dict[str, Any]], before: Path) -> None:
    good = read_files(before)
    for name in ("large.js.br", "large.js.zst", "large.js.gz"):
        (before / name).write_bytes(good[name][:-1] + b"!")
    for name in [name for name in good if name.startswith("large.") and name.count(".") > 2]:
        (before / name).unlink()
    document = anew(DJANGO_STATIC_PREVIOUS=str(before), DJANGO_STATIC_PREVIOUS_PROBLEMS="warn")
    assert fresh(document) == ["large.js", "new.css"]
    assert (project / "staticfiles/large.js.br").read_bytes() == good["large.js.br"]


def test_a_file_that_decodes_to_other_bytes_is_not_used_whatever_its_index_says(
    project: Path, anew: Callable[..., dict[str, Any]], before: Path
) -> None:
    good = read_files(before)
    evil = brotli.compress(LARGE.replace(b"call", b"evil"))
    lines = (before / INDEX_FILE_NAME).read_bytes()
    for name in [name for name in good if name.startswith("large.") and name.endswith(".js.br")]:
        (before / name).write_bytes(evil)
    lines = lines.replace(compute_digest(good["large.js.br"]).encode(), compute_digest(evil).encode())
    lines = lines.replace(f'"br",{len(good["large.js.br"])},'.encode(), f'"br",{len(evil)},'.encode())
    (before / INDEX_FILE_NAME).write_bytes(lines)
    head(before)
    assert read_index(before)["large.js"].representations[0].digest == compute_digest(evil)
    document = anew(DJANGO_STATIC_PREVIOUS=str(before), DJANGO_STATIC_PREVIOUS_PROBLEMS="warn")
    assert fresh(document) == ["large.js", "new.css"]
    assert (project / "staticfiles/large.js.br").read_bytes() == good["large.js.br"]


def test_a_name_that_leads_out_of_the_tree_is_not_read(
    project: Path, anew: Callable[..., dict[str, Any]], before: Path
) -> None:
    good = read_files(before)
    (before / "large.js.br").rename(before.with_name("elsewhere.br"))
    lines = (before / INDEX_FILE_NAME).read_bytes()
    digest_of_br = compute_digest(good["large.js.br"])
    lines = lines.replace(f'"{digest_of_br}",null'.encode(), f'"{digest_of_br}","../elsewhere.br"'.encode())
    (before / INDEX_FILE_NAME).write_bytes(lines)
    head(before)
    document = anew(DJANGO_STATIC_PREVIOUS=str(before), DJANGO_STATIC_PREVIOUS_PROBLEMS="warn")
    assert fresh(document) == ["large.js", "new.css"]


def test_a_sibling_that_came_with_the_sources_of_an_earlier_release_is_not_used(
    project: Path, anew: Callable[..., dict[str, Any]], before: Path, tmp_path: Path
) -> None:
    sibling = project / "mysite/static/large.js.gz"
    sibling.write_bytes(zopfli(LARGE))  # smaller than what the build makes
    anew()
    assert head(project / "staticfiles")["supplied"] == ["large.55b5d0d6e7d3.js.gz", "large.js.gz"]
    sibling.unlink()
    anew(stands=True)
    assert (project / "staticfiles/large.js.gz").read_bytes() == (before / "large.js.gz").read_bytes()
    assert "supplied" not in head(project / "staticfiles")


def test_a_deployment_gives_what_takes_longer_to_encode_than_to_fetch(
    project: Path, anew: Callable[..., dict[str, Any]], before: Path
) -> None:
    variables = {"DJANGO_STATIC_ROOT": str(before), "DJANGO_STATIC_SHOW_INDEX": "true"}
    with run_server(cwd=project, **SETTINGS, **variables) as running:
        document = anew(DJANGO_STATIC_PREVIOUS=running.url)
    assert "large.js" not in fresh(document)
    assert "site.css" in fresh(document)
    tree = read_files(project / "staticfiles")
    assert tree["large.js.br"] == (before / "large.js.br").read_bytes()
    assert gzip.decompress(tree["large.js.gz"]) == LARGE


def test_deltas_are_used_again(project: Path, anew: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    script = project / "mysite/static/large.js"
    trees: list[str] = []
    for number in range(2):
        script.write_bytes(LARGE + b"more();\n" * number)
        anew(DJANGO_STATIC_PREVIOUS=",".join(trees) or "none", DJANGO_STATIC_PREVIOUS_PROBLEMS="warn")
        trees.insert(0, str(tmp_path / f"tree-{number}"))
        shutil.copytree((project / "staticfiles").resolve(), trees[0])
    (project / "mysite/static/new.css").write_text(".new { color: red }\n" * 20)
    document = anew(DJANGO_STATIC_PREVIOUS=trees[0])
    assert (document["deltas"]["deltas"], document["deltas"]["seconds"]) == (1, 0.0)
    deltas = {name for name in read_files(project / "staticfiles") if name.endswith(".dcz")}
    assert len(deltas) == 1
    assert all((project / "staticfiles" / name).read_bytes() == (Path(trees[0]) / name).read_bytes() for name in deltas)
