"""A tree whose files change under a server: never wrong bytes, never a hang, a 503 that names the file in the log."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from static_host.origin.index import dump_index
from static_host.origin.responder import Responder
from static_host.origin.response import Response, Slice
from static_host.origin.response_cache import ResponseCache
from static_host.origin.tree import TreeDamagedError, load_tree
from static_host_build.output.releases import _remove_unused


def ask(responder: Responder, name: str, method: str = "GET") -> Response:
    response = responder.respond(method, b"/static/" + name.encode(), [])
    assert response is not None
    response.close()
    return response


def overwrite(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\n")


def link(path: Path) -> None:
    other = path.with_name("other")
    shutil.copy(path, other)
    path.unlink()
    path.symlink_to(other)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [overwrite, truncate, grow, link, pipe, directory, Path.unlink])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_small_file_that_is_not_what_was_built_is_a_503(
    tree: Path, damage: Callable[[Path], None], method: str, caplog: pytest.LogCaptureFixture
) -> None:
    damage(tree / "digits.txt")
    response = ask(Responder(load_tree(tree), "/static/"), "digits.txt", method)
    assert response.status == 503
    assert dict(response.headers)[b"cache-control"] == b"private, no-store, max-age=0"
    assert "cannot read digits.txt" in caplog.text


@pytest.mark.parametrize("damage", [truncate, grow, link, pipe, directory, Path.unlink])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_so_is_a_large_one(tree: Path, damage: Callable[[Path], None], method: str) -> None:
    damage(tree / "large.bin")
    assert ask(Responder(load_tree(tree), "/static/"), "large.bin", method).status == 503


def test_a_large_file_that_is_overwritten_while_it_is_served_is_a_503_from_then_on(tree: Path) -> None:
    responder = Responder(load_tree(tree), "/static/")
    assert isinstance(ask(responder, "large.bin").body[0], Slice)
    overwrite(tree / "large.bin")
    assert ask(responder, "large.bin").status == 503


def test_so_is_one_that_grows(tree: Path) -> None:
    responder = Responder(load_tree(tree), "/static/")
    assert isinstance(ask(responder, "large.bin").body[0], Slice)
    grow(tree / "large.bin")
    assert ask(responder, "large.bin").status == 503


def test_a_small_file_in_memory_outlives_the_disk(tree: Path) -> None:
    responder = Responder(load_tree(tree), "/static/")
    assert ask(responder, "digits.txt").body == (b"0123456789",)
    shutil.rmtree(tree)
    assert ask(responder, "digits.txt").body == (b"0123456789",)
    assert ask(responder, "main.js").status == 503


def test_what_is_kept_in_memory_is_bounded(tree: Path) -> None:
    loaded = load_tree(tree, 5_000)
    identities = {resource.identity.digest: resource.identity for resource in loaded.index.values()}
    for representation in identities.values():
        loaded.read_body(representation)
    kept = [body for digest in identities if (body := loaded.bodies.get(digest)) is not None]
    assert 2_500 < sum(map(len, kept)) <= 5_000


def test_heads_that_are_kept_ready_are_bounded_with_the_bodies(tree: Path) -> None:
    digits = load_tree(tree).index["digits.txt"]
    index = dump_index("/static/", {f"{number}.txt": digits for number in range(600)})
    (tree / "static-host.index").write_bytes(index)
    few, many = (Responder(load_tree(tree, memory), "/static/") for memory in (0, 64_000_000))
    for number in range(600):
        assert ask(few, f"{number}.txt").status == ask(many, f"{number}.txt").status == 200
    assert (len(few._served), len(many._served)) == (600 - 2 * 256, 600)


def test_answers_that_are_remembered_are_bounded_with_the_bodies(tree: Path) -> None:
    heads = [
        f"GET /static/digits.txt?{number} HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n".encode()
        for number in range(600)
    ]
    few, many = (ResponseCache(Responder(load_tree(tree, memory), "/static/")) for memory in (0, 64_000_000))
    for head in heads:
        assert few.respond(head)
        assert many.respond(head)
    assert [sum(memo.find(head) is not None for head in heads) for memo in (few, many)] == [600 - 2 * 256, 600]


def test_a_budget_of_nothing_has_every_file_sent_from_the_disk(tree: Path) -> None:
    responder = Responder(load_tree(tree, 0), "/static/")
    response = responder.respond("GET", b"/static/digits.txt", [])
    assert response is not None
    (part,) = response.body
    assert isinstance(part, Slice)
    assert part.file.read() == b"0123456789"
    part.file.close()


@pytest.mark.parametrize("damage", [overwrite, truncate, grow, link, pipe, directory, Path.unlink])
@pytest.mark.parametrize("name", ["digits.txt", "large.bin"])
def test_no_descriptor_is_left_open(tree: Path, damage: Callable[[Path], None], name: str) -> None:
    responder = Responder(load_tree(tree), "/static/")
    damage(tree / name)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        ask(responder, name)
        ask(responder, name, "HEAD")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_small_file_that_is_repaired_is_served_again(tree: Path) -> None:
    responder = Responder(load_tree(tree), "/static/")
    overwrite(tree / "digits.txt")
    assert ask(responder, "digits.txt").status == 503
    (tree / "digits.txt").write_text("0123456789")
    assert ask(responder, "digits.txt").body == (b"0123456789",)


@pytest.mark.parametrize(
    ("damage", "difference"),
    [
        (truncate, "has 5 bytes, the index says 10"),
        (grow, "has 11 bytes, the index says 10"),
        (link, "is not a regular file"),
        (pipe, "is not a regular file"),
        (directory, "is not a regular file"),
        (Path.unlink, "is missing"),
    ],
)
def test_lengths_are_compared_without_opening_a_file(
    tree: Path, damage: Callable[[Path], None], difference: str
) -> None:
    damage(tree / "digits.txt")
    with pytest.raises(TreeDamagedError) as stop:
        load_tree(tree).check_lengths(10)
    assert stop.value.problems == [f"digits.txt {difference}"]


def test_the_index_is_gone_through_in_its_order_and_every_file_that_differs_is_counted(tree: Path) -> None:
    for name in ("site.css.zst", "digits.txt", "site.css.br"):
        truncate(tree / name)
    with pytest.raises(TreeDamagedError) as stop:
        load_tree(tree).check_lengths(10)
    assert [line.split()[0] for line in stop.value.problems] == ["digits.txt", "site.css.br", "site.css.zst"]
    assert f"{tree} is damaged: digits.txt has 5 bytes, the index says 10; and 2 more files. Build" in str(stop.value)


def test_lengths_are_compared_for_as_long_as_there_is_time(tree: Path) -> None:
    loaded = load_tree(tree)
    assert loaded.check_lengths(10) == len(loaded.index)
    (tree / "digits.txt").unlink()
    assert loaded.check_lengths(0) == 0


def test_a_release_in_use_is_not_removed_and_one_that_is_not_is(tree: Path, tmp_path: Path) -> None:
    for name in ("old", "used", "new"):
        shutil.copytree(tree, tmp_path / "releases" / name)
    used = load_tree(tmp_path / "releases/used")
    _remove_unused(tmp_path / "releases/new")
    assert sorted(path.name for path in (tmp_path / "releases").iterdir()) == ["new", "used"]
    used.close()
    _remove_unused(tmp_path / "releases/new")
    assert [path.name for path in (tmp_path / "releases").iterdir()] == ["new"]
