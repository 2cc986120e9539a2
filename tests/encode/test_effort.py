"""DJANGO_STATIC_EFFORT: how much a build tries, and what it says when that took long."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from static_host.origin.index import parse_index
from static_host_build.encode.encoder import Encoder
from static_host_build.report.build_report import format_advice
from tests.support.builds import DECODERS, Build, decode_delta, read_files
from tests.support.releases import read_index

LONG = "".join(f"call({number**3}, '{number**7}');\n" for number in range(9000)).encode()
SHORT = "".join(f"a.item-{number} {{ order: {number**2} }}\n" for number in range(600)).encode()

FASTER = "For CI and previews, DJANGO_STATIC_EFFORT=fast takes about a fifth."


def test_fast_makes_every_coding_and_each_decodes_to_its_file(build: Build, project: Path) -> None:
    (project / "mysite/static/long.js").write_bytes(LONG)
    (project / "mysite/static/short.css").write_bytes(SHORT)
    result = build(DJANGO_STATIC_EFFORT="fast")
    assert result.returncode == 0, result.stderr
    tree = project / "staticfiles"
    index = parse_index((tree / "static-host.index").read_bytes())
    for name in ("long.js", "short.css", "site.css"):
        assert {r.coding for r in index[name].representations} == {"identity", "br", "zstd", "gzip"}
    for name, resource in index.items():
        for representation in resource.representations:
            body = (tree / representation.file).read_bytes()
            assert DECODERS[representation.coding](body) == (tree / name).read_bytes()


@pytest.mark.slow
def test_fast_makes_deltas_that_browsers_decode(build: Build, project: Path, tmp_path: Path) -> None:
    script = project / "mysite/static/long.js"
    trees: list[Path] = []
    for number, effort in enumerate(("best", "fast", "best", "fast")):
        script.write_bytes(LONG + b"more();\n" * (number > 1))
        previous = str(trees[0]) if number > 1 else "none"
        variables = {"DJANGO_STATIC_PREVIOUS": previous, "DJANGO_STATIC_PREVIOUS_PROBLEMS": "warn"}
        result = build(DJANGO_STATIC_EFFORT=effort, **variables)
        assert result.returncode == 0, result.stderr
        trees.append(tmp_path / f"tree-{number}")
        shutil.copytree((project / "staticfiles").resolve(), trees[-1])
    for tree in trees[2:]:
        (delta,) = tree.glob("long.*.dcz")
        assert decode_delta(delta.read_bytes(), LONG) == script.read_bytes()
    recipes = [read_index(tree).recipes.by_coding["delta"] for tree in trees[2:]]
    assert [recipe.split("-")[2] for recipe in recipes] == ["best", "fast"]


@pytest.mark.parametrize("length", [1_000, 20_000, 150_000, 400_000])
def test_fast_encodes_what_copies_with_another_source_map_share_once(length: int) -> None:
    encoder = Encoder(("br", "zstd"), "fast")
    bodies = [LONG[:length] + b"\n//# sourceMappingURL=long.js%s.map" % mark for mark in (b"", b".0123456789ab")]
    plain, copy = (encoder.encode(body) for body in bodies)
    for body, encoded in zip(bodies, (plain, copy), strict=True):
        assert {coding: DECODERS[coding](encoded[coding]) for coding in encoded} == {"br": body, "zstd": body}
    for coding in plain:
        assert copy[coding].startswith(plain[coding][:-8])  # the end, from the name's on, is as it is


def test_an_unchanged_project_with_another_effort_is_built(build: Build, project: Path) -> None:
    (project / "mysite/static/long.js").write_bytes(LONG)
    trees: list[dict[str, bytes]] = []
    for effort in ("best", "fast", "best"):
        assert build(DJANGO_STATIC_EFFORT=effort).returncode == 0
        trees.append(read_files(project / "staticfiles"))
    assert trees[0] == trees[2]
    assert trees[0]["long.js.zst"] != trees[1]["long.js.zst"]


def test_fast_makes_gzip_in_place_of_zopfli(build: Build, project: Path) -> None:
    assert build(DJANGO_STATIC_EFFORT="fast", DJANGO_STATIC_CODINGS="gzip").returncode == 0
    made = read_files(project / "staticfiles")
    assert build(DJANGO_STATIC_EFFORT="fast", DJANGO_STATIC_CODINGS="zopfli").returncode == 0
    assert read_files(project / "staticfiles") == made


def test_another_effort_is_refused(build: Build) -> None:
    result = build(DJANGO_STATIC_EFFORT="faster")
    assert result.returncode == 2
    assert "DJANGO_STATIC_EFFORT='faster': Expected: best or fast." in result.stderr


@pytest.mark.parametrize(
    ("seconds", "effort", "lines"),
    [
        (30.0, "best", []),
        (500.0, "fast", []),
        (
            96.4,
            "best",
            [f"static-host: encoding took 96 s, all threads added up. {FASTER}"],
        ),
    ],
)
def test_a_slow_build_says_how_to_be_faster(seconds: float, effort: str, lines: list[str]) -> None:
    assert format_advice(seconds, effort) == lines
