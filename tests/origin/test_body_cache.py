"""Bodies in memory: the budget, what stays within it, and which bodies are files."""

from __future__ import annotations

import errno
import os
import resource

import pytest

from static_host.origin import body_cache
from static_host.origin.body_cache import BodyCache, MemoryFile
from static_host.origin.representation import compute_digest


def body_of(number: int, length: int) -> bytes:
    """Return bytes of this length (a multiple of 10) that begin with the number."""
    return b"%09d " % number * (length // 10)


def keep(bodies: BodyCache, data: bytes) -> str:
    digest = compute_digest(data)
    assert bytes(bodies.keep(digest, data)) == data
    return digest


@pytest.mark.parametrize(
    ("budget", "heads"), [(0, 256), (2 << 20, 256), (3 << 20, 384), (64_000_000, 7_812), (1 << 30, 16_384)]
)
def test_heads_are_kept_in_proportion_to_the_budget(budget: int, heads: int) -> None:
    assert BodyCache(budget).max_heads == heads


def test_a_body_is_had_as_it_was_kept_and_counted() -> None:
    bodies = BodyCache(1_000_000)
    assert bodies.get("x" * 24) is None
    short, long = keep(bodies, b"0123456789"), keep(bodies, bytes(60_000))
    assert bodies.get(short) == b"0123456789"
    assert isinstance(bodies.get(long), MemoryFile)
    assert bytes(bodies.get(long) or b"") == bytes(60_000)
    assert bodies.stored_bytes == 60_010


def test_an_empty_body_takes_no_room() -> None:
    bodies = BodyCache(0)
    assert bodies.keep("e" * 24, b"") == b""
    assert (bodies.get("e" * 24), bodies.stored_bytes) == (b"", 0)


def test_the_budget_is_kept_and_the_newest_body_stays() -> None:
    bodies = BodyCache(10_000)
    digests = [keep(bodies, body_of(number, 300)) for number in range(10, 99)]
    assert 10_000 - 2 * 300 <= bodies.stored_bytes <= 10_000
    kept = [digest for digest in digests if bodies.get(digest) is not None]
    assert kept == digests[-len(kept) :]
    assert sum(len(bodies.get(digest) or b"") for digest in kept) == bodies.stored_bytes
    newest = keep(bodies, bytes(20_000))
    assert len(bodies.get(newest) or b"") == 20_000
    assert bodies.stored_bytes == 20_000
    assert keep(bodies, b"next") != newest
    assert (bodies.get(newest), bodies.stored_bytes) == (None, 4)


def test_what_was_asked_for_since_has_another_turn_and_only_one() -> None:
    bodies = BodyCache(10_000)
    hot = keep(bodies, body_of(1, 300))
    bodies.get(hot)
    for number in range(10, 43):
        keep(bodies, body_of(number, 300))
    assert hot in bodies._bodies
    for number in range(43, 99):
        keep(bodies, body_of(number, 300))
    assert hot not in bodies._bodies


def test_a_long_body_is_a_file_until_it_is_dropped_and_no_response_has_it() -> None:
    bodies = BodyCache(100_000)
    file = bodies.keep("f" * 24, bytes(60_000))
    assert isinstance(file, MemoryFile)
    descriptor = file.descriptor
    assert os.pread(descriptor, 70_000, 0) == bytes(60_000)
    keep(bodies, body_of(1, 60_000))
    assert bytes(file) == os.pread(descriptor, 70_000, 0) == bytes(60_000), "a response may be sending it"
    del file
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_an_eighth_of_the_descriptors_is_for_long_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_000, 4_096))
    assert body_cache._get_max_files() == 62
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert body_cache._get_max_files() == 32_768


def test_long_bodies_are_files_while_there_are_descriptors_and_each_comes_back() -> None:
    bodies = BodyCache(1_000_000)
    bodies._files_left = 2
    digests = [keep(bodies, body_of(number, 400_000)) for number in (1, 2, 3)]
    assert [type(bodies._bodies.get(digest)) for digest in digests] == [type(None), MemoryFile, bytes]
    assert bodies._files_left == 1, "the first one's"
    keep(bodies, body_of(4, 400_000))
    assert bodies._files_left == 1, "one went, one came"
    bodies._files_left = 5
    keep(bodies, body_of(5, 10))
    keep(bodies, body_of(6, 900_000))
    assert bodies._files_left == 5, "one went, one came"


def test_a_body_is_a_file_from_32_kib_on_where_the_system_has_such_files(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = BodyCache(1_000_000)
    assert type(bodies.keep("a" * 24, bytes(32 * 1024 - 1))) is bytes
    assert type(bodies.keep("b" * 24, bytes(32 * 1024))) is MemoryFile
    monkeypatch.delattr(os, "memfd_create")
    assert type(bodies.keep("c" * 24, bytes(32 * 1024))) is bytes


def test_bodies_may_fill_the_budget() -> None:
    bodies = BodyCache(20)
    digests = [keep(bodies, body_of(number, 10)) for number in (1, 2)]
    assert all(map(bodies.get, digests))


@pytest.mark.parametrize(("more", "is_taken"), [(0, False), (1, False), (2, True)])
def test_a_descriptor_that_connections_may_need_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, more: int, is_taken: bool
) -> None:
    following = os.dup(0)
    os.close(following)
    bodies = BodyCache(1_000_000)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2 * following + more, 1 << 20))
    assert type(bodies.keep("d" * 24, bytes(60_000))) is (MemoryFile if is_taken else bytes)
    if not is_taken:
        with pytest.raises(OSError, match="Too many open files") as refused:
            MemoryFile.create(b"data")
        assert refused.value.errno == errno.EMFILE
