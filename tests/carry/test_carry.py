"""Old pages, new container: files of earlier releases, carried into the new tree."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from zlib import crc32

import httpx
import pytest

from static_host.origin.index import INDEX_FILE_NAME, dump_index, parse_index
from static_host.origin.representation import Resource
from static_host_build.output.integrity import check_integrity
from tests.support.builds import Build, read_files
from tests.support.processes import run, run_server
from tests.support.projects import SETTINGS, copy_project
from tests.support.releases import (
    Releaser,
    build_afresh,
    change_release,
    fetch_all,
    list_immutable_names,
    make_releaser,
    read_index,
    set_written,
)

DAY = 86400
SPRING = 1_780_000_000


@pytest.fixture
def release(project: Path, build: Build, tmp_path: Path) -> Releaser:
    return make_releaser(project, build, tmp_path)


def test_every_url_of_an_old_page_is_answered_by_the_new_container_as_by_the_old_one(
    project: Path, release: Releaser
) -> None:
    one = release("1")
    with run_server(cwd=project, DJANGO_STATIC_ROOT=str(one), **SETTINGS) as old:
        page = httpx.get(f"{old.url}/").text
        names = sorted({*re.findall(r'"/static/([^"]+\.[0-9a-f]{12}\.\w+)"', page), *list_immutable_names(one)})
        before = fetch_all(old.url, names)
    two = release("2", DJANGO_STATIC_PREVIOUS=str(one))
    gone = sorted(set(names) - set(list_immutable_names(two)))
    assert [re.sub(r"[0-9a-f]{12}", "…", name) for name in gone] == ["only-1.….js", "site.….css"]
    with run_server(cwd=project, DJANGO_STATIC_ROOT=str(two), **SETTINGS) as new:
        after = fetch_all(new.url, names)
        assert httpx.get(f"{new.url}/").text != page
        assert httpx.get(f"{new.url}/static/only-1.js").status_code == 404
    assert after == before
    facts = after[gone[1], "br"]
    assert isinstance(facts, tuple)
    assert (facts[0], facts[2], facts[4]) == (200, "br", "public, max-age=31536000, immutable")
    assert len({facts[1] for (name, _), facts in after.items() if name == gone[1] and isinstance(facts, tuple)}) == 4


def test_what_is_carried_is_in_no_manifest_and_changes_nothing_of_the_release(
    project: Path, build: Build, release: Releaser
) -> None:
    one = release("1")
    alone = release("2")
    assert build_afresh(project, build, DJANGO_STATIC_PREVIOUS=str(one)).returncode == 0
    tree = project / "staticfiles"
    assert (tree / "staticfiles.json").read_bytes() == (alone / "staticfiles.json").read_bytes()
    assert read_index(tree).releases[0] == read_index(alone).releases[0]
    added = read_files(tree).keys() - read_files(alone).keys()
    assert added == read_files(one).keys() - read_files(alone).keys() - {
        "only-1.js",
        "only-1.js.br",
        "only-1.js.gz",
        "only-1.js.zst",
    }
    assert all(read_files(tree)[name] == read_files(one)[name] for name in added)
    assert len(added) == 8
    assert check_integrity(tree).resources == len(read_index(alone)) + 2


def test_a_chain_keeps_as_many_releases_as_it_may_and_tells_what_it_drops(
    project: Path, build: Build, release: Releaser
) -> None:
    trees = [release("0")]
    for name in ("1", "2"):
        trees.append(release(name, DJANGO_STATIC_PREVIOUS=str(trees[-1])))
    digests = [read_index(tree).releases[0].digest for tree in trees]
    change_release(project, "3")
    result = build_afresh(project, build, DJANGO_STATIC_PREVIOUS=str(trees[2]), DJANGO_STATIC_KEEP_RELEASES="2")
    assert result.returncode == 0, result.stderr
    index = read_index(project / "staticfiles")
    assert [each.digest for each in index.releases[1:]] == [digests[2], digests[1]]
    assert [each.origin for each in index.releases] == ["", str(trees[2]), str(trees[1])]
    assert {name[:6]: resource.releases for name, resource in index.items() if name.startswith("only-")} == {
        "only-1": (2,),
        "only-2": (1,),
        "only-3": (0,),
    }
    assert index["img/dot.f829b914fc47.png"].releases == (0, 1, 2)
    assert index["img/dot.png"].releases == (0,)
    dropped = re.search(
        rf"^static-host: dropped release {digests[0]}, 2 files, (\S+ kB): (.*)$", result.stdout, re.MULTILINE
    )
    assert dropped
    assert dropped[2] == "DJANGO_STATIC_KEEP_RELEASES is 2"
    carried = re.search(
        r"^static-host: carried 2 earlier releases, 4 files that the new one lacks, ", result.stdout, re.MULTILINE
    )
    assert carried
    check_integrity(project / "staticfiles")


@pytest.mark.parametrize(("age", "carried"), [("30d", ["2"]), ("5w", ["1", "2"]), ("0h", ["2"])])
def test_age_counts_from_the_day_on_which_another_release_took_the_place(
    project: Path, build: Build, release: Releaser, age: str, carried: list[str]
) -> None:
    one = release("1", SOURCE_DATE_EPOCH=str(SPRING))
    two = release("2", SOURCE_DATE_EPOCH=str(SPRING + 300 * DAY), DJANGO_STATIC_PREVIOUS=str(one))
    change_release(project, "3")
    now = SPRING + 335 * DAY
    variables = {"SOURCE_DATE_EPOCH": str(now), "DJANGO_STATIC_PREVIOUS": str(two), "DJANGO_STATIC_KEEP_AGE": age}
    result = build_afresh(project, build, **variables)
    assert result.returncode == 0, result.stderr
    index = read_index(project / "staticfiles")
    assert index.releases[0].time == now
    assert sorted(name[5] for name in index if re.match(r"only-[12]\.", name)) == carried
    shown = {"30d": "30d", "0h": "0h"}.get(age)
    said = f"replaced 35d ago, DJANGO_STATIC_KEEP_AGE is {shown}"
    assert (said in result.stdout) == (carried == ["2"])


def test_a_release_that_records_no_time_has_that_of_its_index(project: Path, build: Build, release: Releaser) -> None:
    one = release("1")
    assert read_index(one).releases[0].time is None
    set_written(one, SPRING)
    two = release("2", DJANGO_STATIC_PREVIOUS=str(one))
    assert read_index(two).releases[1].time == SPRING
    set_written(two, 0)
    three = release("3", DJANGO_STATIC_PREVIOUS=str(two))
    assert [each.time for each in read_index(three).releases] == [None, None, SPRING]


def test_two_builds_with_one_previous_release_are_byte_identical(
    release: Releaser, tmp_path: Path, cache: Path
) -> None:
    shutil.copytree(release("1"), tmp_path / "previous")
    trees = []
    for seed, place in enumerate(("one", "two"), start=1):
        project = copy_project("plain", tmp_path / place)
        change_release(project, "2")
        shutil.copytree(tmp_path / "previous", project / "previous")
        variables = {**SETTINGS, "DJANGO_STATIC_CACHE": str(cache), "DJANGO_STATIC_PREVIOUS": "previous"}
        result = run("static-host", "build", cwd=project, PYTHONHASHSEED=str(seed), **variables)
        assert result.returncode == 0, result.stderr
        trees.append(read_files(project / "staticfiles"))
    assert trees[0] == trees[1]
    assert any(name.startswith("only-1.") for name in trees[0])


@pytest.mark.parametrize("variables", [{}, {"DJANGO_STATIC_KEEP_AGE": "52w", "SOURCE_DATE_EPOCH": str(SPRING)}])
def test_building_again_changes_nothing_where_the_tree_itself_is_the_source(
    project: Path, build: Build, variables: dict[str, str]
) -> None:
    assert build(**variables).returncode == 0
    change_release(project, "2")
    place = project / "staticfiles"
    inodes = {path.name: path.stat().st_ino for path in place.iterdir()}
    found = []
    for _ in range(3):
        result = build(DJANGO_STATIC_PREVIOUS="staticfiles", **variables)
        assert result.returncode == 0, result.stderr
        found.append((place.readlink(), read_files(place), result.stdout.splitlines()[2]))
    assert found[0] == found[1] == found[2]
    assert found[0][2].startswith("static-host: carried 1 earlier release, 1 file that the new one lacks, ")
    assert len(list((project / ".staticfiles.releases").iterdir())) == 3  # the release, its record, and the lock
    linked = {path.name for path in place.iterdir() if inodes.get(path.name) == path.stat().st_ino}
    assert "site.e8e374d844cc.css" in linked  # a carried file is the same file on the disk


def test_a_release_that_comes_back_is_no_earlier_one_of_itself(project: Path, release: Releaser) -> None:
    one = release("1")
    two = release("2", DJANGO_STATIC_PREVIOUS=str(one))
    shutil.rmtree(one)
    again = release("1", DJANGO_STATIC_PREVIOUS=str(two))
    first, second = read_index(two).releases[1], read_index(two).releases[0]
    assert [each.digest for each in read_index(again).releases] == [first.digest, second.digest]


def test_a_build_carries_when_only_the_source_is_new(project: Path, build: Build, release: Releaser) -> None:
    one = release("1")
    assert release("2")
    place = project / "staticfiles"
    before = place.readlink()
    result = build(DJANGO_STATIC_PREVIOUS=str(one))
    assert result.returncode == 0, result.stderr
    assert place.readlink() != before
    assert len(read_index(place).releases) == 2
    assert build().returncode == 0
    assert len(read_index(place).releases) == 1
    assert place.readlink() == before


def test_several_sources_are_merged_by_time(project: Path, build: Build, release: Releaser) -> None:
    times = {"1": SPRING, "2": SPRING + 2 * DAY, "3": SPRING + DAY}
    trees = {name: release(name, SOURCE_DATE_EPOCH=str(time)) for name, time in times.items()}
    change_release(project, "4")
    sources = ",".join(map(str, trees.values()))
    epoch = str(SPRING + 3 * DAY)
    assert build_afresh(project, build, DJANGO_STATIC_PREVIOUS=sources, SOURCE_DATE_EPOCH=epoch).returncode == 0
    assert [each.time for each in read_index(project / "staticfiles").releases] == [
        SPRING + n * DAY for n in (3, 2, 1, 0)
    ]


def test_a_name_with_other_bytes_is_a_clash(project: Path, build: Build, release: Releaser) -> None:
    pattern = {"DJANGO_STATIC_IMMUTABLE_PATTERN": r"^digits\.txt$"}
    one = release("1", **pattern)
    digest = read_index(one).releases[0].digest
    (project / "mysite/static/digits.txt").write_text("9876543210")
    before = read_files(project / "staticfiles")
    variables = {"DJANGO_STATIC_PREVIOUS": str(one), **pattern}
    result = build(**variables)
    assert result.returncode == 6
    assert result.stderr == (
        "static-host: earlier releases cannot be carried unchanged:\n"
        f"  digits.txt has other bytes in the new release than in {digest} ({one}): pages of the older one would get "
        "the newer file. Give it another name.\n"
        "DJANGO_STATIC_PREVIOUS_PROBLEMS=warn builds without what cannot be carried, as the very first build must. "
        "Nothing was changed.\n"
    )
    assert read_files(project / "staticfiles") == before
    result = build(DJANGO_STATIC_PREVIOUS_PROBLEMS="warn", **variables)
    assert result.returncode == 0
    assert "static-host: digits.txt has other bytes in the new release than in" in result.stderr
    assert (project / "staticfiles/digits.txt").read_text() == "9876543210"
    assert read_index(project / "staticfiles")["digits.txt"].releases == (0,)


def test_a_folder_or_a_sibling_in_the_way_is_a_clash(project: Path, build: Build, release: Releaser) -> None:
    for name in ("lib", "style.css.br"):
        (project / f"mysite/static/{name}").write_text("old " * 100)
    one = release("1", DJANGO_STATIC_IMMUTABLE_PATTERN=r"^(lib|style\.css\.br)$")
    for name in ("lib", "style.css.br"):
        (project / f"mysite/static/{name}").unlink()
    (project / "mysite/static/lib").mkdir()
    (project / "mysite/static/lib/a.js").write_text("new")
    (project / "mysite/static/style.css").write_text("body { margin: 0 }\n" * 50)
    result = build(DJANGO_STATIC_PREVIOUS=str(one))
    assert result.returncode == 6
    assert f"  lib ({one}): the new tree has another lib\n" in result.stderr
    assert f"  style.css.br ({one}): the new tree has another style.css.br\n" in result.stderr


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncate, "bytes, not the"),
        (lambda path: path.write_bytes(path.read_bytes() + b"!"), "has more than the"),
        (flip, "is damaged: its digest differs from the one in its index"),
        (Path.unlink, "is missing"),
        (pipe, "is not a regular file"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".br"])
def test_a_damaged_file_stops_the_build_or_is_left_out(
    project: Path, build: Build, release: Releaser, suffix: str, damage: object, said: str
) -> None:
    one = release("1")
    (name,) = (name for name in list_immutable_names(one) if name.startswith("site."))
    assert callable(damage)
    damage(one / (name + suffix))
    change_release(project, "2")
    before = read_files(project / "staticfiles")
    result = build(DJANGO_STATIC_PREVIOUS=str(one))
    assert result.returncode == 6
    assert f"\n  {one}: {name}{suffix} " in result.stderr
    assert said in result.stderr
    assert read_files(project / "staticfiles") == before
    for _ in range(2):
        result = build(DJANGO_STATIC_PREVIOUS=str(one), DJANGO_STATIC_PREVIOUS_PROBLEMS="warn")
        assert result.returncode == 0
        assert said in result.stderr  # the second time, too, though nothing is built
    index = read_index(project / "staticfiles")
    assert (name in index) == bool(suffix)
    assert any(other.startswith("only-1.") for other in index)
    if suffix:
        assert [each.coding for each in index[name].representations] == ["zstd", "gzip", "identity"]
    check_integrity(project / "staticfiles")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere", "the directory nowhere cannot be read: No such file or directory."),
        (
            "mysite",
            (
                f"mysite holds no index ({INDEX_FILE_NAME}). "
                f"For a tree that other tools made, run `static-host index mysite`."
            ),
        ),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/static/static-host.index cannot be reached: "),
        ("file:///nowhere/at/all", "file:///nowhere/at/all cannot be opened: "),
    ],
)
def test_a_source_that_is_not_there_stops_the_build_unless_it_may_be_the_first(
    project: Path, build: Build, source: str, said: str
) -> None:
    result = build(DJANGO_STATIC_PREVIOUS=source)
    assert result.returncode == 6
    assert result.stderr.startswith(f"static-host: earlier releases cannot be carried unchanged:\n  {said}")
    assert "DJANGO_STATIC_PREVIOUS_PROBLEMS=warn" in result.stderr
    assert not (project / "staticfiles").exists()
    result = build(DJANGO_STATIC_PREVIOUS=source, DJANGO_STATIC_PREVIOUS_PROBLEMS="warn")
    assert result.returncode == 0
    assert result.stderr.startswith(f"static-host: {said}")
    assert len(read_index(project / "staticfiles").releases) == 1


def rewritten(tree: Path, **head: object) -> None:
    """Give the tree's index other facts in its first line."""
    first, _, body = (tree / INDEX_FILE_NAME).read_bytes().partition(b"\n")
    facts = {**json.loads(first), "crc32": f"{crc32(body):08x}", **head}
    facts = {key: value for key, value in facts.items() if value is not None}
    (tree / INDEX_FILE_NAME).write_bytes(json.dumps(facts).encode() + b"\n" + body)


def test_the_index_of_the_version_before_is_read(project: Path, build: Build, release: Releaser) -> None:
    one = release("1")
    rewritten(one, format=1, release=None)
    named = parse_index((one / INDEX_FILE_NAME).read_bytes()).releases[0].digest
    assert re.fullmatch(r"[0-9a-f]{16}", named)
    two = release("2", DJANGO_STATIC_PREVIOUS=str(one))
    assert [each.digest for each in read_index(two).releases[1:]] == [named]
    check_integrity(two)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ({"format": 4}, "cannot be used: it has format 4, this version reads formats 1 to 3."),
        (
            {"crc32": "00000000"},
            "cannot be used: its checksum does not match: it was cut short or changed after the build.",
        ),
        ({"release": None}, "cannot be used: its first line has no valid release."),
        ({"prefix": "/s/"}, "are served below /s/, this one below /static/"),
    ],
)
def test_an_index_that_cannot_be_used_is_named(
    build: Build, release: Releaser, head: dict[str, object], said: str
) -> None:
    one = release("1")
    rewritten(one, **head)
    result = build(DJANGO_STATIC_PREVIOUS=str(one))
    assert result.returncode == 6
    assert str(one) in result.stderr
    assert said in result.stderr


@pytest.mark.parametrize("name", ["../evil.js", "/evil.js", "a/../../evil.js", "a//evil.js", "./evil.js"])
def test_no_name_leads_out_of_the_tree(build: Build, release: Releaser, name: str) -> None:
    one = release("1")
    index = read_index(one)
    some = index[list_immutable_names(one)[0]]
    odd = Resource(some.media_type, True, tuple(index["digits.txt"].representations))
    (one / INDEX_FILE_NAME).write_bytes(dump_index(index.prefix, {**index, name: odd}))
    result = build(DJANGO_STATIC_PREVIOUS=str(one))
    assert result.returncode == 6
    assert f"its index has a file that cannot be carried: {name!r}" in result.stderr
    assert not list(one.parent.rglob("evil.js"))


def test_the_option_goes_before_the_variable(project: Path, cache: Path, release: Releaser) -> None:
    one, two = release("1"), release("2")
    change_release(project, "3")
    options = ("--previous", str(one), "--previous", str(two))
    variables = {**SETTINGS, "DJANGO_STATIC_CACHE": str(cache), "DJANGO_STATIC_PREVIOUS": "nowhere"}
    result = run("static-host", "build", "--json", *options, cwd=project, **variables)
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert {each["origin"] for each in document["releases"]} == {"", str(one), str(two)}
    assert [each["files_alone"] for each in document["releases"]] == [18, 2, 2]
    assert document["dropped"] == []
    result = run("static-host", "build", "--previous", "ftp://example.com", cwd=project, **variables)
    assert result.returncode == 2
    assert result.stderr == (
        "static-host: --previous ftp://example.com: ftp:// is not supported. Expected: a directory, or a URL without "
        "credentials and query (http, https, s3, gs, az, file).\n"
    )


def test_the_releases_of_a_tree_are_listed(project: Path, release: Releaser) -> None:
    one = release("1", SOURCE_DATE_EPOCH=str(SPRING))
    two = release("2", SOURCE_DATE_EPOCH=str(SPRING + DAY), DJANGO_STATIC_PREVIOUS=str(one))
    newest, oldest = (each.digest for each in read_index(two).releases)
    result = run("static-host", "releases", str(two), cwd=project, **SETTINGS)
    assert result.returncode == 0, result.stderr
    head, *rows = (re.split(r" {2,}", line) for line in result.stdout.splitlines())
    assert head == ["release", "time", "files", "bytes", "alone", "bytes alone", "origin"]
    assert [(row[0], row[1], row[2], row[4], row[6]) for row in rows] == [
        (newest, "2026-05-29 20:26Z", "18", "18", "this tree"),
        (oldest, "2026-05-28 20:26Z", "9", "2", str(one)),
    ]
    result = run("static-host", "releases", "--json", cwd=project, **SETTINGS)
    document = json.loads(result.stdout)
    assert document["root"] == "staticfiles"
    carried = [
        path
        for path in read_files(two)
        if path not in read_files(one) or re.match(r"(site|only-1)\.[0-9a-f]{12}", path)
    ]
    of_one = [name for name in carried if name in read_files(one) and not name.startswith("site.css")]
    assert document["releases"][1] == {
        "release": oldest,
        "time": SPRING,
        "origin": str(one),
        "files": 9,
        "files_alone": 2,
        "bytes": sum(r.length for n in list_immutable_names(one) for r in read_index(one)[n].representations),
        "bytes_alone": sum((two / name).stat().st_size for name in of_one),
    }


def test_check_and_verify_find_nothing_wrong_with_a_tree_that_carries(
    project: Path, build: Build, cache: Path, release: Releaser
) -> None:
    one = release("1")
    change_release(project, "2")
    variables = {**SETTINGS, "DJANGO_STATIC_CACHE": str(cache), "DJANGO_STATIC_PREVIOUS": str(one)}
    result = run("static-host", "build", "--verify", cwd=project, **variables)
    assert result.returncode == 0, result.stderr
    assert "of 20 resources decode to their sources" in result.stdout
    document = json.loads(run("static-host", "check", "--json", cwd=project, **SETTINGS).stdout)
    assert [each for each in document["findings"] if each["check"] == "tree" and each["level"] != "ok"] == []
    path = next((project / "staticfiles").glob("only-1.*.js"))
    truncate(path)
    result = build(DJANGO_STATIC_PREVIOUS=str(one))  # a carried file that was damaged is carried anew
    assert result.returncode == 0
    check_integrity(project / "staticfiles")


def test_an_index_of_a_tree_that_carries_is_not_replaced(project: Path, release: Releaser) -> None:
    one = release("1")
    two = release("2", DJANGO_STATIC_PREVIOUS=str(one))
    before = read_files(two)
    result = run("static-host", "index", str(two), cwd=project, **SETTINGS)
    assert result.returncode == 5
    assert f"{two} has files of earlier releases, and only its own index separates them" in result.stderr
    assert read_files(two) == before


def test_the_output_of_another_tool_is_a_source_once_it_has_an_index(
    project: Path, build: Build, tmp_path: Path
) -> None:
    (tmp_path / "old/css").mkdir(parents=True)
    large = os.urandom(5 << 20)  # more than is compared in memory
    (tmp_path / "old/css/old.0123456789ab.css").write_bytes(b"body { margin: 0 }\n" * 50)
    (tmp_path / "old/film.0123456789ab.mp4").write_bytes(large)
    paths = {"css/old.css": "css/old.0123456789ab.css", "film.mp4": "film.0123456789ab.mp4"}
    (tmp_path / "old/staticfiles.json").write_text(json.dumps({"paths": paths, "version": "1.0"}))
    assert run("static-host", "index", str(tmp_path / "old"), cwd=project, **SETTINGS).returncode == 0
    result = build(DJANGO_STATIC_PREVIOUS=str(tmp_path / "old"))
    assert result.returncode == 0, result.stderr
    tree = project / "staticfiles"
    index = read_index(tree)
    assert {name for name, resource in index.items() if resource.carried} == set(paths.values())
    assert [each.coding for each in index["css/old.0123456789ab.css"].representations] == ["identity"]
    assert (tree / "film.0123456789ab.mp4").read_bytes() == large
    check_integrity(tree)
