"""Every file of a built tree is compared with the index, and decoded: whatever is wrong is named, all at once."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import brotli
import pytest

from static_host.origin.index import INDEX_FILE_NAME, dump_index, parse_index
from static_host.origin.representation import CODING_SUFFIXES, Representation, Resource, compute_digest
from static_host.origin.tree import TreeDamagedError, TreeUnusableError
from static_host_build.output.integrity import check_integrity
from tests.support.descriptors import count_descriptors
from tests.support.processes import SCRIPTS, make_environment, run
from tests.support.projects import SETTINGS, copy_project

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ENCODE: dict[str, Callable[[bytes], bytes]] = {
    "br": lambda data: bytes(brotli.compress(data, quality=5)),
    "gzip": lambda data: gzip.compress(data, 1),
    "zstd": zstd.compress,
}
CODINGS = pytest.mark.parametrize("coding", ENCODE)


@pytest.fixture
def project(tmp_path: Path, plain: Path) -> Path:
    """A copy of "plain", with a tree, to be broken."""
    project = copy_project("plain", tmp_path)
    shutil.copytree(plain / "staticfiles", project / "staticfiles")
    return project


def bad(tree: Path) -> list[str]:
    """Return a line for each file that is found wrong."""
    with pytest.raises(TreeDamagedError) as stop:
        check_integrity(tree)
    return stop.value.problems


def flip(path: Path) -> None:
    """Change one bit in the middle of the file."""
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


def link(path: Path) -> None:
    """Put a symbolic link to the same bytes in the file's place."""
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def mislabel(tree: Path, file: str, body: bytes) -> None:
    """Put other bytes in a file's place, and in the index what they are: a build that encodes wrongly."""
    (tree / file).write_bytes(body)
    index = parse_index((tree / INDEX_FILE_NAME).read_bytes())

    def corrected(r: Representation) -> Representation:
        return Representation(r.coding, r.file, len(body), compute_digest(body)) if r.file == file else r

    resources = {
        name: replace(resource, representations=tuple(map(corrected, resource.representations)))
        for name, resource in index.items()
    }
    manifest = ("staticfiles.json", (tree / "staticfiles.json").read_bytes())
    (tree / INDEX_FILE_NAME).write_bytes(dump_index(index.prefix, resources, manifest))


def tree_of(directory: Path, source: bytes, coding: str, encoded: bytes) -> Path:
    """Make a tree of one resource with two representations."""
    directory.mkdir()
    bodies = {"identity": source, coding: encoded}
    for each, body in bodies.items():
        (directory / f"a.txt{CODING_SUFFIXES[each]}").write_bytes(body)
    representations = (
        Representation(each, f"a.txt{CODING_SUFFIXES[each]}", len(body), compute_digest(body))
        for each, body in bodies.items()
    )
    (directory / INDEX_FILE_NAME).write_bytes(
        dump_index("/static/", {"a.txt": Resource("text/plain", False, tuple(representations))})
    )
    return directory


def test_a_tree_that_was_built_decodes_to_its_sources(tree: Path) -> None:
    files = [
        path for path in tree.rglob("*") if path.is_file() and path.name not in (INDEX_FILE_NAME, "staticfiles.json")
    ]
    encoded = [path for path in files if path.suffix in (".br", ".zst", ".gz")]
    verified = check_integrity(tree)
    assert len(encoded) >= 6
    assert (verified.files, verified.resources) == (len(files), len(files) - len(encoded))
    assert verified.bytes == sum(path.stat().st_size for path in files)
    assert str(verified) == f"{len(files)} files of {len(files) - len(encoded)} resources decode to their sources"


@CODINGS
@pytest.mark.parametrize("length", [1, 65_535, 65_536, 65_537, 700_000])
@pytest.mark.parametrize("kind", ["text", "noise", "one byte"])
def test_files_of_all_lengths_are_decoded_whole(tmp_path: Path, coding: str, length: int, kind: str) -> None:
    noise = random.Random(length).randbytes(length)
    source = {"text": noise.hex().encode()[:length], "noise": noise, "one byte": bytes(length)}[kind]
    encoded = ENCODE[coding](source)
    assert check_integrity(tree_of(tmp_path / "tree", source, coding, encoded)).bytes == len(source) + len(encoded)
    other = bytes([source[-1] ^ 1])
    wrong = ENCODE[coding](source[:-1] + other)
    assert bad(tree_of(tmp_path / "other", source, coding, wrong)) == [
        f"a.txt{CODING_SUFFIXES[coding]} ({coding}): does not decode to a.txt"
    ]


@CODINGS
def test_a_sibling_that_ends_with_a_chunk_is_decoded_to_its_end_and_not_further(tmp_path: Path, coding: str) -> None:
    noise = random.Random(1).randbytes(1 << 16)
    source = next(noise[:n] for n in range(1 << 16, 0, -1) if len(ENCODE[coding](noise[:n])) == 1 << 16)
    encoded = ENCODE[coding](source)
    assert check_integrity(tree_of(tmp_path / "tree", source, coding, encoded)).files == 2
    for place, wrong in (("more", encoded + b"junk"), ("less", encoded[:-1])):
        assert bad(tree_of(tmp_path / place, source, coding, wrong)) == [
            f"a.txt{CODING_SUFFIXES[coding]} ({coding}): does not decode to a.txt"
        ]


@pytest.mark.parametrize(
    ("damage", "wrong"),
    [
        (flip, "is not what was built"),
        (Path.unlink, "is missing"),
        (lambda path: os.truncate(path, 7), "has 7 bytes, the index says {length}"),
        (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "has {longer} bytes, the index says {length}"),
        (link, "is not a regular file"),
    ],
)
@pytest.mark.parametrize(
    ("file", "coding"), [("site.css.br", "br"), ("site.css", "identity"), ("large.bin", "identity")]
)
def test_a_file_that_is_not_what_was_built(
    tree: Path, damage: Callable[[Path], object], wrong: str, file: str, coding: str
) -> None:
    length = (tree / file).stat().st_size
    damage(tree / file)
    assert bad(tree) == [f"{file} ({coding}): {wrong.format(length=length, longer=length + 1)}"]


@CODINGS
@pytest.mark.parametrize(
    "broken",
    [
        lambda encode, source: encode(b"another file"),
        lambda encode, source: encode(source[:-1]),
        lambda encode, source: encode(source + b"\n"),
        lambda encode, source: encode(source)[:-1],
        lambda encode, source: encode(source) + b"junk",
        lambda encode, source: encode(source)[2:],
        lambda encode, source: source,
        lambda encode, source: b"",
    ],
    ids=["another", "shorter", "longer", "cut", "more", "headless", "not encoded", "empty"],
)
def test_a_sibling_that_does_not_decode_to_its_source(
    tree: Path, coding: str, broken: Callable[[Callable[[bytes], bytes], bytes], bytes]
) -> None:
    file = f"site.css{CODING_SUFFIXES[coding]}"
    mislabel(tree, file, broken(ENCODE[coding], (tree / "site.css").read_bytes()))
    assert bad(tree) == [f"{file} ({coding}): does not decode to site.css"]


@CODINGS
def test_a_sibling_is_compared_with_its_own_source_though_another_name_has_the_same_bytes(
    tmp_path: Path, coding: str
) -> None:
    tree = tree_of(tmp_path / "tree", b"one\n" * 50, coding, ENCODE[coding](b"one\n" * 50))
    two = ENCODE[coding](b"two\n" * 50)
    index = parse_index((tree / INDEX_FILE_NAME).read_bytes())
    for name, body in (("b.txt", (tree / f"a.txt{CODING_SUFFIXES[coding]}").read_bytes()), ("c.txt", two)):
        shutil.copy(tree / "a.txt", tree / name)
        (tree / f"{name}{CODING_SUFFIXES[coding]}").write_bytes(body)
        identity = replace(index["a.txt"].identity, file=name)
        encoded = Representation(coding, f"{name}{CODING_SUFFIXES[coding]}", len(body), compute_digest(body))
        resource = Resource("text/plain", False, (encoded, identity))
        (tree / INDEX_FILE_NAME).write_bytes(dump_index("/static/", {**index, name: resource}))
        index = parse_index((tree / INDEX_FILE_NAME).read_bytes())
    assert bad(tree) == [f"c.txt{CODING_SUFFIXES[coding]} ({coding}): does not decode to c.txt"]


def test_a_zstd_window_that_browsers_refuse_is_refused(tmp_path: Path) -> None:
    source = bytes(20 << 20)
    encoded = zstd.compress(source, options={zstd.CompressionParameter.window_log: 24})
    assert zstd.decompress(encoded) == source
    tree = tree_of(tmp_path / "tree", source, "zstd", encoded)
    assert bad(tree) == ["a.txt.zst (zstd): does not decode to a.txt"]


@CODINGS
def test_a_bomb_is_refused_without_being_unfolded(tmp_path: Path, coding: str) -> None:
    bomb = zstd.compress(bytes(4 << 20)) * 100 if coding == "zstd" else ENCODE[coding](bytes(400 << 20))
    tree = tree_of(tmp_path / "tree", b"small", coding, bomb)
    code = (
        "import resource, sys; from pathlib import Path; from static_host.origin.tree import TreeDamagedError\n"
        "from static_host_build.output.integrity import check_integrity\n"
        "used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = used()\n"
        "try: check_integrity(Path(sys.argv[1]))\n"
        "except TreeDamagedError as error: print(*error.problems, sep='\\n')\n"
        "print((used() - before) // 1024)\n"
    )
    result = run("python", "-c", code, str(tree), cwd=Path(__file__).parents[2])
    told, megabytes = result.stdout.splitlines()
    assert told == f"a.txt{CODING_SUFFIXES[coding]} ({coding}): does not decode to a.txt"
    assert int(megabytes) < 50  # of the 400 that it would unfold to


def test_all_that_is_wrong_is_listed_at_once_with_the_remedy_at_the_end(tree: Path) -> None:
    (tree / "digits.txt").unlink()
    flip(tree / "large.bin")
    os.truncate(tree / "main.js", 12)
    mislabel(tree, "site.css.br", ENCODE["br"](b"another file"))
    (tree / "site.css.zst").unlink()  # the index has it before the gzip coding
    flip(tree / "site.css.gz")
    length = parse_index((tree / INDEX_FILE_NAME).read_bytes())["main.js"].identity.length
    with pytest.raises(TreeUnusableError) as stop:
        check_integrity(tree)
    assert stop.value.exit_code == 3
    assert str(stop.value).splitlines() == [
        f"the static tree at {tree} is damaged:",
        "  digits.txt (identity): is missing",
        "  large.bin (identity): is not what was built",
        f"  main.js (identity): has 12 bytes, the index says {length}",
        "  site.css.br (br): does not decode to site.css",
        "  site.css.gz (gzip): is not what was built",
        "  site.css.zst (zstd): is missing",
        "Build it again with `static-host build --verify`, which replaces a damaged tree.",
    ]


@pytest.mark.parametrize("name", [INDEX_FILE_NAME, "staticfiles.json"])
def test_the_index_and_django_s_manifest_are_examined_too(tree: Path, name: str) -> None:
    flip(tree / name)
    with pytest.raises(TreeUnusableError, match=name):
        check_integrity(tree)


def test_no_descriptor_and_no_lock_is_left(tree: Path) -> None:
    before = count_descriptors()
    check_integrity(tree)
    flip(tree / "site.css.br")
    bad(tree)
    assert count_descriptors() == before


def build(project: Path, cache: Path, *options: str) -> subprocess.CompletedProcess[str]:
    variables = {**SETTINGS, "DJANGO_STATIC_CACHE": str(cache)}
    return run("static-host", "build", *options, cwd=project, **variables)


def test_a_build_says_that_it_was_verified(tmp_path: Path, cache: Path) -> None:
    project = copy_project("plain", tmp_path)
    result = build(project, cache, "--verify")
    assert result.returncode == 0, result.stderr
    assert "\nstatic-host: verified: 22 files of 16 resources decode to their sources\n" in result.stdout
    assert "verified" not in build(project, cache).stdout
    verified = json.loads(build(project, cache, "--verify", "--json").stdout)["verified"]
    assert (verified["files"], verified["resources"]) == (22, 16)
    assert "verified" not in json.loads(build(project, cache, "--json").stdout)


def test_a_build_over_a_damaged_tree_makes_it_anew(tmp_path: Path, cache: Path) -> None:
    project = copy_project("plain", tmp_path)
    assert build(project, cache).returncode == 0
    flip(project / "staticfiles/site.css.br")
    damaged = (project / "staticfiles").resolve()
    assert build(project, cache, "--verify").returncode == 0
    assert (project / "staticfiles").resolve() != damaged
    (project / "staticfiles/digits.txt").unlink()
    (project / "staticfiles/digits.txt").symlink_to("/etc/hostname")
    assert build(project, cache).returncode == 0
    assert (project / "staticfiles/digits.txt").read_text() == "0123456789"
    assert build(project, cache, "--verify").returncode == 0


def test_check_lists_all_that_is_wrong_where_the_boot_names_one(project: Path) -> None:
    good = run("static-host", "check", cwd=project, **SETTINGS)
    assert (good.returncode, good.stderr) == (0, "")
    assert re.search(r"\nok +tree +25 files of 19 resources decode to their sources\n", good.stdout)
    flip(project / "staticfiles/site.css.br")
    flipped = run("static-host", "check", cwd=project, **SETTINGS)
    assert (flipped.returncode, flipped.stderr) == (3, "")
    assert [line.strip() for line in flipped.stdout.splitlines()[1:2]] == ["site.css.br (br): is not what was built"]
    (project / "staticfiles/digits.txt").unlink()
    missing = run("static-host", "check", cwd=project, **SETTINGS)
    assert (missing.returncode, missing.stderr) == (3, "")
    assert [line.strip() for line in missing.stdout.splitlines()[1:4]] == [
        "digits.txt (identity): is missing",
        "site.css.br (br): is not what was built",
        "-> Build it again with `static-host build --verify`, which replaces a damaged tree.",
    ]


def test_an_image_that_only_serves_checks_without_it(project: Path, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "django_static_host" not in path.name:
            (packages / path.name).symlink_to(path)
    paths = [str(packages), str(Path(__file__).parents[2] / "app")]
    code = f"import sys; sys.path[:0] = {paths!r}; from static_host.cli.main import main; main(['check'])"
    result = subprocess.run(
        [SCRIPTS / "python", "-S", "-c", code],
        cwd=project,
        env={**make_environment(SETTINGS), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "decode to their sources" not in result.stdout
    assert result.stdout.endswith("Django's system checks find no error\n")
