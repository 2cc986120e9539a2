"""What the build encodes, and how."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import brotli
import pytest
from zopfli.gzip import compress as zopfli

from static_host.origin.index import parse_index
from static_host_build.encode.encoder import Encoder, Levels
from tests.support.builds import DECODERS, Build, decompress_zstd, read_manifest_paths


def test_every_representation_decodes_to_its_file(build: Build, project: Path) -> None:
    build()
    tree = project / "staticfiles"
    index = parse_index((tree / "static-host.index").read_bytes())
    for name, resource in index.items():
        identity = (tree / name).read_bytes()
        for representation in resource.representations:
            body = (tree / representation.file).read_bytes()
            assert len(body) == representation.length
            assert DECODERS[representation.coding](body) == identity
    assert [r.coding for r in index["site.css"].representations] == ["br", "zstd", "gzip", "identity"]
    assert [r.coding for r in index["img/dot.png"].representations] == ["identity"]
    assert [name for name in index if index[name].immutable] == sorted(read_manifest_paths(project).values())


def test_encoded_siblings_that_came_with_the_sources_are_used_if_they_decode_to_the_file(
    build: Build, project: Path
) -> None:
    folder = project / "mysite/static"
    content = (folder / "part.js").read_bytes() * 20
    own = zopfli(content)  # smaller than what the build would make
    (folder / "own.js").write_bytes(content)
    (folder / "own.js.gz").write_bytes(own)
    (folder / "own.js.br").write_bytes(brotli.compress(b"an older version"))
    (folder / "alone.tar.gz").write_bytes(own)
    result = build()
    assert result.returncode == 0
    assert result.stderr == "static-host: own.js.br does not decode to own.js; it is replaced\n"
    tree = project / "staticfiles"
    index = parse_index((tree / "static-host.index").read_bytes())
    assert {r.coding for r in index["own.js"].representations} == {"identity", "br", "zstd", "gzip"}
    assert (tree / "own.js.gz").read_bytes() == own
    assert brotli.decompress((tree / "own.js.br").read_bytes()) == content
    assert "own.js.gz" not in index
    assert index["alone.tar.gz"].media_type == "application/gzip"
    assert [r.coding for r in index["alone.tar.gz"].representations] == ["identity"]


def test_an_encoded_sibling_that_is_no_smaller_than_the_build_s_is_replaced(build: Build, project: Path) -> None:
    folder, tree = project / "mysite/static", project / "staticfiles"
    for name, body in (("own.js", b"call();\n" * 200), ("small.css", b"a { color: red }\n" * 3)):
        (folder / name).write_bytes(body)
        (folder / f"{name}.gz").write_bytes(gzip.compress(body, 9, mtime=1_000_000_000))
    result = build()
    assert (result.returncode, result.stderr) == (0, "")
    assert (tree / "own.js.gz").read_bytes()[4:8] == bytes(4)
    assert gzip.decompress((tree / "own.js.gz").read_bytes()) == b"call();\n" * 200
    assert not (tree / "small.css.gz").exists(), "it saves less than its headers cost"
    index = parse_index((tree / "static-host.index").read_bytes())
    assert [r.coding for r in index["small.css"].representations] == ["identity"]
    assert "own.js.gz" not in index


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


def test_a_file_that_names_its_source_map_shares_its_beginning_with_its_copy(build: Build, project: Path) -> None:
    folder, tree = project / "mysite/static", project / "staticfiles"
    names = ("vendor.js", "vendor.css", "older.js")
    (folder / "vendor.js").write_text("call();\n" * 200 + "//# sourceMappingURL=vendor.js.map")
    (folder / "vendor.css").write_text("a { color: red }\n" * 200 + "/*# sourceMappingURL=vendor.css.map */\n")
    (folder / "older.js").write_text("call();\n" * 200 + "//# sourceMappingURL=older.js.map\n\n")
    for name in names:
        (folder / f"{name}.map").write_text('{"version": 3, "mappings": ""}')
    assert build().returncode == 0
    for name, end in zip(names, (b".map\x03", b".map */\n\x03", b".map\n\n\x03"), strict=True):
        hashed = read_manifest_paths(project)[name]
        mapped = read_manifest_paths(project)[f"{name}.map"]
        encoded, copy = ((tree / f"{each}.br").read_bytes() for each in (name, hashed))
        beginning = encoded.removesuffix(end)
        assert len(beginning) < len(encoded)
        assert copy.startswith(beginning[:-3])  # but for the length of what follows
        assert brotli.decompress(encoded) == (folder / name).read_bytes()
        assert brotli.decompress(copy) == (tree / hashed).read_bytes()
        assert mapped.encode() in (tree / hashed).read_bytes()


def test_a_large_file_that_nothing_makes_smaller_is_not_encoded_at_all() -> None:
    def never(data: bytes, levels: Levels) -> bytes:
        raise AssertionError("minutes of brotli, for nothing")

    encoder = Encoder(["br"])
    encoder._encoders = {"br": never}
    assert encoder.encode(random.Random(1).randbytes(2_000_000)) == {}


def test_a_large_file_that_repeats_itself_is_encoded_however_random_it_looks() -> None:
    once = random.Random(1).randbytes(1_000_000)
    assert len(Encoder(["zstd"]).encode(once + once)["zstd"]) < 1_010_000
