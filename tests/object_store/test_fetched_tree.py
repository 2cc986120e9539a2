"""The tree of what was fetched: what counts as cached, and for how long."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from static_host.object_store.disk_cache import DiskCache
from static_host.object_store.fetched_tree import BodyNotFetchedError, FetchedTree
from static_host.origin.body_cache import BodyCache
from static_host.origin.representation import Representation

SHORT = Representation("br", "css/site.css.br", 5, "LPJNul-wow4m6DsqxbninhsW")
"""What `hello` is."""
LONG = Representation("identity", "large.bin", 30, "J2-t_J7cSfX5r5bZdjZzHe91")
"""What three times `0123456789` is."""


@pytest.fixture
def tree(tmp_path: Path) -> FetchedTree:
    """A tree whose memory takes ten bytes, and its disk fifty."""
    return FetchedTree(DiskCache(tmp_path / "disk", 50), BodyCache(10))


def put(tree: FetchedTree, representation: Representation, body: bytes) -> Path:
    """Put a body on the disk, and tell the tree."""
    assert tree.disk_cache
    path = tree.disk_cache.directory / representation.digest
    path.write_bytes(body)
    tree.remember_file(representation, path.stat())
    return path


def read(tree: FetchedTree, representation: Representation) -> bytes:
    with tree.open(representation) as file:
        return file.read()


def test_what_was_never_fetched_has_to_be(tree: FetchedTree, tmp_path: Path) -> None:
    assert tree.root == tmp_path / "disk"
    for ask in (tree.open, tree.read_body):
        with pytest.raises(BodyNotFetchedError) as needed:
            ask(SHORT)
        assert (str(needed.value), needed.value.representation) == ("css/site.css.br", SHORT)
    assert tree.read_body(LONG) is None
    with pytest.raises(BodyNotFetchedError):
        tree.open(LONG)


def test_a_file_on_the_disk_that_nobody_compared_does_not_count(tree: FetchedTree) -> None:
    assert tree.disk_cache
    (tree.disk_cache.directory / LONG.digest).write_bytes(b"0123456789" * 3)
    with pytest.raises(BodyNotFetchedError):
        tree.open(LONG)


def test_a_compared_file_counts_until_it_changes(tree: FetchedTree) -> None:
    path = put(tree, LONG, b"0123456789" * 3)
    assert read(tree, LONG) == b"0123456789" * 3
    before = path.stat()
    os.utime(path, (1, 1))
    for _ in range(2):
        with pytest.raises(BodyNotFetchedError) as needed:
            tree.open(LONG)
        assert needed.value.representation == LONG
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(BodyNotFetchedError):
        tree.open(LONG)
    path = put(tree, LONG, b"0123456789" * 3)
    path.unlink()
    with pytest.raises(BodyNotFetchedError):
        tree.open(LONG)
    (path.with_name("other")).write_bytes(b"0123456789" * 3)
    path.with_name("other").rename(path)
    with pytest.raises(BodyNotFetchedError):
        tree.open(LONG)


def test_a_short_body_that_the_memory_has_lost_is_read_from_the_disk_and_compared(tree: FetchedTree) -> None:
    path = put(tree, SHORT, b"hello")
    assert bytes(tree.read_body(SHORT) or b"") == b"hello"
    other = FetchedTree(tree.disk_cache, BodyCache(10))
    path.write_bytes(b"hell0")
    with pytest.raises(BodyNotFetchedError) as needed:
        other.read_body(SHORT)
    assert needed.value.representation == SHORT


def test_an_error_of_the_disk_is_not_taken_for_a_missing_file(tree: FetchedTree, tmp_path: Path) -> None:
    put(tree, LONG, b"0123456789" * 3)
    assert tree.disk_cache
    os.close(tree.disk_cache.descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        tree.open(LONG)
    tree.disk_cache.descriptor = os.open(tmp_path, os.O_RDONLY)


def test_the_memory_is_the_one_of_the_server_s_own_tree_and_has_its_budget() -> None:
    bodies = BodyCache(10)
    tree = FetchedTree(None, bodies)
    assert tree.bodies is bodies
    tree.keep_in_memory(SHORT, b"hello")
    assert bytes(bodies.get(SHORT.digest) or b"") == b"hello"
    assert tree.root == Path(os.devnull)
    assert len(tree.index) == 0


@pytest.mark.parametrize(
    ("memory", "disk", "lengths"),
    [(10, 0, [0, 10]), (10, 50, [0, 10, 11, 50]), (0, 50, [0, 1, 50]), (0, 0, [0]), (2 << 20, 0, [0, 1 << 20])],
)
def test_there_is_room_for_what_fits_into_the_memory_or_onto_the_disk(
    tmp_path: Path, memory: int, disk: int, lengths: list[int]
) -> None:
    tree = FetchedTree(DiskCache(tmp_path / "disk", disk) if disk else None, BodyCache(memory))

    def of(length: int) -> Representation:
        return Representation("identity", "a.bin", length, SHORT.digest)

    assert [length for length in (0, 1, 10, 11, 50, 51, 1 << 20, (1 << 20) + 1) if tree.has_room_for(of(length))] == [
        *(length for length in (0, 1, 10, 11, 50, 51, 1 << 20) if length <= max(lengths))
    ]
    in_memory = min(memory, 1 << 20)
    assert [tree.is_kept_in_memory(of(length)) for length in (in_memory, in_memory + 1)] == [True, False]


def test_a_pinned_body_stays_until_the_last_request_for_it_has_ended() -> None:
    tree = FetchedTree(None, BodyCache(10))

    def fill() -> None:
        """Have the memory lose what it has."""
        for number in range(3):
            tree.bodies.keep(f"{number:024}", bytes(10))

    with tree.pin(SHORT.digest):
        with tree.pin(SHORT.digest):
            tree.keep_in_memory(SHORT, b"hello")
            fill()
            assert tree.bodies.get(SHORT.digest) is None
            assert bytes(tree.read_body(SHORT) or b"") == b"hello"
        assert bytes(tree.read_body(SHORT) or b"") == b"hello"
    with pytest.raises(BodyNotFetchedError):
        tree.read_body(SHORT)
    assert (dict(tree._pins), tree._pinned) == ({}, {}), "digests are unbounded"
    tree.keep_in_memory(SHORT, b"hello")
    fill()
    with pytest.raises(BodyNotFetchedError):
        tree.read_body(SHORT)


def test_a_pin_ends_with_an_error_too_and_one_body_s_is_not_another_s() -> None:
    tree = FetchedTree(None, BodyCache(10))
    with pytest.raises(ZeroDivisionError), tree.pin(SHORT.digest):
        raise ZeroDivisionError
    with tree.pin("another"):
        tree.keep_in_memory(SHORT, b"hello")
    assert (dict(tree._pins), tree._pinned) == ({}, {})


def test_a_body_that_the_memory_has_is_not_kept_twice() -> None:
    tree = FetchedTree(None, BodyCache(10))
    tree.keep_in_memory(SHORT, b"hello")
    first = tree.bodies.get(SHORT.digest)
    with tree.pin(SHORT.digest):
        tree.keep_in_memory(SHORT, b"hello")
        assert tree.bodies.get(SHORT.digest) is first
        assert tree.read_body(SHORT) is first
    assert tree.bodies.stored_bytes == 5
