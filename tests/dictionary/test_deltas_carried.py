"""Old pages, new container, and only the change: the deltas that carried files keep (RFC 9842)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from static_host.origin.index import INDEX_FILE_NAME, dump_index
from static_host.origin.representation import Representation, Resource, compute_digest
from static_host.origin.tree import TreeDamagedError
from static_host_build.encode.dcz import MAGIC
from static_host_build.output.integrity import check_integrity
from tests.dictionary.test_deltas import BROWSER, FROM_1, FROM_2, V1, V2, VARIES, deltas
from tests.support.builds import Build, decode_delta, read_files
from tests.support.delta_releases import Rollout, build_rollout, make_script
from tests.support.deployments import Headers
from tests.support.intermediaries import run_intermediary
from tests.support.processes import run, run_server
from tests.support.projects import SETTINGS
from tests.support.releases import read_index
from tests.support.stores import run_bucket

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Source = tuple[str, dict[str, str]]
"""What DJANGO_STATIC_PREVIOUS is set to, and the variables that it needs."""


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Rollout:
    """Six releases of which each carries two."""
    return build_rollout(tmp_path_factory.mktemp("long"), cache, range(1, 7), DJANGO_STATIC_KEEP_RELEASES="2")


@pytest.fixture
def project(rollout: Rollout, tmp_path: Path) -> Path:
    """The project at its third release, not built."""
    return Path(shutil.copytree(rollout.project, tmp_path / "project"))


@pytest.fixture
def build(project: Path, cache: Path) -> Build:
    """Builds the third release after what is at a source, and verifies it."""

    def call(source: object, **variables: str) -> subprocess.CompletedProcess[str]:
        fixed = {**SETTINGS, "DJANGO_STATIC_CACHE": str(cache), "DJANGO_STATIC_PREVIOUS": str(source)}
        return run("static-host", "build", "--verify", cwd=project, **{**fixed, **variables})

    return call


def asked(url: str, name: str, dictionary: str, coding: str = BROWSER) -> tuple[int, dict[str, str], bytes]:
    """Ask a server for a file as who has the dictionary; return the answer without its date."""
    fields = {"accept-encoding": coding, "available-dictionary": dictionary}
    with httpx.stream("GET", f"{url}/static/{name}", headers=fields) as answer:
        body = b"".join(answer.iter_raw())
    return answer.status_code, {name: value for name, value in answer.headers.items() if name != "date"}, body


def with_delta(tree: Path, name: str, body: bytes, file: str = "", **changes: str) -> None:
    """Put another first delta in the place of that of a resource, in the tree and in its index."""
    index = read_index(tree)
    was = index[name]
    (delta,) = deltas(was)
    facts = {"file": file or delta.file, "dictionary": delta.dictionary, **changes}
    made = Representation("dcz", length=len(body), digest=compute_digest(body), **facts)
    (tree / delta.file).unlink()
    (tree / made.file).write_bytes(body)
    others = tuple(each for each in was.representations if each.coding != "dcz")
    resource = Resource(was.media_type, True, (made, *others), was.releases, was.match)
    manifest = ("staticfiles.json", (tree / "staticfiles.json").read_bytes())
    data = dump_index(index.prefix, {**index, name: resource}, manifest, earlier=index.releases[1:])
    (tree / INDEX_FILE_NAME).write_bytes(data)


def test_a_carried_file_is_answered_in_every_coding_as_by_its_own_container(rollout: Rollout) -> None:
    name = rollout.names[1]
    answers = []
    for tree in rollout.trees[1:]:
        with run_server(cwd=rollout.project, DJANGO_STATIC_ROOT=str(tree), **SETTINGS) as running:
            codings = ("identity", "gzip", "br", "zstd", "dcz", BROWSER)
            answers.append([asked(running.url, name, dictionary, each) for each in codings for dictionary in (V1, V2)])
    assert answers[0] == answers[1]
    status, headers, body = answers[1][-2]
    assert (status, headers["content-encoding"], headers["vary"]) == (200, "dcz", VARIES)
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["use-as-dictionary"] == 'match="app.*.js"'
    assert decode_delta(body, make_script(1).encode()) == make_script(2).encode()
    assert answers[1][-1][1]["content-encoding"] == "br"


def test_the_new_release_has_its_own_deltas_beside_the_carried_ones(rollout: Rollout) -> None:
    tree = rollout.trees[2]
    held = {name: {each.file for each in deltas(resource)} for name, resource in read_index(tree).items()}
    _, second, third = rollout.names
    assert {name: has for name, has in held.items() if has} == {
        second: {f"{second}{FROM_1}"},
        third: {f"{third}{FROM_1}", f"{third}{FROM_2}"},
    }
    assert {path.name for path in tree.glob("*.dcz")} == set.union(*held.values())
    assert read_index(tree)[second].representations == read_index(rollout.trees[1])[second].representations


def test_a_delta_stays_when_its_dictionary_goes_and_verify_tells_what_it_could_not_decode(long: Rollout) -> None:
    tree, name = long.trees[3], long.names[2]
    assert not list(tree.glob(f"{long.names[0]}*"))
    with run_server(cwd=long.project, DJANGO_STATIC_ROOT=str(tree), **SETTINGS) as running:
        status, headers, body = asked(running.url, name, V1)
    assert (status, headers["content-encoding"]) == (200, "dcz")
    assert decode_delta(body, make_script(1).encode()) == make_script(3).encode()
    verified = check_integrity(tree)
    assert verified.undecoded == 2
    of_files = f"{verified.files - 2} files of {verified.resources} resources decode to their sources"
    assert str(verified) == f"{of_files}; 2 carried deltas are as built, but their dictionaries have left the tree"
    document = run("static-host", "check", "--json", cwd=long.project, **SETTINGS, DJANGO_STATIC_ROOT=str(tree))
    assert f'"{of_files}; 2 carried deltas are as built, but their' in document.stdout


def test_the_deltas_of_a_tree_do_not_grow_with_the_number_of_releases(long: Rollout) -> None:
    assert [len(list(tree.glob("*.dcz"))) for tree in long.trees] == [0, 1, 3, 5, 6, 6]
    assert [check_integrity(tree).undecoded for tree in long.trees] == [0, 0, 0, 2, 3, 3]
    lengths = [sum(path.stat().st_size for path in tree.glob("*.dcz")) for tree in long.trees[4:]]
    assert max(lengths) < 6 * (long.trees[5] / f"{long.names[5]}.br").stat().st_size * 0.75


@pytest.fixture(params=["directory", "deployment", "file", "s3"])
def source(request: pytest.FixtureRequest, rollout: Rollout, tmp_path: Path) -> Iterator[Source]:
    """The second release, at each kind of place."""
    tree = {**SETTINGS, "DJANGO_STATIC_ROOT": str(rollout.trees[1])}
    if request.param == "directory":
        yield str(rollout.trees[1]), {}
    elif request.param == "deployment":
        with run_server(cwd=rollout.project, DJANGO_STATIC_SHOW_INDEX="true", **tree) as running:
            yield running.url, {}
    else:
        place = tmp_path / "store"
        published = run("static-host", "publish", cwd=rollout.project, DJANGO_STATIC_STORE=f"file://{place}", **tree)
        assert published.returncode == 0, published.stderr
        if request.param == "file":
            yield f"file://{place}", {}
        else:
            with run_bucket(place) as server:
                yield "s3://bucket", server.variables


def test_deltas_come_from_every_kind_of_source(project: Path, build: Build, rollout: Rollout, source: Source) -> None:
    place, variables = source
    result = build(place, **variables)
    assert result.returncode == 0, result.stderr
    found, expected = read_files(project / "staticfiles"), read_files(rollout.trees[2])
    assert {name: body for name, body in found.items() if name != INDEX_FILE_NAME} == {
        name: body for name, body in expected.items() if name != INDEX_FILE_NAME
    }
    assert dict(read_index(project / "staticfiles")) == dict(read_index(rollout.trees[2]))


def test_an_old_container_finds_the_deltas_of_carried_files_in_the_store(rollout: Rollout, tmp_path: Path) -> None:
    place = {**SETTINGS, "DJANGO_STATIC_STORE": f"file://{tmp_path}/store"}
    old, middle, new = ({"DJANGO_STATIC_ROOT": str(tree)} for tree in rollout.trees)
    assert run("static-host", "publish", cwd=rollout.project, **place, **new).returncode == 0
    answers = []
    for variables in ({**SETTINGS, **middle}, {**place, **old, "DJANGO_STATIC_STORE_DIRECTORY": f"{tmp_path}/shelf"}):
        with run_server(cwd=rollout.project, **variables) as running:
            answers.append(asked(running.url, rollout.names[1], V1))
    assert answers[0] == answers[1]
    assert answers[1][1]["content-encoding"] == "dcz"


def test_what_was_carried_is_the_same_file_when_the_build_takes_its_own_place(
    project: Path, build: Build, rollout: Rollout
) -> None:
    place = project / "staticfiles"
    shutil.copytree(rollout.trees[1], place)
    before = (place / f"{rollout.names[1]}{FROM_1}").stat().st_ino
    assert build("staticfiles").returncode == 0
    assert (place / f"{rollout.names[1]}{FROM_1}").stat().st_ino == before
    found = (place.readlink(), read_files(place))
    for _ in range(2):
        again = build("staticfiles")
        assert again.returncode == 0, again.stderr
        assert "carried with earlier releases: 1 delta, " in again.stdout
        assert (place.readlink(), read_files(place)) == found
    assert len(list(place.glob("*.dcz"))) == 3


def test_nothing_of_a_carried_delta_is_encoded_again_or_counted_as_work(
    project: Path, build: Build, rollout: Rollout, tmp_path: Path
) -> None:
    tree, name = tmp_path / "tree", rollout.names[1]
    shutil.copytree(rollout.trees[1], tree)
    known = zstd.ZstdDict(make_script(1).encode(), is_raw=True).as_prefix
    another = zstd.compress(make_script(2).encode(), level=1, zstd_dict=known)
    body = MAGIC + sha256(make_script(1).encode()).digest() + another
    assert body != (tree / f"{name}{FROM_1}").read_bytes()
    with_delta(tree, name, body)
    result = build(tree, DJANGO_STATIC_DICTIONARY_BYTES="1")
    assert result.returncode == 0, result.stderr
    assert "2 of 2 deltas against earlier versions were not tried: DJANGO_STATIC_DICTIONARY_BYTES is 1" in result.stderr
    assert f"carried with earlier releases: 1 delta, {len(body):,} bytes, not encoded again" in result.stdout
    found = project / "staticfiles"
    assert {path.name: path.read_bytes() for path in found.glob("*.dcz")} == {f"{name}{FROM_1}": body}


def test_where_deltas_are_switched_off_none_is_carried(project: Path, build: Build, rollout: Rollout) -> None:
    assert build(rollout.trees[1], DJANGO_STATIC_DICTIONARY_BYTES="0").returncode == 0
    index = read_index(project / "staticfiles")
    assert index[rollout.names[1]].carried
    assert not any(resource.match or deltas(resource) for resource in index.values())
    assert not list((project / "staticfiles").glob("*.dcz"))


def flipped(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[-1] ^= 1
    path.write_bytes(body)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flipped, "is damaged: its digest differs from the one in its index"),
        (lambda path: os.truncate(path, 50), "has 50 bytes, not the "),
        (Path.unlink, "is missing"),
    ],
)
def test_a_damaged_delta_stops_the_build_or_is_left_out_alone(
    project: Path, build: Build, rollout: Rollout, tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    tree, name = tmp_path / "tree", rollout.names[1]
    shutil.copytree(rollout.trees[1], tree)
    damage(tree / f"{name}{FROM_1}")
    result = build(tree)
    assert result.returncode == 6
    assert f"\n  {tree}: {name}{FROM_1} {said}" in result.stderr
    assert not (project / "staticfiles").exists()
    result = build(tree, DJANGO_STATIC_PREVIOUS_PROBLEMS="warn")
    assert result.returncode == 0
    assert said in result.stderr
    index = read_index(project / "staticfiles")
    assert [each.coding for each in index[name].representations] == ["br", "zstd", "gzip", "identity"]
    assert not (project / "staticfiles" / f"{name}{FROM_1}").exists()
    assert len(deltas(index[rollout.names[2]])) == 2


@pytest.mark.parametrize("release", [3, 4])
@pytest.mark.parametrize("damage", ["frame", "dictionary", "magic", "length", "digest"])
def test_verify_finds_a_carried_delta_that_is_damaged(long: Rollout, tmp_path: Path, release: int, damage: str) -> None:
    """In the tree of release 3 the dictionary is there; in that of release 4 it has gone."""
    tree, name = tmp_path / "tree", long.names[1]
    shutil.copytree(long.trees[release - 1], tree)
    body = (tree / f"{name}{FROM_1}").read_bytes()
    if damage == "digest":
        (tree / f"{name}{FROM_1}").write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    else:
        other = zstd.compress(b"something else " * 100)
        damaged = {"frame": body[:40], "dictionary": body[:8] + bytes(32) + body[40:], "magic": b"!" + body[1:]}
        with_delta(tree, name, damaged.get(damage, body[:40] + other))
    with pytest.raises(TreeDamagedError) as caught:
        check_integrity(tree)
    decoded = {
        3: f"does not decode to {name}",
        4: "is not a delta with the dictionary and the length in its index",
    }
    assert caught.value.problems == [
        f"{name}{FROM_1} (dcz): {'is not what was built' if damage == 'digest' else decoded[release]}"
    ]


def test_a_delta_that_another_tool_named_keeps_its_name(
    project: Path, build: Build, rollout: Rollout, tmp_path: Path
) -> None:
    tree, name = tmp_path / "tree", rollout.names[1]
    shutil.copytree(rollout.trees[1], tree)
    body = (tree / f"{name}{FROM_1}").read_bytes()
    (tree / f"{name}{FROM_1}").rename(tree / f"{name}.dcz")
    (tree / INDEX_FILE_NAME).unlink()
    assert run("static-host", "index", "tree", cwd=tmp_path, DJANGO_STATIC_PREFIX="/static/").returncode == 0
    result = build(tree)
    assert result.returncode == 0, result.stderr
    place = {**SETTINGS, "DJANGO_STATIC_STORE": f"file://{tmp_path}/store"}
    assert run("static-host", "publish", cwd=project, **place).returncode == 0
    shelf = {"DJANGO_STATIC_ROOT": str(rollout.trees[0]), "DJANGO_STATIC_STORE_DIRECTORY": f"{tmp_path}/shelf"}
    for variables in (SETTINGS, {**place, **shelf}):
        with run_server(cwd=project, **variables) as running:
            assert asked(running.url, name, V1)[2] == body
    assert (project / "staticfiles" / f"{name}.dcz").read_bytes() == body


@pytest.mark.parametrize(
    ("file", "dictionary"),
    [
        ("../evil.dcz", ""),
        ("{name}/../../evil.dcz", ""),
        ("{name}.a/../../evil.dcz", ""),
        ("{name}.evil", ""),
        ("", "AAAA"),
        ("", f"{'A' * 43}=\r\nevil: 1"),
        ("", b64encode(bytes(31)).decode()),
    ],
)
def test_an_index_from_elsewhere_leads_no_delta_out_of_the_tree(
    build: Build, rollout: Rollout, tmp_path: Path, file: str, dictionary: str
) -> None:
    tree, name = tmp_path / "place/tree", rollout.names[1]
    shutil.copytree(rollout.trees[1], tree)
    (tree / f"{name}.a").mkdir()
    index = read_index(tree)
    (delta,) = deltas(index[name])
    odd = Representation(
        "dcz", file.format(name=name) or delta.file, delta.length, delta.digest, dictionary or delta.dictionary
    )
    resource = Resource("text/javascript", True, (odd, index[name].identity))
    (tree / INDEX_FILE_NAME).write_bytes(
        dump_index(index.prefix, {**index, name: resource}, earlier=index.releases[1:])
    )
    result = build(tree)
    assert result.returncode == 6
    assert f"{tree}: its index has a file that cannot be carried: {name!r}" in result.stderr


def test_a_cdn_that_does_not_tell_dictionaries_apart_costs_deltas_and_no_build(
    project: Path, build: Build, rollout: Rollout
) -> None:
    (project / "mysite/static/app.js").write_text(make_script(4))
    tree = {"DJANGO_STATIC_ROOT": str(rollout.trees[2]), "DJANGO_STATIC_SHOW_INDEX": "true"}
    first: dict[tuple[str, str], str] = {}

    def asking(path: str, fields: Headers) -> Headers:
        coding = fields["accept-encoding"]
        dictionary = first.setdefault((path, coding), fields.get("available-dictionary", ""))
        return {"accept-encoding": coding, "available-dictionary": dictionary}

    with run_server(cwd=rollout.project, **tree, **SETTINGS) as old, run_intermediary(old.url, asking) as cdn:
        result = build(cdn.url)
    assert result.returncode == 0, result.stderr
    assert re.search(rf"{cdn.url} does not pass dcz on: 1 file is carried without it\. Name the", result.stderr)
    index = read_index(project / "staticfiles")
    assert [len(deltas(index[name])) for name in rollout.names] == [0, 1, 1]
