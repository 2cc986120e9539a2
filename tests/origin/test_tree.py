"""A tree whose files change under a server: never wrong bytes, never a hang, a 503 that names the file in the log."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from static_host.origin.index import dump_index
from static_host.origin.responder import Responder
from static_host.origin.response import Response, Slice
from static_host.origin.response_cache import ResponseCache
from static_host.origin.tree import Tree, TreeDamagedError, TreeUnusableError, load_tree
from static_host_build.output.release_swap import _remove_unused
from tests.support.descriptors import count_descriptors
from tests.support.trees import make_resource, make_tree


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


CHANGED = {overwrite: "", truncate: ", or was changed since"}


@pytest.mark.parametrize("damage", [overwrite, truncate, grow, link, pipe, directory, Path.unlink])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_small_file_that_is_not_what_was_built_is_a_503(
    tree: Path, damage: Callable[[Path], None], method: str, caplog: pytest.LogCaptureFixture
) -> None:
    damage(tree / "digits.txt")
    response = ask(Responder(load_tree(tree), "/static/"), "digits.txt", method)
    assert response.status == 503
    assert dict(response.headers)[b"cache-control"] == b"private, no-store, max-age=0"
    assert response.body == (() if method == "HEAD" else (b"Service Unavailable\n",))
    (message,) = caplog.messages
    assert message.startswith("cannot read digits.txt: ")
    if damage in (overwrite, truncate):
        assert message.endswith(f": {tree}/digits.txt is not what was built{CHANGED[damage]}")
    elif damage is Path.unlink:
        assert message.endswith(": [Errno 2] No such file or directory: 'digits.txt'")


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
    before = count_descriptors()
    for _ in range(20):
        ask(responder, name)
        ask(responder, name, "HEAD")
    assert count_descriptors() == before


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


def test_one_file_more_that_differs_is_one(tree: Path) -> None:
    truncate(tree / "digits.txt")
    with pytest.raises(TreeDamagedError) as stop:
        load_tree(tree).check_lengths(10)
    assert f"{tree} is damaged: digits.txt has 5 bytes, the index says 10. Build" in str(stop.value)
    assert stop.value.root == tree
    truncate(tree / "empty.txt")
    grow(tree / "main.js")
    with pytest.raises(TreeDamagedError, match=r"the index says 10; and 1 more file\. Build"):
        load_tree(tree).check_lengths(10)


def test_the_index_is_gone_through_in_its_order_and_every_file_that_differs_is_counted(tree: Path) -> None:
    for name in ("site.css.zst", "digits.txt", "site.css.br"):
        truncate(tree / name)
    with pytest.raises(TreeDamagedError) as stop:
        load_tree(tree).check_lengths(10)
    assert [line.split()[0] for line in stop.value.problems] == ["digits.txt", "site.css.br", "site.css.zst"]
    assert f"{tree} is damaged: digits.txt has 5 bytes, the index says 10; and 2 more files. Build" in str(stop.value)


def test_lengths_are_compared_for_as_long_as_there_is_time(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_tree(tree)
    assert loaded.check_lengths(10) == len(loaded.index)
    (tree / "digits.txt").unlink()
    assert loaded.check_lengths(0) == 0
    monkeypatch.setattr(time, "monotonic", lambda: 1.0)
    assert loaded.check_lengths(0) == 0, "whose clock stands, too"


def test_a_release_in_use_is_not_removed_and_one_that_is_not_is(tree: Path, tmp_path: Path) -> None:
    for name in ("old", "used", "new"):
        shutil.copytree(tree, tmp_path / "releases" / name)
    used = load_tree(tmp_path / "releases/used")
    _remove_unused(tmp_path / "releases/new")
    assert sorted(path.name for path in (tmp_path / "releases").iterdir()) == ["new", "used"]
    used.close()
    _remove_unused(tmp_path / "releases/new")
    assert [path.name for path in (tmp_path / "releases").iterdir()] == ["new"]


class Clock:
    """A time that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A tree of two files."""
    return make_tree(tmp_path / "small", {"a.txt": b"a", "large": bytes(2_000_000)})


def open_large(loaded: Tree) -> None:
    loaded.open(loaded.index["large"].identity).close()


def test_a_tree_that_is_back_is_used_from_then_on(
    small: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock(monkeypatch)
    loaded = load_tree(small)
    open_large(loaded)
    small.rename(small.with_name("before"))
    shutil.rmtree(small.with_name("before"))
    with pytest.raises(FileNotFoundError):
        open_large(loaded)
    make_tree(small, {"a.txt": b"a", "large": bytes(2_000_000)})
    clock.now += 0.9
    with pytest.raises(FileNotFoundError):
        open_large(loaded)
    clock.now += 0.1
    open_large(loaded)
    assert caplog.messages == [f"the static tree at {small} is back"]
    assert not os.get_inheritable(loaded._descriptor)
    other = os.open(small, os.O_RDONLY)
    with pytest.raises(BlockingIOError):  # it is locked as the first one was
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(other)
    assert loaded.read_body(loaded.index["a.txt"].identity) == b"a"
    loaded.close()


def test_another_tree_at_its_path_is_not_used(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    loaded = load_tree(small)
    before = count_descriptors()
    small.rename(small.with_name("before"))
    (small.with_name("before") / "large").unlink()
    make_tree(small, {"b.txt": b"b", "large": bytes(2_000_000)})
    for _ in range(3):
        clock.now += 1
        with pytest.raises(FileNotFoundError):
            open_large(loaded)
    shutil.rmtree(small)
    small.mkdir()
    clock.now += 1
    with pytest.raises(FileNotFoundError):
        open_large(loaded)
    (small / "static-host.index").write_bytes(b"damaged")
    clock.now += 1
    with pytest.raises(FileNotFoundError):
        open_large(loaded)
    shutil.rmtree(small)
    clock.now += 1
    with pytest.raises(FileNotFoundError) as missing:
        open_large(loaded)
    assert missing.value.filename == "large", "and not the tree's own path"
    assert count_descriptors() == before
    assert loaded.read_body(loaded.index["a.txt"].identity) == b"a"


def test_a_tree_is_looked_for_on_a_machine_that_has_just_started(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    clock.now = 0.0
    loaded = load_tree(small)
    shutil.copytree(small, small.with_name("copy"))
    shutil.rmtree(small)
    small.with_name("copy").rename(small)
    open_large(loaded)


def test_a_tree_is_looked_for_where_the_system_knows_its_directory_no_more(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: int) -> bool:
        raise OSError(116, "Stale file handle")

    Clock(monkeypatch)
    loaded = load_tree(small)
    shutil.copytree(small, small.with_name("copy"))
    (small / "large").unlink()
    small.rename(small.with_name("before"))
    small.with_name("copy").rename(small)
    monkeypatch.setattr(os.path, "sameopenfile", fail)
    open_large(loaded)


def test_a_file_that_is_gone_from_the_tree_itself_brings_back_nothing(
    small: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Clock(monkeypatch)
    loaded = load_tree(small)
    (small / "large").unlink()
    with pytest.raises(FileNotFoundError):
        open_large(loaded)
    assert caplog.messages == []


def test_what_a_tree_is_refused_for_is_said(small: Path, tmp_path: Path) -> None:
    remedy = "Build it with `static-host build`, or point DJANGO_STATIC_ROOT at a tree that was built."
    before = count_descriptors()

    def refusal(root: Path) -> str:
        with pytest.raises(TreeUnusableError) as stop:
            load_tree(root)
        assert stop.value.exit_code == 3
        return str(stop.value)

    index = small / "static-host.index"
    assert refusal(tmp_path / "gone") == f"there is no static tree at {tmp_path / 'gone'}. {remedy}"
    assert refusal(index) == f"the static root {index} is a file, not a directory. {remedy}"
    (tmp_path / "loop").symlink_to("loop")
    assert refusal(tmp_path / "loop") == (
        f"the static tree at {tmp_path / 'loop'} cannot be opened: Too many levels of symbolic links. {remedy}"
    )
    data = index.read_bytes()
    index.write_bytes(data[:-1])
    assert refusal(small) == (
        f"the index {index} cannot be used: its checksum does not match: "
        f"it was cut short or changed after the build. {remedy}"
    )
    index.unlink()
    assert refusal(small) == f"{small} holds no index (static-host.index), so it is not a built static tree. {remedy}"
    index.mkdir()
    assert refusal(small) == f"the index {index} cannot be used: Is a directory. {remedy}"
    index.rmdir()
    resources = {"a.txt": make_resource("a.txt", {"identity": b"a"})}
    index.write_bytes(dump_index("/static/", resources, ("names.json", b"{}")))
    manifest = small / "names.json"
    assert refusal(small) == f"the manifest {manifest} cannot be read: No such file or directory. {remedy}"
    manifest.write_bytes(b"{ }")
    assert refusal(small) == f"the manifest {manifest} is not the one that was built with its index. {remedy}"
    manifest.write_bytes(b"{}")
    assert count_descriptors() == before
    load_tree(small).close()
    index.write_bytes(dump_index("/static/", resources, adopted=True))
    assert load_tree(small).remedy == "If it is as it should be, run `static-host index` on it again."
    (small / "a.txt").write_bytes(b"other bytes")
    with pytest.raises(TreeDamagedError) as damaged:
        load_tree(small).check_lengths(10)
    assert damaged.value.remedy == "If it is as it should be, run `static-host index` on it again."
    assert (damaged.value.root, len(damaged.value.problems)) == (small, 1)


def test_the_index_as_a_resource(small: Path) -> None:
    loaded = load_tree(small)
    resource = loaded.make_index_resource()
    data = (small / "static-host.index").read_bytes()
    assert (resource.media_type, resource.immutable, len(resource.representations)) == (
        *("application/octet-stream", False, 1),
    )
    assert (resource.identity.file, resource.identity.length) == ("static-host.index", len(data))
    assert loaded.read_body(resource.identity) == data
    (small / "static-host.index").unlink()
    with pytest.raises(TreeUnusableError, match=r"small/static-host\.index cannot be read: No such file .* Build it"):
        loaded.make_index_resource()


def test_what_is_larger_than_a_megabyte_or_than_the_budget_is_not_kept_in_memory(tmp_path: Path) -> None:
    files = {"short": bytes(1 << 20), "long": bytes((1 << 20) + 1), "tiny": b"12345"}
    root = make_tree(tmp_path / "sizes", files)
    loaded = load_tree(root)
    bodies = {name: loaded.read_body(loaded.index[name].identity) for name in files}
    assert {name: None if body is None else len(body) for name, body in bodies.items()} == {
        "short": 1 << 20,
        "long": None,
        "tiny": 5,
    }
    loaded.open(loaded.index["short"].identity).close()
    os.utime(root / "short", (1, 1))
    loaded.open(loaded.index["short"].identity).close()
    for budget, expected in ((4, None), (5, b"12345")):
        assert load_tree(root, budget).read_body(loaded.index["tiny"].identity) == expected


def test_a_file_system_without_locks_serves_all_the_same(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", fail)
    clock = Clock(monkeypatch)
    loaded = load_tree(small)
    shutil.rmtree(small)
    make_tree(small, {"a.txt": b"a", "large": bytes(2_000_000)})
    clock.now += 1
    open_large(loaded)
    loaded.close()
