"""Only the change (RFC 9842): deltas as the build makes them, and as the origin negotiates them."""

from __future__ import annotations

import json
import random
import re
import shutil
import socket
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from static_host.origin.index import INDEX_FILE_NAME, dump_index, parse_index
from static_host.origin.representation import Representation, Resource
from static_host.origin.responder import Responder
from static_host.origin.tree import TreeDamagedError, load_tree
from static_host_build.encode.dcz import encode_delta
from static_host_build.output.integrity import check_integrity
from tests.origin.test_cases import by_asgi, by_core, by_socket
from tests.support.builds import Build, decode_delta, format_available_dictionary, read_files
from tests.support.cases import Case
from tests.support.delta_releases import Rollout, build_rollout, make_script
from tests.support.processes import Running, run, run_server
from tests.support.projects import SETTINGS
from tests.support.releases import build_afresh, read_index

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BROWSER = "gzip, deflate, br, zstd, dcb, dcz"
VARIES = "Accept-Encoding, Available-Dictionary"


def deltas(resource: Resource) -> list[Representation]:
    return [representation for representation in resource.representations if representation.coding == "dcz"]


def etag(path: Path) -> str:
    return f'"{urlsafe_b64encode(sha256(path.read_bytes()).digest()[:18]).decode()}"'


def test_a_delta_for_each_earlier_version_decodes_as_browsers_do(rollout: Rollout) -> None:
    tree = rollout.trees[2]
    made = deltas(read_index(tree)[rollout.names[2]])
    assert len(made) == 2
    for name, release in zip(rollout.names[:2], (1, 2), strict=True):
        dictionary = make_script(release).encode()
        assert (tree / name).read_bytes() == dictionary
        file = f"{rollout.names[2]}.{sha256(dictionary).hexdigest()[:12]}.dcz"
        delta = (tree / file).read_bytes()
        assert decode_delta(delta, dictionary) == make_script(3).encode()
        assert 10 * len(delta) < (tree / f"{rollout.names[2]}.br").stat().st_size
        assert (file, b64encode(sha256(dictionary).digest()).decode()) in {(r.file, r.dictionary) for r in made}


def test_the_first_release_has_dictionaries_and_the_second_has_deltas(rollout: Rollout) -> None:
    first, second, _ = map(read_index, rollout.trees)
    assert {name: resource.match for name, resource in first.items() if resource.match} == {
        rollout.names[0]: "app.*.js",
        "site.e8e374d844cc.css": "site.*.css",
    }
    assert [name for name, resource in first.items() if deltas(resource)] == []
    assert [name for name, resource in second.items() if deltas(resource)] == [rollout.names[1]]
    assert second[rollout.names[0]].match == "app.*.js"  # who comes back to an old page takes that version along


def test_deltas_are_no_part_of_the_release(rollout: Rollout, tmp_path: Path) -> None:
    tree = rollout.trees[2]
    project = tmp_path / "project"
    shutil.copytree(rollout.project, project)
    result = run("static-host", "build", cwd=project, **SETTINGS, DJANGO_STATIC_CACHE=str(tmp_path / "cache"))
    assert result.returncode == 0, result.stderr
    alone = read_index(project / "staticfiles")
    assert alone.releases[0].digest == read_index(tree).releases[0].digest
    assert not any(resource.match for resource in alone.values())
    nothing = {"DJANGO_STATIC_PREVIOUS": "nothing", "DJANGO_STATIC_PREVIOUS_PROBLEMS": "warn"}
    result = run("static-host", "build", cwd=project, **SETTINGS, **nothing)
    assert result.returncode == 0, result.stderr
    offering = read_index(project / "staticfiles")
    assert any(resource.match for resource in offering.values())
    assert offering.releases == alone.releases


def test_two_builds_give_the_same_bytes_with_a_cache_and_without(rollout: Rollout, tmp_path: Path) -> None:
    again = build_rollout(tmp_path / "again", tmp_path / "no-cache", SOURCE_DATE_EPOCH="1780000000")
    once_more = build_rollout(tmp_path / "once-more", tmp_path / "no-cache", SOURCE_DATE_EPOCH="1780000000")
    for one, two, first in zip(again.trees, once_more.trees, rollout.trees, strict=True):
        assert {name: body for name, body in read_files(one).items() if name != INDEX_FILE_NAME} == {
            name: body for name, body in read_files(two).items() if name != INDEX_FILE_NAME
        }
        assert {name: body for name, body in read_files(one).items() if name.endswith(".dcz")} == {
            name: body for name, body in read_files(first).items() if name.endswith(".dcz")
        }


def test_what_is_tried_is_what_it_would_be_without_the_cache_of_a_build_with_other_codings(
    tmp_path: Path, project: Path, build: Build
) -> None:
    chance = random.Random(3)
    texts = ["\n".join(f"let v{n}={chance.randrange(10**9)};" for n in range(4_000)) for _ in range(2)]
    place = project / "mysite/static/long.js"
    place.write_text(texts[0])
    first = build_afresh(project, build, DJANGO_STATIC_PREVIOUS="none", DJANGO_STATIC_PREVIOUS_PROBLEMS="warn")
    assert first.returncode == 0, first.stderr
    shutil.copytree(project / "staticfiles", tmp_path / "one")
    place.write_text(texts[1] * 2)  # gzip's window of 32 kB sees nothing of the first half in the second
    indexes = {}
    for cache, codings in (("warm", "br"), ("warm", "gzip"), ("cold", "gzip")):
        result = build_afresh(
            *(project, build),
            DJANGO_STATIC_PREVIOUS=str(tmp_path / "one"),
            DJANGO_STATIC_CACHE=str(tmp_path / cache),
            DJANGO_STATIC_CODINGS=codings,
        )
        assert result.returncode == 0, result.stderr
        indexes[cache, codings] = (project / "staticfiles" / INDEX_FILE_NAME).read_bytes()
    assert b"dcz" in indexes["cold", "gzip"]
    assert b"dcz" not in indexes["warm", "br"]
    assert indexes["warm", "gzip"] == indexes["cold", "gzip"]


def test_the_build_tells_what_deltas_save_and_says_it_again(
    rollout: Rollout, project: Path, build: Build, tmp_path: Path
) -> None:
    (project / "mysite/static/app.js").write_text(make_script(3))
    for again in (False, True):
        if again:
            result = build(DJANGO_STATIC_PREVIOUS=str(rollout.trees[1]))
        else:
            result = build_afresh(project, build, DJANGO_STATIC_PREVIOUS=str(rollout.trees[1]))
        assert result.returncode == 0, result.stderr
        assert "static-host: deltas: 1 file against 2 earlier versions: " in result.stdout
        carried = re.search(
            r"^static-host: carried with earlier releases: 1 delta, (\d+) bytes, not encoded again$",
            result.stdout,
            re.MULTILINE,
        )
        assert carried
        assert int(carried[1]) == (rollout.trees[1] / f"{rollout.names[1]}{FROM_1}").stat().st_size
    page = tmp_path / "report.json"
    printed = run(
        *("static-host", "build", "--json"),
        cwd=project,
        **SETTINGS,
        DJANGO_STATIC_PREVIOUS=str(rollout.trees[1]),
    )
    page.write_text(printed.stdout)
    told = json.loads(printed.stdout)["deltas"]
    tree = project / "staticfiles"
    on_disk = [path.stat().st_size for path in tree.glob(f"{rollout.names[2]}.*.dcz")]
    br = (tree / f"{rollout.names[2]}.br").stat().st_size
    before = (tree / f"{rollout.names[1]}{FROM_1}").stat().st_size
    own = {"resources": 1, "deltas": 2, "bytes": sum(on_disk), "instead": 2 * br, "renamed": 0, "seconds": 0.0}
    assert told == {**own, "carried": 1, "carried_bytes": before}


def test_the_releases_of_a_tree_are_listed_with_its_deltas(rollout: Rollout) -> None:
    lengths = [path.stat().st_size for path in rollout.trees[2].glob(f"{rollout.names[2]}.*.dcz")]
    before = (rollout.trees[2] / f"{rollout.names[1]}{FROM_1}").stat().st_size
    listed = run("static-host", "releases", str(rollout.trees[2]), cwd=rollout.project, **SETTINGS)
    own, carried = listed.stdout.splitlines()[-2:]
    assert own.startswith(f"deltas: 1 file against 2 earlier versions: {sum(lengths):,} bytes instead of ")
    assert carried == f"carried with earlier releases: 1 delta, {before:,} bytes, not encoded again"
    document = run("static-host", "releases", "--json", str(rollout.trees[2]), cwd=rollout.project, **SETTINGS)
    smallest = (rollout.trees[2] / f"{rollout.names[2]}.br").stat().st_size
    told = {"resources": 1, "deltas": 2, "bytes": sum(lengths), "instead": 2 * smallest, "renamed": 0}
    told |= {"carried": 1, "carried_bytes": before}
    assert json.loads(document.stdout)["deltas"] == told
    without = run("static-host", "releases", str(rollout.trees[0]), cwd=rollout.project, **SETTINGS)
    assert "deltas" not in without.stdout


def test_the_bytes_that_are_tried_are_bounded_the_newest_release_first(
    rollout: Rollout, project: Path, build: Build
) -> None:
    (project / "mysite/static/app.js").write_text(make_script(3))
    length = len(make_script(3))
    result = build_afresh(
        *(project, build),
        DJANGO_STATIC_PREVIOUS=str(rollout.trees[1]),
        DJANGO_STATIC_DICTIONARY_BYTES=str(2 * length - 1),
    )
    told = (
        f"1 of 2 deltas against earlier versions were not tried: DJANGO_STATIC_DICTIONARY_BYTES is {2 * length - 1:,}"
    )
    assert told in result.stderr
    made = deltas(read_index(project / "staticfiles")[rollout.names[2]])
    assert [each.dictionary for each in made] == [format_available_dictionary(make_script(2).encode()).strip(":")]


def test_with_no_bytes_or_no_earlier_releases_nothing_is_a_dictionary(
    rollout: Rollout, project: Path, build: Build
) -> None:
    (project / "mysite/static/app.js").write_text(make_script(3))
    assert build_afresh(project, build).returncode == 0
    assert b"match" not in (project / "staticfiles" / INDEX_FILE_NAME).read_bytes()
    before = str(rollout.trees[0])
    result = build(DJANGO_STATIC_PREVIOUS=before, DJANGO_STATIC_DICTIONARY_BYTES="0")
    assert result.returncode == 0, result.stderr
    assert read_index(rollout.trees[0])[rollout.names[0]].match
    assert read_index(project / "staticfiles")[rollout.names[0]].carried
    assert not any(resource.match or deltas(resource) for resource in read_index(project / "staticfiles").values())
    assert build(DJANGO_STATIC_PREVIOUS=before).returncode == 0  # the setting alone makes it another tree
    assert deltas(read_index(project / "staticfiles")[rollout.names[2]])


HEX = random.Random(3).randbytes(2000).hex()


def test_what_is_small_or_has_little_in_common_gets_no_delta(tmp_path: Path, build: Build, project: Path) -> None:
    static = project / "mysite/static"
    texts = {
        "small.js": ("console.log('one');" * 40, "console.log('two');" * 40),
        "partly.js": ("\n".join(make_script(1).split("\n")[:200]), make_script(1)),
        "barely.js": (HEX[:1000], HEX[:2100]),
        "other.js": ("\n".join(f"a{n * 7919 % 10007}" for n in range(2000)), make_script(1)),
        "alike.js": (make_script(1), make_script(2)),
        "icon.svg": (f"<svg><desc>{make_script(1)}</desc></svg>", f"<svg><desc>{make_script(2)}</desc></svg>"),
        "alike.js.map": (
            json.dumps({"version": 3, "x": make_script(1)}),
            json.dumps({"version": 3, "x": make_script(2)}),
        ),
    }
    for place, previous in ((0, "nothing"), (1, "one")):
        for name, contents in texts.items():
            (static / name).write_text(contents[place])
        variables = {"DJANGO_STATIC_PREVIOUS": str(tmp_path / previous), "DJANGO_STATIC_PREVIOUS_PROBLEMS": "warn"}
        result = build_afresh(project, build, **variables)
        assert result.returncode == 0, result.stderr
        shutil.copytree((project / "staticfiles").resolve(), tmp_path / ("one", "two")[place])
    index = read_index(tmp_path / "two")
    assert [name.partition(".")[0] for name, resource in index.items() if deltas(resource)] == ["alike"]
    matches = sorted(filter(None, {resource.match for resource in index.values()}))
    assert matches == ["alike.*.js", "barely.*.js", "other.*.js", "partly.*.js", "site.*.css"]


@pytest.mark.slow
def test_a_window_holds_all_of_a_file_that_is_larger_than_eight_megabytes() -> None:
    old = b"".join(sha256(b"%d" % number).digest() for number in range(300_000))
    new = old[:4_000_000] + b"changed" + old[4_000_000:]
    delta = encode_delta(new, old, "best")
    assert len(delta) < 2_000
    known = zstd.ZstdDict(old, is_raw=True).as_prefix
    assert zstd.get_frame_info(delta[40:]).decompressed_size == len(new) == 9_600_007
    assert zstd.decompress(delta[40:], known, {zstd.DecompressionParameter.window_log_max: 24}) == new
    descriptor = delta[44]  # RFC 8878 §3.1.1.1.1: a single segment, whose window is the content
    assert descriptor & 0b0010_0000
    assert len(new) <= len(old) * 5 // 4


def test_an_index_can_be_made_of_a_tree_that_has_deltas(rollout: Rollout, tmp_path: Path) -> None:
    shutil.copytree(rollout.trees[2], tmp_path / "tree")
    (tmp_path / "tree" / INDEX_FILE_NAME).unlink()
    stranger = tmp_path / "tree" / "site.e8e374d844cc.css.0123.dcz"
    stranger.write_bytes((tmp_path / "tree" / f"{rollout.names[2]}{FROM_1}").read_bytes())
    result = run("static-host", "index", "tree", cwd=tmp_path, DJANGO_STATIC_PREFIX="/static/")
    assert result.returncode == 0, result.stderr
    index = read_index(tmp_path / "tree")
    of_build = read_index(rollout.trees[2])[rollout.names[2]]
    assert index[rollout.names[2]] == of_build
    assert [name for name in index if name.endswith(".dcz")] == ["site.e8e374d844cc.css.0123.dcz"]
    assert check_integrity(tmp_path / "tree").files > 0


@pytest.mark.parametrize("damage", ["delta", "dictionary", "lost", "header"])
def test_verify_finds_a_delta_that_does_not_decode(rollout: Rollout, tmp_path: Path, damage: str) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(rollout.trees[1], tree)
    index = parse_index((tree / INDEX_FILE_NAME).read_bytes())
    resources = dict(index.items())
    name, (delta,) = rollout.names[1], deltas(index[rollout.names[1]])
    body = (tree / delta.file).read_bytes()
    wrong = {
        "delta": body[:60] + bytes([body[60] ^ 1]) + body[61:],
        "header": body[:8] + bytes(32) + body[40:],
    }.get(damage, body)
    if damage == "dictionary":
        (tree / rollout.names[0]).write_bytes(bytes(len(make_script(1))))
    if damage == "lost":
        del resources[rollout.names[0]]
    (tree / delta.file).write_bytes(wrong)
    digest = urlsafe_b64encode(sha256(wrong).digest()[:18]).decode()
    others = tuple(r for r in index[name].representations if r.coding != "dcz")
    changed = Representation("dcz", delta.file, len(wrong), digest, delta.dictionary)
    resources[name] = Resource(index[name].media_type, True, (changed, *others), (0,), "app.*.js")
    (tree / INDEX_FILE_NAME).write_bytes(dump_index(index.prefix, resources))
    with pytest.raises(TreeDamagedError) as caught:
        check_integrity(tree)
    told = {
        "dictionary": "needs a dictionary that the tree does not have",
        "lost": "needs a dictionary that the tree does not have",
    }.get(damage, f"does not decode to {name}")
    assert f"{delta.file} (dcz): {told}" in caught.value.problems


@pytest.fixture(scope="module")
def responder(rollout: Rollout) -> Responder:
    return Responder(load_tree(rollout.trees[2]), "/static/", 60)


@pytest.fixture(scope="module")
def server(rollout: Rollout) -> Iterator[Running]:
    with run_server(cwd=rollout.project, **SETTINGS, DJANGO_STATIC_ROOT=str(rollout.trees[2])) as running:
        yield running


V1, V2 = (format_available_dictionary(make_script(release).encode()) for release in (1, 2))
FROM_1, FROM_2 = (f".{sha256(make_script(release).encode()).hexdigest()[:12]}.dcz" for release in (1, 2))
NONE = format_available_dictionary(b"nobody has this")

NEGOTIATED: list[tuple[str, list[tuple[str, str]], str | None, str]] = [
    ("a browser without a dictionary", [("accept-encoding", BROWSER)], "br", ".br"),
    ("the version before", [("accept-encoding", BROWSER), ("available-dictionary", V2)], "dcz", FROM_2),
    ("two versions before", [("accept-encoding", BROWSER), ("available-dictionary", V1)], "dcz", FROM_1),
    ("the order of lines does not matter", [("available-dictionary", V1), ("accept-encoding", "dcz")], "dcz", FROM_1),
    ("white space around it", [("accept-encoding", "dcz"), ("available-dictionary", f" {V1}\t")], "dcz", FROM_1),
    ("a version that nobody has", [("accept-encoding", BROWSER), ("available-dictionary", NONE)], "br", ".br"),
    ("without dcz in Accept-Encoding", [("accept-encoding", "br"), ("available-dictionary", V2)], "br", ".br"),
    ("without Accept-Encoding", [("available-dictionary", V2)], None, ""),
    ("dcb alone", [("accept-encoding", "dcb, gzip"), ("available-dictionary", V2)], "gzip", ".gz"),
    ("* does not cover it", [("accept-encoding", "*"), ("available-dictionary", V2)], "br", ".br"),
    ("dcz;q=0", [("accept-encoding", "br, dcz;q=0"), ("available-dictionary", V2)], "br", ".br"),
    ("a lower weight", [("accept-encoding", "br, dcz;q=0.9"), ("available-dictionary", V2)], "br", ".br"),
    ("a higher weight", [("accept-encoding", "br;q=0.5, dcz;q=0.6"), ("available-dictionary", V2)], "dcz", FROM_2),
    ("without colons", [("accept-encoding", BROWSER), ("available-dictionary", V2.strip(":"))], "br", ".br"),
    ("hexadecimal", [("accept-encoding", BROWSER), ("available-dictionary", f":{'0' * 64}:")], "br", ".br"),
    ("a string", [("accept-encoding", BROWSER), ("available-dictionary", f'"{V2[1:-1]}"')], "br", ".br"),
    ("two lines", [("accept-encoding", BROWSER), *[("available-dictionary", V2)] * 2], "br", ".br"),
    ("cut short", [("accept-encoding", BROWSER), ("available-dictionary", V2[:-2] + ":")], "br", ".br"),
    ("empty", [("accept-encoding", BROWSER), ("available-dictionary", "")], "br", ".br"),
    ("not ASCII", [("accept-encoding", BROWSER), ("available-dictionary", ":é:")], "br", ".br"),
    ("identity excluded", [("accept-encoding", "dcz, identity;q=0"), ("available-dictionary", V1)], "dcz", FROM_1),
]


def by_fast_path(server: Running, case: Case) -> tuple[int, list[tuple[str, str]], bytes]:
    """Ask twice on one connection, as browsers do, in words that the fast path reads; return the second answer."""
    lines = [f"{case.method} {case.path} HTTP/1.1", "Host: localhost", *(f"{n}: {v}" for n, v in case.request), "", ""]
    head = "\r\n".join(lines).encode()
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        for _ in range(2):
            connection.sendall(head)
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(1 << 16)
            block, _, body = answer.partition(b"\r\n\r\n")
            status, *fields = block.decode("latin-1").split("\r\n")
            pairs = [line.partition(": ") for line in fields]
            headers = [(name.lower(), value) for name, _, value in pairs]
            length = int(dict(headers).get("content-length", 0))
            while case.method != "HEAD" and len(body) < length:
                body += connection.recv(1 << 16)
    return int(status.split()[1]), [entry for entry in headers if entry[0] not in ("date", "connection")], body


def in_every_way(responder: Responder, server: Running, case: Case) -> tuple[int, dict[str, str], bytes]:
    """Return the one answer of the core, the middleware, ASGI and the fast path."""
    answer = by_core(responder, case)
    assert by_asgi(responder, case) == answer
    assert by_socket(server, case) == answer
    assert by_fast_path(server, case) == answer
    return answer[0], dict(answer[1]), answer[2]


@pytest.mark.parametrize(("fields", "coding", "file"), [row[1:] for row in NEGOTIATED], ids=[r[0] for r in NEGOTIATED])
def test_dcz_is_for_who_asks_for_it_and_has_the_very_dictionary(
    *, responder: Responder, server: Running, rollout: Rollout, fields: list[tuple[str, str]], coding: str, file: str
) -> None:
    path = f"/static/{rollout.names[2]}"
    sent = rollout.trees[2] / f"{rollout.names[2]}{file}"
    status, headers, body = in_every_way(responder, server, Case("", path, 200, request=tuple(fields)))
    assert (status, body) == (200, sent.read_bytes())
    expected = {
        "content-encoding": coding,
        "vary": VARIES,
        "etag": etag(sent),
        "use-as-dictionary": 'match="app.*.js"',
        "cache-control": "public, max-age=31536000, immutable",
        "access-control-allow-origin": "*",
    }
    assert {name: headers.get(name) for name in expected} == expected


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_every_answer_varies_and_a_delta_has_ranges_and_conditions(
    responder: Responder, server: Running, rollout: Rollout, method: str
) -> None:
    path = f"/static/{rollout.names[2]}"
    delta = rollout.trees[2] / f"{rollout.names[2]}{FROM_2}"
    asking = (("accept-encoding", BROWSER), ("available-dictionary", V2))

    def answer(*more: tuple[str, str]) -> tuple[int, dict[str, str], bytes]:
        found = in_every_way(responder, server, Case("", path, 200, request=(*asking, *more), method=method))
        assert found[1]["vary"] == VARIES
        return found

    status, headers, body = answer()
    assert (status, headers["content-length"]) == (200, str(delta.stat().st_size))
    assert body == (delta.read_bytes() if method == "GET" else b"")
    assert headers["use-as-dictionary"] == 'match="app.*.js"'
    status, headers, body = answer(("if-none-match", etag(delta)))
    assert (status, body, headers["etag"]) == (304, b"", etag(delta))
    br = etag(rollout.trees[2] / f"{rollout.names[2]}.br")
    assert answer(("if-none-match", br))[0] == 200
    assert answer(("if-match", br))[0] == 412
    status, headers, body = answer(("range", "bytes=8-39"))
    if method == "GET":
        assert (status, body) == (206, sha256(make_script(2).encode()).digest())
        assert headers["content-range"] == f"bytes 8-39/{delta.stat().st_size}"
        assert (headers["content-encoding"], headers["etag"]) == ("dcz", etag(delta))
        assert answer(("range", "bytes=8-39"), ("if-range", br))[0] == 200
        assert answer(("range", "bytes=99999-"))[0] == 416


def test_what_has_no_delta_does_not_vary_by_dictionaries(
    responder: Responder, server: Running, rollout: Rollout
) -> None:
    asking = (("accept-encoding", BROWSER), ("available-dictionary", V2))
    names = [(rollout.names[0], "app.*.js"), ("site.e8e374d844cc.css", "site.*.css"), ("app.js", None)]
    for name, match in names:
        _, headers, _ = in_every_way(responder, server, Case("", f"/static/{name}", 200, request=asking))
        assert (headers["vary"], headers["content-encoding"]) == ("Accept-Encoding", "br")
        assert headers.get("use-as-dictionary") == (match and f'match="{match}"')


def test_nothing_acceptable_varies_too(responder: Responder, server: Running, rollout: Rollout) -> None:
    fields = (("accept-encoding", "dcz, *;q=0"), ("available-dictionary", NONE))
    case = Case("", f"/static/{rollout.names[2]}", 406, request=fields)
    status, headers, _ = in_every_way(responder, server, case)
    assert (status, headers["vary"]) == (406, VARIES)


ONE = "a4ayc_80_OGda4BO_1o_V0et"
"""What an index records of the body "1"."""


def test_a_pattern_is_a_string_of_structured_fields(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_bytes(b"1")
    one = Resource("text/javascript", True, (Representation("identity", "a.js", 1, ONE),), match=r"a\(1\).*.js")
    (tmp_path / INDEX_FILE_NAME).write_bytes(dump_index("/static/", {"a.js": one}))
    response = Responder(load_tree(tmp_path), "/static/").respond("HEAD", b"/static/a.js", [])
    assert response
    assert dict(response.headers)[b"use-as-dictionary"] == rb'match="a\\(1\\).*.js"'  # RFC 9651 §3.3.3


def test_a_delta_is_found_in_the_store_as_if_it_had_been_built_in(rollout: Rollout, tmp_path: Path) -> None:
    place = {**SETTINGS, "DJANGO_STATIC_STORE": f"file://{tmp_path}/bucket"}
    newer, older = ({"DJANGO_STATIC_ROOT": str(rollout.trees[release])} for release in (1, 0))
    assert run("static-host", "publish", cwd=rollout.project, **place, **newer).returncode == 0
    has = {"accept-encoding": BROWSER, "available-dictionary": format_available_dictionary(make_script(1).encode())}
    answers = []
    for variables in ({**SETTINGS, **newer}, {**place, **older, "DJANGO_STATIC_STORE_DIRECTORY": f"{tmp_path}/shelf"}):
        with run_server(cwd=rollout.project, **variables) as running:
            with httpx.stream("GET", f"{running.url}/static/{rollout.names[1]}", headers=has) as answer:
                body = b"".join(answer.iter_raw())
            del answer.headers["date"]
            answers.append((answer.status_code, answer.headers, body))
    assert answers[0] == answers[1]
    status, headers, body = answers[1]
    assert (status, headers["content-encoding"], headers["vary"]) == (200, "dcz", VARIES)
    assert decode_delta(body, make_script(1).encode()) == make_script(2).encode()
