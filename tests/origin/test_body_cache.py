"""Bodies in memory: the budget, what stays within it, and what the processes of a server have in common."""

from __future__ import annotations

import os
import resource

import pytest

from static_host.origin import body_cache
from static_host.origin.body_cache import BodyCache
from static_host.origin.representation import compute_digest
from static_host.origin.slabs import Sealed, Slab


class Neighbours:
    """The other processes as a test plays them: notes what is told, and has news when it is asked."""

    def __init__(self) -> None:
        self.slabs: list[Slab] = []
        self.dropped_slabs: list[Slab] = []
        self.asked = 0

    def news(self) -> None:
        self.asked += 1

    def made(self, slab: Slab) -> None:
        self.slabs.append(slab)

    def dropped(self, slab: Slab) -> None:
        self.dropped_slabs.append(slab)


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
    assert bodies.get("x" * 24) is bodies.find("x" * 24) is None
    short, long = keep(bodies, b"0123456789"), keep(bodies, bytes(60_000))
    assert (bodies.get(short), bodies.find(short)) == (b"0123456789", b"0123456789")
    assert isinstance(bodies.get(short), memoryview)
    assert isinstance(bodies.get(long), Sealed)
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


def test_a_slab_that_is_mostly_asked_for_has_another_turn_as_it_is() -> None:
    bodies = BodyCache(320_000)
    hot = [keep(bodies, body_of(number, 3_000)) for number in range(10, 13)]
    before = [bodies.get(digest) for digest in hot]
    for number in range(13, 120):
        keep(bodies, body_of(number, 3_000))
    assert all(now is then for now, then in zip(map(bodies._bodies.get, hot), before, strict=True))


def test_processes_that_share_find_what_the_others_have_and_tell_what_they_make_and_drop() -> None:
    one, other, told = BodyCache(100_000), BodyCache(100_000), Neighbours()
    first = keep(one, b"first")
    one.share(told, 2)
    assert [slab.digests for slab in told.slabs] == [[first]]
    other.share(Neighbours(), 2)
    other.lend(7, Slab.received(os.dup(told.slabs[0].descriptor)))
    assert other.get(first) is None
    assert other.find(first) == b"first"
    assert other.get(first) == b"first"
    assert other.stored_bytes == 0
    second = keep(one, b"second")
    assert other.find(second) == b"second"
    long = keep(one, bytes(60_000))
    assert len(told.slabs) == 2
    assert told.slabs[1].digests == [long]
    other.take_back(7)
    other.take_back(7)
    assert (other.get(first), other.find(second)) == (None, None)
    keep(one, body_of(1, 90_000))
    assert told.dropped_slabs == told.slabs[:2]


def test_what_another_process_has_under_a_false_digest_is_not_found() -> None:
    bodies, told = BodyCache(100_000), Neighbours()
    slab = Slab.made(4_096)
    slab.add("f" * 24, b"not its bytes")
    bodies.share(told, 2)
    bodies.lend(1, Slab.received(os.dup(slab.descriptor)))
    assert bodies.find("f" * 24) is None
    assert bodies.find("f" * 24) is None
    assert told.asked == 2


def test_the_budget_is_that_of_all_and_a_part_is_each_one_s_own() -> None:
    bodies, told = BodyCache(100_000), Neighbours()
    bodies.share(told, 2)
    keep(bodies, body_of(1, 60_000))
    bodies.meet()
    assert bodies.stored_bytes == 60_000, "nobody else needs it"
    theirs = Slab.made(200_000)
    theirs.add("t" * 24, bytes(40_000))
    bodies.lend(1, Slab.received(os.dup(theirs.descriptor)))
    bodies.meet()
    assert bodies.stored_bytes == 60_000
    theirs.add("u" * 24, b"1")
    bodies.meet()
    assert bodies.stored_bytes == 0
    keep(bodies, body_of(2, 50_000))
    bodies.meet()
    assert bodies.stored_bytes == 50_000, "its own part"


def test_who_cannot_have_all_keeps_to_its_part() -> None:
    bodies, told = BodyCache(100_000), Neighbours()
    bodies.share(told, 4)
    for number in (1, 2):
        keep(bodies, body_of(number, 20_000))
    assert bodies.stored_bytes == 40_000
    bodies.lend(3, None)
    bodies.meet()
    assert bodies.stored_bytes == 20_000
    bodies.take_back(3)
    keep(bodies, body_of(3, 20_000))
    assert bodies.stored_bytes == 40_000
    bodies.leave()
    assert (bodies.stored_bytes, bodies.budget) == (20_000, 25_000)
    alone = BodyCache(100_000)
    keep(alone, body_of(1, 60_000))
    alone.share(None, 3)
    assert (alone.stored_bytes, alone.budget) == (0, 33_333)


def test_who_leaves_forgets_what_the_others_have_lent() -> None:
    bodies, slab = BodyCache(100_000), Slab.made(4_096)
    slab.add(compute_digest(b"theirs"), b"theirs")
    bodies.share(Neighbours(), 2)
    bodies.lend(1, Slab.received(os.dup(slab.descriptor)))
    bodies.lend(2, None)
    assert bodies.find(compute_digest(b"theirs")) == b"theirs"
    bodies.leave()
    assert (bodies.get(compute_digest(b"theirs")), bodies._lent, bodies._withheld) == (None, {}, set())


def test_an_eighth_of_the_descriptors_is_for_long_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (16, 64))
    assert body_cache._get_max_sealed() == 2
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert body_cache._get_max_sealed() == 65_536


def test_long_bodies_are_sealed_while_there_are_descriptors_and_each_comes_back() -> None:
    bodies = BodyCache(1_000_000)
    bodies._sealable = 2
    digests = [keep(bodies, body_of(number, 400_000)) for number in (1, 2, 3)]
    assert [type(bodies._bodies.get(digest)) for digest in digests] == [type(None), Sealed, memoryview]
    assert bodies._sealable == 1, "the first one's"
    keep(bodies, body_of(4, 400_000))
    assert bodies._sealable == 1, "one went, one came"
